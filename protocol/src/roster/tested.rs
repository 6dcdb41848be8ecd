//! Whether somebody on call can be reached: they answered a test message, or acted by the link of a mail, since their present
//! turn began or shortly before, and not too long ago (PROTOCOL 4.1 `on_call_tested`, FEATURES 76).
//!
//! A time well ahead of the clock was written by one that was wrong. They were reached then, but nobody knows when: so it keeps no
//! test from being sent and no silence from being told, as it would until the clock catches up.

use chrono::Duration;

use super::OnCallPlan;
use crate::document::TestedRules;
use crate::people::{OnCallPerson, OnCallPlace};
use crate::time::{AHEAD_MAX, Instant, minutes};

/// The places without whose holders no dose opens.
const ASKED_FOR: [OnCallPlace; 2] = [OnCallPlace::Nurse, OnCallPlace::Backup];

fn believed(at: Option<Instant>, now: Instant) -> Option<Instant> {
    at.filter(|at| *at <= now + AHEAD_MAX)
}

/// The first instant that counts for a turn that began at `since`; without a roster nobody's turn begins.
fn counts_from(since: Option<Instant>, now: Instant, within_h: i64, rules: &TestedRules) -> Instant {
    let lately = now - Duration::hours(within_h);
    since.map_or(lately, |since| lately.max(since - minutes(rules.before_turn_min)))
}

/// Whether somebody who was reached last at `reached_at`, and whose turn began at `since`, is known to be reachable.
pub fn is_tested(
    reached_at: Option<Instant>,
    since: Option<Instant>,
    now: Instant,
    rules: &TestedRules,
) -> bool {
    reached_at.is_some_and(|at| at >= counts_from(since, now, rules.good_for_h, rules))
}

/// Whether a test message is to be sent now: neither reached nor asked in this turn, or too long ago.
pub fn is_test_due(
    reached_at: Option<Instant>,
    asked_at: Option<Instant>,
    since: Option<Instant>,
    now: Instant,
    rules: &TestedRules,
) -> bool {
    let from = counts_from(since, now, rules.again_after_h, rules);
    let known = [reached_at, asked_at].into_iter();
    known.filter_map(|at| believed(at, now)).all(|at| at < from)
}

/// Whether a test message has waited too long for its answer.
pub fn is_test_overdue(
    reached_at: Option<Instant>,
    asked_at: Option<Instant>,
    now: Instant,
    rules: &TestedRules,
) -> bool {
    believed(asked_at, now).is_some_and(|asked| {
        believed(reached_at, now).is_none_or(|reached| reached < asked)
            && now >= asked + minutes(rules.answer_within_min)
    })
}

/// The places of nurse and backup on which somebody is and nobody is known to be reachable.
pub fn untested_places(
    on_call: &[OnCallPerson],
    plan: Option<&OnCallPlan>,
    now: Instant,
    rules: &TestedRules,
) -> Vec<OnCallPlace> {
    let untested = |place: &OnCallPlace| {
        let mut people = on_call.iter().filter(|it| it.place == *place).peekable();
        let since = plan.and_then(|plan| plan.turn_began(*place, now, Duration::hours(rules.good_for_h)));
        people.peek().is_some() && !people.any(|it| is_tested(it.reached_at, since, now, rules))
    };
    ASKED_FOR.into_iter().filter(untested).collect()
}

impl OnCallPlan {
    /// When whoever has a place now came to have it; `None` when that is longer ago than `within`.
    pub fn turn_began(&self, place: OnCallPlace, now: Instant, within: Duration) -> Option<Instant> {
        let from = now - within;
        let last = self.holders(place, from, now + Duration::milliseconds(1)).pop()?;
        Some(last.from).filter(|began| *began > from)
    }
}
