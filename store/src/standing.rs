//! How things stand now, in numbers: what waits to be sent, open cases, running sessions. For metrics.
//!
//! Three statements over partial indexes, whatever the size of the tables behind them.

use bedside_protocol::case::Level;
use bedside_protocol::duty::Lane;
use chrono::Duration;

use crate::clock::{from_ms, to_ms};
use crate::dialect;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

/// What waits in one lane of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneStanding {
    /// The lane.
    pub lane: Lane,
    /// Messages that are due and not sent.
    pub waiting: u64,
    /// How long ago the oldest of them became due; zero when none waits.
    pub oldest: Duration,
}

/// Open cases of one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenCases {
    /// The level.
    pub level: Level,
    /// Cases that are not resolved.
    pub open: u64,
}

/// How things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Every lane, most urgent first.
    pub lanes: Vec<LaneStanding>,
    /// Every level.
    pub cases: Vec<OpenCases>,
    /// How long ago the oldest case was opened that nobody has taken; zero when there is none.
    pub oldest_untaken_case: Duration,
    /// Sessions between dose and release.
    pub running_sessions: u64,
}

impl Store {
    /// How things stand now, over all clinics.
    pub async fn standing(&self) -> Result<Standing, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let counts = dialect::standing(tx.connection, to_ms(tx.now))?;
            let since = |oldest: Option<i64>| {
                let age = oldest.map_or(Duration::zero(), |oldest| tx.now - from_ms(oldest));
                age.max(Duration::zero())
            };
            let lanes = Lane::ALL.map(|lane| {
                let found = counts.lanes.iter().find(|it| it.name == lane.rank().to_string());
                LaneStanding {
                    lane,
                    waiting: found.map_or(0, |it| it.count.unsigned_abs()),
                    oldest: since(found.and_then(|it| it.oldest)),
                }
            });
            let cases = [Level::P1, Level::P2, Level::P3, Level::Info].map(|level| OpenCases {
                level,
                open: counts
                    .cases
                    .iter()
                    .filter(|it| it.name == level.name())
                    .map(|it| it.count.unsigned_abs())
                    .sum(),
            });
            Ok(Standing {
                lanes: lanes.to_vec(),
                cases: cases.to_vec(),
                oldest_untaken_case: since(counts.cases.iter().filter_map(|it| it.oldest).min()),
                running_sessions: counts.running_sessions.unsigned_abs(),
            })
        })
        .await
    }
}
