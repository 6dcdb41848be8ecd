//! How a PHQ-9 stands against the first: response, remission, meaningful change, by the rules of a study (PROTOCOL 3.1).
//! Words for a chart, not a verdict.

use serde::Serialize;

use super::{InstrumentKey, Score};
use crate::document::ChangeRules;
use crate::time::Instant;

/// A sum against the baseline's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The baseline's sum.
    pub baseline: u32,
    /// Points since then; negative is better.
    pub points: i64,
    /// Fallen by the share that counts as a response.
    pub response: bool,
    /// Under the limit of remission, from a baseline that was high enough; `None` where it was not.
    pub remission: Option<bool>,
    /// Changed by so many points, up or down, that it means something.
    pub meaningful: bool,
}

/// The change from one sum to another. A baseline of 0 has nothing to fall.
pub fn change(baseline: u32, now: u32, rules: &ChangeRules) -> Change {
    let points = i64::from(now) - i64::from(baseline);
    let fallen = u64::from(baseline.saturating_sub(now));
    Change {
        baseline,
        points,
        response: baseline > 0 && fallen * 100 >= u64::from(baseline) * u64::from(rules.response_percent),
        remission: (baseline >= rules.remission_baseline_from).then_some(now < rules.remission_below),
        meaningful: points.unsigned_abs() >= u64::from(rules.meaningful_points),
    }
}

/// The score that others are compared with: the last before the first dose, or else the first there is.
pub fn baseline_of(scores: &[Score], key: InstrumentKey, first_dose: Option<Instant>) -> Option<&Score> {
    let of_key = || scores.iter().filter(|score| score.instrument == key);
    let before = of_key().filter(|score| first_dose.is_some_and(|dose| score.observed_at <= dose));
    before
        .max_by_key(|score| score.observed_at)
        .or_else(|| of_key().min_by_key(|score| score.observed_at))
}
