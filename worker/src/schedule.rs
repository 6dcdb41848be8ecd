//! When housekeeping is due: `cron` expressions in UTC.
//!
//! UTC only, because in a zone with clock changes the `cron` crate skips firings, repeats them and goes backwards.
//! However many firings were missed, a job runs once.

use std::str::FromStr as _;

use bedside_protocol::time::{AHEAD_MAX, Instant, minutes};
use chrono::Duration;
use cron::Schedule;

use crate::housekeeping::Job;

/// Firings that are looked at before an operator's expression is taken: a year of daily ones.
const LOOKED_AT: usize = 366;

/// The least time between two firings of an operator's expression, minutes: a typing error must not make a flood.
const PAUSE_MIN: i64 = 60;

/// When something is due, again and again: a `cron` expression in UTC. Six fields, seconds first: second, minute, hour, day,
/// month, weekday.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable(Schedule);

/// Why an operator's expression is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTimetable {
    /// It cannot be read.
    #[error("must be a cron expression of six fields in UTC, seconds first, such as `0 11 13 * * *`")]
    Unreadable,
    /// It never fires.
    #[error("never fires")]
    Never,
    /// It fires too often.
    #[error("fires more than once an hour")]
    TooOften,
}

impl Timetable {
    /// An operator's expression.
    pub fn parse(text: &str) -> Result<Self, BadTimetable> {
        let timetable = Self(Schedule::from_str(text).map_err(|_| BadTimetable::Unreadable)?);
        let mut at = timetable
            .next_after(Instant::UNIX_EPOCH + Duration::days(20_454))
            .ok_or(BadTimetable::Never)?;
        for _ in 0..LOOKED_AT {
            let Some(next) = timetable.next_after(at) else {
                break;
            };
            if next - at < minutes(PAUSE_MIN) {
                return Err(BadTimetable::TooOften);
            }
            at = next;
        }
        Ok(timetable)
    }

    /// The first firing after `after`; `None` when there is none any more.
    pub fn next_after(&self, after: Instant) -> Option<Instant> {
        // `after` of the crate has returned times before its argument.
        self.0.after(&after).find(|at| *at > after)
    }

    /// Whether a firing came since it ran last. A last time well ahead of this clock was written by one that was wrong: waiting
    /// for it could mean waiting for days, so it counts as none.
    pub fn is_due(&self, last_run_at: Instant, now: Instant) -> bool {
        last_run_at > now + AHEAD_MAX || self.next_after(last_run_at).is_some_and(|at| at <= now)
    }
}

impl Job {
    /// When it runs; `None` for a job that is switched off. `drill`: when the drill is held.
    pub fn timetable(self, drill: Option<&Timetable>) -> Option<Timetable> {
        let expression = match self {
            // Every ten minutes, off the full hour, when much else happens.
            Self::Optimize => "30 7,17,27,37,47,57 * * * *",
            // Every hour.
            Self::Retention => "0 23 * * * *",
            // Every hour: a gap is told within the hour in which it comes near.
            Self::RosterGaps => "0 13 * * * *",
            // Four times an hour: a new patient is asked for a baseline on the day they come.
            Self::FollowPatients => "45 4,19,34,49 * * * *",
            // Every three minutes: the next on duty hears of what is open in the first minutes of the shift.
            Self::ShiftChanges => "5 */3 * * * *",
            // Every five minutes: a turn begins with a test.
            Self::OnCallTests => "35 1-59/5 * * * *",
            // Every ten minutes: who signs a protocol waits no longer for a session that could not take it at once.
            Self::Protocols => "15 2,12,22,32,42,52 * * * *",
            // Every night: 03:41 in London, 22:41 or 23:41 on the American east coast; no session runs then.
            Self::VerifyAudit => "0 41 3 * * *",
            Self::Drill => return drill.cloned(),
        };
        // Never wrong, which a test proves.
        Schedule::from_str(expression).ok().map(Timetable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Instant {
        text.parse().unwrap()
    }

    /// The drill as it is by default.
    fn timetable(job: Job) -> Timetable {
        job.timetable(Some(&Timetable::parse("0 11 13 * * *").unwrap()))
            .unwrap()
    }

    fn next_three(job: Job, after: &str) -> Vec<String> {
        let mut at = instant(after);
        let mut next = || {
            at = timetable(job).next_after(at).unwrap();
            at.format("%Y-%m-%dT%H:%M:%S").to_string()
        };
        vec![next(), next(), next()]
    }

    #[test]
    fn optimizing_fires_every_ten_minutes() {
        assert_eq!(
            next_three(Job::Optimize, "2026-11-21T05:40:00.5Z"),
            [
                "2026-11-21T05:47:30",
                "2026-11-21T05:57:30",
                "2026-11-21T06:07:30"
            ]
        );
    }

    #[test]
    fn shift_changes_are_looked_for_every_three_minutes() {
        assert_eq!(
            next_three(Job::ShiftChanges, "2026-11-21T05:58:00Z"),
            [
                "2026-11-21T06:00:05",
                "2026-11-21T06:03:05",
                "2026-11-21T06:06:05"
            ]
        );
    }

    #[test]
    fn retention_fires_every_hour() {
        assert_eq!(
            next_three(Job::Retention, "2026-12-31T22:30:00Z"),
            [
                "2026-12-31T23:23:00",
                "2027-01-01T00:23:00",
                "2027-01-01T01:23:00"
            ]
        );
    }

    #[test]
    fn the_audit_is_verified_every_night_also_when_clocks_change() {
        assert_eq!(
            next_three(Job::VerifyAudit, "2026-10-24T03:41:00Z"),
            [
                "2026-10-25T03:41:00",
                "2026-10-26T03:41:00",
                "2026-10-27T03:41:00"
            ]
        );
        assert_eq!(
            next_three(Job::VerifyAudit, "2027-03-27T12:00:00Z"),
            [
                "2027-03-28T03:41:00",
                "2027-03-29T03:41:00",
                "2027-03-30T03:41:00"
            ]
        );
    }

    #[test]
    fn firings_that_were_missed_count_once() {
        let (last, now) = (instant("2026-11-01T04:00:00Z"), instant("2026-11-21T05:00:00Z"));
        let nightly = timetable(Job::VerifyAudit);
        assert!(nightly.is_due(last, now));
        assert!(!nightly.is_due(now, now));
        assert!(!nightly.is_due(now, instant("2026-11-22T03:40:59Z")));
        assert!(nightly.is_due(now, instant("2026-11-22T03:41:00Z")));
        // Another host's clock may be a little ahead; what is further ahead was never so.
        assert!(!nightly.is_due(now, now - minutes(5)));
        assert!(nightly.is_due(now, now - minutes(5) - Duration::seconds(1)));
        assert!(nightly.is_due(now, last));
    }

    #[test]
    fn the_drill_is_held_when_the_operator_says_or_never() {
        assert_eq!(
            next_three(Job::Drill, "2026-10-24T13:11:00Z"),
            [
                "2026-10-25T13:11:00",
                "2026-10-26T13:11:00",
                "2026-10-27T13:11:00"
            ]
        );
        assert_eq!(Job::Drill.timetable(None), None);
        let fault = |text| Timetable::parse(text).err();
        assert_eq!(fault("0 0 9 * * MON-FRI"), None);
        assert_eq!(fault("0 0 9"), Some(BadTimetable::Unreadable));
        assert_eq!(fault("daily"), Some(BadTimetable::Unreadable));
        assert_eq!(fault("0 0 9 30 2 *"), Some(BadTimetable::Never));
        assert_eq!(fault("* 0,30 9 * * *"), Some(BadTimetable::TooOften));
        assert_eq!(fault("0 0,59 9 * * MON"), Some(BadTimetable::TooOften));
    }
}
