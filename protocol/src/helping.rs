//! Help: "something is wrong", with or without a reason, from anybody who belongs to a session. Never refused.

use serde_json::json;

use crate::case::{Cause, Level};
use crate::desk::{NOTE_MAX_CHARS, at_patients_desk};
use crate::document::{Advice, ProtocolDocument, Words};
use crate::draft::Draft;
use crate::people::Caller;
use crate::record::{Decision, PatientRecord, RuleContext, SessionRecord};
use crate::refusal::Refusal;
use crate::session::SessionState;

/// What the person's screen says now, before and without anything of ours.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ShowNow {
    /// The words of the protocol for what was reported.
    pub words: String,
    /// The number to call.
    pub emergency_number: String,
}

/// Somebody says that something is wrong; `flag` is a key of the protocol's list, or nothing for plain help.
///
/// A note that is too long is cut and a flag that is not on the list is plain help: neither is refused.
pub fn help(
    record: &SessionRecord,
    flag: Option<&str>,
    note: Option<String>,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<SessionRecord>, ShowNow), Refusal> {
    let (level, cause, advice) = reported(&record.around.protocol, flag);
    let mut draft = Draft::of(record, context);
    let emergency = matches!(cause, Cause::RedFlag { .. })
        && matches!(advice, Advice::Emergency | Advice::EmergencyOrCrisis);
    let note = note.map(cut);
    draft.fact("help.asked", json!({ "flag": flag.map(cut_flag) }));
    draft.desk().signal(level, cause, note);
    if emergency
        && matches!(
            draft.record.session.state,
            SessionState::Dosed | SessionState::Monitoring
        )
    {
        let since = draft.now();
        draft.enter(SessionState::Emergency { since });
    }
    let words = show(&draft.record.around.protocol.words, advice, &draft.context.caller);
    Ok((draft.decide(), words))
}

/// Help from a patient outside any session.
pub fn help_between_sessions(
    record: &PatientRecord,
    flag: Option<&str>,
    note: Option<String>,
    context: &mut RuleContext<'_>,
) -> Result<(Decision<PatientRecord>, ShowNow), Refusal> {
    let (level, cause, advice) = reported(&record.around.protocol, flag);
    let words = show(&record.around.protocol.words, advice, &context.caller);
    let (decision, ()) = at_patients_desk(record, context, |desk| {
        desk.fact("help.asked", json!({ "flag": flag.map(cut_flag) }));
        desk.signal(level, cause, note.map(cut));
    });
    Ok((decision, words))
}

/// A phone with an older list, or a form that was tampered with, still asks for help.
fn reported(protocol: &ProtocolDocument, flag: Option<&str>) -> (Level, Cause, Advice) {
    match flag.and_then(|key| protocol.red_flag(key)) {
        None => (Level::P1, Cause::Help, Advice::Emergency),
        Some(flag) => {
            let cause = Cause::RedFlag {
                flag: flag.key.clone(),
            };
            (flag.level, cause, flag.advice)
        }
    }
}

/// "Stay with them" is for a sitter; everybody else may be asking for themselves.
fn show(words: &Words, advice: Advice, caller: &Caller) -> ShowNow {
    let text = match (caller, advice) {
        (Caller::Sitter { .. }, _) | (_, Advice::EmergencyIfDrowsy) => words.of_advice(advice),
        (_, Advice::Emergency | Advice::EmergencyOrCrisis) => &words.patient_emergency,
    };
    ShowNow {
        words: text.to_owned(),
        emergency_number: words.emergency_number.clone(),
    }
}

/// What was sent as a flag, as far as a flag can be long.
fn cut_flag(flag: &str) -> String {
    flag.chars().take(64).collect()
}

fn cut(note: String) -> String {
    if note.chars().count() <= NOTE_MAX_CHARS {
        note
    } else {
        note.chars().take(NOTE_MAX_CHARS).collect()
    }
}
