//! Limits of vital signs (PROTOCOL 4.4).

use serde::{Deserialize, Serialize};

use super::Range;
use crate::case::Level;

/// Limits of vital signs (PROTOCOL 4.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitalsRules {
    /// What a cuff can show at all.
    pub input_sanity: InputSanity,
    /// Before the dose.
    pub pre_dose: PreDoseLimits,
    /// In the session.
    pub during: DuringLimits,
    /// How far a patient's own limits before the dose may differ.
    #[serde(default)]
    pub patient_ranges: PatientRanges,
}

/// How far a patient's own limits before the dose may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatientRanges {
    /// Systolic at most, mmHg.
    pub sbp_max: Range,
    /// Diastolic at most, mmHg.
    pub dbp_max: Range,
    /// Pulse at most.
    pub hr_max: Range,
    /// Pulse at least.
    pub hr_min: Range,
    /// Systolic at least, mmHg.
    pub sbp_min: Range,
}

impl Default for PatientRanges {
    /// 160 and 100 are PROTOCOL 2 rule 3 and 4.4 (home programmes); the rest is a design default.
    fn default() -> Self {
        let range = |min, max| Range { min, max };
        Self {
            sbp_max: range(100, 160),
            dbp_max: range(60, 100),
            hr_max: range(80, 120),
            hr_min: range(40, 60),
            sbp_min: range(80, 110),
        }
    }
}

/// What a cuff can show at all; outside, it is asked again and nobody is alarmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSanity {
    /// Systolic, mmHg.
    pub sbp: Range,
    /// Diastolic, mmHg.
    pub dbp: Range,
    /// Pulse, beats a minute.
    pub hr: Range,
    /// Oxygen, percent.
    pub spo2: Range,
    /// Systolic is more than diastolic by at least this.
    pub sbp_over_dbp_by: u32,
}

/// Before the dose: over a limit the dose stays locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreDoseLimits {
    /// Systolic at most, mmHg.
    pub sbp_max: u32,
    /// Diastolic at most, mmHg.
    pub dbp_max: u32,
    /// Pulse at most.
    pub hr_max: u32,
    /// Pulse at least.
    pub hr_min: u32,
    /// Systolic at least, mmHg.
    pub sbp_min: u32,
    /// So many tries over a limit hold the session.
    pub tries: u32,
    /// Minutes between tries.
    pub retry_after_min: i64,
    /// At this level the care team is told of the hold.
    pub hold_level: Level,
}

/// A pair of pressures, mmHg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pressures {
    /// Systolic.
    pub sbp: u32,
    /// Diastolic.
    pub dbp: u32,
}

/// Pulse limits, beats a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PulseLimits {
    /// Over this.
    pub hr_over: u32,
    /// Under this.
    pub hr_under: u32,
}

/// In the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DuringLimits {
    /// Oxygen below this is P1 where the clinic gives an oximeter; elsewhere P2, for nobody knows the device.
    pub spo2_p1_below: u32,
    /// Whether the clinic gives an oximeter. A document that does not say so believes every reading.
    #[serde(default = "believed")]
    pub oximeter: bool,
    /// At or over: measure again.
    pub recheck: Pressures,
    /// … after so many minutes …
    pub recheck_after_min: i64,
    /// … and missed so many minutes later.
    pub recheck_grace_min: i64,
    /// The reminder ladder of a reading that is asked for.
    pub ladder: String,
    /// At or over after measuring again, or at once with a symptom: P1.
    pub p1_confirmed: Pressures,
    /// At or over once: P1.
    pub p1_single: Pressures,
    /// Pulse: P2.
    pub p2: PulseLimits,
    /// Risen by so much since before the dose: P3.
    pub p3_rise: Pressures,
}

fn believed() -> bool {
    true
}
