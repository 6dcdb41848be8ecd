//! Migrations: embedded in the program, applied under a lock, all or none.
//!
//! Two processes that start together are safe: one migrates, the other waits and finds nothing to do. A schema that
//! this program does not know whole is refused at start; `fence` sees to one that changes later.

use diesel::QueryResult;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::dialect::{self, Work};
use crate::engine::{AnyConnection, Engine, OpenError, Role, Target};

const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// What [`dialect::lock_named`] holds while migrations run, and every write transaction shares.
pub(crate) const LOCK: &str = "bedside migrations";

/// What the migration library says; its own words, which hold no data.
pub type MigrationFault = Box<dyn std::error::Error + Send + Sync>;

fn embedded(engine: Engine) -> EmbeddedMigrations {
    match engine {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    }
}

/// Brings the database up to the program. Gives the names of what was applied.
pub(crate) fn run(target: &Target) -> Result<Vec<String>, OpenError> {
    target.make_private()?;
    let mut connection = target.connect_first(Role::Migrator)?;
    let connection = &mut connection;
    dialect::begin(connection, Work::Migration).map_err(|error| unwritable(target, error))?;
    let applied = locked(connection, target.engine());
    match applied {
        Ok(applied) => {
            dialect::commit(connection).map_err(OpenError::Refused)?;
            Ok(applied)
        }
        Err(error) => {
            // The error that led here says more than one of the rollback.
            let _rolled_back: QueryResult<()> = dialect::roll_back(connection);
            Err(error)
        }
    }
}

fn locked(connection: &mut AnyConnection, engine: Engine) -> Result<Vec<String>, OpenError> {
    dialect::lock_named(connection, LOCK).map_err(OpenError::Refused)?;
    refuse_newer(connection, engine)?;
    let applied = connection
        .run_pending_migrations(embedded(engine))
        .map_err(OpenError::Migration)?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// Refuses a database that is older or newer than the program.
pub(crate) fn check(connection: &mut AnyConnection, engine: Engine) -> Result<(), OpenError> {
    let missing = missing(connection, engine)?;
    if missing.is_empty() {
        return Ok(());
    }
    Err(OpenError::MissingMigrations(missing))
}

/// Migrations of the program that the database lacks. One with others than the program's is refused.
pub(crate) fn missing(connection: &mut AnyConnection, engine: Engine) -> Result<Vec<String>, OpenError> {
    refuse_newer(connection, engine)?;
    let missing = connection
        .pending_migrations(embedded(engine))
        .map_err(OpenError::Migration)?;
    let names = missing.iter().map(|migration| migration.name().to_string());
    Ok(names.collect())
}

/// The same of a database that is to be left exactly as it is; `None` when no migration was ever applied to it. The library
/// would make its own table in an empty one, into which nothing could be restored any more.
pub(crate) fn missing_of_restored(
    connection: &mut AnyConnection,
    engine: Engine,
) -> Result<Option<Vec<String>>, OpenError> {
    let work = match engine {
        // A file that is opened for reading alone.
        Engine::Sqlite => Work::Read,
        Engine::Postgres => Work::Write,
    };
    dialect::begin(connection, work).map_err(OpenError::Refused)?;
    let missing = missing(connection, engine);
    let applied = connection.applied_migrations().map(|applied| applied.len());
    dialect::roll_back(connection).map_err(OpenError::Refused)?;
    let missing = missing?;
    Ok((applied.map_err(OpenError::Migration)? > 0).then_some(missing))
}

/// Version and full name of every migration of this program.
pub(crate) fn known(engine: Engine) -> Result<Vec<(String, String)>, OpenError> {
    let known = MigrationSource::<diesel::sqlite::Sqlite>::migrations(&embedded(engine))
        .map_err(OpenError::Migration)?;
    let both = known.iter().map(|migration| {
        let name = migration.name();
        (name.version().to_string(), name.to_string())
    });
    Ok(both.collect())
}

fn refuse_newer(connection: &mut AnyConnection, engine: Engine) -> Result<(), OpenError> {
    let known = MigrationSource::<diesel::sqlite::Sqlite>::migrations(&embedded(engine))
        .map_err(OpenError::Migration)?;
    let known: Vec<MigrationVersion<'_>> = known.iter().map(|migration| migration.name().version()).collect();
    let applied = connection.applied_migrations().map_err(OpenError::Migration)?;
    let unknown: Vec<String> = applied
        .iter()
        .filter(|version| !known.contains(version))
        .map(ToString::to_string)
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(OpenError::NewerSchema { unknown })
    }
}

fn unwritable(target: &Target, error: diesel::result::Error) -> OpenError {
    match target {
        Target::Sqlite { path } => OpenError::Unwritable {
            path: path.clone(),
            reason: error.to_string(),
        },
        Target::Postgres { .. } => OpenError::Refused(error),
    }
}
