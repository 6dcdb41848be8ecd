//! The two clocks, and the only place in the program that reads the wall clock.
//!
//! The clinical clock is what duties and people go by; a demo may run it fast. The machine clock is for leases,
//! back-off and locks. Both give whole milliseconds, which is what both databases keep, so that a time read back is
//! equal to the time written.

use std::sync::LazyLock;
use std::time::Duration;

use bedside_protocol::time::Instant;
use chrono::{DateTime, Utc};

/// Where the time comes from. A test moves it; a demo runs the clinical one fast.
pub trait Clocks: Send + Sync + 'static {
    /// The clinical clock, whole milliseconds.
    fn clinical_now(&self) -> Instant;
    /// The machine clock, whole milliseconds.
    fn machine_now(&self) -> Instant;
    /// Time since some fixed moment, which nobody can set; for telling a jump of the machine clock from time that passed.
    /// Clocks that cannot jump may leave it to follow the machine clock.
    fn monotonic(&self) -> Duration {
        let ms = u64::try_from(self.machine_now().timestamp_millis()).unwrap_or(0);
        Duration::from_millis(ms)
    }
}

/// The wall clock, for both.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClocks;

impl SystemClocks {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn read() -> Instant {
        whole_ms(Utc::now())
    }
}

impl Clocks for SystemClocks {
    fn clinical_now(&self) -> Instant {
        Self::read()
    }

    fn machine_now(&self) -> Instant {
        Self::read()
    }

    fn monotonic(&self) -> Duration {
        static START: LazyLock<Stopwatch> = LazyLock::new(Stopwatch::start);
        START.elapsed()
    }
}

/// `at` without what is smaller than a millisecond.
pub fn whole_ms(at: Instant) -> Instant {
    DateTime::from_timestamp_millis(at.timestamp_millis()).unwrap_or(at)
}

/// How long something takes: the pool's own back-off, metrics. A test does not move it.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a span of real time, not a time of day")]
    /// Begins now.
    pub fn start() -> Self {
        Self(std::time::Instant::now())
    }

    #[expect(clippy::disallowed_methods, reason = "a span of real time, not a time of day")]
    /// Since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Milliseconds since 1970, the form in which instants are stored.
pub(crate) fn to_ms(at: Instant) -> i64 {
    at.timestamp_millis()
}

/// The instant of stored milliseconds. A value outside chrono's range, which only a damaged row can hold, becomes 1970.
pub(crate) fn from_ms(ms: i64) -> Instant {
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::UNIX_EPOCH)
}
