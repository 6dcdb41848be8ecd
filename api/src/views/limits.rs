//! A patient's limits of vital signs.

use bedside_protocol::document::{Pressures, PulseLimits};
use bedside_protocol::limits::{self, Limits, SignedLimits};
use bedside_protocol::record::PatientRecord;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// A patient's limits in force, with all earlier versions.
#[derive(Debug, Serialize, ToSchema)]
pub struct PatientLimitsView {
    /// What `If-Match` names in a change; 0 for a patient without an order, who has none of their own yet.
    pub version: u64,
    /// The limits readings are judged by.
    pub limits: LimitsView,
    /// Every version, oldest first.
    pub history: Vec<SignedLimitsView>,
}

impl PatientLimitsView {
    /// The view of a patient's limits.
    pub fn of(record: &PatientRecord) -> Self {
        let versions = &record.course.limits;
        let rules = limits::rules(&record.around.protocol, &record.course);
        Self {
            version: versions.len() as u64,
            limits: LimitsView::of(Limits::of(&rules)),
            history: versions.iter().map(SignedLimitsView::of).collect(),
        }
    }
}

/// Limits. Pressures in mmHg, pulse in beats a minute, oxygen in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsView {
    /// Before the dose: systolic at most.
    pub sbp_max: u32,
    /// Before the dose: diastolic at most.
    pub dbp_max: u32,
    /// Before the dose: pulse at most.
    pub hr_max: u32,
    /// Before the dose: pulse at least.
    pub hr_min: u32,
    /// Before the dose: systolic at least.
    pub sbp_min: u32,
    /// In the session, at or over: measure again.
    pub recheck: PressuresView,
    /// In the session, at or over after measuring again, or with a symptom: P1.
    pub p1_confirmed: PressuresView,
    /// In the session, at or over once: P1.
    pub p1_single: PressuresView,
    /// In the session: pulse.
    pub pulse: PulseLimitsView,
    /// In the session: oxygen below this is P1.
    pub spo2_p1_below: u32,
}

/// A pair of pressures, mmHg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PressuresView {
    /// Systolic.
    pub sbp: u32,
    /// Diastolic.
    pub dbp: u32,
}

/// Pulse, beats a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PulseLimitsView {
    /// Over this: P2.
    pub hr_over: u32,
    /// Under this: P2.
    pub hr_under: u32,
}

impl LimitsView {
    fn of(limits: Limits) -> Self {
        let pressures = |of: Pressures| PressuresView {
            sbp: of.sbp,
            dbp: of.dbp,
        };
        Self {
            sbp_max: limits.sbp_max,
            dbp_max: limits.dbp_max,
            hr_max: limits.hr_max,
            hr_min: limits.hr_min,
            sbp_min: limits.sbp_min,
            recheck: pressures(limits.recheck),
            p1_confirmed: pressures(limits.p1_confirmed),
            p1_single: pressures(limits.p1_single),
            pulse: PulseLimitsView {
                hr_over: limits.pulse.hr_over,
                hr_under: limits.pulse.hr_under,
            },
            spo2_p1_below: limits.spo2_p1_below,
        }
    }
}

impl From<LimitsView> for Limits {
    fn from(view: LimitsView) -> Self {
        let pressures = |of: PressuresView| Pressures {
            sbp: of.sbp,
            dbp: of.dbp,
        };
        Self {
            sbp_max: view.sbp_max,
            dbp_max: view.dbp_max,
            hr_max: view.hr_max,
            hr_min: view.hr_min,
            sbp_min: view.sbp_min,
            recheck: pressures(view.recheck),
            p1_confirmed: pressures(view.p1_confirmed),
            p1_single: pressures(view.p1_single),
            pulse: PulseLimits {
                hr_over: view.pulse.hr_over,
                hr_under: view.pulse.hr_under,
            },
            spo2_p1_below: view.spo2_p1_below,
        }
    }
}

/// One version of a patient's limits.
#[derive(Debug, Serialize, ToSchema)]
pub struct SignedLimitsView {
    /// The limits.
    pub limits: LimitsView,
    /// The version of the protocol they were copied from or checked against.
    pub protocol_version: String,
    /// Why.
    pub reason: String,
    /// Who signed.
    pub by: Uuid,
    /// When.
    pub at: DateTime<Utc>,
}

impl SignedLimitsView {
    fn of(signed: &SignedLimits) -> Self {
        Self {
            limits: LimitsView::of(signed.limits),
            protocol_version: signed.protocol_version.clone(),
            reason: signed.reason.clone(),
            by: signed.by.uuid(),
            at: signed.at,
        }
    }
}
