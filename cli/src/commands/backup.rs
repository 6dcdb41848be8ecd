//! `bedside backup`: a checked copy of the SQLite database, made while the program runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bedside_store::{BackupError, Clocks as _, Engine, Inspection, KeyFound, OpenError, Store, SystemClocks};

use crate::arguments::BackupArguments;
use crate::say::tell;
use crate::settings::Settings;
use crate::{SET_UP_WRONGLY, keys, wiring};

/// Faults of the audit trail that are told; one is bad enough.
const FAULTS_TOLD: usize = 20;

/// What to do on PostgreSQL.
const POSTGRES: &str =
    "The database is PostgreSQL, which is backed up by its own tools, while everything runs:
  pg_dump --format=custom --file=bedside.dump \"$DATABASE_URL\"
or, so that nothing of the last minutes is lost, pg_basebackup with WAL archiving.
Into a new, empty database, with no worker running:
  pg_restore --exit-on-error --single-transaction --no-owner --dbname=\"$NEW_DATABASE_URL\" bedside.dump
  bedside restore --check   # with DATABASE_URL set to the new one
  bedside restore --mark    # then start the workers
The master key is in neither: keep a copy of it apart. docs/operations.md has the whole way.";

/// Copies and checks.
pub async fn run(settings: &Settings, arguments: BackupArguments) -> Result<ExitCode> {
    let store_settings = wiring::store_settings(settings);
    if store_settings.engine()? == Engine::Postgres {
        return Ok(say_how_on_postgres());
    }
    let keys = keys::master(settings)?;
    let to = name_in_folder(arguments.to);
    let copied = Store::back_up(&store_settings, Arc::new(SystemClocks), keys, &to).await;
    let found = match copied {
        Err(BackupError::NoGood(found)) => {
            describe(&found);
            tell!("The copy is no good and was removed: the database itself is at fault.");
            return Ok(ExitCode::FAILURE);
        }
        copied => copied.map_err(about_settings)?,
    };
    let bytes = std::fs::metadata(&to).map(|file| file.len()).unwrap_or_default();
    tell!("{}  {} bytes, checked:", to.display(), bytes);
    describe(&found);
    tell_about_key(settings);
    Ok(ExitCode::SUCCESS)
}

/// Says what to run instead.
pub fn say_how_on_postgres() -> ExitCode {
    eprintln!("{POSTGRES}");
    ExitCode::from(SET_UP_WRONGLY)
}

/// A backup without its key is worth nothing, and one beside its key is not safe.
pub fn tell_about_key(settings: &Settings) {
    let made = keys::made_key_path(&settings.data_dir, "MASTER_KEY").filter(|path| path.exists());
    let place = made.map_or_else(|| "MASTER_KEY".to_owned(), |path| path.display().to_string());
    tell!("The key ({place}) is NOT in the backup, which cannot be read without it.");
    tell!("Keep a copy of the key, and not in the same place as the backups.");
}

/// Prints what a look into a database found.
pub fn describe(found: &Inspection) {
    if found.damage.is_empty() {
        tell!("ok     file      nothing is damaged, no row refers to a missing one");
    }
    for damage in &found.damage {
        tell!("WRONG  file      {damage}");
    }
    match found.missing_migrations.as_slice() {
        [] => tell!("ok     schema    that of this program"),
        missing => tell!(
            "note   schema    older than this program; `bedside migrate` will bring {}",
            missing.join(", ")
        ),
    }
    match found.key {
        KeyFound::Right => tell!("ok     key       MASTER_KEY opens it"),
        KeyFound::Wrong => tell!("WRONG  key       MASTER_KEY is not the one it was sealed with"),
        KeyFound::Unused => {
            tell!("WRONG  key       nothing in it was ever sealed: no program has opened it");
        }
    }
    let audit = &found.audit;
    if audit.faults.is_empty() && found.damage.is_empty() {
        tell!(
            "ok     audit     {} rows of {} chains hold",
            audit.rows,
            audit.heads.len()
        );
    }
    for fault in audit.faults.iter().take(FAULTS_TOLD) {
        tell!(
            "WRONG  audit     {} row {}: {}",
            fault.chain,
            fault.seq,
            fault.what
        );
    }
    if audit.faults.len() > FAULTS_TOLD {
        tell!("WRONG  audit     and {} more", audit.faults.len() - FAULTS_TOLD);
    }
    let counts: Vec<String> = found
        .counts
        .iter()
        .map(|(what, count)| format!("{count} {what}"))
        .collect();
    if !counts.is_empty() {
        tell!("       holds     {}", counts.join(", "));
    }
    if let Some(until) = found.watched_until {
        tell!(
            "       watched   until {}; what happened later is not in it",
            until.format("%Y-%m-%d %H:%M:%S UTC")
        );
    }
}

/// An error that is one of settings gets their status.
pub fn about_settings(error: BackupError) -> anyhow::Error {
    match error {
        BackupError::Open(OpenError::WrongKey) => {
            crate::settings::Faults::one("MASTER_KEY", "is not the one this database was sealed with").into()
        }
        BackupError::Open(error) => error.into(),
        error => error.into(),
    }
}

/// In a folder, a file named by the time.
fn name_in_folder(to: PathBuf) -> PathBuf {
    if to.is_dir() {
        let now = SystemClocks.machine_now().format("%Y%m%dT%H%M%SZ");
        to.join(format!("bedside-{now}.sqlite"))
    } else {
        to
    }
}

/// Makes the folder of a database that is to be restored.
pub fn make_folder_of(path: &Path) -> Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => {
            keys::private_folder(folder).with_context(|| format!("{} cannot be made", folder.display()))
        }
        None => Ok(()),
    }
}
