//! Delivery: takes what is due from the outbox and sees each message to its end.
//!
//! Guarantees
//! - A message is claimed under a lease of [`LEASE_MS`], renewed every [`RENEW_EVERY`] for as long as the send lives, and
//!   its result is recorded only under the fence it was claimed with. A worker that dies loses nothing: the lease runs
//!   out and another sends the same bytes again.
//! - Each lane has its own share of rows and connections, so 50,000 reminders do not keep an escalation waiting; those whose
//!   use is over end many at a time, beside the way of an escalation.
//! - One row's bad address, broken document or panic ends that row only.
//! - A result that cannot be written down is kept and tried again while its lease can still be renewed.
//!
//! Claiming, sending and recording go on at the same time: while some rows are on their way, the next are claimed and made
//! into mails, and what has ended is recorded, each in batches with one commit.

mod attempt;
mod lane;
mod leases;
pub mod retry;

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use bedside_protocol::duty::Lane;
use bedside_protocol::id::NoticeId;
use bedside_protocol::notice::DroppedBecause;
use bedside_store::{Claimed, ClaimedRow, Completion, CompletionResult, Recorded, StoreError};
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, Sleep};

use self::attempt::{Attempted, Prepared};
use self::lane::LaneState;
use self::leases::Leases;
use crate::cycle::{Worker, tell};
use crate::metrics::{Metrics, Outcome};
use crate::transport::{CutMark, place_of};

/// How long a claim holds: at most 8 s, so that a mail of a dead worker goes out within 10 s.
pub const LEASE_MS: u32 = 8_000;

/// How often leases are renewed: two renewals may fail before one runs out.
pub const RENEW_EVERY: Duration = Duration::from_millis(2_500);

/// How long sends that have begun may take to end when the worker stops.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// How often a failed writing of results is tried again when nothing else is left to do.
const RECORD_TRIES: u32 = 20;

/// Results that are written down in one transaction.
const RESULTS_AT_ONCE: usize = 400;

/// While mails are on their way, results are gathered for so long or until there are so many: a commit costs the same for one
/// and for a hundred. What is gathered is sent again if the program is killed meanwhile, so it is not for long.
const GATHERED_FOR: Duration = Duration::from_millis(10);
const GATHERED_MAX: usize = 100;

/// Rows of one statement when stale ones are dropped: short enough that no other writer waits long.
const STALE_AT_ONCE: u32 = 500;

/// What one delivery did. Counts of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliverReport {
    /// Claimed.
    pub claimed: u64,
    /// Accepted by the relay.
    pub sent: u64,
    /// No longer wanted; the reason is on the row.
    pub dropped: u64,
    /// To be tried again.
    pub retried: u64,
    /// Failed for good.
    pub failed: u64,
    /// Perhaps accepted, and not sent again because it is only a reminder.
    pub ambiguous: u64,
    /// Taken over by another worker before the result could be recorded.
    pub lease_lost: u64,
    /// Whether the outbox could be looked at.
    pub outbox_readable: bool,
}

impl DeliverReport {
    /// Counts rows, here and in what is exported. The lane of a row that was not read is not known.
    fn count(&mut self, metrics: &Metrics, lane: Option<Lane>, outcome: Outcome, rows: u64) {
        let count = match outcome {
            Outcome::Sent => &mut self.sent,
            Outcome::Dropped => &mut self.dropped,
            Outcome::Retried => &mut self.retried,
            Outcome::Failed => &mut self.failed,
            Outcome::Ambiguous => &mut self.ambiguous,
            Outcome::LeaseLost => &mut self.lease_lost,
        };
        *count += rows;
        metrics.ended(lane, outcome, rows);
    }
}

/// Which row a task works on.
struct Ticket {
    id: NoticeId,
    fence: i64,
    lane: Lane,
    attempts: u32,
    /// Whether it is sent again where it may have been accepted.
    is_sent_twice: bool,
    cut: CutMark,
}

fn ticket(claimed: &ClaimedRow, lane: Lane) -> Ticket {
    Ticket {
        id: claimed.row.notice.id,
        fence: claimed.fence,
        lane,
        attempts: claimed.row.attempts,
        is_sent_twice: retry::is_sent_twice_rather_than_never(&claimed.row.notice),
        cut: CutMark::default(),
    }
}

/// A row that ended and is to be written down. The lane of one that cannot be read is not known.
#[derive(Clone)]
struct Ended {
    lane: Option<Lane>,
    completion: Completion,
}

/// What the database was asked for beside the sends.
enum Answer {
    /// Rows of a lane.
    Look(Lane, Result<Vec<(Claimed, Option<Prepared>)>, StoreError>),
    /// Results that were to be recorded.
    Record(Vec<Ended>, Result<Vec<Recorded>, StoreError>),
    /// Stale rows were dropped: so many.
    Sweep(Result<u64, StoreError>),
}

/// One run of delivery.
pub(crate) struct Delivery {
    worker: Worker,
    sends: JoinSet<Attempted>,
    tickets: HashMap<Id, Ticket>,
    asked: JoinSet<Answer>,
    recording: bool,
    sweeping: bool,
    stopping: bool,
    leases: Leases,
    lanes: [LaneState; 4],
    /// What it sends.
    served: &'static [Lane],
    looks: Interval,
    unrecorded: Vec<Ended>,
    /// The time for which results are gathered; none while there are none, or when it is over.
    gathering: Option<Pin<Box<Sleep>>>,
    /// Results could not be written down, and leases could not be renewed either.
    results_wait: bool,
    /// They may be tried again.
    try_again: bool,
    /// Results of one transaction: one after a failure, so that a result that cannot be written keeps no other back.
    results_at_once: usize,
    report: DeliverReport,
}

impl Delivery {
    pub(crate) fn new(worker: Worker) -> Self {
        let mut looks = tokio::time::interval(worker.settings().pause());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            worker,
            sends: JoinSet::new(),
            tickets: HashMap::new(),
            asked: JoinSet::new(),
            recording: false,
            sweeping: false,
            stopping: false,
            leases: Leases::default(),
            lanes: Default::default(),
            served: &Lane::ALL,
            looks,
            unrecorded: Vec::new(),
            gathering: None,
            results_wait: false,
            try_again: false,
            results_at_once: RESULTS_AT_ONCE,
            report: DeliverReport {
                outbox_readable: true,
                ..DeliverReport::default()
            },
        }
    }

    /// Sends these lanes and leaves the others to somebody else.
    pub(crate) fn only(mut self, lanes: &'static [Lane]) -> Self {
        self.served = lanes;
        self
    }

    /// Delivers until nothing that can be sent now is left.
    pub(crate) async fn until_idle(mut self) -> DeliverReport {
        let renewing = self.leases.clone().renew(self.worker.clone());
        tokio::select! {
            () = renewing => {}
            () = async {
                let mut seen = self.report;
                loop {
                    self.look();
                    self.record();
                    if !self.sends.is_empty() || !self.asked.is_empty() {
                        self.wait().await;
                    } else if self.report.outbox_readable && self.report != seen {
                        // Only a look at every lane that finds nothing shows that nothing is left.
                        seen = self.report;
                        self.look_again();
                    } else {
                        break;
                    }
                }
                self.record_rest().await;
            } => {}
        }
        self.report
    }

    /// Delivers until told to stop; then lets what has begun end, and gives the rest back.
    pub(crate) async fn until_stopped(mut self, mut stop: watch::Receiver<bool>) {
        let renewing = self.leases.clone().renew(self.worker.clone());
        tokio::select! {
            () = renewing => {}
            () = async {
                while !*stop.borrow() {
                    self.look();
                    self.record();
                    tokio::select! {
                        () = self.wait() => {}
                        // A sender that is gone means stop as well.
                        changed = stop.wait_for(|stop| *stop) => if changed.is_err() { break },
                    }
                }
                self.wind_up().await;
            } => {}
        }
    }

    fn look_again(&mut self) {
        for lane in &mut self.lanes {
            lane.quiet = false;
        }
    }

    /// Claims what there is room for, each lane on its own.
    fn look(&mut self) {
        let turn = self.looks.tick().now_or_never().is_some();
        self.try_again |= turn;
        if turn || self.worker.was_nudged() {
            self.look_again();
        }
        if self.results_wait {
            // Rows that were sent and could not be written down may lose their leases meanwhile: a claim now could take
            // one of them and send it again.
            self.report.outbox_readable = false;
            return;
        }
        self.worker.glance_at_clock();
        let now = self.worker.store().clocks().machine_now();
        for &lane in self.served {
            if self.worker.holds(lane) {
                continue;
            }
            // What waits in these lanes is mostly stale while stale rows are dropped.
            if self.sweeping && matches!(lane, Lane::Reminder | Lane::Digest) {
                continue;
            }
            let state = &mut self.lanes[place_of(lane)];
            let transport = self.worker.transport();
            let room = state.room(transport.rows_at_hand(lane), transport.stuck(lane), now);
            if let Some(limit) = u32::try_from(room).ok().filter(|limit| *limit > 0) {
                state.looking = true;
                let worker = self.worker.clone();
                self.asked.spawn(async move {
                    let making = worker.clone();
                    let make = move |row: &_| attempt::prepare(&making, row);
                    let (store, id) = (worker.store(), worker.id());
                    let rows = store.claim_and_make(id, &[lane], limit, LEASE_MS, make).await;
                    Answer::Look(lane, rows)
                });
            }
        }
    }

    /// Writes down what has ended, in one batch at a time; what could not be written, at the next turn.
    fn record(&mut self) {
        let failed = self.results_at_once < RESULTS_AT_ONCE;
        let waits = failed && !self.try_again;
        let gathers =
            self.gathering.is_some() && self.unrecorded.len() < GATHERED_MAX && !self.sends.is_empty();
        if self.recording || waits || gathers || self.unrecorded.is_empty() {
            return;
        }
        self.gathering = None;
        (self.recording, self.try_again) = (true, false);
        let batch = self.results_at_once.min(self.unrecorded.len());
        let ended: Vec<Ended> = self.unrecorded.drain(..batch).collect();
        let worker = self.worker.clone();
        self.asked.spawn(async move {
            let completions = ended.iter().map(|ended| ended.completion.clone()).collect();
            let recorded = worker.store().record(completions).await;
            Answer::Record(ended, recorded)
        });
    }

    /// Not while a clock that cannot be trusted says what is stale, nor beside workers whose reminders these are.
    fn may_sweep(&self) -> bool {
        let reminders = Lane::Reminder;
        self.served.contains(&reminders) && !self.worker.holds(reminders) && !self.stopping
    }

    fn sweep(&mut self) {
        self.sweeping = true;
        let worker = self.worker.clone();
        self.asked
            .spawn(async move { Answer::Sweep(worker.store().drop_stale(STALE_AT_ONCE).await) });
    }

    /// Waits for something to end or for something new, for at most one pause.
    async fn wait(&mut self) {
        tokio::select! {
            Some(joined) = self.sends.join_next_with_id() => self.take(joined),
            Some(answer) = self.asked.join_next() => self.hear(answer),
            () = over(&mut self.gathering) => self.gathering = None,
            () = self.worker.rest() => self.look_again(),
        }
        while let Some(joined) = self.sends.try_join_next_with_id() {
            self.take(joined);
        }
        while let Some(answer) = self.asked.try_join_next() {
            self.hear(answer);
        }
    }

    fn hear(&mut self, answer: Result<Answer, JoinError>) {
        match answer {
            Ok(Answer::Look(lane, rows)) => self.start(lane, rows),
            Ok(Answer::Record(ended, recorded)) => self.count(ended, recorded),
            Ok(Answer::Sweep(dropped)) => match dropped {
                Ok(dropped) => {
                    let metrics = self.worker.metrics();
                    self.report.count(metrics, None, Outcome::Dropped, dropped);
                    if dropped >= u64::from(STALE_AT_ONCE) && self.may_sweep() {
                        self.sweep();
                    } else {
                        self.sweeping = false;
                    }
                }
                Err(error) => {
                    tell(&error, "stale messages were not dropped");
                    self.sweeping = false;
                }
            },
            // The run ends and the leases with it; the worker starts another.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Starts an attempt at each row of a claim.
    fn start(&mut self, lane: Lane, claimed: Result<Vec<(Claimed, Option<Prepared>)>, StoreError>) {
        let state = &mut self.lanes[place_of(lane)];
        state.looking = false;
        let rows = match claimed {
            Ok(rows) => rows,
            Err(error) => {
                tell(&error, "the outbox cannot be read");
                state.quiet = true;
                self.report.outbox_readable = false;
                return;
            }
        };
        state.quiet = rows.is_empty();
        self.report.outbox_readable = !self.results_wait;
        self.worker.delivery_is_alive();
        let mut stale = false;
        for row in rows {
            self.report.claimed += 1;
            match row {
                (Claimed::Ready(row), Some(_)) if self.stopping => {
                    self.ended(&ticket(&row, lane), attempt::given_back(&self.worker));
                }
                (Claimed::Ready(row), Some(prepared)) => {
                    stale |= matches!(prepared, Prepared::Unwanted(DroppedBecause::Stale));
                    let ticket = ticket(&row, lane);
                    let cut = ticket.cut.clone();
                    let attempt = self
                        .sends
                        .spawn(attempt::attempt(self.worker.clone(), row, prepared, cut));
                    self.lanes[place_of(lane)].held += 1;
                    self.leases.hold(ticket.id, ticket.fence, attempt.clone());
                    self.tickets.insert(attempt.id(), ticket);
                }
                (Claimed::Ready(row), None) => self.broken(row.row.notice.id, row.fence),
                (Claimed::Broken { id, fence }, _) => self.broken(id, fence),
            }
        }
        // Where one is stale, more are: after an outage, all that waited.
        if stale && !self.sweeping && self.may_sweep() {
            self.sweep();
        }
    }

    fn broken(&mut self, id: NoticeId, fence: i64) {
        tracing::error!(notice = %id, "a message cannot be read from its row; it will not be sent");
        let result = CompletionResult::Failed {
            class: "broken_row".to_owned(),
            reply_code: None,
        };
        self.unrecorded.push(Ended {
            lane: None,
            completion: Completion { id, fence, result },
        });
    }

    fn ended(&mut self, ticket: &Ticket, result: CompletionResult) {
        let &Ticket { id, fence, lane, .. } = ticket;
        if self.unrecorded.is_empty() {
            self.gathering = Some(Box::pin(tokio::time::sleep(GATHERED_FOR)));
        }
        self.unrecorded.push(Ended {
            lane: Some(lane),
            completion: Completion { id, fence, result },
        });
    }

    fn take(&mut self, joined: Result<(Id, Attempted), JoinError>) {
        let (task, attempted) = match joined {
            Ok((task, attempted)) => (task, attempted),
            Err(error) if error.is_cancelled() => (error.id(), Attempted::LeaseLost),
            Err(error) => (error.id(), Attempted::Panicked),
        };
        let Some(ticket) = self.tickets.remove(&task) else {
            return;
        };
        self.lanes[place_of(ticket.lane)].ended();
        let result = match attempted {
            Attempted::Ended(result) => result,
            Attempted::Panicked => {
                tracing::error!(notice = %ticket.id, "sending a message panicked; it will be tried again");
                attempt::try_again(&self.worker, ticket.lane, ticket.attempts, "panic", None)
            }
            Attempted::LeaseLost => {
                self.leases.release(ticket.id, ticket.fence);
                let metrics = self.worker.metrics();
                self.report
                    .count(metrics, Some(ticket.lane), Outcome::LeaseLost, 1);
                return;
            }
        };
        self.ended(&ticket, result);
    }

    fn count(&mut self, ended: Vec<Ended>, recorded: Result<Vec<Recorded>, StoreError>) {
        self.recording = false;
        match recorded {
            Ok(outcomes) => {
                self.results_at_once = (self.results_at_once * 2).min(RESULTS_AT_ONCE);
                self.try_again = true;
                // Not before all is written: what is left may have lost its lease.
                self.results_wait &= !self.unrecorded.is_empty();
                for (Ended { lane, completion }, outcome) in ended.iter().zip(outcomes) {
                    self.leases.release(completion.id, completion.fence);
                    let outcome = Outcome::of(outcome, &completion.result);
                    self.report.count(self.worker.metrics(), *lane, outcome, 1);
                }
            }
            Err(error) => {
                tell(&error, "results of sending wait to be recorded");
                self.results_at_once = 1;
                // Where the database answers, leases are renewed, and one bad result keeps nothing else back.
                self.results_wait |= match &error {
                    StoreError::Busy => true,
                    StoreError::Database(fault) => fault.is_outage(),
                };
                self.report.outbox_readable &= !self.results_wait;
                self.unrecorded.extend(ended);
            }
        }
    }

    /// The last results, when there is nothing else to do. Leases are still renewed meanwhile.
    async fn record_rest(&mut self) {
        for _ in 0..RECORD_TRIES {
            self.try_again = true;
            self.record();
            while let Some(answer) = self.asked.join_next().await {
                self.hear(answer);
            }
            if self.unrecorded.is_empty() {
                return;
            }
            tokio::time::sleep(self.worker.settings().pause()).await;
        }
    }

    /// Lets sends that have begun end, for a while; gives back what has not ended.
    async fn wind_up(&mut self) {
        self.stopping = true;
        let ending = async {
            while !self.sends.is_empty() || !self.asked.is_empty() {
                self.wait().await;
                self.record();
            }
        };
        if tokio::time::timeout(STOP_GRACE, ending).await.is_err() {
            self.sends.abort_all();
            while let Some(joined) = self.sends.join_next_with_id().await {
                match joined {
                    Err(error) if error.is_cancelled() => self.give_back(error.id()),
                    joined => self.take(joined),
                }
            }
        }
        self.record_rest().await;
        self.worker.transport().close_idle().await;
    }

    fn give_back(&mut self, task: Id) {
        if let Some(ticket) = self.tickets.remove(&task) {
            let result = if ticket.cut.is_ambiguous() {
                attempt::cut_after_dot(&self.worker, ticket.is_sent_twice)
            } else {
                attempt::given_back(&self.worker)
            };
            self.ended(&ticket, result);
        }
    }
}

/// Waits until a time is over; for ever if there is none.
async fn over(time: &mut Option<Pin<Box<Sleep>>>) {
    match time {
        Some(time) => time.await,
        None => std::future::pending().await,
    }
}
