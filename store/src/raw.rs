//! Plain SQL for tests: to look at what is at rest, to tamper with it, and to make a database for a test.
//!
//! Behind the feature `raw-sql`, which no program turns on. Nothing of the store's guards applies here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use diesel::connection::{InstrumentationEvent, SimpleConnection as _};
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::dialect;
use crate::engine::{AnyConnection, Engine, OpenError, Role, Target};

/// A connection that does what it is told.
pub struct Raw {
    connection: AnyConnection,
    engine: Engine,
}

/// A statement failed.
#[derive(Debug, thiserror::Error)]
#[error("a statement failed")]
pub struct RawError(#[from] diesel::result::Error);

#[derive(QueryableByName)]
struct OneText {
    #[diesel(sql_type = Text)]
    value: String,
}

impl Raw {
    /// Connects; a SQLite file is made if there is none.
    pub fn connect(url: &str) -> Result<Self, OpenError> {
        let target = Target::parse(url)?;
        Ok(Self {
            connection: target.connect_first(Role::Migrator)?,
            engine: target.engine(),
        })
    }

    /// Runs statements.
    pub fn execute(&mut self, sql: &str) -> Result<(), RawError> {
        Ok(self.connection.batch_execute(sql)?)
    }

    /// The one column `value`, of type text, of a query's rows.
    pub fn texts(&mut self, sql: &str) -> Result<Vec<String>, RawError> {
        let rows: Vec<OneText> = diesel::sql_query(sql).load(&mut self.connection)?;
        Ok(rows.into_iter().map(|row| row.value).collect())
    }

    /// Every table of ours with its columns in order, each as `table.column type nullable`, types by SQLite's names.
    pub fn columns(&mut self) -> Result<Vec<String>, RawError> {
        let sql = dialect::columns_query(self.engine);
        self.texts(sql)
    }
}

/// Statements by the id that they name.
static NOTED: Mutex<Option<HashMap<String, Vec<String>>>> = Mutex::new(None);

fn noted() -> MutexGuard<'static, Option<HashMap<String, Vec<String>>>> {
    NOTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets connections that are made from now on note their statements, for [`statements_about`].
pub fn note_statements() -> Result<(), RawError> {
    Ok(diesel::connection::set_default_instrumentation(|| {
        Some(Box::new(|event: InstrumentationEvent<'_>| note(&event)))
    })?)
}

fn note(event: &InstrumentationEvent<'_>) {
    if let InstrumentationEvent::StartQuery { query, .. } = event
        && let Some(noted) = noted().as_mut().filter(|noted| !noted.is_empty())
    {
        let statement = query.to_string();
        for (id, statements) in noted {
            if statement.contains(id.as_str()) {
                statements.push(statement.clone());
            }
        }
    }
}

/// The statements that named an id since the last question about it, in their order; none at the first.
pub fn statements_about(id: &str) -> Vec<String> {
    let mut noted = noted();
    let of_id = noted.get_or_insert_default().insert(id.to_owned(), Vec::new());
    of_id.unwrap_or_default()
}
