//! How the story moves through time: fast where something happens, by a jump where nothing is due.
//!
//! A jump never passes over anything: it ends just before the next moment at which the store has something to look at
//! or to send, and the worker has finished with everything before it.

use std::time::Duration;

use anyhow::{Result, bail};
use bedside_protocol::time::{Instant, minutes, seconds};
use bedside_store::Store;
use tokio::runtime::Handle;

use super::stage::Stage;

/// How long the worker may take to finish what is due, real time.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Quiet stretches shorter than this are played, clinical minutes.
const SHORTEST_JUMP_MIN: i64 = 2;

/// Jumps longer than this are told, clinical minutes.
const SHORTEST_TOLD_MIN: i64 = 45;

/// How long before the next due moment a jump ends, clinical seconds.
const LAND_BEFORE_S: i64 = 20;

/// The story's way through time.
#[derive(Clone)]
pub struct Tempo {
    stage: Stage,
    store: Store,
    runtime: Handle,
}

impl Tempo {
    /// Moves this stage's clock by what this store has to do.
    pub fn new(stage: Stage, store: Store, runtime: Handle) -> Self {
        Self {
            stage,
            store,
            runtime,
        }
    }

    /// Goes on to `at`; everything due before it happens. Blocks.
    pub fn go_to(&self, at: Instant) -> Result<()> {
        loop {
            self.settle()?;
            let now = self.stage.now();
            if now >= at {
                return Ok(());
            }
            let next = self.runtime.block_on(self.store.next_wake_at())?;
            let stop = next.filter(|next| *next > now && *next < at).unwrap_or(at);
            let landing = stop - seconds(LAND_BEFORE_S);
            if landing - now > minutes(SHORTEST_JUMP_MIN) {
                if landing - now > minutes(SHORTEST_TOLD_MIN) {
                    self.stage.tell(
                        "  ...",
                        &format!("nothing is due for {}; the clock skips", span(landing - now)),
                    );
                }
                self.stage.clock.jump_to(landing);
            }
            self.stage.wait_until(stop);
        }
    }

    /// Waits until the worker has looked at everything that is due and sent everything that may be sent. Blocks.
    pub fn settle(&self) -> Result<()> {
        let mut waited = Duration::ZERO;
        loop {
            let next = self.runtime.block_on(self.store.next_wake_at())?;
            if next.is_none_or(|next| next > self.stage.now()) {
                return Ok(());
            }
            if waited >= SETTLES_WITHIN {
                bail!(
                    "the worker did not finish what was due within {} seconds",
                    SETTLES_WITHIN.as_secs()
                );
            }
            std::thread::sleep(LOOK_EVERY);
            waited += LOOK_EVERY;
        }
    }
}

/// A span in words: `2 days 3 h`, `3 h 20 min`, `50 min`.
fn span(length: chrono::Duration) -> String {
    let (days, hours, left) = (
        length.num_days(),
        length.num_hours() % 24,
        length.num_minutes() % 60,
    );
    match (days, hours) {
        (0, 0) => format!("{left} min"),
        (0, _) => format!("{hours} h {left} min"),
        (1, _) => format!("1 day {hours} h"),
        _ => format!("{days} days {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_reads_in_words() {
        for (length, words) in [
            (50, "50 min"),
            (200, "3 h 20 min"),
            (1500, "1 day 1 h"),
            (3000, "2 days 2 h"),
        ] {
            assert_eq!(span(minutes(length)), words);
        }
    }
}
