//! What can go wrong between a caller and the database. Nothing here quotes a value or names a person.

use std::convert::Infallible;

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::keys::CryptoFailure;

/// A fault of the database or of what stands in it.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// No connection; the pool tries again with back-off.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Option<diesel::ConnectionError>),
    /// A statement failed.
    #[error("the database refused a statement")]
    Failed(#[from] DieselError),
    /// A stored value does not open with these keys, or does not parse.
    #[error("a stored row cannot be read: {table} {row}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's id.
        row: String,
    },
    /// A rule gave back a record without a row that it was given. Rows are never deleted, so nothing was written.
    #[error("a rule removed a row of {table}")]
    Removed {
        /// The table.
        table: &'static str,
    },
    /// A session is pinned to a protocol document that is not in the database, or there is none at all.
    #[error("the protocol document {version} is not in the database")]
    NoProtocol {
        /// The version that was looked for; `in force` for the newest.
        version: String,
    },
    /// The database was migrated beneath this program, which does not touch it any more.
    #[error("the database is not of this program (unknown migrations: {}; missing: {})", listed(.unknown), listed(.missing))]
    OtherSchema {
        /// Migrations this program does not know.
        unknown: Vec<String>,
        /// Migrations of this program that the database lacks.
        missing: Vec<String>,
    },
    /// A value could not be sealed.
    #[error("a value could not be sealed")]
    Sealing(#[from] CryptoFailure),
    /// The job panicked. Its transaction was rolled back, its thread lives on.
    #[error("a database job panicked")]
    Panicked,
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

/// What the two libraries say when the database is away, is just coming, or has no room. Neither has a code for it that
/// reaches us.
const OUTAGES: [&str; 16] = [
    "database or disk is full",
    "disk I/O error",
    "unable to open database file",
    "attempt to write a readonly database",
    "No space left on device",
    "could not extend file",
    "server closed the connection",
    "no connection to the server",
    "could not receive data from server",
    "could not send data to server",
    "connection not open",
    "SSL connection has been closed",
    "SSL SYSCALL error",
    "terminating connection",
    "the database system is",
    "read-only transaction",
];

impl DatabaseError {
    /// Whether the database is away or has no room: nothing is wrong with what was asked, and the same may be asked again
    /// later.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Failed(DieselError::BrokenTransactionManager) => true,
            Self::Failed(DieselError::DatabaseError(kind, details)) => {
                let connection_lost = matches!(
                    kind,
                    DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand
                );
                connection_lost || OUTAGES.iter().any(|words| details.message().contains(words))
            }
            _ => false,
        }
    }
}

/// Why an operation that cannot be refused did not happen.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting already, or others changed the same rows again and again: try again later.
    #[error("the database is busy")]
    Busy,
    /// The database, or what stands in it, is at fault.
    #[error("the database failed")]
    Database(#[from] DatabaseError),
}

impl StoreError {
    /// Whether the database was migrated beneath this program, which the store logs by itself.
    pub fn is_other_schema(&self) -> bool {
        matches!(self, Self::Database(DatabaseError::OtherSchema { .. }))
    }
}

/// Why a record was not read.
pub type ReadError = StoreError;

/// What ends a try of a transaction early, apart from a refusal.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody else changed the row first: load again and decide again.
    Conflict,
    Database(DatabaseError),
}

impl<E: Into<DatabaseError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

/// What ends a try of a transaction early: a refusal of type `R`, or a [`Stop`].
#[derive(Debug)]
pub(crate) enum Abort<R = Infallible> {
    No(R),
    Stop(Stop),
}

impl<R> From<Stop> for Abort<R> {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl<R> From<DieselError> for Abort<R> {
    fn from(error: DieselError) -> Self {
        Self::Stop(error.into())
    }
}

impl<R> From<DatabaseError> for Abort<R> {
    fn from(error: DatabaseError) -> Self {
        Self::Stop(error.into())
    }
}

/// Why a job of the pool has no result: a refusal of type `R`, or the store.
#[derive(Debug)]
pub(crate) enum Failure<R> {
    No(R),
    Store(StoreError),
}

impl From<Failure<Infallible>> for StoreError {
    fn from(failure: Failure<Infallible>) -> Self {
        match failure {
            Failure::Store(error) => error,
            Failure::No(never) => match never {},
        }
    }
}

impl<R> From<Abort<R>> for Failure<R> {
    fn from(abort: Abort<R>) -> Self {
        match abort {
            Abort::No(no) => Self::No(no),
            Abort::Stop(Stop::Conflict) => Self::Store(StoreError::Busy),
            Abort::Stop(Stop::Database(error)) => Self::Store(error.into()),
        }
    }
}

impl Stop {
    /// Whether the same work may well succeed on another try.
    ///
    /// A unique violation is one: the other transaction's row is visible by then, and the rule decides by it (a case
    /// code is drawn anew, a repeated request is replayed).
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Conflict => true,
            Self::Database(DatabaseError::Failed(error)) => match error {
                DieselError::DatabaseError(
                    DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::UniqueViolation,
                    _,
                ) => true,
                // Diesel has no kind for these two.
                DieselError::DatabaseError(DatabaseErrorKind::Unknown, details) => {
                    let message = details.message();
                    message.contains("deadlock detected") || message.contains("database is locked")
                }
                _ => false,
            },
            Self::Database(_) => false,
        }
    }

    /// Whether the connection may have been the fault.
    pub(crate) fn is_suspicious(&self) -> bool {
        matches!(self, Self::Database(DatabaseError::Failed(_))) && !self.may_pass()
    }
}
