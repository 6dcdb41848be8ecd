//! What the program tells a service manager: that it works, goes on working, and stops (systemd, `Type=notify`).
//!
//! Guarantees: READY is said when the API has answered itself and the worker has verified a cycle, not when they were
//! started; WATCHDOG only after another such answer and another such cycle, so a service whose watch is stuck, or whose
//! database is gone, is restarted. Without `NOTIFY_SOCKET` nothing happens.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use bedside_store::Store;
use sd_notify::NotifyState;
use tokio::task::JoinHandle;

use crate::commands::health;

/// How often the first sign of life is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Signs of life are looked for so many times within the manager's limit.
const LOOKS_PER_LIMIT: u32 = 4;

/// What runs in this process and is to show that it does.
#[derive(Default)]
pub struct Parts {
    /// Where the API listens.
    pub api: Option<SocketAddr>,
    /// The store of a worker and its name.
    pub worker: Option<(Store, String)>,
}

/// Tells the manager for as long as it lives; says STOPPING when dropped.
pub struct Notifier(Option<JoinHandle<()>>);

impl Notifier {
    /// Starts to look and tell.
    pub fn start(parts: Parts) -> Self {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Self(None);
        }
        Self(Some(tokio::spawn(Signs { parts, cycles: None }.tell())))
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        if let Some(telling) = self.0.take() {
            telling.abort();
            say(NotifyState::Stopping);
        }
    }
}

struct Signs {
    parts: Parts,
    /// Cycles of the worker that were seen. The first look only counts them: what an earlier process of this name did is
    /// no sign of life.
    cycles: Option<u64>,
}

impl Signs {
    async fn tell(mut self) {
        while !self.is_alive().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        say(NotifyState::Ready);
        let Some(limit) = sd_notify::watchdog_enabled() else {
            return;
        };
        loop {
            say(NotifyState::Watchdog);
            tokio::time::sleep(limit / LOOKS_PER_LIMIT).await;
            while !self.is_alive().await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
    }

    /// Whether every part has done its work since the last question.
    async fn is_alive(&mut self) -> bool {
        if let Some(address) = self.parts.api
            && let Err(error) = health::ask(address, "/health/live").await
        {
            tracing::error!(
                error = AsRef::<dyn Error>::as_ref(&error),
                "the API does not answer itself"
            );
            return false;
        }
        if self.parts.worker.is_none() {
            return true;
        }
        let Ok(cycles) = self.count_cycles().await else {
            return false;
        };
        self.cycles.replace(cycles).is_some_and(|seen| cycles > seen)
    }

    /// Cycles that this process's worker has verified, as the database knows them. The error is in the worker's own log.
    async fn count_cycles(&self) -> Result<u64, ()> {
        let Some((store, name)) = &self.parts.worker else {
            return Ok(0);
        };
        let beats = store.list_heartbeats().await.map_err(drop)?;
        let own = beats.iter().find(|beat| beat.worker == *name);
        Ok(own.map_or(0, |beat| beat.cycles))
    }
}

fn say(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(
            error = &error as &dyn Error,
            "the service manager could not be told"
        );
    }
}
