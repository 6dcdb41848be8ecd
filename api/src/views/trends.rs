//! Trends as numbers: the series that the pictures are drawn from.

use bedside_protocol::instruments::InstrumentKey;
use bedside_protocol::record::{PatientRecord, SessionRecord};
use bedside_protocol::time::Instant;
use bedside_protocol::trends::{
    self, EffectSeries, Limit, Measure, ScorePoint, ScoreSeries, Side, VitalsPoint, VitalsSeries,
};
use bedside_protocol::vitals::Phase;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::instruments::ScoreChangeView;

/// A stretch of sums with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct BandView {
    /// The least sum.
    pub from: u32,
    /// The greatest sum.
    pub to: u32,
    /// Its name.
    pub name: String,
}

/// One sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScorePointView {
    /// The answered form.
    pub score: Uuid,
    /// When it was answered.
    pub at: DateTime<Utc>,
    /// The sum.
    pub total: u32,
    /// The name of its band.
    pub band: String,
    /// How many doses came before it.
    pub after_doses: usize,
    /// Against the baseline; only of a PHQ-9 that is not the baseline itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ScoreChangeView>,
    /// Item 9; only of a PHQ-9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item9: Option<u32>,
}

impl ScorePointView {
    fn of(point: &ScorePoint) -> Self {
        Self {
            score: point.score.uuid(),
            at: point.at,
            total: point.total,
            band: point.band.to_owned(),
            after_doses: point.after_doses,
            change: point.change.map(ScoreChangeView::of),
            item9: point.item9,
        }
    }
}

/// The sums of one instrument over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ScoreSeriesView {
    /// `phq9` or `gad7`.
    pub instrument: String,
    /// From 0 to the greatest sum.
    pub bands: Vec<BandView>,
    /// Earliest first.
    pub points: Vec<ScorePointView>,
}

impl ScoreSeriesView {
    fn of(series: &ScoreSeries) -> Self {
        let bands = series.bands.iter().map(|band| BandView {
            from: band.from,
            to: band.to,
            name: band.name.to_owned(),
        });
        Self {
            instrument: series.instrument.name().to_owned(),
            bands: bands.collect(),
            points: series.points.iter().map(ScorePointView::of).collect(),
        }
    }
}

/// One answer that was not 0 or "no".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EffectPointView {
    /// The answered form.
    pub score: Uuid,
    /// When it was answered.
    pub at: DateTime<Utc>,
    /// Severity 1 to 3, or how many times; yes is 1.
    pub value: u32,
}

/// One side effect over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EffectSeriesView {
    /// The item's key.
    pub item: String,
    /// What the patient reads.
    pub text: String,
    /// Earliest first.
    pub points: Vec<EffectPointView>,
}

impl EffectSeriesView {
    fn of(series: EffectSeries) -> Self {
        let points = series.points.iter().map(|point| EffectPointView {
            score: point.score.uuid(),
            at: point.at,
            value: point.value,
        });
        Self {
            points: points.collect(),
            item: series.item,
            text: series.text,
        }
    }
}

/// A patient's trends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TrendsView {
    /// PHQ-9 and GAD-7.
    pub scores: Vec<ScoreSeriesView>,
    /// Side effects that were reported, in the order of the list.
    pub side_effects: Vec<EffectSeriesView>,
    /// When doses were taken, earliest first.
    pub doses: Vec<DateTime<Utc>>,
}

/// The sums of every scored instrument.
pub fn score_series(record: &PatientRecord) -> Vec<ScoreSeries> {
    let doses = doses(record);
    let series = |key| {
        trends::of_scores(
            key,
            &record.course.scores,
            &doses,
            &record.around.protocol.instruments,
        )
    };
    InstrumentKey::SCORED.into_iter().map(series).collect()
}

fn doses(record: &PatientRecord) -> Vec<Instant> {
    bedside_protocol::instruments::answering::doses_of(record)
}

impl TrendsView {
    /// The view of a patient's trends.
    pub fn of(record: &PatientRecord) -> Self {
        let effects = trends::of_effects(&record.course.scores, &record.around.protocol.instruments);
        Self {
            scores: score_series(record).iter().map(ScoreSeriesView::of).collect(),
            side_effects: effects.into_iter().map(EffectSeriesView::of).collect(),
            doses: doses(record),
        }
    }
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VitalsPointView {
    /// The reading.
    pub reading: Uuid,
    /// When it was taken.
    pub at: DateTime<Utc>,
    /// Whole minutes since `t0`; negative before it.
    pub minute: i64,
    /// `before_dose`, `in_session` or `after_release`.
    pub phase: String,
    /// Systolic, mmHg.
    pub sbp: u32,
    /// Diastolic, mmHg.
    pub dbp: u32,
    /// Pulse, beats a minute.
    pub hr: u32,
    /// Oxygen, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spo2: Option<u32>,
    /// With a symptom.
    pub with_symptom: bool,
}

impl VitalsPointView {
    fn of(point: &VitalsPoint) -> Self {
        Self {
            reading: point.reading.uuid(),
            at: point.at,
            minute: point.minute,
            phase: phase_name(point.phase).to_owned(),
            sbp: point.vitals.sbp,
            dbp: point.vitals.dbp,
            hr: point.vitals.hr,
            spo2: point.vitals.spo2,
            with_symptom: point.with_symptom,
        }
    }
}

/// A limit that readings were judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LimitView {
    /// Its path in the protocol document, below `vitals`.
    pub name: String,
    /// `sbp`, `dbp`, `hr` or `spo2`.
    pub measure: String,
    /// `above`, `at_or_above` or `below`.
    pub crossed: String,
    /// Its value.
    pub value: u32,
    /// `before_dose` or `in_session`.
    pub phase: String,
}

impl LimitView {
    fn of(limit: &Limit) -> Self {
        let measure = match limit.measure {
            Measure::Sbp => "sbp",
            Measure::Dbp => "dbp",
            Measure::Hr => "hr",
            Measure::Spo2 => "spo2",
        };
        let crossed = match limit.crossed {
            Side::Above => "above",
            Side::AtOrAbove => "at_or_above",
            Side::Below => "below",
        };
        Self {
            name: limit.name.to_owned(),
            measure: measure.to_owned(),
            crossed: crossed.to_owned(),
            value: limit.value,
            phase: phase_name(limit.phase).to_owned(),
        }
    }
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::BeforeDose => "before_dose",
        Phase::InSession => "in_session",
        Phase::AfterRelease => "after_release",
    }
}

/// The readings of one session with the limits in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VitalsTrendView {
    /// The moment that counts as minute 0.
    pub t0: DateTime<Utc>,
    /// Whether that is a dose; if not, the planned time.
    pub dosed: bool,
    /// Earliest first.
    pub points: Vec<VitalsPointView>,
    /// The limits that readings were judged by.
    pub limits: Vec<LimitView>,
}

/// The readings of a session.
pub fn vitals_series(record: &SessionRecord) -> VitalsSeries {
    let session = &record.session;
    trends::of_vitals(
        &record.readings,
        session.t0(),
        session.dose.is_some(),
        &record.vitals_rules(),
    )
}

impl VitalsTrendView {
    /// The view of a session's readings.
    pub fn of(record: &SessionRecord) -> Self {
        let series = vitals_series(record);
        Self {
            t0: series.t0,
            dosed: series.dosed,
            points: series.points.iter().map(VitalsPointView::of).collect(),
            limits: series.limits.iter().map(LimitView::of).collect(),
        }
    }
}
