//! Trends: series of values as they can be shown, in numbers or in a picture. Nothing is smoothed, guessed or left out.

use serde::Serialize;

use crate::document::{InstrumentRules, VitalsRules};
use crate::id::{ReadingId, ScoreId};
use crate::instruments::change::{Change, baseline_of, change};
use crate::instruments::{Band, InstrumentKey, Score, item9};
use crate::time::Instant;
use crate::vitals::{Phase, Reading, Vitals};

/// The sums of one instrument over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScoreSeries {
    /// Of what.
    pub instrument: InstrumentKey,
    /// The severity bands, from 0 to the greatest sum.
    pub bands: &'static [Band],
    /// The sums, earliest first.
    pub points: Vec<ScorePoint>,
    /// When doses were taken, earliest first.
    pub doses: Vec<Instant>,
}

/// One sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScorePoint {
    /// The score.
    pub score: ScoreId,
    /// When it was answered.
    pub at: Instant,
    /// The sum.
    pub total: u32,
    /// The name of its band.
    pub band: &'static str,
    /// How many doses came before it.
    pub after_doses: usize,
    /// Against the baseline; only of a PHQ-9 that is not the baseline itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Item 9; only of a PHQ-9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item9: Option<u32>,
}

/// The sums of one instrument.
pub fn of_scores(
    key: InstrumentKey,
    scores: &[Score],
    doses: &[Instant],
    rules: &InstrumentRules,
) -> ScoreSeries {
    let mut doses = doses.to_vec();
    doses.sort_unstable();
    let baseline = baseline_of(scores, key, doses.first().copied());
    let is_phq9 = key == InstrumentKey::Phq9;
    let mut points: Vec<ScorePoint> = scores
        .iter()
        .filter(|score| score.instrument == key)
        .filter_map(|score| {
            let total = score.total?;
            let other = baseline.filter(|baseline| {
                is_phq9 && baseline.id != score.id && baseline.observed_at <= score.observed_at
            });
            Some(ScorePoint {
                score: score.id,
                at: score.observed_at,
                total,
                band: key.band(total)?.name,
                after_doses: doses.iter().filter(|dose| **dose < score.observed_at).count(),
                change: other.and_then(|baseline| Some(change(baseline.total?, total, &rules.change))),
                item9: is_phq9.then(|| item9::of(&score.answers)),
            })
        })
        .collect();
    points.sort_by_key(|point| (point.at, point.score));
    ScoreSeries {
        instrument: key,
        bands: key.bands(),
        points,
        doses,
    }
}

/// One answer of an own list over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EffectSeries {
    /// The item.
    pub item: String,
    /// What the patient reads today; an item that was taken off the list keeps its key.
    pub text: String,
    /// The answers that were not 0 or "no", earliest first.
    pub points: Vec<EffectPoint>,
}

/// One answer that was not 0 or "no".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EffectPoint {
    /// The answered form.
    pub score: ScoreId,
    /// When it was answered.
    pub at: Instant,
    /// Severity, or how many times; yes is 1.
    pub value: u32,
}

/// Side effects that were reported, in the order of the list.
pub fn of_effects(scores: &[Score], rules: &InstrumentRules) -> Vec<EffectSeries> {
    let answered = || {
        scores
            .iter()
            .filter(|score| score.instrument == InstrumentKey::SideEffects)
    };
    let listed = rules
        .side_effects
        .items
        .iter()
        .map(|item| (item.key.as_str(), item.text.as_str()));
    let mut series: Vec<EffectSeries> = Vec::new();
    let mut add = |key: &str, text: &str| {
        let mut points: Vec<EffectPoint> = answered()
            .filter_map(|score| {
                let value = score.answers.get(key)?.number();
                (value > 0).then_some(EffectPoint {
                    score: score.id,
                    at: score.observed_at,
                    value,
                })
            })
            .collect();
        points.sort_by_key(|point| (point.at, point.score));
        if !points.is_empty() {
            series.push(EffectSeries {
                item: key.to_owned(),
                text: text.to_owned(),
                points,
            });
        }
    };
    for (key, text) in listed.clone() {
        add(key, text);
    }
    let gone: std::collections::BTreeSet<&str> = answered()
        .flat_map(|score| score.answers.keys().map(String::as_str))
        .filter(|key| !listed.clone().any(|(listed, _)| listed == *key))
        .collect();
    for key in gone {
        add(key, key);
    }
    series
}

/// The readings of one session with the limits they were judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VitalsSeries {
    /// The moment that counts as minute 0: the dose, or the planned time.
    pub t0: Instant,
    /// Whether there was a dose.
    pub dosed: bool,
    /// The readings, earliest first.
    pub points: Vec<VitalsPoint>,
    /// The limits in force.
    pub limits: Vec<Limit>,
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VitalsPoint {
    /// The reading.
    pub reading: ReadingId,
    /// When it was taken.
    pub at: Instant,
    /// Whole minutes since the dose; negative before it.
    pub minute: i64,
    /// When in the session.
    pub phase: Phase,
    /// What was measured.
    #[serde(flatten)]
    pub vitals: Vitals,
    /// With a symptom.
    pub with_symptom: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Systolic pressure, mmHg.
    Sbp,
    /// Diastolic pressure, mmHg.
    Dbp,
    /// Pulse, beats a minute.
    Hr,
    /// Oxygen, percent.
    Spo2,
}

/// On which side of a limit the care team acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Above it.
    Above,
    /// At it or above.
    AtOrAbove,
    /// Below it.
    Below,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Its path in the protocol document, below `vitals`.
    pub name: &'static str,
    /// Of what.
    pub measure: Measure,
    /// On which side it is crossed.
    pub crossed: Side,
    /// Its value.
    pub value: u32,
    /// When in the session it holds.
    pub phase: Phase,
}

/// The readings of one session and the limits in force.
pub fn of_vitals(readings: &[Reading], t0: Instant, dosed: bool, rules: &VitalsRules) -> VitalsSeries {
    let mut points: Vec<VitalsPoint> = readings
        .iter()
        .map(|reading| VitalsPoint {
            reading: reading.id,
            at: reading.observed_at,
            minute: (reading.observed_at - t0).num_seconds().div_euclid(60),
            phase: reading.phase,
            vitals: reading.vitals,
            with_symptom: reading.with_symptom,
        })
        .collect();
    points.sort_by_key(|point| (point.at, point.reading));
    VitalsSeries {
        t0,
        dosed,
        points,
        limits: limits(rules),
    }
}

fn limits(rules: &VitalsRules) -> Vec<Limit> {
    use Measure::{Dbp, Hr, Sbp, Spo2};
    use Phase::{BeforeDose, InSession};
    use Side::{Above, AtOrAbove, Below};
    let (before, during) = (&rules.pre_dose, &rules.during);
    [
        ("pre_dose.sbp_max", Sbp, Above, before.sbp_max, BeforeDose),
        ("pre_dose.sbp_min", Sbp, Below, before.sbp_min, BeforeDose),
        ("pre_dose.dbp_max", Dbp, Above, before.dbp_max, BeforeDose),
        ("pre_dose.hr_max", Hr, Above, before.hr_max, BeforeDose),
        ("pre_dose.hr_min", Hr, Below, before.hr_min, BeforeDose),
        (
            "during.recheck.sbp",
            Sbp,
            AtOrAbove,
            during.recheck.sbp,
            InSession,
        ),
        (
            "during.recheck.dbp",
            Dbp,
            AtOrAbove,
            during.recheck.dbp,
            InSession,
        ),
        (
            "during.p1_single.sbp",
            Sbp,
            AtOrAbove,
            during.p1_single.sbp,
            InSession,
        ),
        (
            "during.p1_single.dbp",
            Dbp,
            AtOrAbove,
            during.p1_single.dbp,
            InSession,
        ),
        ("during.p2.hr_over", Hr, Above, during.p2.hr_over, InSession),
        ("during.p2.hr_under", Hr, Below, during.p2.hr_under, InSession),
        (
            "during.spo2_p1_below",
            Spo2,
            Below,
            during.spo2_p1_below,
            InSession,
        ),
    ]
    .into_iter()
    .map(|(name, measure, crossed, value, phase)| Limit {
        name,
        measure,
        crossed,
        value,
        phase,
    })
    .collect()
}
