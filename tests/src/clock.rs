//! Two clocks that a test moves by hand.

use std::sync::atomic::{AtomicI64, Ordering};

use bedside_protocol::time::Instant;
use bedside_store::Clocks;
use chrono::{DateTime, Duration};

/// The clinical and the machine clock of a test.
pub struct ManualClocks {
    clinical_ms: AtomicI64,
    machine_ms: AtomicI64,
    /// How far the machine clock was set besides the time that passed.
    jumped_ms: AtomicI64,
}

impl ManualClocks {
    /// Both clocks at `start`.
    pub fn at(start: Instant) -> Self {
        let ms = start.timestamp_millis();
        Self {
            clinical_ms: AtomicI64::new(ms),
            machine_ms: AtomicI64::new(ms),
            jumped_ms: AtomicI64::new(0),
        }
    }

    /// Sets the clinical clock.
    pub fn set_clinical(&self, at: Instant) {
        self.clinical_ms.store(at.timestamp_millis(), Ordering::SeqCst);
    }

    /// Moves the machine clock: so much time passes.
    pub fn advance_machine(&self, by: Duration) {
        self.machine_ms.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }

    /// Sets the machine clock while no time passes.
    pub fn jump_machine(&self, by: Duration) {
        self.jumped_ms.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
        self.advance_machine(by);
    }
}

impl Clocks for ManualClocks {
    fn clinical_now(&self) -> Instant {
        instant(self.clinical_ms.load(Ordering::SeqCst))
    }

    fn machine_now(&self) -> Instant {
        instant(self.machine_ms.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> std::time::Duration {
        let passed = self.machine_ms.load(Ordering::SeqCst) - self.jumped_ms.load(Ordering::SeqCst);
        std::time::Duration::from_millis(passed.unsigned_abs())
    }
}

fn instant(ms: i64) -> Instant {
    DateTime::from_timestamp_millis(ms).expect("a time within chrono's range")
}
