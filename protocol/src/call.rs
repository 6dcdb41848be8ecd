//! The call log: whom of a patient's people the care team rang, whether they were reached, and what was said (FEATURES D4).
//!
//! It is append-only, and the program itself never calls anybody. A call changes no case: that somebody was reached is said of
//! the case by whoever has it.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::desk::{NOTE_MAX_CHARS, at_patients_desk};
use crate::id::{CallId, CaseId, PersonId, SessionId};
use crate::people::Caller;
use crate::record::{Decision, PatientRecord, RuleContext};
use crate::refusal::{Fault, Faults, Refusal};
use crate::time::{Instant, minutes};

/// How long ago a call may have been, hours: who forgot to write it down does so within the week.
const BACK_H: i64 = 7 * 24;

/// Who was rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Called {
    /// The patient.
    Patient,
    /// The sitter.
    Sitter,
    /// The patient's second contact.
    EmergencyContact,
    /// The emergency services.
    EmergencyServices,
    /// Somebody else; the words say who.
    Other,
}

impl Called {
    /// Everybody, in the order pages list them.
    pub const ALL: [Self; 5] = [
        Self::Sitter,
        Self::Patient,
        Self::EmergencyContact,
        Self::EmergencyServices,
        Self::Other,
    ];

    /// The name in JSON and forms.
    pub fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Sitter => "sitter",
            Self::EmergencyContact => "emergency_contact",
            Self::EmergencyServices => "emergency_services",
            Self::Other => "other",
        }
    }
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The call.
    pub id: CallId,
    /// Who rang.
    pub by: PersonId,
    /// Their name.
    pub by_name: String,
    /// Who was rung.
    pub whom: Called,
    /// Whether somebody answered.
    pub reached: bool,
    /// What was said, or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When.
    pub at: Instant,
    /// When it was written down.
    pub received_at: Instant,
    /// The case it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// The session it was about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// A call as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// The writer's name.
    pub by_name: String,
    /// Who was rung.
    pub whom: Called,
    /// Whether somebody answered.
    pub reached: bool,
    /// What was said, or not.
    pub note: Option<String>,
    /// When; now if nobody says.
    pub at: Option<Instant>,
    /// The case it was about, which is this patient's.
    pub case: Option<CaseId>,
    /// The session it was about.
    pub session: Option<SessionId>,
}

/// Writes a call down. Refused, with every fault at once: a session of somebody else, a moment in the future or long ago, no
/// words where they are needed or too many.
pub fn log(
    record: &PatientRecord,
    new: NewCall,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, Call), Refusal> {
    let now = context.now;
    let Caller::Staff { person: by, .. } = context.caller else {
        return Err(Refusal::NotFound);
    };
    let note = new
        .note
        .map(|note| note.trim().to_owned())
        .filter(|note| !note.is_empty());
    let mut faults = Faults::default();
    match &note {
        Some(note) if note.chars().count() > NOTE_MAX_CHARS => {
            faults.push(Fault::new(
                "note",
                format!("has more than {NOTE_MAX_CHARS} characters"),
            ));
        }
        None if new.whom == Called::Other => {
            faults.push(Fault::new("note", "say who was rung"));
        }
        _ => {}
    }
    match new.at {
        Some(at) if at > now => faults.push(Fault::new("at", "is in the future")),
        Some(at) if at < now - minutes(BACK_H * 60) => {
            faults.push(Fault::new("at", format!("is more than {BACK_H} hours ago")));
        }
        _ => {}
    }
    let is_own = |session: SessionId| record.sessions.iter().any(|it| it.id == session);
    if new.session.is_some_and(|session| !is_own(session)) {
        faults.push(Fault::new("session", "is no session of this patient"));
    }
    faults.into_result()?;
    let call = Call {
        id: context.ids.fresh(),
        by,
        by_name: new.by_name,
        whom: new.whom,
        reached: new.reached,
        note,
        at: new.at.unwrap_or(now),
        received_at: now,
        case: new.case,
        session: new.session,
    };
    let (mut decision, ()) = at_patients_desk(record, context, |desk| {
        let Call {
            id,
            whom,
            reached,
            note,
            at,
            case,
            session,
            ..
        } = &call;
        let detail = json!({
            "call": id, "whom": whom, "reached": reached, "note": note, "at": at, "case": case, "session": session,
        });
        desk.fact("call.logged", detail);
    });
    decision.after.course.calls.push(call.clone());
    Ok((decision, call))
}
