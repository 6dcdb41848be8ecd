//! The engine, chosen by the URL's scheme, and how a connection to it is opened.
//!
//! Diesel's derived `establish` is never used: with PostgreSQL down it opens a SQLite file that is named like the URL and
//! accepts writes. An unknown scheme is refused.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use diesel::{Connection as _, ConnectionError, PgConnection, SqliteConnection};

use crate::dialect;
use crate::migrate::MigrationFault;

/// The least SQLite: older ones can corrupt a WAL that two processes write and checkpoint.
pub const SQLITE_AT_LEAST: (u32, u32, u32) = (3, 51, 3);

/// How long a connection may take to open, seconds.
const CONNECT_TIMEOUT_S: u32 = 5;

/// How long sent bytes may stay unacknowledged before the socket is given up, milliseconds.
const TCP_USER_TIMEOUT_MS: u32 = 10_000;

pub(crate) use either::AnyConnection;

#[expect(
    clippy::disallowed_methods,
    reason = "the derive writes an `establish` of its own, which nobody calls"
)]
mod either {
    use diesel::{PgConnection, SqliteConnection};

    /// A connection to either engine.
    #[derive(diesel::MultiConnection)]
    pub(crate) enum AnyConnection {
        Sqlite(SqliteConnection),
        Postgres(PgConnection),
    }
}

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// SQLite, the bundled one.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Engine {
    /// `sqlite` or `postgres`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
    /// Creates the file, and may take its time.
    Migrator,
    /// Looks at a file that nobody writes, and leaves nothing beside it.
    Inspector,
}

/// Why a store could not be opened. Every message names the setting; none holds a password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Neither SQLite nor PostgreSQL.
    #[error("DATABASE_URL must begin with sqlite: or postgres:")]
    UnknownScheme,
    /// The part after the scheme cannot be right.
    #[error("DATABASE_URL: {0}")]
    BadUrl(&'static str),
    /// A remote PostgreSQL, and this program was built without TLS.
    #[error(
        "DATABASE_URL names a remote PostgreSQL, and this program was built without the feature `postgres-tls`"
    )]
    TlsNotBuilt,
    /// A remote PostgreSQL without encryption.
    #[error("DATABASE_URL names a remote PostgreSQL: its sslmode must be require, verify-ca or verify-full")]
    TlsNotAsked,
    /// The server does not answer, or does not let us in.
    #[error("DATABASE_URL: the PostgreSQL server at {host} cannot be used: {reason}")]
    Unreachable {
        /// Host and port, as given.
        host: String,
        /// The client library's words, without the password.
        reason: String,
    },
    /// There is no such file yet.
    #[error("DATABASE_URL: there is no database at {}; `bedside migrate` makes one", path.display())]
    NoDatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder cannot be read and written.
    #[error("DATABASE_URL: {} cannot be opened for writing: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// SQLite's words.
        reason: String,
    },
    /// SQLite is older than [`SQLITE_AT_LEAST`].
    #[error("SQLite {found} is too old; 3.51.3 is the least")]
    OldSqlite {
        /// The version in use.
        found: String,
    },
    /// The database was made by a newer program.
    #[error("DATABASE_URL: the database is newer than this program (unknown migrations: {})", .unknown.join(", "))]
    NewerSchema {
        /// Migrations this program does not know.
        unknown: Vec<String>,
    },
    /// The database is older than the program.
    #[error("DATABASE_URL: the database lacks migrations ({}); run `bedside migrate`", .0.join(", "))]
    MissingMigrations(Vec<String>),
    /// The database was sealed with another key.
    #[error("the key is not the one this database was sealed with")]
    WrongKey,
    /// A migration failed; nothing of it remains.
    #[error("DATABASE_URL: a migration failed")]
    Migration(#[source] MigrationFault),
    /// The first statements failed.
    #[error("DATABASE_URL: the database refused the first statements")]
    Refused(#[source] diesel::result::Error),
    /// No thread could be started.
    #[error("the database threads could not be started")]
    Threads(#[source] std::io::Error),
}

/// Where a store's data is.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Sqlite { path: PathBuf },
    Postgres { url: PostgresUrl },
}

/// A PostgreSQL URL with our time limits added.
#[derive(Clone)]
pub(crate) struct PostgresUrl {
    full: String,
    /// What may be shown.
    host: String,
    password: Option<String>,
}

impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.host)
    }
}

impl Target {
    /// The place a URL names: `sqlite:PATH`, or `postgres://…` as libpq reads it.
    pub(crate) fn parse(url: &str) -> Result<Self, OpenError> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            return match path {
                "" => Err(OpenError::BadUrl("a file must follow sqlite:")),
                ":memory:" => Err(OpenError::BadUrl(
                    "a database in memory keeps nothing; name a file",
                )),
                path if path.contains(['?', '\0']) => {
                    Err(OpenError::BadUrl("the path must not hold ? or NUL"))
                }
                path => Ok(Self::Sqlite {
                    path: PathBuf::from(path),
                }),
            };
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return PostgresUrl::parse(url, cfg!(feature = "postgres-tls")).map(|url| Self::Postgres { url });
        }
        Err(OpenError::UnknownScheme)
    }

    pub(crate) fn engine(&self) -> Engine {
        match self {
            Self::Sqlite { .. } => Engine::Sqlite,
            Self::Postgres { .. } => Engine::Postgres,
        }
    }

    /// Makes an empty file for a SQLite database that is not there yet, for its owner only; SQLite gives its log and its
    /// index the same mode. One that is there is left as it is.
    pub(crate) fn make_private(&self) -> Result<(), OpenError> {
        let Self::Sqlite { path } = self else {
            return Ok(());
        };
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        match made {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(OpenError::Unwritable {
                path: path.clone(),
                reason: error.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Opens a connection, ready for work.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that chooses the engine by the URL's scheme"
    )]
    pub(crate) fn connect(&self, role: Role) -> Result<AnyConnection, ConnectionError> {
        let mut connection = match self {
            Self::Sqlite { path } => {
                AnyConnection::Sqlite(SqliteConnection::establish(&file_uri(path, role))?)
            }
            Self::Postgres { url } => AnyConnection::Postgres(PgConnection::establish(&url.full)?),
        };
        dialect::prepare(&mut connection, role).map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(connection)
    }

    /// The same at start, with an error that names the setting.
    pub(crate) fn connect_first(&self, role: Role) -> Result<AnyConnection, OpenError> {
        if let Self::Sqlite { path } = self
            && role != Role::Migrator
            && matches!(path.try_exists(), Ok(false))
        {
            return Err(OpenError::NoDatabase { path: path.clone() });
        }
        let mut connection = self.connect(role).map_err(|error| self.open_error(&error))?;
        if let Self::Sqlite { .. } = self {
            let found = dialect::sqlite_version(&mut connection).map_err(OpenError::Refused)?;
            if !is_new_enough(&found) {
                return Err(OpenError::OldSqlite { found });
            }
        }
        Ok(connection)
    }

    fn open_error(&self, error: &ConnectionError) -> OpenError {
        match self {
            Self::Sqlite { path } => OpenError::Unwritable {
                path: path.clone(),
                reason: error.to_string(),
            },
            Self::Postgres { url } => {
                let reason = url.without_password(error.to_string().trim());
                OpenError::Unreachable {
                    host: url.host.clone(),
                    reason,
                }
            }
        }
    }
}

/// SQLite's own form of a path: without `mode=rwc` a file that is missing is an error, not a new database.
fn file_uri(path: &Path, role: Role) -> String {
    let mode = match role {
        Role::Migrator => "rwc",
        Role::Writer | Role::Reader => "rw",
        Role::Inspector => "ro&immutable=1",
    };
    let path = path
        .to_string_lossy()
        .replace('%', "%25")
        .replace('#', "%23")
        .replace('?', "%3F");
    format!("file:{path}?mode={mode}")
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next()) >= SQLITE_AT_LEAST
}

impl PostgresUrl {
    fn parse(url: &str, with_tls: bool) -> Result<Self, OpenError> {
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority = place.split_once('/').map_or(place, |(authority, _)| authority);
        let (user_info, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let parameters: Vec<(&str, &str)> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        let value_of = |name: &str| {
            parameters
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| *value)
        };
        let password = user_info
            .split_once(':')
            .map(|(_, password)| password)
            .or_else(|| value_of("password"));

        let in_query = ["host", "hostaddr"]
            .into_iter()
            .filter_map(value_of)
            .flat_map(|hosts| hosts.split(','));
        let is_local = hosts.split(',').map(without_port).chain(in_query).all(is_local);
        let mut additions = Vec::new();
        if !is_local {
            if !with_tls {
                return Err(OpenError::TlsNotBuilt);
            }
            match value_of("sslmode") {
                None => additions.push("sslmode=require".to_owned()),
                Some("require" | "verify-ca" | "verify-full") => {}
                Some(_) => return Err(OpenError::TlsNotAsked),
            }
        }
        for (name, value) in [
            ("connect_timeout", CONNECT_TIMEOUT_S),
            ("tcp_user_timeout", TCP_USER_TIMEOUT_MS),
        ] {
            if value_of(name).is_none() {
                additions.push(format!("{name}={value}"));
            }
        }
        let mut full = url.to_owned();
        for addition in additions {
            full.push(if full.contains('?') { '&' } else { '?' });
            full.push_str(&addition);
        }
        let shown = value_of("host").filter(|_| hosts.is_empty()).unwrap_or(hosts);
        let shown = if shown.is_empty() {
            "the local socket"
        } else {
            shown
        };
        let password = password
            .filter(|password| !password.is_empty())
            .map(ToOwned::to_owned);
        Ok(Self {
            full,
            host: shown.to_owned(),
            password,
        })
    }

    /// The client library quotes the URL in some of its messages.
    fn without_password(&self, text: &str) -> String {
        match &self.password {
            Some(password) => text.replace(password.as_str(), "***"),
            None => text.to_owned(),
        }
    }
}

fn without_port(host: &str) -> &str {
    if host.starts_with('[') {
        return host
            .split_once(']')
            .map_or(host, |(address, _)| address.trim_start_matches('['));
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// A socket's folder (empty means the usual one), or an address of this machine.
fn is_local(host: &str) -> bool {
    let is_socket = host.is_empty() || host.starts_with('/') || host.to_ascii_lowercase().starts_with("%2f");
    let is_loopback = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    is_socket || is_loopback || host == "localhost"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_server_is_refused_without_tls_wherever_the_url_names_it() {
        for url in [
            "postgres://db.example.org/bedside",
            "postgres://bedside:secret@10.0.0.5:5432/bedside",
            "postgresql:///bedside?host=db.example.org",
            "postgres://localhost/bedside?hostaddr=10.0.0.5",
            "postgres://127.0.0.1,db.example.org/bedside",
            "postgres://[2001:db8::1]:5432/bedside",
        ] {
            assert!(
                matches!(PostgresUrl::parse(url, false), Err(OpenError::TlsNotBuilt)),
                "{url}"
            );
            assert!(
                PostgresUrl::parse(url, true)
                    .unwrap()
                    .full
                    .contains("sslmode=require"),
                "{url}"
            );
        }
        for url in [
            "postgres://localhost/bedside",
            "postgres://bedside@127.0.0.1:5433/bedside",
            "postgres://[::1]:5432/bedside",
            "postgres:///bedside",
            "postgres://%2Frun%2Fpostgresql/bedside",
            "postgres:///bedside?host=/run/postgresql",
        ] {
            assert!(PostgresUrl::parse(url, false).is_ok(), "{url}");
        }
        let plain = PostgresUrl::parse("postgres://db.example.org/bedside?sslmode=prefer", true);
        assert!(matches!(plain, Err(OpenError::TlsNotAsked)));
    }

    #[test]
    fn time_limits_are_added_and_the_password_is_never_shown() {
        let url = PostgresUrl::parse(
            "postgres://bedside:s3cret@localhost/bedside?connect_timeout=2",
            false,
        )
        .unwrap();
        assert_eq!(
            url.full,
            "postgres://bedside:s3cret@localhost/bedside?connect_timeout=2&tcp_user_timeout=10000"
        );
        assert_eq!(format!("{url:?}"), "localhost");
        assert_eq!(url.without_password("bad URL s3cret"), "bad URL ***");
    }

    #[test]
    fn an_unknown_scheme_is_refused() {
        for url in [
            "",
            "mysql://localhost/x",
            "bedside.sqlite",
            "file:x",
            "POSTGRES://localhost/x",
            "sqlite3:x",
        ] {
            assert!(
                matches!(Target::parse(url), Err(OpenError::UnknownScheme)),
                "{url}"
            );
        }
        for url in ["sqlite:", "sqlite::memory:", "sqlite://", "sqlite:a?mode=memory"] {
            assert!(matches!(Target::parse(url), Err(OpenError::BadUrl(_))), "{url}");
        }
        assert!(is_new_enough("3.51.3") && is_new_enough("3.53.2") && !is_new_enough("3.51.2"));
    }
}
