//! Delivery: takes what is due from the outbox and sees each message to its end.
//!
//! Guarantees
//! - A message is claimed under a lease of [`LEASE_MS`], renewed every [`RENEW_EVERY`] for as long as the send lives, and
//!   its result is recorded only under the fence it was claimed with. A worker that dies loses nothing: the lease runs
//!   out and another sends the same bytes again.
//! - Each lane has its own share of rows and connections, so 50,000 reminders do not keep an escalation waiting.
//! - One row's bad address, broken document or panic ends that row only.
//! - A result that cannot be written down is kept and tried again while its lease can still be renewed.

mod attempt;
pub mod retry;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bedside_protocol::duty::Lane;
use bedside_protocol::id::NoticeId;
use bedside_store::{Claimed, Completion, CompletionResult, Recorded};
use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior};

use self::attempt::{Attempted, Prepared};
use crate::cycle::{Worker, tell};
use crate::metrics::{Metrics, Outcome};
use crate::transport::{Transport, place_of};

/// How long a claim holds: at most 8 s, so that a mail of a dead worker goes out within 10 s.
pub const LEASE_MS: u32 = 8_000;

/// How often leases are renewed: two renewals may fail before one runs out.
pub const RENEW_EVERY: Duration = Duration::from_millis(2_500);

/// Rows a lane holds for each of its places in the transport. Few, because what was known of a row at its claim grows
/// old while it waits for its place.
const HELD_FOR_EACH_PLACE: usize = 2;

/// How long sends that have begun may take to end when the worker stops.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// How often a failed writing of results is tried again when nothing else is left to do.
const RECORD_TRIES: u32 = 20;

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
    /// Counts one row, here and in what is exported. The lane of a row that cannot be read is not known.
    fn count(&mut self, metrics: &Metrics, lane: Option<Lane>, outcome: Outcome) {
        let count = match outcome {
            Outcome::Sent => &mut self.sent,
            Outcome::Dropped => &mut self.dropped,
            Outcome::Retried => &mut self.retried,
            Outcome::Failed => &mut self.failed,
            Outcome::Ambiguous => &mut self.ambiguous,
            Outcome::LeaseLost => &mut self.lease_lost,
        };
        *count += 1;
        metrics.ended(lane, outcome);
    }
}

/// What is held of a row while its attempt runs.
struct Held {
    fence: i64,
    lane: Lane,
    attempt: AbortHandle,
}

type HeldRows = Arc<Mutex<HashMap<NoticeId, Held>>>;

/// Which row a task works on.
#[derive(Clone, Copy)]
struct Ticket {
    id: NoticeId,
    fence: i64,
    lane: Lane,
}

/// One run of delivery.
pub(crate) struct Delivery {
    worker: Worker,
    tasks: JoinSet<Attempted>,
    tickets: HashMap<Id, Ticket>,
    held: HeldRows,
    in_flight: [usize; 4],
    /// Lanes in which the last look found nothing; not looked at again before the next turn of `looks`.
    quiet: [bool; 4],
    looks: Interval,
    /// What it sends.
    lanes: &'static [Lane],
    unrecorded: Vec<Completion>,
    report: DeliverReport,
}

impl Delivery {
    pub(crate) fn new(worker: Worker) -> Self {
        let mut looks = tokio::time::interval(worker.settings().pause());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            worker,
            tasks: JoinSet::new(),
            tickets: HashMap::new(),
            held: HeldRows::default(),
            in_flight: [0; 4],
            quiet: [false; 4],
            looks,
            lanes: &Lane::ALL,
            unrecorded: Vec::new(),
            report: DeliverReport::default(),
        }
    }

    /// Sends these lanes and leaves the others to somebody else.
    pub(crate) fn only(mut self, lanes: &'static [Lane]) -> Self {
        self.lanes = lanes;
        self
    }

    /// Delivers until nothing that can be sent now is left.
    pub(crate) async fn until_idle(mut self) -> DeliverReport {
        let (worker, held) = (self.worker.clone(), Arc::clone(&self.held));
        tokio::select! {
            () = renew_leases(worker, held) => {}
            () = async {
                loop {
                    let any = self.step().await;
                    if !self.tasks.is_empty() {
                        self.wait().await;
                    } else if any {
                        // Rows that ended before an attempt.
                    } else if self.quiet.contains(&true) && self.report.outbox_readable {
                        // Only a look at every lane shows that nothing is left.
                        self.quiet = [false; 4];
                        if !self.step().await {
                            break;
                        }
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
        let (worker, held) = (self.worker.clone(), Arc::clone(&self.held));
        tokio::select! {
            () = renew_leases(worker, held) => {}
            () = async {
                while !*stop.borrow() {
                    self.step().await;
                    if self.report.outbox_readable {
                        self.worker.delivery_is_alive();
                    }
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

    /// Claims what there is room for and starts it. Whether anything was claimed.
    async fn step(&mut self) -> bool {
        self.record().await;
        if !self.unrecorded.is_empty() {
            // Rows that were sent and could not be written down may have lost their leases meanwhile: a claim now could
            // take one of them and send it again.
            self.report.outbox_readable = false;
            return false;
        }
        let turn = self.looks.tick().now_or_never().is_some();
        if turn || self.worker.was_nudged() {
            self.quiet = [false; 4];
        }
        let mut any = false;
        self.report.outbox_readable = true;
        for &lane in self.lanes {
            if self.worker.holds(lane) {
                continue;
            }
            let rank = place_of(lane);
            let share = Transport::places(lane) * HELD_FOR_EACH_PLACE;
            // Half a share at least, so that claims stay batches.
            if self.quiet[rank] || self.in_flight[rank] * 2 > share {
                continue;
            }
            let limit = u32::try_from(share - self.in_flight[rank]).unwrap_or(u32::MAX);
            let store = self.worker.store();
            match store.claim(self.worker.id(), &[lane], limit, LEASE_MS).await {
                Ok(rows) => {
                    any |= !rows.is_empty();
                    self.quiet[rank] = rows.is_empty();
                    self.start(rows).await;
                }
                Err(error) => {
                    tell(&error, "the outbox cannot be read");
                    self.report.outbox_readable = false;
                    return any;
                }
            }
        }
        any
    }

    /// Starts an attempt at each row. Mails made now are kept first, all in one transaction.
    async fn start(&mut self, claimed: Vec<Claimed>) {
        let mut made = Vec::new();
        let mut rows = Vec::new();
        for row in claimed {
            self.report.claimed += 1;
            match row {
                Claimed::Ready(row) => {
                    let prepared = attempt::prepare(&self.worker, &row);
                    if let Prepared::Made(bytes) = &prepared {
                        made.push((row.row.notice.id, row.fence, bytes.as_ref().clone()));
                    }
                    rows.push((row, prepared));
                }
                Claimed::Broken { id, fence } => {
                    tracing::error!(notice = %id, "a message cannot be read from its row; it will not be sent");
                    let result = CompletionResult::Failed {
                        class: "broken_row".to_owned(),
                        reply_code: None,
                    };
                    self.unrecorded.push(Completion { id, fence, result });
                }
            }
        }
        let kept = self.keep(made).await;
        for (row, prepared) in rows {
            let ticket = Ticket {
                id: row.row.notice.id,
                fence: row.fence,
                lane: row.row.notice.lane,
            };
            let prepared = match (prepared, kept.get(&ticket.id)) {
                (Prepared::Made(_), Some(Recorded::LeaseLost)) => {
                    let metrics = self.worker.metrics();
                    self.report.count(metrics, Some(ticket.lane), Outcome::LeaseLost);
                    continue;
                }
                (Prepared::Made(_), None) => Prepared::NotKept,
                (prepared, _) => prepared,
            };
            let attempt = self
                .tasks
                .spawn(attempt::attempt(self.worker.clone(), row, prepared));
            self.tickets.insert(attempt.id(), ticket);
            self.in_flight[place_of(ticket.lane)] += 1;
            let Ticket { fence, lane, .. } = ticket;
            lock(&self.held).insert(ticket.id, Held { fence, lane, attempt });
        }
    }

    /// Keeps new mails before their first byte goes out. Empty if the store failed.
    async fn keep(&self, made: Vec<(NoticeId, i64, Vec<u8>)>) -> HashMap<NoticeId, Recorded> {
        if made.is_empty() {
            return HashMap::new();
        }
        let ids: Vec<NoticeId> = made.iter().map(|(id, ..)| *id).collect();
        match self.worker.store().keep_all_rendered(made).await {
            Ok(kept) => ids.into_iter().zip(kept).collect(),
            Err(error) => {
                tell(&error, "mails could not be kept; they are not sent yet");
                HashMap::new()
            }
        }
    }

    /// Waits for an attempt to end or for something new, for at most one pause.
    async fn wait(&mut self) {
        let joined = tokio::select! {
            joined = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => joined,
            () = self.worker.rest() => {
                self.quiet = [false; 4];
                None
            }
        };
        if let Some(joined) = joined {
            self.take(joined);
        }
        while let Some(joined) = self.tasks.try_join_next_with_id() {
            self.take(joined);
        }
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
        let in_flight = &mut self.in_flight[place_of(ticket.lane)];
        *in_flight = in_flight.saturating_sub(1);
        let result = match attempted {
            Attempted::Ended(result) => result,
            Attempted::Panicked => {
                tracing::error!(notice = %ticket.id, "sending a message panicked; it will be tried again");
                attempt::try_again(&self.worker, 1, "panic", None)
            }
            Attempted::LeaseLost => {
                lock(&self.held).remove(&ticket.id);
                let metrics = self.worker.metrics();
                self.report.count(metrics, Some(ticket.lane), Outcome::LeaseLost);
                return;
            }
        };
        self.unrecorded.push(Completion {
            id: ticket.id,
            fence: ticket.fence,
            result,
        });
    }

    /// Writes down what has ended, in one batch.
    async fn record(&mut self) {
        if self.unrecorded.is_empty() {
            return;
        }
        let outcomes = match self.worker.store().record(self.unrecorded.clone()).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                tell(&error, "results of sending wait to be recorded");
                return;
            }
        };
        let mut held = lock(&self.held);
        for (completion, outcome) in self.unrecorded.drain(..).zip(outcomes) {
            let lane = held.remove(&completion.id).map(|row| row.lane);
            let outcome = Outcome::of(outcome, &completion.result);
            self.report.count(self.worker.metrics(), lane, outcome);
        }
    }

    /// The last results, when there is nothing else to do. Leases are still renewed meanwhile.
    async fn record_rest(&mut self) {
        for _ in 0..RECORD_TRIES {
            self.record().await;
            if self.unrecorded.is_empty() {
                return;
            }
            tokio::time::sleep(self.worker.settings().pause()).await;
        }
    }

    /// Lets sends that have begun end, for a while; gives back what has not ended.
    async fn wind_up(&mut self) {
        let ending = async {
            while !self.tasks.is_empty() {
                self.wait().await;
                self.record().await;
            }
        };
        if tokio::time::timeout(STOP_GRACE, ending).await.is_err() {
            self.tasks.abort_all();
            while let Some(joined) = self.tasks.join_next_with_id().await {
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
            self.unrecorded.push(Completion {
                id: ticket.id,
                fence: ticket.fence,
                result: attempt::given_back(&self.worker),
            });
        }
    }
}

/// Renews the leases of all rows that are held, again and again. A row whose lease is lost belongs to another worker:
/// its attempt is cut, so that the mail goes out once more at most.
async fn renew_leases(worker: Worker, held: HeldRows) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let rows: Vec<(NoticeId, i64)> = lock(&held).iter().map(|(id, row)| (*id, row.fence)).collect();
        if rows.is_empty() {
            continue;
        }
        match worker.store().renew(rows.clone(), LEASE_MS).await {
            Ok(ours) => {
                let mut held = lock(&held);
                for (id, fence) in rows.into_iter().filter(|(id, _)| !ours.contains(id)) {
                    // It may have ended, or have been claimed anew, while its lease was renewed.
                    let goes_on = |row: &Held| row.fence == fence && !row.attempt.is_finished();
                    if held.get(&id).is_some_and(goes_on)
                        && let Some(row) = held.remove(&id)
                    {
                        tracing::warn!(notice = %id, "another worker took a message over");
                        row.attempt.abort();
                    }
                }
            }
            Err(error) => tell(&error, "leases were not renewed"),
        }
    }
}

fn lock(held: &HeldRows) -> MutexGuard<'_, HashMap<NoticeId, Held>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
