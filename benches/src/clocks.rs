//! Clocks for benchmarks: the clinical one stands still while a world is made and then runs with the machine's.

use std::sync::atomic::{AtomicI64, Ordering};

use bedside_protocol::time::Instant;
use bedside_store::{Clocks, SystemClocks};
use chrono::{DateTime, Duration};

/// No offset yet: the clinical clock stands still.
const STANDING: i64 = i64::MIN;

/// A clinical clock that is set by hand until it is let go, and the machine's own clock.
pub struct BenchClocks {
    standing_at_ms: AtomicI64,
    ahead_ms: AtomicI64,
}

impl BenchClocks {
    /// The clinical clock stands at `start`.
    pub fn standing_at(start: Instant) -> Self {
        Self {
            standing_at_ms: AtomicI64::new(start.timestamp_millis()),
            ahead_ms: AtomicI64::new(STANDING),
        }
    }

    /// Has the clinical clock stand at `at`.
    pub fn stand_at(&self, at: Instant) {
        self.standing_at_ms.store(at.timestamp_millis(), Ordering::SeqCst);
        self.ahead_ms.store(STANDING, Ordering::SeqCst);
    }

    /// Has the clinical clock run from `at` on.
    pub fn run_from(&self, at: Instant) {
        let ahead = at - SystemClocks.machine_now();
        self.ahead_ms.store(ahead.num_milliseconds(), Ordering::SeqCst);
    }
}

impl Clocks for BenchClocks {
    fn clinical_now(&self) -> Instant {
        match self.ahead_ms.load(Ordering::SeqCst) {
            STANDING => DateTime::from_timestamp_millis(self.standing_at_ms.load(Ordering::SeqCst))
                .expect("a time within chrono's range"),
            ahead_ms => SystemClocks.clinical_now() + Duration::milliseconds(ahead_ms),
        }
    }

    fn machine_now(&self) -> Instant {
        SystemClocks.machine_now()
    }
}
