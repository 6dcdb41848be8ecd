//! How fast mails go to a relay that said "too fast": found by trying, a little more each second and back after a refusal.
//!
//! Guarantees: never slower than [`SLOWEST`], so that mails go out whatever a relay answers; after a refusal about as many
//! as the relay took in the second before; after some seconds without a refusal there is no pace any more.

use std::time::Duration;

/// Mails a second. Free mail accounts and new cloud accounts take 1; a common limit is 14.
const SLOWEST: f64 = 1.0;

/// The first pace, mails a second, before it is known what the relay takes.
const FIRST: f64 = 20.0;

/// From here on there is no pace, mails a second.
const FREE_FROM: f64 = 500.0;

/// What a second with a refusal leaves of the mails that were taken in it.
const AFTER_REFUSAL: f64 = 0.95;

/// What a second without a refusal allows.
const GROWTH: f64 = 1.25;

/// The pace of one relay.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    per_second: f64,
    accepted: u32,
    throttled: bool,
}

impl Pace {
    pub(super) fn start() -> Self {
        Self {
            per_second: FIRST,
            accepted: 0,
            throttled: false,
        }
    }

    /// Between two sends.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.per_second)
    }

    /// Mails of half a second, at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and 500"
    )]
    pub(super) fn of_half_a_second(&self) -> usize {
        (self.per_second / 2.0).ceil() as usize
    }

    pub(super) fn accepted(&mut self) {
        self.accepted += 1;
    }

    pub(super) fn throttled(&mut self) {
        self.throttled = true;
    }

    /// A second is over. Whether there still is a pace.
    pub(super) fn next_window(&mut self) -> bool {
        let accepted = f64::from(std::mem::take(&mut self.accepted));
        if std::mem::take(&mut self.throttled) {
            self.per_second = (accepted * AFTER_REFUSAL).min(self.per_second).max(SLOWEST);
        } else {
            self.per_second = self.per_second * GROWTH + 1.0;
        }
        self.per_second < FREE_FROM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A relay that takes so many in a second and refuses the rest; gives what it took in each of `seconds`.
    fn play(limit: f64, seconds: usize) -> Vec<f64> {
        let mut pace = Pace::start();
        let mut taken = Vec::new();
        for _ in 0..seconds {
            let sent = pace.per_second.round();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number of mails below 500"
            )]
            let accepted = sent.min(limit) as u32;
            for _ in 0..accepted {
                pace.accepted();
            }
            if sent > limit {
                pace.throttled();
            }
            taken.push(sent.min(limit));
            if !pace.next_window() {
                break;
            }
        }
        taken
    }

    #[test]
    fn a_relay_that_takes_14_a_second_gets_about_14_a_second() {
        let taken = play(14.0, 15);
        assert!(taken.iter().sum::<f64>() >= 200.0, "{taken:?}");
        assert!(play(1.0, 30).iter().all(|taken| *taken >= 1.0));
    }

    #[test]
    fn without_refusals_the_pace_is_over_in_seconds() {
        assert!(play(f64::MAX, 60).len() < 20);
    }
}
