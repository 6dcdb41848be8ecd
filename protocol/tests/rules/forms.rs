//! Answered forms for tests.

use bedside_protocol::document::{InstrumentRules, ProtocolDocument};
use bedside_protocol::instruments::answering::{Followed, Sent, follow};
use bedside_protocol::instruments::due::SoFar;
use bedside_protocol::instruments::item9::ScoreReview;
use bedside_protocol::instruments::{Answers, Asks, Given, InstrumentKey, Score, form, total};
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Instant, Zone};
use uuid::Uuid;

use crate::support::{at, on, patient};

pub const NOON: &str = "2026-11-20T17:00:00Z";

pub fn rules() -> InstrumentRules {
    InstrumentRules::default()
}

pub fn zone() -> Zone {
    Zone::named("America/New_York").unwrap()
}

/// Every item of a scored instrument answered with `values` in order, the rest with 0.
pub fn answers(key: InstrumentKey, values: &[u32]) -> Answers {
    let rules = rules();
    let form = form(key, &rules);
    let items = form.items.iter().enumerate();
    items
        .map(|(index, item)| {
            let value = values.get(index).copied().unwrap_or(0);
            let given = match item.asks {
                Asks::YesNo => Given::YesNo(value > 0),
                Asks::Choice(_) | Asks::Times => Given::Number(value),
            };
            (item.key.to_owned(), given)
        })
        .collect()
}

/// A PHQ-9 of 8 and item 9.
pub fn phq9(item9: u32) -> Answers {
    answers(InstrumentKey::Phq9, &[1, 1, 1, 1, 1, 1, 1, 1, item9])
}

/// The safety questions with a yes to some.
pub fn said_yes(keys: &[&str]) -> Answers {
    ["q1", "q2", "q3", "q4", "q5"]
        .into_iter()
        .map(|key| (key.to_owned(), Given::YesNo(keys.contains(&key))))
        .collect()
}

/// A kept score, answered and received at once.
pub fn score(number: u128, key: InstrumentKey, answers: Answers, observed_at: Instant) -> Score {
    let rules = rules();
    Score {
        id: Uuid::from_u128(number).into(),
        instrument: key,
        total: total(&form(key, &rules), &answers),
        answers,
        observed_at,
        claimed_at: None,
        received_at: observed_at,
        by: patient(),
    }
}

/// A prescriber has seen it.
pub fn review(score: &Score) -> ScoreReview {
    ScoreReview {
        id: Uuid::from_u128(0x77).into(),
        score: score.id,
        by: on(OnCallPlace::Prescriber),
        at: score.received_at,
        note: "seen".into(),
    }
}

pub fn so_far<'a>(scores: &'a [Score], doses: &'a [Instant]) -> SoFar<'a> {
    SoFar {
        scores,
        doses,
        next_session: None,
        zone: zone(),
    }
}

/// Sends a form at noon.
pub fn send(
    key: InstrumentKey,
    answers: Answers,
    scores: &[Score],
    reviews: &[ScoreReview],
) -> Result<Followed, Refusal> {
    let sent = Sent {
        instrument: key,
        answers,
        observed_at: None,
    };
    let protocol = ProtocolDocument::shipped().unwrap();
    follow(
        sent,
        so_far(scores, &[]),
        reviews,
        &protocol,
        (Uuid::from_u128(0x99).into(), at(NOON), patient()),
    )
    .map_err(|unkept| unkept.refusal)
}
