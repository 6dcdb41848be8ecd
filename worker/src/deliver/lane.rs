//! How many rows of a lane are held at a time: enough that sending never waits for a claim, few enough that what is known
//! of a row is fresh when it is sent.

use bedside_protocol::time::Instant;

/// Most rows of a lane that are held.
const ROWS_MAX: usize = 400;

/// The speed of sending is measured over this time at least.
const MEASURED_OVER_MS: i64 = 100;

/// Rows are held for about so long a time of sending at the speed measured last: longer than a claim and its commit take on
/// a slow disk.
const HELD_FOR_MS: usize = 100;

/// What delivery knows of one lane.
#[derive(Debug, Default)]
pub(super) struct LaneState {
    /// Rows that are held.
    pub held: usize,
    /// A claim is under way.
    pub looking: bool,
    /// The last look found nothing; there is no other before the next turn.
    pub quiet: bool,
    ended: usize,
    measured_at: Option<Instant>,
    wanted: usize,
}

impl LaneState {
    /// One row was sent or given up.
    pub(super) fn ended(&mut self) {
        self.held = self.held.saturating_sub(1);
        self.ended += 1;
    }

    /// How many rows to claim now; zero when enough are held. `at_hand` is what the transport wants at least, `stuck` how
    /// many of those held gave their places away and keep nobody waiting.
    pub(super) fn room(&mut self, at_hand: usize, stuck: usize, now: Instant) -> usize {
        let since = *self.measured_at.get_or_insert(now);
        let elapsed_ms = (now - since).num_milliseconds();
        if !(0..MEASURED_OVER_MS).contains(&elapsed_ms) {
            let elapsed_ms = usize::try_from(elapsed_ms).unwrap_or(usize::MAX);
            self.wanted = self.ended.saturating_mul(HELD_FOR_MS) / elapsed_ms;
            self.ended = 0;
            self.measured_at = Some(now);
        }
        let wanted = self.wanted.min(ROWS_MAX).max(at_hand);
        let held = self.held.saturating_sub(stuck);
        // Half of it at least, so that claims stay batches.
        if self.looking || self.quiet || held * 2 > wanted {
            0
        } else {
            wanted - held
        }
    }
}

#[cfg(test)]
mod tests {
    use bedside_protocol::time::seconds;

    use super::*;

    #[test]
    fn the_faster_mails_leave_the_more_rows_are_held_and_never_too_many() {
        let mut lane = LaneState::default();
        let mut now = Instant::UNIX_EPOCH;
        assert_eq!(lane.room(40, 0, now), 40);
        lane.held = 21;
        assert_eq!(lane.room(40, 0, now), 0);
        assert_eq!(lane.room(40, 21, now), 40, "stuck ones keep nobody waiting");
        lane.held = 0;
        for _ in 0..1_000 {
            lane.ended();
        }
        now += seconds(1);
        assert_eq!(lane.room(40, 0, now), 100);
        for _ in 0..1_000_000 {
            lane.ended();
        }
        now += seconds(1);
        assert_eq!(lane.room(40, 0, now), 400);
        now += seconds(1);
        assert_eq!(lane.room(40, 0, now), 40);
        // A clock that jumps back does no harm.
        now -= seconds(100);
        assert_eq!(lane.room(40, 0, now), 40);
        lane.looking = true;
        assert_eq!(lane.room(40, 0, now), 0);
    }
}
