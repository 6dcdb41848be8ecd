//! When housekeeping is due: `cron` expressions in UTC.
//!
//! UTC only, because in a zone with clock changes the `cron` crate skips firings, repeats them and goes backwards.
//! However many firings were missed, a job runs once.

use std::str::FromStr as _;

use bedside_protocol::time::Instant;
use cron::Schedule;

use crate::housekeeping::Job;

impl Job {
    /// When it runs, UTC. Six fields, seconds first: second, minute, hour, day, month, weekday.
    pub fn expression(self) -> &'static str {
        match self {
            // Every ten minutes, off the full hour, when much else happens.
            Self::Optimize => "30 7,17,27,37,47,57 * * * *",
            // Every hour.
            Self::Retention => "0 23 * * * *",
            // Every night: 03:41 in London, 22:41 or 23:41 on the American east coast; no session runs then.
            Self::VerifyAudit => "0 41 3 * * *",
        }
    }

    /// The first firing after `after`. `None` only if the expression were wrong, which a test excludes.
    pub fn next_after(self, after: Instant) -> Option<Instant> {
        let schedule = Schedule::from_str(self.expression()).ok()?;
        // `after` of the crate has returned times before its argument.
        schedule.after(&after).find(|at| *at > after)
    }

    /// Whether a firing came since it ran last.
    pub fn is_due(self, last_run_at: Instant, now: Instant) -> bool {
        self.next_after(last_run_at).is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instant(text: &str) -> Instant {
        text.parse().unwrap()
    }

    fn next_three(job: Job, after: &str) -> Vec<String> {
        let mut at = instant(after);
        let mut next = || {
            at = job.next_after(at).unwrap();
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
        assert!(Job::VerifyAudit.is_due(last, now));
        assert!(!Job::VerifyAudit.is_due(now, now));
        assert!(!Job::VerifyAudit.is_due(now, instant("2026-11-22T03:40:59Z")));
        assert!(Job::VerifyAudit.is_due(now, instant("2026-11-22T03:41:00Z")));
        // A clock that jumped back runs nothing again.
        assert!(!Job::VerifyAudit.is_due(now, last));
    }
}
