//! The store: opening it, and what every operation has at hand.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use diesel::prelude::*;

use crate::clock::Clocks;
use crate::dialect::{self, Work};
use crate::engine::{AnyConnection, Engine, OpenError, Role, Target};
use crate::error::{Abort, DatabaseError, Failure, Stop, StoreError};
use crate::fence::Fence;
use crate::keys::Keys;
use crate::metrics::Metrics;
use crate::migrate;
use crate::pool::{Line, Pool};
use crate::protocols::Protocols;
use crate::records::kept::KeptRecords;
use crate::schema::key_check;
use crate::scope::Scope;
use crate::seal::{self, Place};
use crate::transaction::{Tx, one_try, transact};

/// Where the data is and how many threads work on it.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
    /// Threads that read, on SQLite.
    pub readers: usize,
    /// Threads that write (and on PostgreSQL read). SQLite has one writer whatever is said here.
    pub writers: usize,
    /// How many jobs may wait in each queue before callers hear "busy".
    pub queue: usize,
    /// The part after the `@` in the Message-ID of every mail.
    pub mail_domain: String,
}

impl StoreSettings {
    /// The usual numbers: 4 readers and 8 PostgreSQL connections, 256 jobs waiting (a quarter of a second of work).
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            readers: 4,
            writers: 8,
            queue: 256,
            mail_domain: "bedside.invalid".to_owned(),
        }
    }

    /// The engine the URL names.
    pub fn engine(&self) -> Result<Engine, OpenError> {
        Ok(Target::parse(&self.url)?.engine())
    }

    /// The file of a SQLite database.
    pub fn sqlite_path(&self) -> Result<Option<PathBuf>, OpenError> {
        Ok(match Target::parse(&self.url)? {
            Target::Sqlite { path } => Some(path),
            Target::Postgres { .. } => None,
        })
    }
}

/// Durable state. Cheap to clone; its threads end with the last clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    engine: Engine,
    writers: Arc<Pool>,
    readers: Arc<Pool>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

/// What every job needs besides its connection.
pub(crate) struct Shared {
    pub keys: Keys,
    pub clocks: Arc<dyn Clocks>,
    pub mail_domain: String,
    pub metrics: Metrics,
    pub fence: Fence,
    pub kept: KeptRecords,
    pub protocols: Protocols,
}

impl Store {
    /// Opens the database. Does not migrate it; one that is older or newer than the program is refused.
    pub async fn open(
        settings: StoreSettings,
        clocks: Arc<dyn Clocks>,
        keys: Keys,
    ) -> Result<Self, OpenError> {
        blocking(move || Self::open_blocking(&settings, clocks, keys)).await
    }

    fn open_blocking(
        settings: &StoreSettings,
        clocks: Arc<dyn Clocks>,
        keys: Keys,
    ) -> Result<Self, OpenError> {
        let target = Target::parse(&settings.url)?;
        let engine = target.engine();
        let mut connection = target.connect_first(Role::Writer)?;
        migrate::check(&mut connection, engine)?;
        check_key(&mut connection, &keys)?;
        let shared = Shared {
            keys,
            clocks,
            mail_domain: settings.mail_domain.clone(),
            metrics: Metrics::default(),
            fence: Fence::new(engine)?,
            kept: KeptRecords::default(),
            protocols: Protocols::default(),
        };
        let start = |role, threads, first| {
            Pool::start(&target, role, threads, settings.queue, first)
                .map(Arc::new)
                .map_err(OpenError::Threads)
        };
        let (writers, readers) = match engine {
            Engine::Sqlite => (
                start(Role::Writer, 1, Some(connection))?,
                start(Role::Reader, settings.readers, None)?,
            ),
            Engine::Postgres => {
                let all = start(Role::Writer, settings.writers, Some(connection))?;
                (Arc::clone(&all), all)
            }
        };
        Ok(Self {
            shared: Arc::new(shared),
            engine,
            writers,
            readers,
        })
    }

    /// Whether the database can be opened and has this program's schema; needs no key.
    pub async fn check_schema(settings: &StoreSettings) -> Result<(), OpenError> {
        let url = settings.url.clone();
        blocking(move || {
            let target = Target::parse(&url)?;
            migrate::check(&mut target.connect_first(Role::Writer)?, target.engine())
        })
        .await
    }

    /// Brings the database up to this program, under a lock: two processes that start together are safe. Gives the names of
    /// the migrations that were applied.
    pub async fn migrate(settings: &StoreSettings) -> Result<Vec<String>, OpenError> {
        let url = settings.url.clone();
        blocking(move || migrate::run(&Target::parse(&url)?)).await
    }

    /// A store for a look at a database that may lack migrations: one connection, which only reads.
    pub(crate) fn to_look(
        target: &Target,
        role: Role,
        clocks: Arc<dyn Clocks>,
        keys: Keys,
        connection: AnyConnection,
    ) -> Result<Self, OpenError> {
        let shared = Shared {
            keys,
            clocks,
            mail_domain: String::new(),
            protocols: Protocols::default(),
            metrics: Metrics::default(),
            fence: Fence::lifted(),
            kept: KeptRecords::default(),
        };
        let line = Pool::start(target, role, 1, 1, Some(connection)).map_err(OpenError::Threads)?;
        let line = Arc::new(line);
        Ok(Self {
            shared: Arc::new(shared),
            engine: target.engine(),
            writers: Arc::clone(&line),
            readers: line,
        })
    }

    /// The engine behind it.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// The clocks it was opened with.
    pub fn clocks(&self) -> &dyn Clocks {
        self.shared.clocks.as_ref()
    }

    /// Adds the store's numbers to what is exported.
    pub fn register_metrics(&self, registry: &mut prometheus_client::registry::Registry) {
        let queues = match self.engine {
            Engine::Sqlite => vec![("write", &self.writers), ("read", &self.readers)],
            Engine::Postgres => vec![("all", &self.writers)],
        };
        let queues = queues.into_iter().map(|(kind, pool)| (kind, pool.waiting()));
        self.shared.metrics.register(registry, queues.collect());
    }

    /// The keys it was opened with.
    pub fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// One write transaction, tried again on a conflict; `body` may run several times.
    pub(crate) async fn write_job<T, R, F>(&self, scope: Scope, mut body: F) -> Result<T, Failure<R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: FnMut(&mut Tx<'_>) -> Result<T, Abort<R>> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let outcome = self
            .writers
            .run(move |line| transact(line, &shared, &scope, &mut body))
            .await;
        self.shared.metrics.count_if_busy(&outcome);
        Ok(outcome.map_err(Failure::Store)??)
    }

    /// One read transaction: a consistent picture.
    pub(crate) async fn read_job<T, F>(&self, scope: Scope, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let outcome = self
            .readers
            .run(move |line| one_try::<T, Infallible>(line, &shared, &scope, Work::Read, |tx| Ok(body(tx)?)))
            .await;
        self.shared.metrics.count_if_busy(&outcome);
        outcome?.map_err(|abort| Failure::from(abort).into())
    }

    /// A look that begins its own transactions, as many as it needs.
    pub(crate) async fn look_job<T, F>(&self, scope: Scope, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Line, &Shared, &Scope) -> Result<T, Stop> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let outcome = self
            .readers
            .run(move |line| look(line, &shared, &scope).map_err(Abort::<Infallible>::Stop))
            .await;
        self.shared.metrics.count_if_busy(&outcome);
        outcome?.map_err(|abort| Failure::from(abort).into())
    }

    /// Lets the database tidy up after itself; for the quiet hours.
    pub async fn tidy(&self) -> Result<(), StoreError> {
        let done = self
            .writers
            .run(|line| dialect::tidy(line.connection()?).map_err(DatabaseError::from))
            .await?;
        done.map_err(StoreError::Database)
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("store-open".to_owned())
        .spawn(move || {
            let _nobody_waits: Result<(), _> = done.send(work());
        })
        .map_err(OpenError::Threads)?;
    outcome
        .await
        .map_err(|_| OpenError::Threads(std::io::Error::other("the opening thread panicked")))?
}

const KEY_CHECK: Place<'static> = Place {
    table: "key_check",
    column: "check_sealed",
    row: "1",
};
const KEY_CHECK_TEXT: &[u8] = b"the right key";

/// How a key relates to what is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyCheck {
    Opens,
    DoesNot,
    /// No program has opened the database yet.
    NotThere,
}

impl KeyCheck {
    pub(crate) fn of(connection: &mut AnyConnection, keys: &Keys) -> Result<Self, OpenError> {
        let sealed = key_check::table
            .find(1)
            .select(key_check::check_sealed)
            .first::<Vec<u8>>(connection)
            .optional()
            .map_err(OpenError::Refused)?;
        Ok(match sealed {
            None => Self::NotThere,
            Some(sealed) if seal::open(keys, KEY_CHECK, &sealed).as_deref() == Some(KEY_CHECK_TEXT) => {
                Self::Opens
            }
            Some(_) => Self::DoesNot,
        })
    }
}

fn check_key(connection: &mut AnyConnection, keys: &Keys) -> Result<(), OpenError> {
    let mut found = KeyCheck::of(connection, keys)?;
    if found == KeyCheck::NotThere {
        let fresh = seal::seal(keys, KEY_CHECK, KEY_CHECK_TEXT).map_err(|_| OpenError::WrongKey)?;
        let inserted = diesel::insert_into(key_check::table)
            .values((key_check::id.eq(1), key_check::check_sealed.eq(&fresh)))
            .execute(connection);
        // Another process may have been first; then its key counts.
        found = KeyCheck::of(connection, keys)?;
        if found == KeyCheck::NotThere {
            inserted.map_err(OpenError::Refused)?;
        }
    }
    if found == KeyCheck::Opens {
        Ok(())
    } else {
        Err(OpenError::WrongKey)
    }
}
