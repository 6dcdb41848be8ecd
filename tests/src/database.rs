//! Databases for tests: a fresh one for each, migrated, on either engine, gone when the test is over.
//!
//! PostgreSQL is the server at `BEDSIDE_TEST_POSTGRES_URL`, which `./test` starts. Without it the tests on PostgreSQL fail;
//! they never pass unseen. With `BEDSIDE_TEST_SQLITE_ONLY=1` at build time they are listed as ignored.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use bedside_store::raw::Raw;
use bedside_store::{Store, StoreSettings};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The engine a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// Makes one test per engine of each function `async fn(Database)`: `name::sqlite` and `name::postgres`.
#[macro_export]
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$name($crate::database::Database::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[cfg_attr(sqlite_only, ignore = "BEDSIDE_TEST_SQLITE_ONLY=1")]
            async fn postgres() {
                super::$name($crate::database::Database::Postgres).await;
            }
        }
    )*};
}

/// A database that is gone with this value.
pub struct TestDatabase {
    engine: Database,
    url: String,
    folder: Option<TempDir>,
}

/// A fresh database with the program's schema.
pub async fn fresh(engine: Database) -> TestDatabase {
    match engine {
        Database::Sqlite => {
            let database = empty(engine);
            std::fs::write(database.path(), sqlite_template().await).expect("a copy of the template");
            database
        }
        Database::Postgres => from_template(postgres_template().await),
    }
}

/// A place for a database: no file yet, or a PostgreSQL database without a table.
pub fn empty(engine: Database) -> TestDatabase {
    match engine {
        Database::Sqlite => {
            let folder = tempfile::tempdir().expect("a folder");
            let url = format!("sqlite:{}", folder.path().join("bedside.sqlite").display());
            TestDatabase {
                engine,
                url,
                folder: Some(folder),
            }
        }
        Database::Postgres => from_template("template0"),
    }
}

impl TestDatabase {
    /// Its URL.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Its engine.
    pub fn engine(&self) -> Database {
        self.engine
    }

    /// Plain SQL on it.
    pub fn raw(&self) -> Raw {
        Raw::connect(&self.url).expect("a connection")
    }

    /// Bytes that mean nothing, as an SQL literal.
    pub fn some_bytes(&self) -> &'static str {
        match self.engine {
            Database::Sqlite => "x'00ff00ff'",
            Database::Postgres => r"'\x00ff00ff'::bytea",
        }
    }

    /// The folder of a SQLite file.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a database in a file").path()
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder().join("bedside.sqlite")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if self.engine == Database::Postgres {
            let name = self.url.rsplit('/').next().unwrap_or_default();
            // A server that is gone takes its databases along.
            if let Ok(mut raw) = Raw::connect(&server_url()) {
                let _gone = raw.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            }
        }
    }
}

/// A migrated file, made once per process.
async fn sqlite_template() -> &'static [u8] {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let database = empty(Database::Sqlite);
            Store::migrate(&StoreSettings::new(database.url()))
                .await
                .expect("the migrations");
            // The last connection folded the write-ahead log into the file when it closed.
            std::fs::read(database.path()).expect("the migrated file")
        })
        .await
}

/// The name of a migrated database, made once per process.
async fn postgres_template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE
        .get_or_init(|| async {
            let name = format!("bedside_template_{}", std::process::id());
            let mut server = Raw::connect(&server_url()).expect("the PostgreSQL server for tests");
            server
                .execute(&format!("DROP DATABASE IF EXISTS {name}"))
                .expect("no template of an earlier process");
            server
                .execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
                .expect("a template");
            Store::migrate(&StoreSettings::new(database_url(&name)))
                .await
                .expect("the migrations");
            name
        })
        .await
}

fn from_template(template: &str) -> TestDatabase {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("bedside_test_{}_{number}", std::process::id());
    let mut server = Raw::connect(&server_url()).expect("the PostgreSQL server for tests");
    // An earlier process with the same id may have been killed.
    server
        .execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        .expect("no old database");
    server
        .execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"))
        .expect("a database");
    TestDatabase {
        engine: Database::Postgres,
        url: database_url(&name),
        folder: None,
    }
}

fn server_url() -> String {
    std::env::var("BEDSIDE_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!(
            "BEDSIDE_TEST_POSTGRES_URL is not set: run ./test, which starts a server, or leave these tests out \
             with BEDSIDE_TEST_SQLITE_ONLY=1"
        )
    })
}

/// The URL of another database on the same server.
fn database_url(name: &str) -> String {
    let server = server_url();
    let (place, _) = server.rsplit_once('/').expect("a URL that ends with a database");
    format!("{place}/{name}")
}
