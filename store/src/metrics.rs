//! What the store counts about itself: lost races, refusals because too much waits, how long transactions take.
//!
//! Counting is a few atomic additions a transaction, exported or not. No label holds anything from a row.

use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::dialect::Work;
use crate::error::{Abort, Stop, StoreError};

/// Upper bounds of transaction times, seconds: a write on a good disk takes 1 to 5 ms, a statement may take 10 s.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

type Kind = [(&'static str, &'static str); 1];

/// The store's numbers. A clone counts into the same.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// Transactions that were tried again.
    pub conflicts: Counter,
    busy: Counter,
    seconds: Family<Kind, Histogram, fn() -> Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        let seconds = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        for work in [Work::Read, Work::Write] {
            drop(seconds.get_or_create(&kind(work)));
        }
        Self {
            conflicts: Counter::default(),
            busy: Counter::default(),
            seconds,
        }
    }
}

impl Metrics {
    /// One try of a transaction was over after so long.
    pub(crate) fn took(&self, work: Work, time: Duration) {
        self.seconds
            .get_or_create(&kind(work))
            .observe(time.as_secs_f64());
    }

    /// Counts a caller who is told "busy".
    pub(crate) fn count_if_busy<T, R>(&self, outcome: &Result<Result<T, Abort<R>>, StoreError>) {
        if matches!(
            outcome,
            Err(StoreError::Busy) | Ok(Err(Abort::Stop(Stop::Conflict)))
        ) {
            self.busy.inc();
        }
    }

    pub(crate) fn register<W>(&self, registry: &mut Registry, queues: Vec<(&'static str, W)>)
    where
        W: Fn() -> usize + Send + Sync + 'static,
    {
        registry.register(
            "write_conflicts",
            "Transactions that lost a race and were tried again",
            self.conflicts.clone(),
        );
        registry.register(
            "store_busy",
            "Calls that were answered \"busy\": the queue was full, or the race was lost too often",
            self.busy.clone(),
        );
        registry.register_with_unit(
            "store",
            "Time of one try of a transaction, by kind: read or write",
            Unit::Seconds,
            self.seconds.clone(),
        );
        registry.register_collector(Box::new(Queues(queues)));
    }
}

fn kind(work: Work) -> Kind {
    let kind = match work {
        Work::Read => "read",
        Work::Write | Work::Migration => "write",
    };
    [("kind", kind)]
}

/// How many jobs wait, asked at each scrape.
struct Queues<W>(Vec<(&'static str, W)>);

impl<W> std::fmt::Debug for Queues<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queues")
    }
}

impl<W: Fn() -> usize + Send + Sync + 'static> Collector for Queues<W> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = encoder.encode_descriptor(
            "store_queue_length",
            "Database calls that wait for a connection; SQLite has a queue for each kind, PostgreSQL one for all",
            None,
            MetricType::Gauge,
        )?;
        for (kind, waiting) in &self.0 {
            let waiting = u64::try_from(waiting()).unwrap_or(u64::MAX);
            gauge.encode_family(&[("kind", *kind)])?.encode_gauge(&waiting)?;
        }
        Ok(())
    }
}
