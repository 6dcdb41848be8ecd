//! PostgreSQL's own tools, as an operator runs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use bedside_tests::database::{self, Database};

use crate::{ends_with, key_of, said};

/// The client programs lie beside the server's; elsewhere they are in `PATH`.
fn tool(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    versions.sort();
    versions.pop().unwrap_or_else(|| name.into())
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let ended = command.output().expect("a program of PostgreSQL");
    assert!(ended.status.success(), "{command:?}: {}", said(&ended));
}

/// As docs/operations.md says.
pub fn dump(url: &str, file: &Path) {
    succeeds(
        Command::new(tool("pg_dump"))
            .arg("--format=custom")
            .arg(format!("--file={}", file.display()))
            .arg(url),
    );
}

/// As docs/operations.md says.
pub fn restore(file: &Path, url: &str) {
    succeeds(
        Command::new(tool("pg_restore"))
            .args(["--exit-on-error", "--single-transaction", "--no-owner"])
            .arg(format!("--dbname={url}"))
            .arg(file),
    );
}

#[test]
#[cfg_attr(sqlite_only, ignore = "BEDSIDE_TEST_SQLITE_ONLY=1")]
fn on_postgresql_the_commands_say_what_to_run_instead() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = key_of([7; 32]);
    let place = database::empty(Database::Postgres);
    let url = place.url();
    let settings = [
        ("BEDSIDE_DATABASE_URL", url.as_str()),
        ("BEDSIDE_MASTER_KEY", &key),
    ];
    for arguments in [["backup", "x"].as_slice(), &["restore", "x"], &["restore"]] {
        let told = ends_with(2, folder.path(), &settings, arguments);
        for tool in ["pg_dump", "pg_restore", "pg_basebackup", "restore --check"] {
            assert!(told.contains(tool), "{arguments:?}: {told}");
        }
    }
    // A database that nothing was restored into is not good, and stays one that something can be restored into.
    for arguments in [["restore", "--check"], ["restore", "--mark"]] {
        let told = ends_with(1, folder.path(), &settings, &arguments);
        assert!(told.contains("the database is empty"), "{told}");
    }
    let tables = "SELECT tablename::text AS value FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(place.raw().texts(tables).expect("rows"), Vec::<String>::new());
}
