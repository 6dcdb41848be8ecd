//! Copies of a database, and the proof that one can be gone on with.
//!
//! A copy of SQLite is made while the program runs (`VACUUM INTO`: one read transaction, nobody waits for it), under a
//! name of its own, looked at, and only then given the name that was asked for. It appears whole or not at all, is its
//! owner's only, and never takes the place of a file that is there. PostgreSQL has tools of its own for that
//! (docs/operations.md); what they bring back is looked at in the same way.
//!
//! What was done after a copy was taken is not in it. So a copy that is put back is marked: the first worker treats the
//! time since as one in which nobody watched (`watch.rs`), and a person calls about every running session.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bedside_protocol::id::SessionId;
use bedside_protocol::time::Instant;
use chrono::Duration;
use diesel::prelude::*;

use crate::audit::AuditReport;
use crate::clock::{Clocks, from_ms, to_ms};
use crate::dialect;
use crate::engine::{AnyConnection, Engine, OpenError, Role, Target};
use crate::error::{DatabaseError, Stop, StoreError};
use crate::keys::Keys;
use crate::migrate;
use crate::schema::{accounts, audit, cases, clinics, duties, outbox, patients, sessions, standby, watch};
use crate::scope::Scope;
use crate::store::{KeyCheck, Store, StoreSettings, blocking};

/// A dose may have been logged from so long before its planned time on (the shipped protocol opens it 15 minutes before).
const OPENS_BEFORE: Duration = Duration::minutes(15);

/// A dose may be running for so long after its planned time: the window to unlock, the hold and the longest watch.
const RUNS_AT_MOST: Duration = Duration::hours(8);

/// States of a session that may have begun without this database knowing it.
const NOT_BEGUN: [&str; 5] = ["scheduled", "prep_open", "ready", "held", "unverified"];

/// Why there is no copy, or a copy was not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// PostgreSQL is copied by its own tools.
    #[error("the database is PostgreSQL, which is backed up and restored by its own tools")]
    NotSqlite,
    /// There is a file of that name already.
    #[error("{} is there already; nothing is ever overwritten", .0.display())]
    Exists(PathBuf),
    /// The file has a log beside it, so it is not whole by itself.
    #[error("{} lies beside a log: it is a live database or a plain copy of one, not a backup", .0.display())]
    NotWhole(PathBuf),
    /// A file could not be read or written.
    #[error("{} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The database could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database refused to be copied.
    #[error("the database could not be copied")]
    Copy(#[source] diesel::result::Error),
    /// The time since the copy could not be marked as unwatched.
    #[error("the database refused to be marked as restored")]
    Mark(#[source] diesel::result::Error),
    /// The file is something else, or damaged at its head.
    #[error("{} is not a database of this program: {reason}", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// The file was made by a newer program.
    #[error("{} was made by a newer program (unknown migrations: {})", path.display(), unknown.join(", "))]
    Newer {
        /// The file.
        path: PathBuf,
        /// Migrations this program does not know.
        unknown: Vec<String>,
    },
    /// Nothing was ever put into it.
    #[error("the database is empty")]
    Empty,
    /// The database could not be looked at.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was found is no good; the copy was removed.
    #[error("the copy is no good")]
    NoGood(Box<Inspection>),
}

/// Whether the key opens what is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFound {
    /// It does.
    Right,
    /// The data was sealed with another one.
    Wrong,
    /// Nothing was sealed yet: no program has opened the database.
    Unused,
}

/// What a look into a whole database found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Migrations of this program that the database lacks; `bedside migrate` brings them.
    pub missing_migrations: Vec<String>,
    /// Damage to the file, and rows that refer to none (SQLite).
    pub damage: Vec<String>,
    /// Whether the key is the right one.
    pub key: KeyFound,
    /// The audit trail (invariant I7).
    pub audit: AuditReport,
    /// How many rows the tables hold that a person asks about.
    pub counts: Vec<(&'static str, u64)>,
    /// The last verified cycle of any worker (clinical clock). What happened later is not in the database.
    pub watched_until: Option<Instant>,
    /// Sessions that may have begun after that, by their planned time: somebody is to ring.
    pub may_have_begun: Vec<SessionId>,
}

impl Inspection {
    /// Whether the program can go on with this database.
    pub fn is_good(&self) -> bool {
        self.damage.is_empty() && self.key == KeyFound::Right && self.audit.faults.is_empty()
    }
}

impl Store {
    /// Copies a SQLite database that may be in use into the new file `to`, and looks at the copy before it gets that name.
    pub async fn back_up(
        settings: &StoreSettings,
        clocks: Arc<dyn Clocks>,
        keys: Keys,
        to: &Path,
    ) -> Result<Inspection, BackupError> {
        let Target::Sqlite { path: from } = Target::parse(&settings.url)? else {
            return Err(BackupError::NotSqlite);
        };
        let unfinished = Unfinished::beside(to)?;
        let (source, path) = (Target::Sqlite { path: from }, unfinished.path.clone());
        blocking(move || Ok(copy_live(&source, &path))).await??;
        let found = Self::inspect_file(&unfinished.path, clocks, keys).await?;
        if !found.is_good() {
            return Err(BackupError::NoGood(Box::new(found)));
        }
        unfinished.finish(to)?;
        Ok(found)
    }

    /// Puts a backup into the place of a SQLite database that does not exist yet, after a look at it, and marks the time
    /// since as unwatched.
    pub async fn restore(
        settings: &StoreSettings,
        clocks: Arc<dyn Clocks>,
        keys: Keys,
        from: &Path,
    ) -> Result<Inspection, BackupError> {
        let Target::Sqlite { path: to } = Target::parse(&settings.url)? else {
            return Err(BackupError::NotSqlite);
        };
        // What was left of another database would be taken for a part of this one.
        let left = ["-wal", "-shm", "-journal"].map(|ending| beside(&to, ending));
        if let Some(left) = left.into_iter().find(|left| left.exists()) {
            return Err(BackupError::Exists(left));
        }
        let found = Self::inspect_file(from, clocks, keys).await?;
        if !found.is_good() {
            return Err(BackupError::NoGood(Box::new(found)));
        }
        let unfinished = Unfinished::beside(&to)?;
        let mut source = File::open(from).map_err(file_error(from))?;
        let mut copy = OpenOptions::new()
            .write(true)
            .open(&unfinished.path)
            .map_err(file_error(&unfinished.path))?;
        let copied = unfinished.path.clone();
        blocking(move || {
            let done = io::copy(&mut source, &mut copy).and_then(|_| copy.sync_all());
            Ok(done.map_err(file_error(&copied)))
        })
        .await??;
        let target = Target::Sqlite {
            path: unfinished.path.clone(),
        };
        blocking(move || Ok(mark_unwatched(&target))).await??;
        if beside(&unfinished.path, "-wal").exists() {
            return Err(BackupError::NotWhole(unfinished.path.clone()));
        }
        unfinished.finish(&to)?;
        Ok(found)
    }

    /// Looks at the database the settings name, which may be in use, and changes nothing.
    pub async fn inspect(
        settings: &StoreSettings,
        clocks: Arc<dyn Clocks>,
        keys: Keys,
    ) -> Result<Inspection, BackupError> {
        let target = Target::parse(&settings.url)?;
        let role = match target.engine() {
            Engine::Sqlite => Role::Reader,
            Engine::Postgres => Role::Writer,
        };
        look(target, role, clocks, keys).await
    }

    /// Looks at a backup of SQLite, and changes nothing, not even beside it.
    pub async fn inspect_file(
        path: &Path,
        clocks: Arc<dyn Clocks>,
        keys: Keys,
    ) -> Result<Inspection, BackupError> {
        let has_log = |ending| fs::metadata(beside(path, ending)).is_ok_and(|log| log.len() > 0);
        if has_log("-wal") || has_log("-journal") {
            return Err(BackupError::NotWhole(path.to_owned()));
        }
        let target = Target::Sqlite {
            path: path.to_owned(),
        };
        let found = look(target, Role::Inspector, clocks, keys).await;
        found.map_err(|error| about_file(error, path))
    }

    /// Marks the time since the last verified cycle as unwatched, for a database that was put back by other means than
    /// [`Store::restore`].
    pub async fn mark_restored(settings: &StoreSettings) -> Result<(), BackupError> {
        let target = Target::parse(&settings.url)?;
        blocking(move || Ok(mark_unwatched(&target))).await?
    }
}

/// The same error in words about a file, where it speaks of the setting.
fn about_file(error: BackupError, path: &Path) -> BackupError {
    let path = path.to_owned();
    let reason = match error {
        BackupError::Open(OpenError::NoDatabase { .. }) => {
            let source = io::Error::from(io::ErrorKind::NotFound);
            return BackupError::File { path, source };
        }
        BackupError::Open(OpenError::NewerSchema { unknown }) => {
            return BackupError::Newer { path, unknown };
        }
        BackupError::Open(OpenError::Unwritable { reason, .. }) => reason,
        BackupError::Open(OpenError::Migration(fault)) => fault.to_string(),
        BackupError::Open(OpenError::Refused(error)) => error.to_string(),
        error => return error,
    };
    BackupError::NotADatabase { path, reason }
}

/// `VACUUM INTO`, and what makes it last.
fn copy_live(source: &Target, to: &Path) -> Result<(), BackupError> {
    let mut connection = source.connect_first(Role::Writer)?;
    migrate::missing(&mut connection, source.engine())?;
    dialect::copy_into(&mut connection, to).map_err(BackupError::Copy)?;
    let file = File::open(to).map_err(file_error(to))?;
    file.sync_all().map_err(file_error(to))
}

/// Lets the last verified cycle look older than any outage is long; when it was, on the clinical clock, stays.
fn mark_unwatched(target: &Target) -> Result<(), BackupError> {
    let mut connection = target.connect_first(Role::Writer)?;
    migrate::missing(&mut connection, target.engine())?;
    mark(&mut connection).map_err(BackupError::Mark)
}

/// What a standby watched counts as watched, and its row goes: a later one than the workers' must not stand for the time since.
fn mark(connection: &mut AnyConnection) -> QueryResult<()> {
    let stood_in: Option<i64> = standby::table
        .find(1)
        .select(standby::clinical_at)
        .first(connection)
        .optional()?;
    if let Some(at) = stood_in {
        diesel::update(watch::table.find(1).filter(watch::clinical_at.lt(at)))
            .set(watch::clinical_at.eq(at))
            .execute(connection)?;
    }
    diesel::delete(standby::table).execute(connection)?;
    diesel::update(watch::table.find(1))
        .set(watch::machine_at.eq(0))
        .execute(connection)?;
    Ok(())
}

async fn look(
    target: Target,
    role: Role,
    clocks: Arc<dyn Clocks>,
    keys: Keys,
) -> Result<Inspection, BackupError> {
    let (store, missing_migrations, key) = blocking::<Option<_>>(move || {
        let mut connection = target.connect_first(role)?;
        let missing = migrate::missing_of_restored(&mut connection, target.engine())?;
        let Some(missing) = missing else { return Ok(None) };
        let key = match KeyCheck::of(&mut connection, &keys)? {
            KeyCheck::Opens => KeyFound::Right,
            KeyCheck::DoesNot => KeyFound::Wrong,
            KeyCheck::NotThere => KeyFound::Unused,
        };
        let store = Store::to_look(&target, role, clocks, keys, connection)?;
        Ok(Some((store, missing, key)))
    })
    .await?
    .ok_or(BackupError::Empty)?;
    let damage = store
        .read_job(Scope::system(), |tx| Ok(dialect::find_damage(tx.connection)?))
        .await?;
    if !damage.is_empty() {
        // Counting in a damaged file says nothing.
        return Ok(Inspection {
            missing_migrations,
            damage,
            key,
            audit: AuditReport::default(),
            counts: Vec::new(),
            watched_until: None,
            may_have_begun: Vec::new(),
        });
    }
    let audit = store.verify_audit(None).await?;
    let (counts, watched_until, may_have_begun) = store.read_job(Scope::system(), holdings).await?;
    Ok(Inspection {
        missing_migrations,
        damage,
        key,
        audit,
        counts,
        watched_until,
        may_have_begun,
    })
}

type Holdings = (Vec<(&'static str, u64)>, Option<Instant>, Vec<SessionId>);

fn holdings(tx: &mut crate::transaction::Tx<'_>) -> Result<Holdings, Stop> {
    let connection = &mut *tx.connection;
    let mut counts = Vec::new();
    let mut add = |what, count: QueryResult<i64>| -> Result<(), Stop> {
        counts.push((what, count?.unsigned_abs()));
        Ok(())
    };
    add("clinics", clinics::table.count().get_result(connection))?;
    add("accounts", accounts::table.count().get_result(connection))?;
    add("patients", patients::table.count().get_result(connection))?;
    add("sessions", sessions::table.count().get_result(connection))?;
    let open = duties::table.filter(duties::state.eq("open"));
    add("open duties", open.count().get_result(connection))?;
    let open = cases::table.filter(cases::state.ne("resolved"));
    add("open cases", open.count().get_result(connection))?;
    let waiting = outbox::table.filter(outbox::state.eq_any(["pending", "leased"]));
    add("mails to send", waiting.count().get_result(connection))?;
    add("audit rows", audit::table.count().get_result(connection))?;
    let watched_until: Option<i64> = watch::table
        .find(1)
        .select(watch::clinical_at)
        .first(connection)
        .optional()?;
    let watched_until = watched_until.map(from_ms);
    let ids: Vec<String> = match watched_until {
        None => Vec::new(),
        Some(until) => sessions::table
            .filter(sessions::state.eq_any(NOT_BEGUN))
            .filter(sessions::planned_at.ge(to_ms(until - RUNS_AT_MOST)))
            .filter(sessions::planned_at.le(to_ms(tx.now + OPENS_BEFORE)))
            .order(sessions::planned_at)
            .select(sessions::id)
            .load(connection)?,
    };
    let mut may_have_begun = Vec::with_capacity(ids.len());
    for id in ids {
        may_have_begun.push(id.parse().map_err(|_| DatabaseError::Corrupt {
            table: "sessions",
            row: id,
        })?);
    }
    Ok((counts, watched_until, may_have_begun))
}

/// A file that has not its name yet; removed unless it gets it.
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    /// An empty file beside `to`, which must not be there.
    fn beside(to: &Path) -> Result<Self, BackupError> {
        if to.try_exists().map_err(file_error(to))? {
            return Err(BackupError::Exists(to.to_owned()));
        }
        let path = beside(to, &format!(".{}.unfinished", std::process::id()));
        // One of an earlier process with this number that was killed.
        let _none: io::Result<()> = fs::remove_file(&path);
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        made.map_err(file_error(&path))?;
        Ok(Self { path })
    }

    /// Gives it its name. A link, not a rename: it fails where a rename would replace what is there.
    fn finish(self, to: &Path) -> Result<(), BackupError> {
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&self.path, private).map_err(file_error(&self.path))?;
        match fs::hard_link(&self.path, to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BackupError::Exists(to.to_owned()));
            }
            // A file system without links: nobody else makes this name at the same time.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied
                ) =>
            {
                fs::rename(&self.path, to).map_err(file_error(to))?;
            }
            linked => linked.map_err(file_error(to))?,
        }
        drop(self);
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(file_error(folder))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm", "-journal"] {
            // Most of them are not there.
            let _gone: io::Result<()> = fs::remove_file(beside(&self.path, ending));
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::File { path, source }
}
