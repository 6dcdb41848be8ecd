//! The schema fence: a program works on the schema it was built for, and on no other, also when the database is
//! migrated beneath it.
//!
//! Guarantees: a write transaction looks at the applied migrations after it began, while no migration can run (on SQLite
//! it holds the only write lock, on PostgreSQL a shared lock that a migration must have alone), so what it finds holds
//! until its commit; a read goes by a look that is at most a second old; what is unknown or missing is logged once a
//! minute and named in every error.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use diesel::prelude::*;

use crate::clock::Stopwatch;
use crate::dialect::Work;
use crate::engine::{AnyConnection, Engine, OpenError};
use crate::error::{DatabaseError, Stop};
use crate::migrate;

/// A read goes by a look that is no older.
const READS_GO_BY: Duration = Duration::from_secs(1);

/// A schema that is not ours is logged this often.
const LOGGED_EVERY: Duration = Duration::from_mins(1);

diesel::table! {
    #[sql_name = "__diesel_schema_migrations"]
    applied_migrations (version) {
        version -> Text,
    }
}

/// What this program knows, and when it last looked.
pub(crate) struct Fence {
    /// Version and full name of every migration of this program; `None` lets any schema through.
    known: Option<Vec<(String, String)>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Since the last look that found our schema.
    ours: Option<Stopwatch>,
    /// Since the last line in the log about another one.
    logged: Option<Stopwatch>,
}

impl Fence {
    pub(crate) fn new(engine: Engine) -> Result<Self, OpenError> {
        Ok(Self {
            known: Some(migrate::known(engine)?),
            state: Mutex::default(),
        })
    }

    /// A fence that is open, for a look at a copy that says itself which migrations it lacks.
    pub(crate) fn lifted() -> Self {
        Self {
            known: None,
            state: Mutex::default(),
        }
    }

    /// Refuses a schema that is not this program's. In a transaction that has just begun.
    pub(crate) fn check(&self, connection: &mut AnyConnection, work: Work) -> Result<(), Stop> {
        let Some(expected) = &self.known else {
            return Ok(());
        };
        if work == Work::Read && self.looked_lately() {
            return Ok(());
        }
        let applied: Vec<String> = applied_migrations::table
            .select(applied_migrations::version)
            .load(connection)?;
        let knows = |version: &String| expected.iter().any(|(known, _)| known == version);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if applied.len() == expected.len() && applied.iter().all(knows) {
            state.ours = Some(Stopwatch::start());
            return Ok(());
        }
        let unknown: Vec<String> = applied
            .iter()
            .filter(|version| !knows(version))
            .cloned()
            .collect();
        let lacking = expected.iter().filter(|(version, _)| !applied.contains(version));
        let missing: Vec<String> = lacking.map(|(_, name)| name.clone()).collect();
        state.ours = None;
        if state.logged.is_none_or(|since| since.elapsed() >= LOGGED_EVERY) {
            state.logged = Some(Stopwatch::start());
            tracing::error!(
                ?unknown,
                ?missing,
                "the database was migrated beneath this program, which does not touch it any more"
            );
        }
        Err(DatabaseError::OtherSchema { unknown, missing }.into())
    }

    fn looked_lately(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.ours.is_some_and(|since| since.elapsed() < READS_GO_BY)
    }
}
