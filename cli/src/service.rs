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

/// The settings of a worker that runs by itself. For development, keys that are missing are made.
pub fn settings_for_worker(settings: Settings, development: bool) -> Result<Settings> {
    with_keys(settings.for_service(mode(development))?, development)
}

/// The settings of an API that runs by itself, likewise.
pub fn settings_for_api(settings: Settings, development: bool) -> Result<Settings> {
    with_keys(settings.for_api(mode(development))?, development)
}

fn mode(development: bool) -> Mode {
    if development {
        Mode::Development
    } else {
        Mode::Production
    }
}

fn with_keys(mut settings: Settings, development: bool) -> Result<Settings> {
    if development {
        keys::make_missing(&mut settings)?;
    }
    Ok(settings)
}

/// A worker, or a standby for one, that runs beside us.
pub struct Working {
    /// The worker, for its numbers.
    pub worker: Worker,
    is_standby: bool,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Working {
    /// Starts a worker.
    pub fn start(settings: &Settings, store: Store) -> Result<Self> {
        let worker = worker(settings, store)?;
        let (stop, stopped) = watch::channel(false);
        let runs = worker.clone();
        let running = tokio::spawn(async move { runs.run(stopped).await });
        Ok(Self {
            worker,
            is_standby: false,
            stop,
            running,
        })
    }

    /// What shows that it watches; a standby, which mostly waits, has nothing to show.
    pub fn sign(&self) -> Option<(Store, String)> {
        (!self.is_standby).then(|| (self.worker.store().clone(), self.worker.id().to_owned()))
    }

    /// Starts a standby: what does a worker's most urgent work when all workers are silent. `None` where it is turned off,
    /// or where a developer's machine has no way out for mail.
    pub fn start_standby(settings: &Settings, store: Store, development: bool) -> Result<Option<Self>> {
        if !settings.standby {
            tracing::warn!("STANDBY is no: without a worker nobody is told of a missed check-in");
            return Ok(None);
        }
        let worker = match worker(settings, store) {
            Ok(worker) => worker,
            Err(error) if development => {
                tracing::warn!("without a way out for mail there is no standby: {error:#}");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let (stop, stopped) = watch::channel(false);
        let runs = worker.clone();
        let running = tokio::spawn(async move { runs.run_standby(stopped).await });
        Ok(Some(Self {
            worker,
            is_standby: true,
            stop,
            running,
        }))
    }

    /// Lets what has begun end.
    pub async fn stop(self) {
        // It may have ended by itself already.
        let _ = self.stop.send(true);
        let _ = self.running.await;
    }
}

fn worker(settings: &Settings, store: Store) -> Result<Worker> {
    let mut worker_settings = WorkerSettings::new(wiring::mail_settings(settings)?);
    worker_settings.cycle_ms = settings.cycle_ms;
    worker_settings.ping_url.clone_from(&settings.ping_url);
    worker_settings.standby_after_s = settings.standby_after_s;
    worker_settings.drill.clone_from(&settings.drill);
    Ok(Worker::new(
        store,
        wiring::transport(settings)?,
        worker_settings,
        worker_name(),
    ))
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
    // A standby is no worker: what counts workers must not see it.
    let worker = working.as_ref().filter(|working| !working.is_standby);
    let worker = worker.map(|working| &working.worker);
    let metrics = wiring::serve_metrics(listeners.metrics, &store, Some(&app), worker)?;
    let mut serving: Serving = bedside_api::serve(app, listeners.api).await?;
    tracing::info!(address = %serving.address(), "the API listens");
    let parts = Parts {
        api: Some(serving.address()),
        worker: working.as_ref().and_then(Working::sign),
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
