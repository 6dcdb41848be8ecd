//! The demo's two clocks: the machine's own for leases and limits, and a clinical one that runs fast and can be moved
//! ahead over quiet hours.

use std::sync::{Mutex, PoisonError};

use bedside_protocol::time::Instant;
use bedside_store::{Clocks, SystemClocks};
use chrono::Duration;

/// Clinical time runs `speed` times as fast as the machine's, from a chosen start, and never backwards, also when the
/// machine's clock is set back.
#[derive(Debug)]
pub struct FastClock(Mutex<Run>);

/// One stretch at one speed.
#[derive(Debug)]
struct Run {
    clinical_start: Instant,
    machine_start: Instant,
    speed: u32,
    last_shown: Instant,
}

impl FastClock {
    /// Starts at `clinical_start`, `speed` clinical seconds for each real one.
    pub fn new(clinical_start: Instant, speed: u32) -> Self {
        Self(Mutex::new(Run {
            clinical_start,
            machine_start: SystemClocks.machine_now(),
            speed,
            last_shown: clinical_start,
        }))
    }

    /// Moves the clinical clock ahead to `at`. A time that has passed changes nothing.
    pub fn jump_to(&self, at: Instant) {
        self.with(SystemClocks.machine_now(), |run, machine_now, clinical_now| {
            run.restart(machine_now, clinical_now.max(at), run.speed);
        });
    }

    /// From now on runs `speed` times as fast as the machine's.
    pub fn set_speed(&self, speed: u32) {
        self.with(SystemClocks.machine_now(), |run, machine_now, clinical_now| {
            run.restart(machine_now, clinical_now, speed);
        });
    }

    fn with<T>(&self, machine_now: Instant, act: impl FnOnce(&mut Run, Instant, Instant) -> T) -> T {
        let mut run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = (machine_now - run.machine_start).max(Duration::zero());
        let passed = i32::try_from(run.speed)
            .ok()
            .and_then(|speed| passed.checked_mul(speed))
            .unwrap_or(passed);
        let clinical_now = (run.clinical_start + passed).max(run.last_shown);
        run.last_shown = clinical_now;
        act(&mut run, machine_now, clinical_now)
    }
}

impl Run {
    fn restart(&mut self, machine_now: Instant, clinical_now: Instant, speed: u32) {
        *self = Self {
            clinical_start: clinical_now,
            machine_start: machine_now,
            speed,
            last_shown: clinical_now,
        };
    }
}

impl Clocks for FastClock {
    fn clinical_now(&self) -> Instant {
        self.with(SystemClocks.machine_now(), |_, _, clinical_now| clinical_now)
    }

    fn machine_now(&self) -> Instant {
        SystemClocks.machine_now()
    }

    fn monotonic(&self) -> std::time::Duration {
        SystemClocks.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(clock: &FastClock, machine_now: Instant) -> Instant {
        clock.with(machine_now, |_, _, clinical_now| clinical_now)
    }

    #[test]
    fn it_runs_fast_jumps_ahead_only_and_never_goes_back() {
        let start: Instant = "2026-11-21T15:00:00Z".parse().unwrap();
        let clock = FastClock::new(start, 60);
        let machine_start = clock.0.lock().unwrap().machine_start;
        assert_eq!(
            at(&clock, machine_start + Duration::seconds(2)),
            start + Duration::minutes(2)
        );
        // The machine's clock is set back.
        assert_eq!(
            at(&clock, machine_start - Duration::hours(1)),
            start + Duration::minutes(2)
        );

        let clock = FastClock::new(start, 60);
        clock.jump_to(start + Duration::days(1));
        assert!(clock.clinical_now() >= start + Duration::days(1));
        clock.jump_to(start);
        assert!(clock.clinical_now() >= start + Duration::days(1));

        clock.set_speed(1);
        let machine_start = clock.0.lock().unwrap().machine_start;
        let shown = at(&clock, machine_start);
        assert_eq!(
            at(&clock, machine_start + Duration::seconds(5)),
            shown + Duration::seconds(5)
        );
    }
}
