//! `bedside migrate`: brings the database to this program's schema, under a lock.

use anyhow::Result;
use bedside_store::Store;

use crate::settings::{Faults, Settings};
use crate::{keys, wiring};

/// Migrates and says what was done.
pub async fn run(settings: &Settings) -> Result<()> {
    let own_folder = format!("sqlite:{}", settings.data_dir.display());
    if settings.database_url.reveal().starts_with(&own_folder) {
        keys::private_folder(&settings.data_dir).map_err(|error| {
            Faults::one(
                "DATA_DIR",
                format!(
                    "names {}, which cannot be used: {error}",
                    settings.data_dir.display()
                ),
            )
        })?;
    }
    let applied = Store::migrate(&wiring::store_settings(settings)).await?;
    if applied.is_empty() {
        println!("The database is up to date.");
    }
    for name in applied {
        println!("applied {name}");
    }
    Ok(())
}
