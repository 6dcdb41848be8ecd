//! The stage: the clinical clock as the audience sees it, and the one place that prints the story's lines.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bedside_protocol::time::{Instant, Zone};
use bedside_store::Clocks as _;

use crate::clock::FastClock;

/// How often a wait looks at the clock.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Clock, zone and the story's voice. Cheap to clone.
#[derive(Clone)]
pub struct Stage {
    /// The clinical clock.
    pub clock: Arc<FastClock>,
    /// Where the patient lives.
    pub zone: Zone,
    /// One line at a time, in the order they happen.
    voice: Arc<Mutex<Option<chrono::NaiveDate>>>,
}

impl Stage {
    /// A stage in this zone.
    pub fn new(clock: Arc<FastClock>, zone: Zone) -> Self {
        Self {
            clock,
            zone,
            voice: Arc::new(Mutex::new(None)),
        }
    }

    /// The clinical clock.
    pub fn now(&self) -> Instant {
        self.clock.clinical_now()
    }

    /// A line: local time, who, what.
    pub fn tell(&self, who: &str, what: &str) {
        let now = self.now();
        self.tell_at(now, who, what);
    }

    /// A line about something that happened at `at`.
    pub fn tell_at(&self, at: Instant, who: &str, what: &str) {
        let mut last_day = self.voice.lock().unwrap_or_else(PoisonError::into_inner);
        let (on, time) = (self.zone.date_of(at), self.zone.time_of(at));
        let mut out = std::io::stdout().lock();
        // Nobody may be reading any more, as with `| head`; the story goes on.
        if *last_day != Some(on) {
            *last_day = Some(on);
            let _ = writeln!(out, "\n  {}", on.format("%A, %B %-d, %Y"));
        }
        let _ = writeln!(out, "  {}  {who:<12} {what}", time.format("%H:%M:%S"));
        let _ = out.flush();
    }

    /// A line outside the story.
    pub fn note(&self, text: &str) {
        let _held = self.voice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}");
        let _ = out.flush();
    }

    /// Waits until the clinical clock shows `at`. Blocks.
    pub fn wait_until(&self, at: Instant) {
        while self.now() < at {
            std::thread::sleep(LOOK_EVERY);
        }
    }
}
