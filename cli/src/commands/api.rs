//! `bedside api`: the HTTP interface by itself.

use std::sync::Arc;

use anyhow::Result;
use bedside_store::SystemClocks;

use crate::settings::Settings;
use crate::{service, wiring};

/// Serves until stopped.
pub async fn run(settings: Settings, development: bool) -> Result<()> {
    let settings = service::settings_for(settings, development)?;
    let listeners = wiring::bind(&settings)?;
    let store = wiring::open_store(&settings, Arc::new(SystemClocks)).await?;
    service::serve_until_stopped(&settings, store, listeners, development, None).await
}
