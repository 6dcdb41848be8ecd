//! Blood pressure, pulse and oxygen: what is plausible, and what a limit makes of it (PROTOCOL 4.4).

use serde::{Deserialize, Serialize};

use crate::case::Level;
use crate::document::{DuringLimits, InputSanity, PreDoseLimits};
use crate::id::ReadingId;
use crate::people::Caller;
use crate::refusal::{Fault, Faults};
use crate::time::Instant;

/// What a cuff (and an oximeter) showed. Pressures in mmHg, pulse in beats a minute, oxygen in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vitals {
    /// Systolic blood pressure, mmHg.
    pub sbp: u32,
    /// Diastolic blood pressure, mmHg.
    pub dbp: u32,
    /// Pulse, beats a minute.
    pub hr: u32,
    /// Oxygen saturation, percent; only where the clinic gives an oximeter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spo2: Option<u32>,
}

/// When in a session a reading was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the dose.
    BeforeDose,
    /// From the dose to the release.
    InSession,
    /// After the release.
    AfterRelease,
}

/// One reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The reading.
    pub id: ReadingId,
    /// What was measured.
    #[serde(flatten)]
    pub vitals: Vitals,
    /// When in the session.
    pub phase: Phase,
    /// Whether the patient had a symptom with it (headache, chest pain, blurred sight, short of breath).
    pub with_symptom: bool,
    /// When it was taken, by the device, bounded by the server.
    pub observed_at: Instant,
    /// When the server heard of it.
    pub received_at: Instant,
    /// Who sent it.
    pub by: Caller,
}

/// What is left to do about a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Within limits.
    Within,
    /// Before the dose and over a limit: the dose stays locked. Names of the limits.
    TooHighBeforeDose(Vec<String>),
    /// Measure again in a few minutes.
    Recheck(Vec<String>),
    /// Tell the care team.
    Tell(Level, Vec<String>),
}

/// Whether a cuff can have shown this at all. A typo is asked again and never raises an alarm.
pub fn check_plausible(vitals: &Vitals, sanity: &InputSanity) -> Result<(), Faults> {
    let mut faults = Faults::default();
    for (field, value, range) in [
        ("sbp", vitals.sbp, sanity.sbp),
        ("dbp", vitals.dbp, sanity.dbp),
        ("hr", vitals.hr, sanity.hr),
    ] {
        if !range.contains(value) {
            faults.push(Fault::new(
                field,
                format!(
                    "must be from {} to {}; please measure again",
                    range.min, range.max
                ),
            ));
        }
    }
    if let Some(spo2) = vitals.spo2
        && !sanity.spo2.contains(spo2)
    {
        let (min, max) = (sanity.spo2.min, sanity.spo2.max);
        faults.push(Fault::new(
            "spo2",
            format!("must be from {min} to {max}; please measure again"),
        ));
    }
    if vitals.sbp <= vitals.dbp.saturating_add(sanity.sbp_over_dbp_by) {
        let gap = sanity.sbp_over_dbp_by;
        faults.push(Fault::new(
            "sbp",
            format!("must be more than {gap} above dbp; please measure again"),
        ));
    }
    faults.into_result()
}

/// What a plausible reading before the dose means.
pub fn judge_before_dose(vitals: &Vitals, limits: &PreDoseLimits) -> Finding {
    let over = named(&[
        ("sbp_max", vitals.sbp > limits.sbp_max),
        ("dbp_max", vitals.dbp > limits.dbp_max),
        ("hr_max", vitals.hr > limits.hr_max),
        ("hr_min", vitals.hr < limits.hr_min),
        ("sbp_min", vitals.sbp < limits.sbp_min),
    ]);
    if over.is_empty() {
        Finding::Within
    } else {
        Finding::TooHighBeforeDose(over)
    }
}

/// What a plausible reading in the session means. `confirming` is whether it answers a request to measure again;
/// `baseline` is the last reading before the dose.
pub fn judge_in_session(
    vitals: &Vitals,
    with_symptom: bool,
    confirming: bool,
    baseline: Option<&Vitals>,
    limits: &DuringLimits,
) -> Finding {
    let low_oxygen = vitals.spo2.is_some_and(|spo2| spo2 < limits.spo2_p1_below);
    let single = named(&[
        ("p1_single.sbp", vitals.sbp >= limits.p1_single.sbp),
        ("p1_single.dbp", vitals.dbp >= limits.p1_single.dbp),
        ("spo2_p1_below", low_oxygen && limits.oximeter),
    ]);
    if !single.is_empty() {
        return Finding::Tell(Level::P1, single);
    }
    let confirmed = named(&[
        ("p1_confirmed.sbp", vitals.sbp >= limits.p1_confirmed.sbp),
        ("p1_confirmed.dbp", vitals.dbp >= limits.p1_confirmed.dbp),
    ]);
    if !confirmed.is_empty() && (confirming || with_symptom) {
        return Finding::Tell(Level::P1, confirmed);
    }
    let recheck = named(&[
        ("recheck.sbp", vitals.sbp >= limits.recheck.sbp),
        ("recheck.dbp", vitals.dbp >= limits.recheck.dbp),
    ]);
    if !recheck.is_empty() && !confirming {
        return Finding::Recheck(recheck);
    }
    let this_hour = named(&[
        ("p2.hr_over", vitals.hr > limits.p2.hr_over),
        ("p2.hr_under", vitals.hr < limits.p2.hr_under),
        ("spo2_p1_below", low_oxygen),
    ]);
    if !this_hour.is_empty() {
        return Finding::Tell(Level::P2, this_hour);
    }
    let rise = baseline.map_or_else(Vec::new, |baseline| {
        named(&[
            ("p3_rise.sbp", vitals.sbp >= baseline.sbp + limits.p3_rise.sbp),
            ("p3_rise.dbp", vitals.dbp >= baseline.dbp + limits.p3_rise.dbp),
        ])
    });
    if rise.is_empty() {
        Finding::Within
    } else {
        Finding::Tell(Level::P3, rise)
    }
}

fn named(limits: &[(&str, bool)]) -> Vec<String> {
    limits
        .iter()
        .filter(|(_, over)| *over)
        .map(|(name, _)| (*name).to_owned())
        .collect()
}
