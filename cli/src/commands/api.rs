//! `bedside api`: the HTTP interface by itself, and a standby for workers that have gone silent.

use std::sync::Arc;

use anyhow::Result;
use bedside_store::SystemClocks;

use crate::service::{self, Working};
use crate::settings::Settings;
use crate::wiring;

/// Serves until stopped.
pub async fn run(settings: Settings, development: bool) -> Result<()> {
    let settings = service::settings_for_api(settings, development)?;
    let listeners = wiring::bind(&settings)?;
    let store = wiring::open_store(&settings, Arc::new(SystemClocks)).await?;
    let standby = Working::start_standby(&settings, store.clone(), development)?;
    service::serve_until_stopped(&settings, store, listeners, development, standby).await
}
