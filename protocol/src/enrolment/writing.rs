//! What patient and care team write down in an enrolment.

use serde_json::json;

use super::{
    ConsentAnswer, Contacts, EmergencyRoom, SCREENING_NOTE_MAX_CHARS, Screening, ScreeningFinding, answer_to,
};
use crate::case::{Cause, Level};
use crate::desk::at_patients_desk;
use crate::document::{Channel, EnrolmentAsks};
use crate::id::ScreeningId;
use crate::measuring::NewReading;
use crate::people::{Caller, EmergencyContact};
use crate::plan::{CourseDecision, change_zone};
use crate::record::{Decision, Fact, PatientRecord, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};
use crate::session::running;
use crate::time::{Zone, minutes};
use crate::vitals::{Finding, Phase, Reading, check_plausible, judge_before_dose};

/// Addresses and numbers as they are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactsSent {
    /// Their own telephone.
    pub phone: String,
    /// Where they take their lozenges.
    pub address: String,
    /// The state or region of that address.
    pub region: String,
    /// The zone of that address.
    pub zone: Zone,
    /// The language they want to be spoken to in.
    pub language: String,
    /// Another person to call.
    pub emergency_contact: EmergencyContact,
    /// The nearest emergency room.
    pub emergency_room: EmergencyRoom,
}

/// Confirms where the patient is and whom to call. Another zone has sessions to come follow, as [`change_zone`] says.
pub fn confirm_contacts(
    record: &PatientRecord,
    sessions: &[SessionRecord],
    sent: ContactsSent,
    context: &mut RuleContext<'_>,
) -> CourseDecision {
    let mut decision = change_zone(record, sessions, sent.zone, context);
    let confirmed = Contacts {
        id: context.ids.fresh(),
        phone: sent.phone,
        address: sent.address,
        region: sent.region,
        language: sent.language,
        emergency_contact: sent.emergency_contact,
        emergency_room: sent.emergency_room,
        at: context.now,
        by: context.caller.clone(),
    };
    let fact = Fact::new("contacts.confirmed", json!(&confirmed));
    decision.patient.facts.push(fact);
    let after = &mut decision.patient.after;
    after.patient.phone.clone_from(&confirmed.phone);
    after.patient.address.clone_from(&confirmed.address);
    after
        .patient
        .emergency_contact
        .clone_from(&confirmed.emergency_contact);
    after.course.contacts.push(confirmed);
    decision
}

/// An answer to a text as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentSent {
    /// The key of the item.
    pub text: String,
    /// The version of the words that were read.
    pub version: u32,
    /// Yes or no.
    pub agreed: bool,
}

/// The patient says yes or no to a text, or takes a yes back; the coordinator is told of what is withdrawn.
///
/// Refused: by anybody else; to words that are not those in force (a no to any is taken); between a dose and the release.
pub fn answer_text(
    record: &PatientRecord,
    sent: &ConsentSent,
    context: &mut RuleContext<'_>,
) -> Result<Decision<PatientRecord>, Refusal> {
    if !matches!(context.caller, Caller::Patient { person } if person == record.patient.id) {
        return Err(Refusal::NotFound);
    }
    let item = record.around.protocol.enrolment.item(&sent.text);
    let (version, needs_yes, channel) = match item.map(|item| &item.asks) {
        Some(EnrolmentAsks::Consent { version, channel, .. }) => (*version, true, *channel),
        Some(EnrolmentAsks::Answer { version, .. }) => (*version, false, None),
        _ => return Err(Refusal::NotFound),
    };
    if running(&record.sessions).is_some() {
        return Err(Refusal::wrong_state(
            "session-running",
            "This cannot be changed between the dose and the end of the session.",
        ));
    }
    if sent.version != version && (sent.agreed || !needs_yes || sent.version > version) {
        return Err(Refusal::wrong_state(
            "text-changed",
            format!("Version {version} of the text is in force now. Please read it again."),
        ));
    }
    let withdrawn = needs_yes
        && !sent.agreed
        && answer_to(&record.course, &sent.text).is_some_and(|answer| answer.agreed);
    let answer = ConsentAnswer {
        id: context.ids.fresh(),
        text: sent.text.clone(),
        version: sent.version,
        agreed: sent.agreed,
        at: context.now,
        by: context.caller.clone(),
    };
    let (mut decision, ()) = at_patients_desk(record, context, |desk| {
        desk.fact("consent.answered", json!(&answer));
        if withdrawn {
            let text = answer.text.clone();
            desk.signal(Level::P3, Cause::ConsentWithdrawn { text }, None);
        }
    });
    if channel == Some(Channel::Email) {
        decision.after.patient.mail_declined = !answer.agreed;
    }
    decision.after.course.consents.push(answer);
    Ok(decision)
}

/// Records a reading by which the patient tries their cuff; one over the clinic's limits is told.
///
/// Refused, with every fault at once: what no cuff can show, and a moment in the future or before the protocol's reach.
pub fn try_cuff(
    record: &PatientRecord,
    new: NewReading,
    context: &mut RuleContext<'_>,
) -> Result<Decision<PatientRecord>, Refusal> {
    let (protocol, now) = (&record.around.protocol, context.now);
    let vitals = new.vitals;
    check_plausible(&vitals, &protocol.vitals.input_sanity).map_err(Refusal::MeasureAgain)?;
    let back = minutes(protocol.plan.dose_report_back_h * 60);
    match new.observed_at {
        Some(at) if at > now => return Err(Refusal::invalid("observed_at", "is in the future")),
        Some(at) if at < now - back => return Err(Refusal::invalid("observed_at", "is too long ago")),
        _ => {}
    }
    let reading = Reading {
        id: context.ids.fresh(),
        vitals,
        phase: Phase::BeforeDose,
        with_symptom: new.with_symptom,
        observed_at: new.observed_at.unwrap_or(now),
        received_at: now,
        by: context.caller.clone(),
    };
    let recheck = protocol.vitals.during.recheck;
    let level = if new.with_symptom || vitals.sbp >= recheck.sbp || vitals.dbp >= recheck.dbp {
        Level::P2
    } else {
        Level::P3
    };
    let (mut decision, ()) = at_patients_desk(record, context, |desk| {
        desk.fact("cuff.tried", json!(&reading));
        if let Finding::TooHighBeforeDose(over) = judge_before_dose(&vitals, &protocol.vitals.pre_dose) {
            let reading = reading.id;
            desk.signal(level, Cause::Vitals { reading, over }, None);
        }
    });
    decision.after.course.trial_readings.push(reading);
    Ok(decision)
}

/// A screening as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScreeningSent {
    /// One for each point of the list.
    pub findings: Vec<ScreeningFinding>,
    /// Whether the patient may be treated at home.
    pub cleared: bool,
    /// In a few words.
    pub note: Option<String>,
}

/// A clinician signs a screening. Every point of the list is there once; what is present has a note.
pub fn sign_screening(
    record: &PatientRecord,
    sent: &ScreeningSent,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, ScreeningId), Refusal> {
    let Caller::Staff { person, .. } = context.caller else {
        return Err(Refusal::NotFound);
    };
    let list = record.around.protocol.enrolment.screening_list();
    if list.is_empty() {
        return Err(Refusal::NotFound);
    }
    check_findings(record, sent).into_result()?;
    let findings = list
        .iter()
        .filter_map(|point| sent.findings.iter().find(|finding| finding.point == point.key));
    let screening = Screening {
        id: context.ids.fresh(),
        findings: findings.cloned().collect(),
        cleared: sent.cleared,
        note: sent.note.clone(),
        signed_by: person,
        signed_at: context.now,
    };
    let id = screening.id;
    let mut decision = Decision::unchanged(record);
    decision
        .facts
        .push(Fact::new("screening.signed", json!(&screening)));
    decision.after.course.screenings.push(screening);
    Ok((decision, id))
}

fn check_findings(record: &PatientRecord, sent: &ScreeningSent) -> Faults {
    let list = record.around.protocol.enrolment.screening_list();
    let mut faults = Faults::default();
    let too_long = |note: &Option<String>| {
        note.as_ref()
            .is_some_and(|note| note.chars().count() > SCREENING_NOTE_MAX_CHARS)
    };
    for (index, finding) in sent.findings.iter().enumerate() {
        let path = |field: &str| format!("findings[{index}].{field}");
        if list.iter().all(|point| point.key != finding.point) {
            faults.push(Fault::new(path("point"), "is not on the list"));
        } else if sent.findings[..index]
            .iter()
            .any(|earlier| earlier.point == finding.point)
        {
            faults.push(Fault::new(path("point"), "stands twice"));
        }
        if finding.present && finding.note.is_none() {
            faults.push(Fault::new(path("note"), "what is present needs a note"));
        }
        if too_long(&finding.note) {
            let message = format!("has more than {SCREENING_NOTE_MAX_CHARS} characters");
            faults.push(Fault::new(path("note"), message));
        }
    }
    for point in list {
        if sent.findings.iter().all(|finding| finding.point != point.key) {
            faults.push(Fault::new(format!("findings.{}", point.key), "is missing"));
        }
    }
    if too_long(&sent.note) {
        let message = format!("has more than {SCREENING_NOTE_MAX_CHARS} characters");
        faults.push(Fault::new("note", message));
    }
    faults
}
