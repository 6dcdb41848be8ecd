//! Limits on tries, per client: log-ins and help without a log-in.
//!
//! Kept in memory, each process for itself: enough against one machine that tries passwords or floods a clinic with
//! help presses. What must not be guessed at all (passwords, PINs) is also counted in the database, per account. Memory
//! is bounded; when the table is full the client that was seen longest ago makes room.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bedside_protocol::time::Instant;
use chrono::Duration;

use crate::error::ApiError;

/// Most clients remembered at once.
const CLIENTS_MAX: usize = 10_000;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limited {
    /// Log-in, refresh, and setting a password.
    LogIn,
    /// Help without a log-in or by a dead link.
    Help,
    /// The PIN on a case's page.
    Pin,
}

impl Limited {
    /// So many tries …
    fn most(self) -> u32 {
        match self {
            Self::LogIn => 30,
            Self::Help => 5,
            Self::Pin => 20,
        }
    }

    /// … within so many seconds.
    fn within_s(self) -> i64 {
        match self {
            Self::LogIn | Self::Pin => 60,
            Self::Help => 600,
        }
    }
}

struct Window {
    began_at: Instant,
    last_at: Instant,
    tries: u32,
}

/// Who has tried what how often.
#[derive(Default)]
pub struct Limits {
    windows: Mutex<HashMap<(Limited, String), Window>>,
}

impl Limits {
    /// Counts a try. `now` is the machine clock; a clock that jumps back begins a new window.
    pub fn take(&self, what: Limited, client: &str, now: Instant) -> Result<(), ApiError> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let length = Duration::seconds(what.within_s());
        let key = (what, client.to_owned());
        if windows.len() >= CLIENTS_MAX && !windows.contains_key(&key) {
            make_room(&mut windows, now);
        }
        let window = windows.entry(key).or_insert(Window {
            began_at: now,
            last_at: now,
            tries: 0,
        });
        if now < window.began_at || now - window.began_at >= length {
            *window = Window {
                began_at: now,
                last_at: now,
                tries: 0,
            };
        }
        window.last_at = now;
        if window.tries >= what.most() {
            let left = length - (now - window.began_at);
            let retry_after_s = u64::try_from(left.num_seconds()).unwrap_or(0) + 1;
            return Err(ApiError::TooManyRequests { retry_after_s });
        }
        window.tries += 1;
        Ok(())
    }
}

/// Forgets every window that is over, else the one that was used longest ago.
fn make_room(windows: &mut HashMap<(Limited, String), Window>, now: Instant) {
    windows.retain(|(what, _), window| {
        now >= window.began_at && now - window.began_at < Duration::seconds(what.within_s())
    });
    if windows.len() >= CLIENTS_MAX {
        let oldest = windows
            .iter()
            .min_by_key(|(_, window)| window.last_at)
            .map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            windows.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Instant {
        Instant::UNIX_EPOCH + Duration::seconds(seconds)
    }

    #[test]
    fn the_sixth_help_press_in_ten_minutes_waits_and_another_client_does_not() {
        let limits = Limits::default();
        for second in 0..5 {
            assert_eq!(limits.take(Limited::Help, "a", at(second)), Ok(()));
        }
        let refused = limits.take(Limited::Help, "a", at(100));
        assert_eq!(refused, Err(ApiError::TooManyRequests { retry_after_s: 501 }));
        assert_eq!(limits.take(Limited::Help, "b", at(100)), Ok(()));
        assert_eq!(limits.take(Limited::LogIn, "a", at(100)), Ok(()));
        assert_eq!(limits.take(Limited::Help, "a", at(600)), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let limits = Limits::default();
        for client in 0..CLIENTS_MAX + 50 {
            assert_eq!(limits.take(Limited::Help, &client.to_string(), at(0)), Ok(()));
        }
        assert_eq!(limits.windows.lock().unwrap().len(), CLIENTS_MAX);
    }
}
