//! How things stand in the database, read when somebody scrapes.
//!
//! What is not known is left out, never shown as an old value or a zero: while the database does not answer, readiness and
//! its part `database` are 0 and the rest is absent; while it is of another version, the part `migrations` is.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bedside_protocol::time::{Instant, seconds};
use bedside_store::{DatabaseError, Standing, Store, StoreError};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::handlers::health::{self, Findings, ReadyView};

/// How long what was read is good for, seconds.
const GOOD_FOR_S: i64 = 1;

/// How long the database may take. Prometheus gives up after 10 seconds by default, and must not: then nothing would be
/// known of this process.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What was read last.
struct Read {
    at: Instant,
    readiness: ReadyView,
    known: Option<(Findings, Standing)>,
}

/// How things stood when they were last read.
pub(super) struct LastStanding {
    store: Store,
    alive_within: chrono::Duration,
    read: Mutex<Option<Read>>,
    /// Held while somebody reads, so that all who ask meanwhile share one reading.
    reading: tokio::sync::Mutex<()>,
}

impl std::fmt::Debug for LastStanding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastStanding")
    }
}

impl LastStanding {
    pub(super) fn new(store: Store, alive_within_s: i64) -> Self {
        Self {
            store,
            alive_within: seconds(alive_within_s),
            read: Mutex::new(None),
            reading: tokio::sync::Mutex::new(()),
        }
    }

    /// Reads anew what is too old.
    pub(super) async fn refresh(&self) {
        let _alone = self.reading.lock().await;
        let clocks = self.store.clocks();
        let good = |read: &Read| (clocks.machine_now() - read.at).abs() < seconds(GOOD_FOR_S);
        if self.last(|read| read.is_some_and(good)) {
            return;
        }
        let (readiness, known) = match tokio::time::timeout(ANSWERS_WITHIN, look(&self.store)).await {
            Ok(Ok((findings, standing))) => (
                health::judge(&findings, self.alive_within),
                Some((findings, standing)),
            ),
            // The store says so by itself, once a minute.
            Ok(Err(StoreError::Database(fault @ DatabaseError::OtherSchema { .. }))) => {
                (health::on_other_schema(&fault), None)
            }
            Ok(Err(StoreError::Busy)) => (health::unanswered("is busy"), None),
            Ok(Err(error)) => {
                tracing::warn!(
                    error = &error as &dyn Error,
                    "a scrape found no answer in the database"
                );
                (health::unanswered("does not answer"), None)
            }
            Err(_) => {
                tracing::warn!("a scrape gave up waiting for the database");
                (health::unanswered("does not answer"), None)
            }
        };
        let read = Read {
            at: clocks.machine_now(),
            readiness,
            known,
        };
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(read);
    }

    fn last<T>(&self, look: impl FnOnce(Option<&Read>) -> T) -> T {
        look(self.read.lock().unwrap_or_else(PoisonError::into_inner).as_ref())
    }
}

async fn look(store: &Store) -> Result<(Findings, Standing), StoreError> {
    Ok((health::look(store).await?, store.standing().await?))
}

impl Collector for LastStanding {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.last(|read| read.map_or(Ok(()), |read| show(read, encoder)))
    }
}

fn show(read: &Read, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
    let ready = read.readiness.status == "ready";
    one(
        &mut encoder,
        "ready",
        "1 when every part of readiness is well, as /health/ready says it",
        None,
        &i64::from(ready),
    )?;
    let parts = read.readiness.parts.iter();
    many(
        &mut encoder,
        "part_ok",
        "1 when this part of readiness is well",
        None,
        "part",
        parts.map(|part| (part.name.as_str(), i64::from(part.ok))),
    )?;
    let Some((findings, standing)) = &read.known else {
        return Ok(());
    };
    let lanes = || standing.lanes.iter();
    many(
        &mut encoder,
        "oldest_unsent",
        "Age of the oldest message that is due and not sent, by lane; 0 when none waits",
        Some(&Unit::Seconds),
        "lane",
        lanes().map(|it| (it.lane.name(), in_seconds(it.oldest))),
    )?;
    many(
        &mut encoder,
        "outbox_waiting",
        "Messages that are due and not sent, by lane",
        None,
        "lane",
        lanes().map(|it| (it.lane.name(), it.waiting)),
    )?;
    many(
        &mut encoder,
        "open_cases",
        "Cases that are not resolved, by level",
        None,
        "level",
        standing.cases.iter().map(|it| (it.level.name(), it.open)),
    )?;
    one(
        &mut encoder,
        "oldest_untaken_case",
        "Time since the oldest case was opened that nobody has taken; 0 when there is none",
        Some(&Unit::Seconds),
        &in_seconds(standing.oldest_untaken_case),
    )?;
    one(
        &mut encoder,
        "running_sessions",
        "Sessions between dose and release",
        None,
        &standing.running_sessions,
    )?;
    one(
        &mut encoder,
        "worker_silent",
        "Time since any worker last verified a cycle; +Inf when none is known, or its time is ahead of this clock",
        Some(&Unit::Seconds),
        &findings.silent_for.map_or(f64::INFINITY, in_seconds),
    )?;
    one(
        &mut encoder,
        "drill_age",
        "Time since a mail of the daily drill was accepted, of the clinic where that is longest; 0 when no drill was held",
        Some(&Unit::Seconds),
        &in_seconds(findings.drill.proven_ago.unwrap_or_default()),
    )?;
    one(
        &mut encoder,
        "failing_subjects",
        "Sessions and patients that the worker failed to work on more than once in a row and that are still due",
        None,
        &findings.failing_subjects,
    )
}

fn one(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: &impl EncodeGaugeValue,
) -> Result<(), std::fmt::Error> {
    encoder
        .encode_descriptor(name, help, unit, MetricType::Gauge)?
        .encode_gauge(value)
}

fn many<'a, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    label: &str,
    values: impl Iterator<Item = (&'a str, V)>,
) -> Result<(), std::fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (key, value) in values {
        family.encode_family(&[(label, key)])?.encode_gauge(&value)?;
    }
    Ok(())
}

fn in_seconds(age: chrono::Duration) -> f64 {
    age.to_std().unwrap_or_default().as_secs_f64()
}
