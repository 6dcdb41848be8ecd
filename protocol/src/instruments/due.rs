//! What a patient is asked to answer, and when: before the first dose, after certain sessions, each month, and the safety
//! questions at once where item 9 of a PHQ-9 calls for them (PROTOCOL 4.3, C14 and C15).
//!
//! A pure function of the doses and the answers so far. It never asks twice within the days of recall.

use chrono::{Days, NaiveTime};
use serde::{Deserialize, Serialize};

use super::{InstrumentKey, Score, latest, safety};
use crate::document::InstrumentRules;
use crate::refusal::Refusal;
use crate::time::{Instant, Zone, minutes};

/// Why an instrument is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// How things stand before the first dose.
    BeforeFirstDose,
    /// After a certain session.
    AfterSession {
        /// How many doses there were.
        number: u32,
    },
    /// Every month.
    Monthly,
    /// Item 9 of the last PHQ-9 was not 0.
    AfterItem9,
}

/// An instrument that is or will be due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub instrument: InstrumentKey,
    /// Why.
    pub why: Why,
    /// From when.
    pub opens_at: Instant,
    /// By when; `None` before a first session that is not planned yet.
    pub due_at: Option<Instant>,
}

/// What the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct SoFar<'a> {
    /// Every answered form.
    pub scores: &'a [Score],
    /// When doses were taken, earliest first.
    pub doses: &'a [Instant],
    /// The next planned session.
    pub next_session: Option<Instant>,
    /// The patient's zone.
    pub zone: Zone,
}

/// Everything that is due at `now`, or will be with no further dose, most pressing first.
pub fn due(so_far: SoFar<'_>, rules: &InstrumentRules, now: Instant) -> Vec<Due> {
    let mut due: Vec<Due> = safety::is_owed(so_far.scores)
        .map(|phq9| Due {
            instrument: InstrumentKey::Safety,
            why: Why::AfterItem9,
            opens_at: phq9.received_at,
            due_at: Some(phq9.received_at),
        })
        .into_iter()
        .collect();
    match so_far.doses {
        [] => before_first_dose(so_far, rules, now, &mut due),
        doses => {
            after_session(so_far, rules, &mut due);
            let answered = latest(so_far.scores, InstrumentKey::Monthly).map(|score| score.observed_at);
            let last = answered.into_iter().chain([doses[0]]).max().unwrap_or(now);
            let opens_at = last + days(rules.monthly_every_days);
            due.push(Due {
                instrument: InstrumentKey::Monthly,
                why: Why::Monthly,
                opens_at,
                due_at: Some(opens_at + days(rules.due_within_days)),
            });
        }
    }
    due
}

fn before_first_dose(so_far: SoFar<'_>, rules: &InstrumentRules, now: Instant, due: &mut Vec<Due>) {
    for instrument in [InstrumentKey::Phq9, InstrumentKey::Gad7, InstrumentKey::Safety] {
        if due.iter().any(|due| due.instrument == instrument) {
            continue;
        }
        let answered = latest(so_far.scores, instrument).map(|score| score.observed_at);
        let opens_at = answered.map_or(now, |at| at + days(rules.baseline_valid_days));
        due.push(Due {
            instrument,
            why: Why::BeforeFirstDose,
            opens_at,
            due_at: so_far.next_session,
        });
    }
}

/// The last of the sessions after which scores are asked for, unless they were answered since.
fn after_session(so_far: SoFar<'_>, rules: &InstrumentRules, due: &mut Vec<Due>) {
    let taken = u32::try_from(so_far.doses.len()).unwrap_or(u32::MAX);
    let Some(number) = rules
        .after_sessions
        .iter()
        .copied()
        .filter(|number| *number <= taken)
        .max()
    else {
        return;
    };
    let index = usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
    let Some(dose) = so_far.doses.get(index).copied() else {
        return;
    };
    for instrument in InstrumentKey::SCORED {
        let last = latest(so_far.scores, instrument);
        if last.is_some_and(|score| score.observed_at > dose) {
            continue;
        }
        let open = dose + days(rules.opens_after_days);
        let opens_at = last.map_or(open, |score| {
            open.max(asked_again_from(score, so_far.zone, rules))
        });
        let within = opens_at.max(dose + days(rules.due_within_days));
        let next = so_far.next_session.filter(|at| *at > opens_at);
        due.push(Due {
            instrument,
            why: Why::AfterSession { number },
            opens_at,
            due_at: Some(next.map_or(within, |next| within.min(next))),
        });
    }
}

fn days(days: i64) -> chrono::Duration {
    minutes(days.saturating_mul(24 * 60))
}

/// From when an instrument may be answered again: the start of a day, so that the same hour a week later is not too soon.
fn asked_again_from(score: &Score, zone: Zone, rules: &InstrumentRules) -> Instant {
    let after = Days::new(u64::try_from(rules.ask_again_after_days).unwrap_or(0));
    let on = zone.date_of(score.observed_at);
    zone.resolve(on.checked_add_days(after).unwrap_or(on), NaiveTime::MIN)
}

/// Refuses a second PHQ-9 or GAD-7 within the days of the rule: both ask about two weeks.
pub fn not_too_soon(
    so_far: SoFar<'_>,
    key: InstrumentKey,
    rules: &InstrumentRules,
    answered_at: Instant,
) -> Result<(), Refusal> {
    let last = latest(so_far.scores, key).filter(|_| InstrumentKey::SCORED.contains(&key));
    let Some(from) = last.map(|last| asked_again_from(last, so_far.zone, rules)) else {
        return Ok(());
    };
    if answered_at >= from {
        return Ok(());
    }
    let (every, on) = (rules.ask_again_after_days, so_far.zone.date_of(from));
    Err(Refusal::wrong_state(
        "asked-too-soon",
        format!(
            "These questions are about two weeks and are asked at most every {every} days: next on {on}."
        ),
    ))
}
