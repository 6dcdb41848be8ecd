//! What a worker counts: mails and what became of them, cycles, decisions.
//!
//! A worker counts whether anybody looks or not; [`crate::Worker::register_metrics`] adds its numbers to what is exported.
//! Labels are lanes, results, stages and classes: never an id or an address.

use std::time::Duration;

use bedside_protocol::duty::Lane;
use bedside_store::{CompletionResult, Recorded};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::smtp::{SendFailure, Stage};
use crate::ticking::TickReport;

/// Upper bounds of lateness, seconds. Invariant I1 is about 60.
const LATENESS: [f64; 11] = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 600.0, 3_600.0];

/// Upper bounds of a cycle, seconds; one cycle belongs to half a second.
const CYCLE: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// The lane of a row that cannot be read, or that was stale and ended unread.
const UNKNOWN_LANE: &str = "unknown";

type One = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];
type Histograms = Family<One, Histogram, fn() -> Histogram>;

/// What became of a row that was claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent,
    Dropped,
    Retried,
    Failed,
    Ambiguous,
    LeaseLost,
}

impl Outcome {
    const ALL: [Self; 6] = [
        Self::Sent,
        Self::Dropped,
        Self::Retried,
        Self::Failed,
        Self::Ambiguous,
        Self::LeaseLost,
    ];

    /// The outcome of a result that was, or was not, recorded.
    pub(crate) fn of(recorded: Recorded, result: &CompletionResult) -> Self {
        match (recorded, result) {
            (Recorded::LeaseLost, _) => Self::LeaseLost,
            (Recorded::Recorded, CompletionResult::Sent { .. }) => Self::Sent,
            (Recorded::Recorded, CompletionResult::Failed { .. }) => Self::Failed,
            (Recorded::Recorded, CompletionResult::Dropped(_)) => Self::Dropped,
            (
                Recorded::Recorded,
                CompletionResult::Ambiguous {
                    retry_at_machine: None,
                    ..
                },
            ) => Self::Ambiguous,
            (Recorded::Recorded, CompletionResult::Retry { .. } | CompletionResult::Ambiguous { .. }) => {
                Self::Retried
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Ambiguous => "ambiguous",
            Self::LeaseLost => "lease_lost",
        }
    }
}

/// A worker's numbers.
#[derive(Debug)]
pub(crate) struct Metrics {
    lateness: Histograms,
    sends: Family<Two, Counter>,
    failures: Family<Two, Counter>,
    leases_lost: Counter,
    cycle: Histogram,
    cycles: Family<One, Counter>,
    decisions: Family<One, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let this = Self {
            lateness: Family::new_with_constructor(|| Histogram::new(LATENESS)),
            sends: Family::default(),
            failures: Family::default(),
            leases_lost: Counter::default(),
            cycle: Histogram::new(CYCLE),
            cycles: Family::default(),
            decisions: Family::default(),
        };
        // From zero on, so that the first of its kind is an increase.
        for lane in Lane::ALL {
            drop(this.lateness.get_or_create(&[("lane", lane.name())]));
            for outcome in Outcome::ALL {
                drop(this.sends.get_or_create(&ended(lane.name(), outcome)));
            }
        }
        for result in ["decided", "failed"] {
            drop(this.decisions.get_or_create(&[("result", result)]));
        }
        for verified in ["true", "false"] {
            drop(this.cycles.get_or_create(&[("verified", verified)]));
        }
        this
    }
}

impl Metrics {
    /// A relay accepted a mail, so long after its `not_before`.
    pub(crate) fn accepted(&self, lane: Lane, late: chrono::Duration) {
        let late = late.to_std().unwrap_or_default();
        self.lateness
            .get_or_create(&[("lane", lane.name())])
            .observe(late.as_secs_f64());
    }

    /// So many rows came to this; `None` for the lane of rows that were not read.
    pub(crate) fn ended(&self, lane: Option<Lane>, outcome: Outcome, rows: u64) {
        let lane = lane.map_or(UNKNOWN_LANE, Lane::name);
        self.sends.get_or_create(&ended(lane, outcome)).inc_by(rows);
        if outcome == Outcome::LeaseLost {
            self.leases_lost.inc_by(rows);
        }
    }

    /// A mail was not accepted.
    pub(crate) fn send_failed(&self, failure: &SendFailure, class: &'static str) {
        let labels = [("stage", stage_name(failure.stage)), ("class", class)];
        self.failures.get_or_create(&labels).inc();
    }

    /// A cycle ended, verified or not.
    pub(crate) fn cycle_ended(&self, tick: &TickReport, took: Duration, verified: bool) {
        self.cycle.observe(took.as_secs_f64());
        let verified = if verified { "true" } else { "false" };
        self.cycles.get_or_create(&[("verified", verified)]).inc();
        for (result, count) in [("decided", tick.decided), ("failed", tick.failed)] {
            self.decisions.get_or_create(&[("result", result)]).inc_by(count);
        }
    }

    /// Adds the worker's numbers; `connections` says how many there are to the relay.
    pub(crate) fn register(
        &self,
        registry: &mut Registry,
        connections: impl Fn() -> usize + Send + Sync + 'static,
    ) {
        registry.register_with_unit(
            "due_lateness",
            "From the moment a message was due to the relay's acceptance, by lane",
            Unit::Seconds,
            self.lateness.clone(),
        );
        registry.register(
            "sends",
            "Messages taken from the outbox, by lane and what became of the attempt",
            self.sends.clone(),
        );
        registry.register(
            "send_failures",
            "Mails the relay did not accept, by stage of the conversation and class",
            self.failures.clone(),
        );
        registry.register(
            "leases_lost",
            "Messages that passed to another worker before the result was recorded",
            self.leases_lost.clone(),
        );
        registry.register_with_unit(
            "cycle",
            "Time of one cycle of the watch",
            Unit::Seconds,
            self.cycle.clone(),
        );
        registry.register(
            "cycles",
            "Cycles of the watch; a verified one looked at everything that was due",
            self.cycles.clone(),
        );
        registry.register(
            "tick_decisions",
            "Due sessions and patients looked at, by result: decided, or failed and set aside",
            self.decisions.clone(),
        );
        registry.register(
            "worker",
            "The worker in this process, by version",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register_collector(Box::new(Connections(connections)));
    }
}

fn ended(lane: &'static str, outcome: Outcome) -> Two {
    [("lane", lane), ("result", outcome.name())]
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Connect => "connect",
        Stage::Tls => "tls",
        Stage::Greeting => "greeting",
        Stage::Ehlo => "ehlo",
        Stage::Auth => "auth",
        Stage::MailFrom => "mail_from",
        Stage::RcptTo => "rcpt_to",
        Stage::Data => "data",
        Stage::Body => "body",
        Stage::FinalDot => "final_dot",
        Stage::Rset => "rset",
        Stage::Quit => "quit",
    }
}

/// How many connections there are to the relay, asked at each scrape.
struct Connections<C>(C);

impl<C> std::fmt::Debug for Connections<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connections")
    }
}

impl<C: Fn() -> usize + Send + Sync + 'static> Collector for Connections<C> {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut gauge = encoder.encode_descriptor(
            "smtp_connections",
            "Connections to the relay, in use or idle",
            None,
            MetricType::Gauge,
        )?;
        gauge.encode_gauge(&u64::try_from((self.0)()).unwrap_or(u64::MAX))
    }
}
