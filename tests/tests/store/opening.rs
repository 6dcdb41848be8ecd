//! Opening and migrating: what is wrong is said at start, with the name of the setting.

use std::collections::BTreeSet;
use std::sync::Arc;

use bedside_store::{Clocks, Keys, OpenError, Store, StoreSettings, SystemClocks};
use bedside_tests::database::{Database, empty, fresh};
use bedside_tests::on_both_engines;

use crate::fixture::{MASTER, settings};

on_both_engines!(
    processes_that_migrate_together_apply_each_migration_once,
    a_database_without_the_migrations_is_refused,
    a_database_of_a_newer_program_is_refused,
    a_database_of_an_older_program_is_refused_by_the_name_of_what_is_missing,
    a_migration_waits_for_what_is_being_written_and_nothing_is_written_after_it,
    another_key_is_refused,
);

fn clocks() -> Arc<dyn Clocks> {
    Arc::new(SystemClocks)
}

async fn open(settings: StoreSettings) -> Result<Store, OpenError> {
    Store::open(settings, clocks(), Keys::from_master(MASTER)).await
}

#[tokio::test]
async fn an_unknown_scheme_is_refused() {
    for url in [
        "",
        "mysql://localhost/bedside",
        "bedside.sqlite",
        "http://localhost",
        "sqlite3:x",
    ] {
        let refused = open(StoreSettings::new(url)).await.expect_err(url);
        assert!(matches!(refused, OpenError::UnknownScheme), "{url}: {refused}");
        assert!(refused.to_string().contains("DATABASE_URL"));
    }
}

#[tokio::test]
async fn a_file_that_is_missing_is_not_made_by_opening() {
    let database = empty(Database::Sqlite);
    let refused = open(settings(&database)).await.expect_err("no file");
    assert!(matches!(refused, OpenError::NoDatabase { .. }), "{refused}");
    assert!(refused.to_string().contains("DATABASE_URL"));
    assert_eq!(std::fs::read_dir(database.folder()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_named_with_the_setting() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for url in [
        "sqlite:/nowhere/at/all/bedside.sqlite".to_owned(),
        format!("sqlite:{}/bedside.sqlite", file.path().display()),
        "sqlite:/tmp".to_owned(),
    ] {
        let refused = Store::migrate(&StoreSettings::new(&url)).await.expect_err(&url);
        assert!(
            matches!(refused, OpenError::Unwritable { .. }),
            "{url}: {refused:?}"
        );
        assert!(refused.to_string().contains("DATABASE_URL"), "{refused}");
    }
    // Not a database at all.
    std::fs::write(
        file.path(),
        "this is a letter and not a database, long enough to be looked at",
    )
    .unwrap();
    let url = format!("sqlite:{}", file.path().display());
    let refused = Store::migrate(&StoreSettings::new(&url))
        .await
        .expect_err("a letter");
    assert!(refused.to_string().contains("DATABASE_URL"), "{refused}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_named_and_its_password_is_not() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let url = format!("postgres://bedside:s3cretw0rd@127.0.0.1:{port}/bedside");
    let refused = open(StoreSettings::new(&url)).await.expect_err("nobody listens");
    let text = refused.to_string();
    assert!(
        text.contains("DATABASE_URL") && text.contains(&format!("127.0.0.1:{port}")),
        "{text}"
    );
    assert!(!format!("{refused:?} {text}").contains("s3cretw0rd"));

    let remote = open(StoreSettings::new("postgres://db.example.org/bedside"))
        .await
        .expect_err("a remote server");
    assert!(matches!(remote, OpenError::TlsNotBuilt), "{remote}");
}

async fn processes_that_migrate_together_apply_each_migration_once(engine: Database) {
    let database = empty(engine);
    let together: Vec<_> = (0..6)
        .map(|_| {
            let settings = settings(&database);
            tokio::spawn(async move { Store::migrate(&settings).await.expect("the migrations") })
        })
        .collect();
    let mut applied = Vec::new();
    for one in together {
        applied.extend(one.await.unwrap());
    }
    assert!(!applied.is_empty());
    assert_eq!(
        applied.iter().collect::<BTreeSet<_>>().len(),
        applied.len(),
        "{applied:?}"
    );
    open(settings(&database)).await.expect("an up-to-date database");
}

async fn a_database_without_the_migrations_is_refused(engine: Database) {
    let database = empty(engine);
    // Makes the file on SQLite.
    drop(database.raw());
    let refused = open(settings(&database)).await.expect_err("an empty database");
    assert!(matches!(refused, OpenError::MissingMigrations(_)), "{refused:?}");
    assert!(refused.to_string().contains("bedside migrate"), "{refused}");
}

async fn a_database_of_a_newer_program_is_refused(engine: Database) {
    let database = fresh(engine).await;
    database
        .raw()
        .execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')")
        .expect("a migration from the future");
    let refused = open(settings(&database)).await.expect_err("a newer schema");
    assert!(matches!(refused, OpenError::NewerSchema { .. }), "{refused:?}");
    let refused = Store::migrate(&settings(&database))
        .await
        .expect_err("a newer schema");
    assert!(matches!(refused, OpenError::NewerSchema { .. }), "{refused:?}");
}

async fn a_database_of_an_older_program_is_refused_by_the_name_of_what_is_missing(engine: Database) {
    let database = fresh(engine).await;
    database
        .raw()
        .execute("DELETE FROM __diesel_schema_migrations WHERE version = '0004'")
        .expect("a migration less");
    let refused = open(settings(&database)).await.expect_err("an older schema");
    let OpenError::MissingMigrations(missing) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!(missing, &["0004_watch"]);
}

async fn a_migration_waits_for_what_is_being_written_and_nothing_is_written_after_it(engine: Database) {
    let database = fresh(engine).await;
    let store = open(settings(&database)).await.expect("a store");
    let beat = || store.close_cycle("w", bedside_store::CycleStats::default());
    let beats = || {
        database
            .raw()
            .texts("SELECT CAST(cycles AS TEXT) AS value FROM heartbeats")
    };
    beat().await.expect("a heartbeat");
    // Sixteen writers go on while another process migrates.
    let writers: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut written = 0_u32;
                let stats = bedside_store::CycleStats::default;
                while store.close_cycle("w", stats()).await.is_ok() {
                    written += 1;
                }
                written
            })
        })
        .collect();
    let mut other = database.raw();
    // What a newer program's `migrate` does.
    let (begin, lock) = match engine {
        Database::Sqlite => ("BEGIN IMMEDIATE", "SELECT 1"),
        Database::Postgres => (
            "BEGIN",
            "SELECT pg_advisory_xact_lock(hashtextextended('bedside migrations', 0))",
        ),
    };
    other.execute(begin).expect("a transaction");
    other.execute(lock).expect("the lock");
    let during = other
        .texts("SELECT CAST(cycles AS TEXT) AS value FROM heartbeats")
        .expect("cycles");
    other
        .execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')")
        .expect("a migration");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let still = other
        .texts("SELECT CAST(cycles AS TEXT) AS value FROM heartbeats")
        .expect("cycles");
    assert_eq!(during, still, "nobody writes while a migration runs");
    other.execute("COMMIT").expect("the migration");
    for writer in writers {
        writer.await.expect("a writer that ended");
    }
    assert_eq!(beats().expect("cycles"), during, "nobody writes after it");
    let refused = beat().await.expect_err("the fence");
    assert!(refused.is_other_schema(), "{refused:?}");
}

async fn another_key_is_refused(engine: Database) {
    let database = fresh(engine).await;
    drop(open(settings(&database)).await.expect("the first key"));
    drop(open(settings(&database)).await.expect("the same key"));
    let refused = Store::open(settings(&database), clocks(), Keys::from_master([8; 32]))
        .await
        .expect_err("a wrong key");
    assert!(matches!(refused, OpenError::WrongKey), "{refused:?}");
}

#[tokio::test]
#[cfg_attr(sqlite_only, ignore = "BEDSIDE_TEST_SQLITE_ONLY=1")]
async fn the_two_schemas_are_equal_column_by_column() {
    let (sqlite, postgres) = (fresh(Database::Sqlite).await, fresh(Database::Postgres).await);
    let ours = sqlite.raw().columns().expect("columns");
    assert!(ours.len() > 150, "{ours:?}");
    assert_eq!(ours, postgres.raw().columns().expect("columns"));
    let strict =
        "SELECT name AS value FROM pragma_table_list WHERE strict = 0 AND type = 'table' AND schema = 'main'";
    let loose = sqlite.raw().texts(strict).expect("tables");
    assert!(
        loose
            .iter()
            .all(|table| table.starts_with("sqlite_") || table.starts_with("__")),
        "{loose:?}"
    );
}
