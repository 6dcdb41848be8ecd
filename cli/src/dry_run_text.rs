//! A dry run as a time line that one could read aloud.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use bedside_api::MessageWords;
use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::dry_run::{Again, DryRun, Entry, What};
use bedside_protocol::duty::OwedBy;
use bedside_protocol::time::{Instant, Zone};
use bedside_worker::MailSettings;

use crate::wiring;

/// Words of an installation that has no settings: sender and links are examples, all else is as it would be sent.
pub fn example_words(document: &ProtocolDocument) -> Result<MessageWords> {
    let number = &document.words.emergency_number;
    let mail = MailSettings::new(
        "Bedside",
        "bedside@example.org",
        "example.org",
        "https://bedside.example.org",
        number,
    );
    Ok(wiring::message_words(mail.context("words.emergency_number")?))
}

/// The time line.
pub fn of(run: &DryRun, document: &ProtocolDocument, words: &MessageWords) -> String {
    let (zone, t0) = (run.plan.zone, run.plan.t0());
    let mut text = format!(
        "Protocol {}: session {} on {}, held {} minutes.\nTimes are local; T is the dose.\n",
        run.version,
        run.plan.number,
        zone.long(t0),
        run.plan.instruction.hold_minutes,
    );
    for part in &run.parts {
        put(&mut text, format_args!("\n{}\n\n", part.scene.in_words()));
        if !part.not_open_because.is_empty() {
            let reasons = part.not_open_because.join(", ");
            put(
                &mut text,
                format_args!("The dose was not open when it was taken: {reasons}.\n\n"),
            );
        }
        let mut day = None;
        let mut entries = part.entries.iter().peekable();
        while let Some(entry) = entries.next() {
            let mut said = said(entry, document, words, zone);
            // One mail to several people is one line.
            while let Some(next) = entries.peek().copied() {
                let Some(to) = said.same_as(next, entry.at, words) else {
                    break;
                };
                said.to.push(to);
                entries.next();
            }
            let today = zone.date_of(entry.at);
            if day.replace(today) != Some(today) {
                put(&mut text, format_args!("{}\n", today.format("%A, %B %-d, %Y")));
            }
            let time = zone.time_of(entry.at).format("%H:%M:%S");
            put(
                &mut text,
                format_args!("  {time}  {:<9}  {}\n", from_dose(entry.at, t0), said.whole()),
            );
        }
        put(
            &mut text,
            format_args!("\nThe session ends as {}.\n", part.ends_as),
        );
    }
    text
}

/// Writing to a string does not fail.
fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _never_fails: std::fmt::Result = text.write_fmt(what);
}

/// `T-26:00`, `T+0:14:30`.
fn from_dose(at: Instant, t0: Instant) -> String {
    let seconds = (at - t0).num_seconds();
    let (sign, seconds) = if seconds < 0 {
        ('-', -seconds)
    } else {
        ('+', seconds)
    };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if seconds == 0 {
        format!("T{sign}{hours}:{minutes:02}")
    } else {
        format!("T{sign}{hours}:{minutes:02}:{seconds:02}")
    }
}

/// The time of day; with the date where it is another than the line's.
fn clock(zone: Zone, at: Instant, line_at: Instant) -> String {
    let (time, day) = (zone.time_of(at), zone.date_of(at));
    if day == zone.date_of(line_at) {
        time.format("%H:%M:%S").to_string()
    } else {
        format!("{} on {}", time.format("%H:%M:%S"), day.format("%A, %B %-d"))
    }
}

/// A line in words.
struct Said {
    /// Of a message: to whom.
    to: Vec<&'static str>,
    /// Of a message: its subject and its repetitions.
    subject: Option<(String, Option<Again>)>,
    rest: String,
}

impl Said {
    /// Whom the next entry is for, if it is the same mail at the same moment.
    fn same_as(&self, next: &Entry, at: Instant, words: &MessageWords) -> Option<&'static str> {
        let (subject, again) = self.subject.as_ref()?;
        let What::Message {
            to,
            notice,
            again: others,
        } = &next.what
        else {
            return None;
        };
        let same = next.at == at && others == again && subject_of(notice, words) == *subject;
        same.then(|| to.name())
    }

    fn whole(&self) -> String {
        match &self.subject {
            Some(_) => format!("mail to {}: {}", self.to.join(", "), self.rest),
            None => self.rest.clone(),
        }
    }
}

fn subject_of(notice: &bedside_protocol::notice::Notice, words: &MessageWords) -> String {
    words(notice).map_or_else(String::new, |(subject, _)| subject)
}

fn said(entry: &Entry, document: &ProtocolDocument, words: &MessageWords, zone: Zone) -> Said {
    match &entry.what {
        What::Duty {
            kind,
            row,
            owed_by,
            missed_after,
            ends_as,
        } => {
            let who = match owed_by {
                OwedBy::Patient => "the patient",
                OwedBy::Sitter => "the sitter",
                OwedBy::OnCall => "the care team",
            };
            let kind = kind.replace('_', " ");
            let row = row.as_deref().and_then(|row| document.check_rule(row));
            let row = row.map_or_else(String::new, |row| format!(" {} ({})", row.key, row.text));
            let missed = missed_after
                .filter(|_| *ends_as == "missed")
                .map_or_else(String::new, |at| format!(" at {}", clock(zone, at, entry.at)));
            Said {
                to: Vec::new(),
                subject: None,
                rest: format!("due from {who}: {kind}{row}; {ends_as}{missed}"),
            }
        }
        What::Message { to, notice, again } => {
            let subject = subject_of(notice, words);
            let repeated = again.map_or_else(String::new, |again| {
                let last = clock(zone, again.last_at, entry.at);
                format!(", and {} times more, last at {last}", again.times)
            });
            Said {
                to: vec![to.name()],
                rest: format!("\"{subject}\"{repeated}"),
                subject: Some((subject, *again)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bedside_protocol::dry_run::{Answers, Plan, run};

    use super::*;

    fn text(answers: Answers) -> String {
        let document = Arc::new(ProtocolDocument::shipped().unwrap());
        let zone = Zone::named("America/New_York").unwrap();
        let plan = Plan::usual(&document, zone, "2026-11-28".parse().unwrap());
        let words = example_words(&document).unwrap();
        of(&run(&document, plan, answers), &document, &words)
    }

    /// Whoever changes the timetable, a ladder or a rule sees here what it changes.
    #[test]
    fn the_shipped_protocol_when_nobody_answers() {
        insta::assert_snapshot!("nobody_answers", text(Answers::None));
    }

    #[test]
    fn the_shipped_protocol_when_everybody_answers() {
        insta::assert_snapshot!("everybody_answers", text(Answers::All));
    }
}
