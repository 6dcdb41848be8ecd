//! Threads that own connections, and a bounded queue in front of them.
//!
//! Guarantees: a full queue answers "busy" at once and never piles up; a panic ends one job and not its thread; a
//! connection that broke is opened again by its thread, with back-off, while callers get an error and nobody hangs
//! (every statement has a time limit of its own).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::dialect;
use crate::engine::{AnyConnection, Role, Target};
use crate::error::{DatabaseError, StoreError};

/// First and longest pause between two tries to open a connection.
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
const BACK_OFF_LONGEST: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut Line) + Send>;

/// A queue of jobs with the threads that do them. The threads end when the pool is dropped and the queue is empty.
pub(crate) struct Pool {
    queue: Arc<Queue>,
}

struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    limit: usize,
}

struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held, and a queue stays a queue.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Pool {
    /// Starts `threads` threads over `target`. The first of them takes over `first`, a connection that is open already.
    pub(crate) fn start(
        target: &Target,
        role: Role,
        threads: usize,
        limit: usize,
        first: Option<AnyConnection>,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue {
            waiting: Mutex::new(Waiting {
                jobs: VecDeque::new(),
                closed: false,
            }),
            changed: Condvar::new(),
            limit: limit.max(1),
        });
        let pool = Self {
            queue: Arc::clone(&queue),
        };
        let mut first = first;
        for number in 0..threads.max(1) {
            let queue = Arc::clone(&queue);
            let mut line = Line::new(target.clone(), role, first.take());
            std::thread::Builder::new()
                .name(format!("store-{role:?}-{number}").to_lowercase())
                .spawn(move || {
                    while let Some(job) = queue.next() {
                        line.run(job);
                    }
                })?;
        }
        Ok(pool)
    }

    /// Does a piece of work on a connection.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Line) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, outcome) = tokio::sync::oneshot::channel();
        self.push(Box::new(move |line| {
            // Nobody waits any more when the caller went away; the work is done all the same.
            let _nobody_waits: Result<(), T> = done.send(work(line));
        }))?;
        // The sender is lost only in a panic.
        outcome
            .await
            .map_err(|_| StoreError::Database(DatabaseError::Panicked))
    }

    /// How many jobs wait, whenever it is asked. Zero when the pool is gone.
    pub(crate) fn waiting(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let queue = Arc::downgrade(&self.queue);
        move || queue.upgrade().map_or(0, |queue| queue.lock().jobs.len())
    }

    fn push(&self, job: Job) -> Result<(), StoreError> {
        let mut waiting = self.queue.lock();
        if waiting.jobs.len() >= self.queue.limit {
            return Err(StoreError::Busy);
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.queue.changed.notify_one();
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

/// One thread's connection: open, or to be opened when the next job asks for it.
pub(crate) struct Line {
    target: Target,
    role: Role,
    connection: Option<AnyConnection>,
    failed: Option<(Stopwatch, Duration)>,
    suspicious: bool,
}

impl Line {
    fn new(target: Target, role: Role, connection: Option<AnyConnection>) -> Self {
        Self {
            target,
            role,
            connection,
            failed: None,
            suspicious: false,
        }
    }

    fn run(&mut self, job: Job) {
        if catch_unwind(AssertUnwindSafe(|| job(self))).is_err() {
            tracing::error!("a database job panicked");
            // Whatever transaction it was in ends with the connection.
            self.connection = None;
        }
        if std::mem::take(&mut self.suspicious) && self.connection.as_mut().is_some_and(dialect::is_broken) {
            self.connection = None;
        }
    }

    /// The connection, opened if need be. Within the pause after a failure it is not tried, so that a caller does not
    /// wait for what just failed.
    pub(crate) fn connection(&mut self) -> Result<&mut AnyConnection, DatabaseError> {
        if self.connection.is_none() {
            if self
                .failed
                .as_ref()
                .is_some_and(|(since, pause)| since.elapsed() < *pause)
            {
                return Err(DatabaseError::Unavailable(None));
            }
            match self.target.connect(self.role) {
                Ok(connection) => {
                    self.failed = None;
                    self.connection = Some(connection);
                }
                Err(error) => {
                    let pause = self.failed.take().map_or(BACK_OFF_FIRST, |(_, pause)| pause * 2);
                    self.failed = Some((Stopwatch::start(), pause.min(BACK_OFF_LONGEST)));
                    tracing::warn!(
                        engine = self.target.engine().name(),
                        "the database cannot be reached"
                    );
                    return Err(DatabaseError::Unavailable(Some(error)));
                }
            }
        }
        self.connection.as_mut().ok_or(DatabaseError::Unavailable(None))
    }

    /// Lets go of a connection that an idle server closed.
    pub(crate) fn reconnect(&mut self) -> Result<&mut AnyConnection, DatabaseError> {
        self.connection = None;
        self.connection()
    }

    /// Has the connection looked at after this job.
    pub(crate) fn suspect(&mut self) {
        self.suspicious = true;
    }
}
