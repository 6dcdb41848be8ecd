//! The standby: a process that is no worker watches itself when all workers have been silent for a minute.
//!
//! Guarantees: it works under the same leases and fences as any worker, so a worker that comes back meets nothing half
//! done; it sends escalations and the prompts inside running sessions (a person must be asked before they are called
//! missed) and leaves reminders to the workers; it writes no heartbeat, so the dose stays locked and readiness stays
//! red; it says so at its start, every minute, and at its end, which comes at once when a worker's heartbeat is back.

use bedside_protocol::duty::Lane;
use bedside_protocol::time::{Instant, seconds};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::cycle::{Worker, sleep_or_stop, tell};
use crate::deliver::{DeliverReport, Delivery};
use crate::ticking::TickReport;

/// What a standby sends.
const LANES: &[Lane] = &[Lane::Escalation, Lane::Session];

/// How often it says that it is at work, seconds.
const SAID_EVERY_S: i64 = 60;

/// What one step of a standby did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StandbyReport {
    /// Whether it stands in for the workers.
    pub at_work: bool,
    /// What was looked at.
    pub tick: TickReport,
    /// What was sent.
    pub deliver: DeliverReport,
}

/// A process that may stand in for the workers.
pub struct Standby {
    worker: Worker,
    /// When it began to listen for heartbeats (machine clock): a worker that starts beside it gets its time.
    listening_since: Instant,
    at_work: Option<AtWork>,
}

struct AtWork {
    said_at: Instant,
}

impl Standby {
    /// A standby that works as `worker` would, from now on.
    pub fn new(worker: Worker) -> Self {
        Self {
            listening_since: worker.store().clocks().machine_now(),
            worker,
            at_work: None,
        }
    }

    /// One step: if no worker watches, looks at everything that is due and sends what is urgent.
    pub async fn step(&mut self) -> StandbyReport {
        let mut report = StandbyReport {
            at_work: self.listen().await,
            ..StandbyReport::default()
        };
        if report.at_work
            && let Some(tick) = self.watch().await
        {
            report.tick = tick;
            report.deliver = Delivery::new(self.worker.clone()).only(LANES).until_idle().await;
        }
        report
    }

    /// Whether no worker has been heard of for too long. Says when that changes.
    async fn listen(&mut self) -> bool {
        let silent_for = match self.worker.store().watch_health().await {
            Ok(health) => health.silent_for,
            // Without the database there is nothing to do; with another schema it is not ours to touch.
            Err(error) if error.is_other_schema() => return false,
            Err(_) => return self.at_work.is_some(),
        };
        let now = self.worker.store().clocks().machine_now();
        let listened_for = now - self.listening_since;
        let silent_for = silent_for.map_or(listened_for, |silent_for| silent_for.min(listened_for));
        let after_s = i64::try_from(self.worker.settings().standby_after_s).unwrap_or(i64::MAX / 1_000);
        let needed = silent_for >= seconds(after_s);
        match (&mut self.at_work, needed) {
            (None, true) => {
                tracing::error!("no worker watches: this process sends escalations itself");
                self.at_work = Some(AtWork { said_at: now });
            }
            (Some(at_work), true) => {
                if (now - at_work.said_at).abs() >= seconds(SAID_EVERY_S) {
                    at_work.said_at = now;
                    tracing::error!("still no worker: this process sends escalations itself");
                }
            }
            (Some(_), false) => {
                tracing::error!("a worker watches again; this process stops sending escalations");
                self.at_work = None;
            }
            (None, false) => {}
        }
        needed
    }

    /// Looks at everything that is due. `None` when the cycle could not begin.
    async fn watch(&self) -> Option<TickReport> {
        let store = self.worker.store();
        if let Err(error) = store.open_cycle(self.worker.id()).await {
            tell(&error, "a cycle of the standby could not begin");
            return None;
        }
        let tick = self.worker.tick().await;
        if tick.verified
            && let Err(error) = store.close_standby_cycle().await
        {
            tell(&error, "a cycle of the standby could not be recorded");
        }
        Some(tick)
    }
}

/// A delivery of the urgent lanes that runs beside the watch.
struct Delivering {
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Delivering {
    fn start(worker: &Worker) -> Self {
        let (stop, stopped) = watch::channel(false);
        let delivery = Delivery::new(worker.clone()).only(LANES);
        let running = tokio::spawn(delivery.until_stopped(stopped));
        Self { stop, running }
    }

    /// Lets what has begun end.
    async fn stop(self) {
        // It may have ended by itself already.
        let _ = self.stop.send(true);
        let _ = self.running.await;
    }
}

impl Worker {
    /// Stands in for the workers whenever none was heard of for [`crate::WorkerSettings::standby_after_s`], until `stop`
    /// is true or its sender is gone.
    pub async fn run_standby(&self, mut stop: watch::Receiver<bool>) {
        let mut standby = Standby::new(self.clone());
        let mut delivering: Option<Delivering> = None;
        while !*stop.borrow() {
            if standby.listen().await {
                // One that panicked is started again.
                if delivering.as_ref().is_none_or(|it| it.running.is_finished()) {
                    delivering = Some(Delivering::start(self));
                }
                standby.watch().await;
            } else if let Some(delivering) = delivering.take() {
                delivering.stop().await;
            }
            if sleep_or_stop(self.settings().pause(), &mut stop).await {
                break;
            }
        }
        if let Some(delivering) = delivering {
            delivering.stop().await;
        }
    }
}
