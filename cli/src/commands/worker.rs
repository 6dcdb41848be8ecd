//! `bedside worker`: the watch by itself. Any number may run.

use std::sync::Arc;

use anyhow::Result;
use bedside_store::SystemClocks;

use crate::notify::{Notifier, Parts};
use crate::service::{self, Working, asked_to_stop};
use crate::settings::Settings;
use crate::wiring;

/// Watches until stopped.
pub async fn run(settings: Settings, development: bool) -> Result<()> {
    let settings = service::settings_for_worker(settings, development)?;
    let asked_to_stop = asked_to_stop()?;
    let listener = wiring::bind_metrics(&settings)?;
    let store = wiring::open_store(&settings, Arc::new(SystemClocks)).await?;
    let working = Working::start(&settings, store.clone())?;
    let metrics = wiring::serve_metrics(listener, &store, None, Some(&working.worker))?;
    tracing::info!("the worker watches");
    let parts = Parts {
        worker: working.sign(),
        ..Parts::default()
    };
    let notifier = Notifier::start(parts);
    asked_to_stop.await;
    drop(notifier);
    working.stop().await;
    if let Some(metrics) = metrics {
        metrics.stop().await;
    }
    Ok(())
}
