//! What the API and the worker have in common: their settings, and running until somebody stops the program.

use anyhow::{Context as _, Result};
use bedside_api::Serving;
use bedside_store::Store;
use bedside_worker::Worker;
use bedside_worker::settings::WorkerSettings;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::notify::{Notifier, Parts};
use crate::settings::{Mode, Settings};
use crate::wiring::Listeners;
use crate::{keys, wiring};

/// The settings of a part that runs by itself. For development, keys that are missing are made.
pub fn settings_for(settings: Settings, development: bool) -> Result<Settings> {
    if !development {
        return Ok(settings.for_service(Mode::Production)?);
    }
    let mut settings = settings.for_service(Mode::Development)?;
    keys::make_missing(&mut settings)?;
    Ok(settings)
}

/// A worker that runs beside us.
pub struct Working {
    /// The worker, for its numbers.
    pub worker: Worker,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Working {
    /// Starts a worker.
    pub fn start(settings: &Settings, store: Store) -> Result<Self> {
        let mut worker_settings = WorkerSettings::new(wiring::mail_settings(settings)?);
        worker_settings.cycle_ms = settings.cycle_ms;
        let worker = Worker::new(
            store,
            wiring::transport(settings)?,
            worker_settings,
            worker_name(),
        );
        let (stop, stopped) = watch::channel(false);
        let runs = worker.clone();
        let running = tokio::spawn(async move { runs.run(stopped).await });
        Ok(Self {
            worker,
            stop,
            running,
        })
    }

    /// What shows that it watches.
    pub fn sign(&self) -> (Store, String) {
        (self.worker.store().clone(), self.worker.id().to_owned())
    }

    /// Lets what has begun end.
    pub async fn stop(self) {
        // It may have ended by itself already.
        let _ = self.stop.send(true);
        let _ = self.running.await;
    }
}

/// The host's name and the process, to tell workers apart.
fn worker_name() -> String {
    format!("{}-{}", host_name(), std::process::id())
}

/// The host's name; in a container, the container's.
pub fn host_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    if host.is_empty() { "worker" } else { host }.to_owned()
}

/// Hears Ctrl-C and a polite kill from now on; the future ends with the first of them. To be called before work begins
/// that should be allowed to end.
pub fn asked_to_stop() -> Result<impl Future<Output = ()>> {
    let hear = |kind| signal(kind).context("signals cannot be heard");
    let (mut interrupt, mut terminate) = (hear(SignalKind::interrupt())?, hear(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Serves the API until somebody stops the program.
pub async fn serve_until_stopped(
    settings: &Settings,
    store: Store,
    listeners: Listeners,
    shows_all: bool,
    working: Option<Working>,
) -> Result<()> {
    let asked_to_stop = asked_to_stop()?;
    let app = wiring::app(settings, store.clone(), shows_all)?;
    let worker = working.as_ref().map(|working| &working.worker);
    let metrics = wiring::serve_metrics(listeners.metrics, &store, Some(&app), worker)?;
    let mut serving: Serving = bedside_api::serve(app, listeners.api).await?;
    tracing::info!(address = %serving.address(), "the API listens");
    let parts = Parts {
        api: Some(serving.address()),
        worker: working.as_ref().map(Working::sign),
    };
    let notifier = Notifier::start(parts);
    let ended = tokio::select! {
        () = asked_to_stop => Ok(()),
        ended = serving.ended() => ended.context("the API ended by itself"),
    };
    drop(notifier);
    serving.stop().await;
    if let Some(working) = working {
        working.stop().await;
    }
    if let Some(metrics) = metrics {
        metrics.stop().await;
    }
    ended
}
