//! One transaction: begun in the right way for the engine, committed or rolled back, and tried again when it lost a race.

use std::time::Duration;

use bedside_protocol::id::{ClinicId, Ids};
use bedside_protocol::record::RuleContext;
use bedside_protocol::time::Instant;

use crate::clock::Stopwatch;
use crate::dialect::{self, Work};
use crate::engine::AnyConnection;
use crate::error::{Abort, DatabaseError, Stop};
use crate::pool::Line;
use crate::scope::Scope;
use crate::store::Shared;

/// How often a transaction is tried before its caller hears "busy".
const TRIES: u32 = 8;

/// What a transaction's body works with.
pub(crate) struct Tx<'a> {
    pub connection: &'a mut AnyConnection,
    pub shared: &'a Shared,
    pub scope: &'a Scope,
    /// The clinical clock; read anew at each try and after each wait for a lock.
    pub now: Instant,
    /// The machine clock, likewise.
    pub machine_now: Instant,
}

impl Tx<'_> {
    /// Reads the clocks again, after something may have made us wait.
    pub(crate) fn read_clocks(&mut self) {
        self.now = self.shared.clocks.clinical_now();
        self.machine_now = self.shared.clocks.machine_now();
    }

    /// Runs a rule with its context: the clock as it is now, the caller, and ids.
    pub(crate) fn with_rule<T>(&mut self, rule: impl FnOnce(&mut RuleContext<'_>) -> T) -> T {
        let keys = self.shared.keys.clone();
        let mut random = |bytes: &mut [u8]| keys.random(bytes);
        let mut context = RuleContext {
            now: self.now,
            caller: self.scope.caller.clone(),
            ids: Ids::new(self.now, &mut random),
        };
        rule(&mut context)
    }

    /// A fresh identifier.
    pub(crate) fn new_id<T: From<uuid::Uuid>>(&mut self) -> T {
        self.with_rule(|context| context.ids.fresh())
    }

    /// The clinic the scope is opened for. `None` for the program itself.
    pub(crate) fn clinic(&self) -> Option<ClinicId> {
        self.scope.clinic
    }
}

/// Runs `body` in a transaction. A lost race (a version that moved on, a serialisation failure, a deadlock, a unique
/// value that somebody else took first) is tried again, a bounded number of times.
pub(crate) fn transact<T, R>(
    line: &mut Line,
    shared: &Shared,
    scope: &Scope,
    body: &mut impl FnMut(&mut Tx<'_>) -> Result<T, Abort<R>>,
) -> Result<T, Abort<R>> {
    let mut tries = 0;
    loop {
        tries += 1;
        match one_try(line, shared, scope, Work::Write, &mut *body) {
            Err(Abort::Stop(stop)) if stop.may_pass() && tries < TRIES => {
                shared.metrics.conflicts.inc();
                std::thread::sleep(Duration::from_millis(u64::from(tries * tries)));
            }
            outcome => return outcome,
        }
    }
}

/// Runs `body` in a transaction, once. What reads only never loses a race.
pub(crate) fn one_try<T, R>(
    line: &mut Line,
    shared: &Shared,
    scope: &Scope,
    work: Work,
    body: impl FnOnce(&mut Tx<'_>) -> Result<T, Abort<R>>,
) -> Result<T, Abort<R>> {
    let began = Stopwatch::start();
    let outcome = begun(line, shared, scope, work, body);
    shared.metrics.took(work, began.elapsed());
    if let Err(Abort::Stop(stop)) = &outcome
        && stop.is_suspicious()
    {
        line.suspect();
    }
    outcome
}

/// One statement that reads, which is a consistent picture by itself: nothing is begun and nothing committed. An idle
/// connection that the server closed is not opened again here.
pub(crate) fn glance<T>(
    line: &mut Line,
    shared: &Shared,
    scope: &Scope,
    statement: impl FnOnce(&mut Tx<'_>) -> Result<T, Stop>,
) -> Result<T, Stop> {
    let began = Stopwatch::start();
    let connection = line.connection()?;
    shared.fence.check(connection, Work::Read)?;
    let (now, machine_now) = (shared.clocks.clinical_now(), shared.clocks.machine_now());
    let outcome = statement(&mut Tx {
        connection,
        shared,
        scope,
        now,
        machine_now,
    });
    shared.metrics.took(Work::Read, began.elapsed());
    outcome
}

fn begun<T, R>(
    line: &mut Line,
    shared: &Shared,
    scope: &Scope,
    work: Work,
    body: impl FnOnce(&mut Tx<'_>) -> Result<T, Abort<R>>,
) -> Result<T, Abort<R>> {
    let connection = begin(line, work)?;
    if let Err(stop) = shared.fence.check(connection, work) {
        if dialect::roll_back(connection).is_err() {
            line.suspect();
        }
        return Err(stop.into());
    }
    let (now, machine_now) = (shared.clocks.clinical_now(), shared.clocks.machine_now());
    let mut tx = Tx {
        connection,
        shared,
        scope,
        now,
        machine_now,
    };
    match body(&mut tx) {
        Ok(value) => {
            dialect::commit(connection)?;
            Ok(value)
        }
        Err(abort) => {
            if dialect::roll_back(connection).is_err() {
                line.suspect();
            }
            Err(abort)
        }
    }
}

/// Begins; a connection that an idle server closed is opened once more, since nothing was done on it yet.
fn begin(line: &mut Line, work: Work) -> Result<&mut AnyConnection, Stop> {
    if let Err(error) = dialect::begin(line.connection()?, work) {
        let stop = Stop::Database(DatabaseError::Failed(error));
        if stop.may_pass() {
            return Err(stop);
        }
        dialect::begin(line.reconnect()?, work)?;
    }
    Ok(line.connection()?)
}
