//! The worker: one step of the watch, and the loops that repeat it.
//!
//! Guarantees: the heartbeat is written only after a cycle in which the outage check ran, everything that was due was
//! looked at, the auditor's proof is young (`auditor.rs`) and, in the running program, delivery got through to the outbox
//! lately (FAILURES F7); a slow relay delays neither tick nor heartbeat; every sleep is at most a second and the clocks
//! are read again after it.

use std::error::Error;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bedside_protocol::time::{Instant, seconds};
use bedside_store::{CycleStats, Stopwatch, Store, StoreError};
use futures_util::FutureExt as _;
use prometheus_client::registry::Registry;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::auditor::LastRun;
use crate::clock_guard::ClockGuard;
use crate::deliver::{DeliverReport, Delivery};
use crate::housekeeping::Housekeeper;
use crate::metrics::Metrics;
use crate::ping::Pinger;
use crate::settings::WorkerSettings;
use crate::ticking::TickReport;
use crate::transport::Transport;

/// Without a look into the outbox for so long, delivery counts as dead and no heartbeat is written, seconds.
const DELIVERY_SILENT_MAX_S: i64 = 30;

/// A part of the program that panicked starts again after this.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// A worker. Cheap to clone; any number may run against one database.
#[derive(Clone)]
pub struct Worker(Arc<Inner>);

struct Inner {
    store: Store,
    transport: Transport,
    settings: WorkerSettings,
    id: String,
    /// Something was put into the outbox.
    nudge: Notify,
    /// The machine clock at the last look into the outbox, milliseconds.
    delivered_at_ms: AtomicI64,
    metrics: Metrics,
    /// The auditor's last run that went well.
    proof: Mutex<Option<LastRun>>,
    pinger: Pinger,
    clock: Mutex<ClockGuard>,
}

/// What one cycle did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Whether an outage of the whole watch was noticed.
    pub gap_noticed: bool,
    /// What was looked at.
    pub tick: TickReport,
    /// What was sent.
    pub deliver: DeliverReport,
    /// Whether the heartbeat was written.
    pub verified: bool,
}

impl Worker {
    /// A worker. `id` names it among others: the host and the process, say.
    pub fn new(store: Store, transport: Transport, settings: WorkerSettings, id: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            store,
            transport,
            settings,
            id: id.into(),
            nudge: Notify::new(),
            delivered_at_ms: AtomicI64::new(i64::MIN),
            metrics: Metrics::default(),
            proof: Mutex::new(None),
            pinger: Pinger::default(),
            clock: Mutex::default(),
        }))
    }

    /// The store it works on.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Where its mails go.
    pub fn transport(&self) -> &Transport {
        &self.0.transport
    }

    /// How it works.
    pub fn settings(&self) -> &WorkerSettings {
        &self.0.settings
    }

    /// Its name among other workers.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Adds the worker's numbers to what is exported.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let inner = Arc::downgrade(&self.0);
        let connections = move || inner.upgrade().map_or(0, |inner| inner.transport.connections());
        self.0.metrics.register(registry, connections);
    }

    /// Where the worker counts.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// One cycle: looks at everything that is due, sends everything that can be sent, and says that it did.
    pub async fn cycle(&self) -> CycleReport {
        let began = Stopwatch::start();
        let report = self.one_cycle().await;
        self.metrics()
            .cycle_ended(&report.tick, began.elapsed(), report.verified);
        report
    }

    async fn one_cycle(&self) -> CycleReport {
        let mut report = CycleReport::default();
        let Some(gap_noticed) = self.open_cycle().await else {
            return report;
        };
        report.gap_noticed = gap_noticed;
        report.tick = self.tick().await;
        report.deliver = self.deliver().await;
        if report.tick.verified && report.deliver.outbox_readable && self.is_proven().await {
            report.verified = self.close_cycle().await;
        }
        report
    }

    /// Sends everything that can be sent now, retries that are due included.
    pub async fn deliver(&self) -> DeliverReport {
        Delivery::new(self.clone()).until_idle().await
    }

    /// Watches, delivers and keeps house until `stop` is true or its sender is gone. What has begun by then may end.
    pub async fn run(&self, stop: watch::Receiver<bool>) {
        self.delivery_is_alive();
        let parts = [
            self.supervised("delivery", &stop, |worker, stop| async move {
                Delivery::new(worker).until_stopped(stop).await;
            }),
            self.supervised(
                "watch",
                &stop,
                |worker, stop| async move { worker.watch(stop).await },
            ),
            self.supervised("housekeeping", &stop, |worker, stop| async move {
                Housekeeper::new(worker).until_stopped(stop).await;
            }),
        ];
        futures_util::future::join_all(parts).await;
    }

    /// Runs one part of the program in a task of its own; if it panics, it starts again.
    fn supervised<F, W>(&self, name: &'static str, stop: &watch::Receiver<bool>, part: F) -> JoinHandle<()>
    where
        F: Fn(Self, watch::Receiver<bool>) -> W + Send + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let (worker, stop) = (self.clone(), stop.clone());
        tokio::spawn(async move {
            while let Err(error) = tokio::spawn(part(worker.clone(), stop.clone())).await {
                tracing::error!(
                    part = name,
                    error = &error as &dyn Error,
                    "a part of the worker died; it starts again"
                );
                tokio::time::sleep(RESTART_AFTER).await;
            }
        })
    }

    async fn watch(&self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            let began = Stopwatch::start();
            let (mut report, mut verified) = (TickReport::default(), false);
            if self.open_cycle().await.is_some() {
                report = self.tick().await;
                verified = report.verified
                    && self.is_proven().await
                    && self.delivery_was_alive()
                    && self.close_cycle().await;
            }
            self.metrics().cycle_ended(&report, began.elapsed(), verified);
            if sleep_or_stop(self.settings().pause(), &mut stop).await {
                break;
            }
        }
    }

    /// Whether an outage was noticed; `None` when the database did not answer.
    async fn open_cycle(&self) -> Option<bool> {
        match self.store().open_cycle(self.id()).await {
            Ok(start) => {
                self.look_at_clock(start.last_at).await;
                Some(start.gap.is_some())
            }
            Err(error) => {
                tell(&error, "a cycle could not begin");
                None
            }
        }
    }

    async fn close_cycle(&self) -> bool {
        let stats = CycleStats {
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        match self.store().close_cycle(self.id(), stats).await {
            Ok(()) => {
                self.ping_if_due();
                true
            }
            Err(error) => {
                tell(&error, "the heartbeat could not be written");
                false
            }
        }
    }

    /// Something may be waiting in the outbox.
    pub(crate) fn nudge(&self) {
        self.0.nudge.notify_one();
    }

    /// Whether there was a nudge since the last question.
    pub(crate) fn was_nudged(&self) -> bool {
        self.0.nudge.notified().now_or_never().is_some()
    }

    /// Sleeps until the next look into the outbox.
    pub(crate) async fn rest(&self) {
        tokio::select! {
            () = self.0.nudge.notified() => {}
            () = tokio::time::sleep(self.settings().pause()) => {}
        }
    }

    pub(crate) fn clock(&self) -> &Mutex<ClockGuard> {
        &self.0.clock
    }

    pub(crate) fn pinger(&self) -> &Pinger {
        &self.0.pinger
    }

    pub(crate) fn proof(&self) -> &Mutex<Option<LastRun>> {
        &self.0.proof
    }

    pub(crate) fn delivery_is_alive(&self) {
        let now = self.store().clocks().machine_now();
        self.0
            .delivered_at_ms
            .store(now.timestamp_millis(), Ordering::Relaxed);
    }

    fn delivery_was_alive(&self) -> bool {
        let at = Instant::from_timestamp_millis(self.0.delivered_at_ms.load(Ordering::Relaxed));
        let now = self.store().clocks().machine_now();
        at.is_some_and(|at| (now - at).abs() <= seconds(DELIVERY_SILENT_MAX_S))
    }
}

/// Logs that the store failed; not when the database was migrated beneath the program, which the store says by itself
/// once a minute.
pub(crate) fn tell(error: &StoreError, what: &'static str) {
    if !error.is_other_schema() {
        tracing::error!(error = error as &dyn Error, "{what}");
    }
}

/// Sleeps, but not beyond the stop. Whether to stop.
pub(crate) async fn sleep_or_stop(pause: Duration, stop: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = tokio::time::sleep(pause) => false,
        // Stopped, or nobody is left to say so.
        _ = stop.wait_for(|stop| *stop) => true,
    }
}

#[cfg(test)]
mod tests;
