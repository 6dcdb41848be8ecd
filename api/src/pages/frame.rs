//! What all pages share: the emergency words with their numbers as telephone links, and times as the reader's own
//! clock shows them.

use bedside_protocol::document::{ProtocolDocument, Question, Words};
use bedside_protocol::time::{Instant, Zone};

use crate::error::EMERGENCY_WORDS;

/// A stretch of text; with `tel` a telephone link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What is read.
    pub text: String,
    /// What is dialled.
    pub tel: Option<String>,
}

/// Text in which the emergency numbers are telephone links.
pub type Spoken = Vec<Piece>;

/// A question with the answer that is not the good one.
pub fn bad_answer(question: &Question) -> String {
    let said = if question.good { "No" } else { "Yes" };
    format!("\u{201c}{}\u{201d} {said}", question.text)
}

/// The numbers and the words that stand on every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The page's title in the browser; holds nothing personal.
    pub title: &'static str,
    /// "Not watched live …".
    pub not_watched: Spoken,
    /// The number to call, such as `911`.
    pub emergency_number: String,
    /// The number for thoughts of suicide, such as `988`.
    pub crisis_number: String,
}

impl Frame {
    /// A page's frame in the words of a protocol document.
    pub fn of(title: &'static str, protocol: &ProtocolDocument) -> Self {
        let words = &protocol.words;
        Self {
            title,
            not_watched: spoken(&words.not_watched, words),
            emergency_number: words.emergency_number.clone(),
            crisis_number: words.crisis_number.clone(),
        }
    }

    /// The frame of a page of which not even the program's state is known.
    pub fn bare(title: &'static str) -> Self {
        Self {
            title,
            not_watched: linked(EMERGENCY_WORDS, &NUMBERS),
            emergency_number: NUMBERS[0].to_owned(),
            crisis_number: NUMBERS[1].to_owned(),
        }
    }
}

/// The numbers in [`EMERGENCY_WORDS`].
const NUMBERS: [&str; 2] = ["911", "988"];

/// Makes telephone links of the emergency numbers in a text.
pub fn spoken(text: &str, words: &Words) -> Spoken {
    linked(text, &[&words.emergency_number, &words.crisis_number])
}

fn linked(text: &str, numbers: &[&str]) -> Spoken {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let next = numbers
            .iter()
            .filter(|number| !number.is_empty())
            .filter_map(|number| rest.find(number).map(|at| (at, *number)))
            .min_by_key(|(at, _)| *at);
        let Some((at, number)) = next else { break };
        if at > 0 {
            pieces.push(plain(&rest[..at]));
        }
        pieces.push(Piece {
            text: number.to_owned(),
            tel: Some(tel(number)),
        });
        rest = &rest[at + number.len()..];
    }
    if !rest.is_empty() {
        pieces.push(plain(rest));
    }
    pieces
}

fn plain(text: &str) -> Piece {
    Piece {
        text: text.to_owned(),
        tel: None,
    }
}

/// A telephone number as a `tel:` link takes it: digits, and a plus in front.
pub fn tel(number: &str) -> String {
    let dialled = |(index, c): &(usize, char)| {
        c.is_ascii_digit() || matches!(c, '*' | '#') || (*index == 0 && *c == '+')
    };
    let number = number.trim();
    number
        .chars()
        .enumerate()
        .filter(dialled)
        .map(|(_, c)| c)
        .collect()
}

/// One person's wall clock.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    /// Where they are.
    pub zone: Zone,
    /// The present moment.
    pub now: Instant,
}

impl WallClock {
    /// `2:30 PM`; another day than today's is named in front.
    pub fn at(&self, at: Instant) -> String {
        let time = self.zone.clock_12h(at);
        if self.zone.date_of(at) == self.zone.date_of(self.now) {
            time
        } else {
            format!("{} {time}", self.day(at))
        }
    }

    /// `2:30 PM EST`, with the day where it is another.
    pub fn at_with_zone(&self, at: Instant) -> String {
        let time = self.zone.clock_24h(at);
        let abbreviation = time.split_once(' ').map_or("", |(_, abbreviation)| abbreviation);
        format!("{} {abbreviation}", self.at(at))
    }

    /// `Saturday, November 21`.
    pub fn day(&self, at: Instant) -> String {
        self.zone.date_of(at).format("%A, %B %-d").to_string()
    }

    /// `14:20 EST`, what the care team reads; another day than today's is named in front.
    pub fn at_24h(&self, at: Instant) -> String {
        let time = self.zone.clock_24h(at);
        if self.zone.date_of(at) == self.zone.date_of(self.now) {
            time
        } else {
            format!("{} {time}", self.zone.date_of(at).format("%b %-d"))
        }
    }

    /// `12 minutes`, `2 hours 5 minutes`, `3 days`: between two moments, whichever is first.
    pub fn span(&self, at: Instant) -> String {
        span(at, self.now)
    }
}

/// The time between two moments in words.
pub fn span(one: Instant, other: Instant) -> String {
    let minutes = (other - one).abs().num_minutes();
    let (days, hours, rest) = (minutes / (24 * 60), minutes / 60, minutes % 60);
    match (days, hours, rest) {
        (2.., ..) => count(days, "day"),
        (_, 0, 0) => "less than a minute".to_owned(),
        (_, 0, minutes) => count(minutes, "minute"),
        (_, hours, 0) => count(hours, "hour"),
        (_, hours, minutes) => format!("{} {}", count(hours, "hour"), count(minutes, "minute")),
    }
}

/// `1 lozenge`, `2 lozenges`.
pub fn count(number: impl Into<i64>, of: &str) -> String {
    let number = number.into();
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {of}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emergency_numbers_in_a_text_become_telephone_links_and_nothing_else_changes() {
        let words = ProtocolDocument::shipped().unwrap().words;
        let pieces = spoken(&words.not_watched, &words);
        let text: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(text, words.not_watched);
        let dialled: Vec<_> = pieces.iter().filter_map(|piece| piece.tel.as_deref()).collect();
        assert_eq!(dialled, ["911", "988"]);
        assert_eq!(tel(" +1 (212) 555-0100"), "+12125550100");
    }

    #[test]
    fn a_time_of_another_day_names_the_day_and_spans_are_whole_words() {
        let zone = Zone::named("America/New_York").unwrap();
        let now: Instant = "2026-11-21T19:20:00Z".parse().unwrap();
        let clock = WallClock { zone, now };
        assert_eq!(clock.at(now), "2:20 PM");
        assert_eq!(clock.at_with_zone(now), "2:20 PM EST");
        assert_eq!(
            clock.at("2026-11-22T20:00:00Z".parse().unwrap()),
            "Sunday, November 22 3:00 PM"
        );
        assert_eq!(
            clock.at_24h("2026-11-20T20:00:00Z".parse().unwrap()),
            "Nov 20 15:00 EST"
        );
        for (minutes, expected) in [
            (0, "less than a minute"),
            (1, "1 minute"),
            (60, "1 hour"),
            (125, "2 hours 5 minutes"),
            (3000, "2 days"),
        ] {
            assert_eq!(clock.span(now - chrono::Duration::minutes(minutes)), expected);
        }
    }
}
