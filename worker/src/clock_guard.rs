//! The clock guard: a machine clock that was set, or that is behind what was committed already, is told, and reminders wait.
//!
//! Guarantees: escalations and the prompts of running sessions go on whatever the clock says; while the clock is behind
//! the highest time that was seen or committed, reminders wait until it has caught up, so one that was set back sends
//! nothing again; after a jump ahead they wait until it is back, or for an hour, or until a restart, whichever is first:
//! then the new time is believed. Time that is made up slowly, as NTP does, is no jump. A machine that slept looks
//! like a jump ahead.

use std::sync::PoisonError;
use std::time::Duration;

use bedside_protocol::duty::Lane;
use bedside_protocol::time::Instant;
use bedside_store::FindingPart;

use crate::cycle::{Worker, tell};

/// Between two looks, the machine clock and the monotonic one may differ by so much, milliseconds. Looks are a second apart.
const JUMP_MS: i64 = 5_000;

/// Two hosts' clocks are never the same, milliseconds. Well below a lease: hosts that differ by one would take each other's.
const BEHIND_MS: i64 = 3_000;

/// A jump ahead that lasts is believed after this.
const BELIEVED_AFTER: Duration = Duration::from_hours(1);

/// A clock at fault is told this often.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// How a worker's machine clock stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClockState {
    /// It can be trusted.
    #[default]
    Agrees,
    /// It is behind the highest time that was seen or committed.
    Behind {
        /// By so much, milliseconds.
        by_ms: i64,
    },
    /// It was set ahead.
    JumpedAhead {
        /// By so much, milliseconds.
        by_ms: i64,
    },
}

impl ClockState {
    /// Whether it can be trusted.
    pub fn agrees(self) -> bool {
        self == Self::Agrees
    }

    fn name(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Behind { .. } => "behind",
            Self::JumpedAhead { .. } => "jumped ahead",
        }
    }
}

/// What is known of the machine clock.
#[derive(Debug, Default)]
pub(crate) struct ClockGuard {
    state: ClockState,
    known: Option<Known>,
    /// The monotonic clock at the last telling.
    told_at: Option<Duration>,
}

#[derive(Debug)]
struct Known {
    /// The machine clock less the monotonic one, milliseconds.
    offset_ms: i64,
    /// The highest time that was believed, milliseconds.
    highest_ms: i64,
    /// The monotonic clock when a jump ahead was seen.
    ahead_since: Option<Duration>,
}

impl ClockGuard {
    /// One look: the clocks, and the last time that was committed, which counts at the first look only; later ones are
    /// our own.
    fn look(&mut self, machine: Instant, monotonic: Duration, committed: Option<Instant>) -> ClockState {
        let machine_ms = machine.timestamp_millis();
        let offset_ms = machine_ms - i64::try_from(monotonic.as_millis()).unwrap_or(i64::MAX);
        let known = self.known.get_or_insert_with(|| Known {
            offset_ms,
            highest_ms: committed.map_or(machine_ms, |at| at.timestamp_millis().max(machine_ms)),
            ahead_since: None,
        });
        let ahead_ms = offset_ms - known.offset_ms;
        if ahead_ms > JUMP_MS {
            let since = *known.ahead_since.get_or_insert(monotonic);
            if monotonic.saturating_sub(since) < BELIEVED_AFTER {
                self.state = ClockState::JumpedAhead { by_ms: ahead_ms };
                return self.state;
            }
        }
        known.ahead_since = None;
        known.offset_ms = offset_ms;
        known.highest_ms = known.highest_ms.max(machine_ms);
        let behind_ms = known.highest_ms - machine_ms;
        // It has caught up only when it has; a little behind is how two hosts are.
        let was_behind = matches!(self.state, ClockState::Behind { .. });
        self.state = if behind_ms > if was_behind { 0 } else { BEHIND_MS } {
            ClockState::Behind { by_ms: behind_ms }
        } else {
            ClockState::Agrees
        };
        self.state
    }

    /// Whether it is time to tell of a clock at fault again.
    fn is_to_be_told(&mut self, monotonic: Duration) -> bool {
        let lately = |at: Duration| monotonic.saturating_sub(at) < TOLD_EVERY;
        if self.told_at.is_some_and(lately) {
            return false;
        }
        self.told_at = Some(monotonic);
        true
    }
}

impl Worker {
    /// How the machine clock stands.
    pub fn clock_state(&self) -> ClockState {
        self.clock().lock().unwrap_or_else(PoisonError::into_inner).state
    }

    /// Looks at the clock between two cycles, without telling: nothing is claimed by a clock that was just set.
    pub(crate) fn glance_at_clock(&self) {
        let clocks = self.store().clocks();
        let (machine, monotonic) = (clocks.machine_now(), clocks.monotonic());
        let mut guard = self.clock().lock().unwrap_or_else(PoisonError::into_inner);
        // The first look is a cycle's, which knows what was committed.
        if guard.known.is_some() {
            guard.look(machine, monotonic, None);
        }
    }

    /// Whether messages of a lane wait for the clock.
    pub(crate) fn holds(&self, lane: Lane) -> bool {
        matches!(lane, Lane::Reminder | Lane::Digest) && !self.clock_state().agrees()
    }

    /// Looks at the clock and tells of what is wrong with it.
    pub(crate) async fn look_at_clock(&self, committed: Option<Instant>) {
        let clocks = self.store().clocks();
        let (machine, monotonic) = (clocks.machine_now(), clocks.monotonic());
        let (before, state, tells) = {
            let mut guard = self.clock().lock().unwrap_or_else(PoisonError::into_inner);
            let before = guard.state;
            let state = guard.look(machine, monotonic, committed);
            let changed = before.name() != state.name();
            if changed {
                guard.told_at = None;
            }
            let tells = if state.agrees() {
                changed
            } else {
                guard.is_to_be_told(monotonic)
            };
            (before, state, tells)
        };
        if !tells {
            return;
        }
        match state {
            ClockState::Agrees => {
                tracing::warn!(was = before.name(), "the machine's clock can be trusted again");
            }
            ClockState::Behind { by_ms } | ClockState::JumpedAhead { by_ms } => {
                tracing::error!(by_ms, "the machine's clock is {}; reminders wait", state.name());
            }
        }
        let found = u64::from(!state.agrees());
        if let Err(error) = self.store().keep_findings(FindingPart::Clock, found).await {
            tell(&error, "the state of the clock could not be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at (monotonic seconds, machine seconds); what each found.
    fn looks(committed_s: Option<i64>, at: &[(u64, i64)]) -> Vec<&'static str> {
        let mut guard = ClockGuard::default();
        let instant = |s: i64| Instant::from_timestamp_millis(s * 1_000).unwrap();
        let look = |(monotonic_s, machine_s): &(u64, i64)| {
            let monotonic = Duration::from_secs(*monotonic_s);
            guard
                .look(instant(*machine_s), monotonic, committed_s.map(instant))
                .name()
        };
        at.iter().map(look).collect()
    }

    #[test]
    fn jumps_hold_until_the_clock_agrees_again_and_slow_corrections_do_not() {
        let (ok, behind, ahead) = ("agrees", "behind", "jumped ahead");
        for (name, committed_s, at, found) in [
            (
                "steady",
                None,
                vec![(0, 1000), (1, 1001), (2, 1002)],
                vec![ok, ok, ok],
            ),
            (
                "slewed",
                None,
                vec![(0, 1000), (1, 1004), (2, 1009), (3, 1014)],
                vec![ok, ok, ok, ok],
            ),
            (
                "set back a minute, and caught up",
                None,
                vec![(0, 1000), (1, 941), (30, 970), (59, 999), (60, 1000), (61, 1001)],
                vec![ok, behind, behind, behind, ok, ok],
            ),
            (
                "set back a little",
                None,
                vec![(0, 1000), (1, 998), (2, 999)],
                vec![ok, ok, ok],
            ),
            (
                "set ahead and back",
                None,
                vec![(0, 1000), (1, 5001), (2, 5002), (3, 1003), (4, 1004)],
                vec![ok, ahead, ahead, ok, ok],
            ),
            (
                "set ahead for good",
                None,
                vec![
                    (0, 1000),
                    (1, 9001),
                    (3600, 12_600),
                    (3601, 12_601),
                    (3602, 12_602),
                ],
                vec![ok, ahead, ahead, ok, ok],
            ),
            (
                "behind what was committed before the start",
                Some(1100),
                vec![(0, 1000), (50, 1050), (100, 1100), (101, 1101)],
                vec![behind, behind, ok, ok],
            ),
            (
                "another host a little ahead",
                Some(1002),
                vec![(0, 1000), (1, 1001)],
                vec![ok, ok],
            ),
        ] {
            assert_eq!(looks(committed_s, &at), found, "{name}");
        }
    }
}
