//! `bedside restore`: puts a backup back where there is no database yet, or only checks one, or a database that
//! PostgreSQL's own tools brought back.
//!
//! Nothing that happened after the backup is known any more. So what is put back is marked as not watched since: the
//! first worker opens one case for every session that was running, and a person calls. Sessions that may have begun
//! since are printed, for a person to ring.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use bedside_store::{BackupError, Engine, Inspection, Store, SystemClocks};

use crate::arguments::RestoreArguments;
use crate::commands::backup::{
    about_settings, describe, make_folder_of, say_how_on_postgres, tell_about_key,
};
use crate::say::tell;
use crate::settings::Settings;
use crate::{keys, wiring};

/// Restores or checks.
pub async fn run(settings: &Settings, arguments: RestoreArguments) -> Result<ExitCode> {
    match (arguments.file, arguments.check, arguments.mark) {
        (Some(file), true, _) => check_file(settings, &file).await,
        (Some(file), false, _) => put_back(settings, &file).await,
        (None, true, _) => check_in_place(settings).await,
        (None, false, true) => mark(settings).await,
        (None, false, false) if wiring::store_settings(settings).engine()? == Engine::Postgres => {
            Ok(say_how_on_postgres())
        }
        (None, false, false) => {
            eprintln!(
                "bedside: which backup? Give its FILE, or --check or --mark for the database that is there"
            );
            Ok(ExitCode::from(crate::SET_UP_WRONGLY))
        }
    }
}

async fn check_file(settings: &Settings, file: &Path) -> Result<ExitCode> {
    let keys = keys::master(settings)?;
    let found = Store::inspect_file(file, Arc::new(SystemClocks), keys).await?;
    Ok(judge(&found, &file.display().to_string()))
}

async fn check_in_place(settings: &Settings) -> Result<ExitCode> {
    let keys = keys::master(settings)?;
    let store_settings = wiring::store_settings(settings);
    let found = Store::inspect(&store_settings, Arc::new(SystemClocks), keys)
        .await
        .map_err(about_settings)?;
    Ok(judge(&found, "The database of DATABASE_URL"))
}

fn judge(found: &Inspection, what: &str) -> ExitCode {
    describe(found);
    if found.is_good() {
        tell!("{what} is good.");
        ExitCode::SUCCESS
    } else {
        tell!("{what} is NOT good.");
        ExitCode::FAILURE
    }
}

async fn put_back(settings: &Settings, file: &Path) -> Result<ExitCode> {
    let store_settings = wiring::store_settings(settings);
    if store_settings.engine()? == Engine::Postgres {
        return Ok(say_how_on_postgres());
    }
    let keys = keys::master(settings)?;
    if let Some(path) = store_settings.sqlite_path()? {
        make_folder_of(&path)?;
    }
    let found = match Store::restore(&store_settings, Arc::new(SystemClocks), keys, file).await {
        Err(BackupError::NoGood(found)) => {
            describe(&found);
            tell!("{} is NOT good, and nothing was put back.", file.display());
            return Ok(ExitCode::FAILURE);
        }
        restored => restored.map_err(about_settings)?,
    };
    describe(&found);
    tell!("{} was put back.", file.display());
    tell_what_follows(&found);
    tell_about_key(settings);
    Ok(ExitCode::SUCCESS)
}

async fn mark(settings: &Settings) -> Result<ExitCode> {
    let keys = keys::master(settings)?;
    let store_settings = wiring::store_settings(settings);
    let found = Store::inspect(&store_settings, Arc::new(SystemClocks), keys)
        .await
        .map_err(about_settings)?;
    if !found.is_good() {
        return Ok(judge(&found, "The database of DATABASE_URL"));
    }
    Store::mark_restored(&store_settings)
        .await
        .map_err(about_settings)?;
    describe(&found);
    tell!("Marked as restored.");
    tell_what_follows(&found);
    Ok(ExitCode::SUCCESS)
}

fn tell_what_follows(found: &Inspection) {
    if !found.missing_migrations.is_empty() {
        tell!("Next: `bedside migrate`.");
    }
    tell!(
        "The first worker asks for a call about every session that was running then. A mail may come a second time."
    );
    if found.may_have_begun.is_empty() {
        return;
    }
    tell!("These sessions may have begun without this database knowing it. RING ABOUT EACH, NOW:");
    for session in &found.may_have_begun {
        tell!("  {session}");
    }
}
