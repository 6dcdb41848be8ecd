//! Reminders to people at home: which steps of a ladder are told now, and the message of one. Shared by sessions and by what
//! is owed between them.

use crate::document::QuietHours;
use crate::duty::{Duty, Lane};
use crate::id::NoticeId;
use crate::ladder::Audience;
use crate::notice::{About, Message, Notice, Recipient};
use crate::time::{Instant, Zone, minutes};

/// A step of a ladder whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What makes its messages one of a kind, but for the reader.
    pub key: String,
    /// Whom it tells.
    pub tell: Vec<Audience>,
}

/// Moves a duty past the steps whose time has come and gives those that are of use. One that was passed over in an outage,
/// because the next is due as well or the duty is missed by now, is not.
pub fn steps_due(duty: &mut Duty, now: Instant) -> Vec<Step> {
    let mut steps = Vec::new();
    while duty
        .ladder
        .told_at(duty.rung, duty.repeat_no, duty.due_at)
        .is_some_and(|at| at <= now)
    {
        let repeats = duty.ladder.0[duty.rung].repeat_every_s.is_some();
        let next_at = if repeats {
            duty.ladder.told_at(duty.rung, duty.repeat_no + 1, duty.due_at)
        } else {
            duty.ladder.told_at(duty.rung + 1, 0, duty.due_at)
        };
        if next_at.into_iter().chain(duty.missed_after).all(|at| at > now) {
            steps.push(Step {
                key: format!("duty:{}:{}:{}", duty.id, duty.rung, duty.repeat_no),
                tell: duty.ladder.0[duty.rung].tell.clone(),
            });
        }
        if repeats {
            duty.repeat_no += 1;
        } else {
            duty.rung += 1;
        }
    }
    steps
}

/// Whether a reminder says "was due": a prompt told at the due time itself is always some moments late.
pub fn is_overdue(due_at: Instant, now: Instant) -> bool {
    due_at <= now - minutes(1)
}

/// The message of a reminder, not in the patient's quiet hours unless it belongs to a session's day.
pub fn reminder(
    (id, key): (NoticeId, String),
    duty: &Duty,
    (to, message): (Recipient, Message),
    (quiet, zone): (QuietHours, Zone),
    now: Instant,
) -> Notice {
    let stale_after = duty.missed_after.unwrap_or(duty.due_at);
    // One that the quiet hours would outlive goes at once: the alternative is a call from a nurse.
    let not_before = Some(quiet.after(zone, now))
        .filter(|at| duty.lane == Lane::Reminder && *at < stale_after)
        .unwrap_or(now);
    Notice {
        id,
        key,
        lane: duty.lane,
        to,
        about: About::Duty { duty: duty.id },
        message,
        not_before,
        stale_after: Some(stale_after),
        thread: None,
    }
}
