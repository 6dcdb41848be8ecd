//! A patient's own limits of vital signs: copied from the protocol when their first order is signed, changed by a prescriber
//! with a reason (PROTOCOL 2 rule 3, 4 head, 4.4).
//!
//! Before the dose a limit may be set anywhere in the clinic's range. In a session a limit may be nearer than the protocol's,
//! so that the care team hears earlier, and never farther.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::course::Course;
use crate::document::{PreDoseLimits, Pressures, ProtocolDocument, PulseLimits, VitalsRules};
use crate::id::{LimitsId, PersonId};
use crate::planning::reason_in_words;
use crate::record::{Decision, Fact, PatientRecord, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};
use crate::time::Instant;

/// A patient's limits. Pressures in mmHg, pulse in beats a minute, oxygen in percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
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
    pub recheck: Pressures,
    /// In the session, at or over after measuring again, or with a symptom: P1.
    pub p1_confirmed: Pressures,
    /// In the session, at or over once: P1.
    pub p1_single: Pressures,
    /// In the session: pulse.
    pub pulse: PulseLimits,
    /// In the session: oxygen below this is P1.
    pub spo2_p1_below: u32,
}

/// One version of a patient's limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedLimits {
    /// This version.
    pub id: LimitsId,
    /// The limits.
    #[serde(flatten)]
    pub limits: Limits,
    /// The version of the protocol they were copied from or checked against.
    pub protocol_version: String,
    /// Why.
    pub reason: String,
    /// Who signed.
    pub by: PersonId,
    /// When.
    pub at: Instant,
}

impl Limits {
    /// The protocol's.
    pub fn of(rules: &VitalsRules) -> Self {
        let (before, during) = (&rules.pre_dose, &rules.during);
        Self {
            sbp_max: before.sbp_max,
            dbp_max: before.dbp_max,
            hr_max: before.hr_max,
            hr_min: before.hr_min,
            sbp_min: before.sbp_min,
            recheck: during.recheck,
            p1_confirmed: during.p1_confirmed,
            p1_single: during.p1_single,
            pulse: during.p2,
            spo2_p1_below: during.spo2_p1_below,
        }
    }
}

/// A patient's limits in force, if they have their own.
pub fn in_force(course: &Course) -> Option<&SignedLimits> {
    course.limits.last()
}

/// How a patient's readings are judged: by their own limits, and by the protocol in everything else. One whose limits cannot be
/// read is judged by the protocol's; no dose opens for them (`Course::unreadable`).
pub fn rules(protocol: &ProtocolDocument, course: &Course) -> VitalsRules {
    let mut rules = protocol.vitals.clone();
    let Some(own) = in_force(course).map(|signed| signed.limits) else {
        return rules;
    };
    rules.pre_dose = PreDoseLimits {
        sbp_max: own.sbp_max,
        dbp_max: own.dbp_max,
        hr_max: own.hr_max,
        hr_min: own.hr_min,
        sbp_min: own.sbp_min,
        ..rules.pre_dose
    };
    rules.during.recheck = own.recheck;
    rules.during.p1_confirmed = own.p1_confirmed;
    rules.during.p1_single = own.p1_single;
    rules.during.p2 = own.pulse;
    rules.during.spo2_p1_below = own.spo2_p1_below;
    rules
}

impl SessionRecord {
    /// How readings of this session are judged.
    pub fn vitals_rules(&self) -> VitalsRules {
        rules(&self.around.protocol, &self.course)
    }
}

/// The limits a patient begins with, copied when their first order is signed; `None` for one who has some.
pub fn first(
    record: &PatientRecord,
    signer: PersonId,
    context: &mut RuleContext<'_>,
) -> Option<SignedLimits> {
    let protocol = &record.around.protocol;
    record.course.limits.is_empty().then(|| SignedLimits {
        id: context.ids.fresh(),
        limits: Limits::of(&protocol.vitals),
        protocol_version: protocol.version.clone(),
        reason: "copied from the protocol".to_owned(),
        by: signer,
        at: context.now,
    })
}

/// Signs a change of a patient's limits. All faults come back at once.
pub fn change(
    record: &PatientRecord,
    limits: Limits,
    reason: &str,
    signer: PersonId,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, SignedLimits), Refusal> {
    let protocol = &record.around.protocol;
    let mut faults = check(&limits, &protocol.vitals);
    let reason = match reason_in_words(reason) {
        Err(Refusal::Invalid(of_reason)) => {
            faults.0.extend(of_reason.0);
            String::new()
        }
        reason => reason?,
    };
    faults.into_result()?;
    let signed = SignedLimits {
        id: context.ids.fresh(),
        limits,
        protocol_version: protocol.version.clone(),
        reason,
        by: signer,
        at: context.now,
    };
    let mut decision = Decision::unchanged(record);
    decision.facts.push(Fact::new("limits.signed", json!(&signed)));
    decision.after.course.limits.push(signed.clone());
    Ok((decision, signed))
}

fn check(limits: &Limits, rules: &VitalsRules) -> Faults {
    let mut faults = Faults::default();
    let range = &rules.patient_ranges;
    for (field, value, range) in [
        ("sbp_max", limits.sbp_max, range.sbp_max),
        ("dbp_max", limits.dbp_max, range.dbp_max),
        ("hr_max", limits.hr_max, range.hr_max),
        ("hr_min", limits.hr_min, range.hr_min),
        ("sbp_min", limits.sbp_min, range.sbp_min),
    ] {
        if !range.contains(value) {
            let message = format!("must be from {} to {}", range.min, range.max);
            faults.push(Fault::new(field, message));
        }
    }
    let (during, pulse) = (&rules.during, limits.pulse);
    for (field, value, least, most) in [
        (
            "recheck.sbp",
            limits.recheck.sbp,
            limits.sbp_max.min(range.sbp_max.max),
            during.recheck.sbp,
        ),
        (
            "recheck.dbp",
            limits.recheck.dbp,
            limits.dbp_max.min(range.dbp_max.max),
            during.recheck.dbp,
        ),
        (
            "p1_confirmed.sbp",
            limits.p1_confirmed.sbp,
            limits.recheck.sbp,
            during.p1_confirmed.sbp,
        ),
        (
            "p1_confirmed.dbp",
            limits.p1_confirmed.dbp,
            limits.recheck.dbp,
            during.p1_confirmed.dbp,
        ),
        (
            "p1_single.sbp",
            limits.p1_single.sbp,
            limits.p1_confirmed.sbp,
            during.p1_single.sbp,
        ),
        (
            "p1_single.dbp",
            limits.p1_single.dbp,
            limits.p1_confirmed.dbp,
            during.p1_single.dbp,
        ),
        ("pulse.hr_over", pulse.hr_over, limits.hr_max, during.p2.hr_over),
        (
            "pulse.hr_under",
            pulse.hr_under,
            during.p2.hr_under,
            range.hr_min.max,
        ),
        ("spo2_p1_below", limits.spo2_p1_below, during.spo2_p1_below, 100),
    ] {
        // A fault of the nearer limit is said there and not again here.
        let least = least.min(most);
        if value < least || value > most {
            let message =
                format!("must be from {least} to {most}: in a session never farther than the protocol's");
            faults.push(Fault::new(field, message));
        }
    }
    faults
}
