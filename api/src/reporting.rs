//! What patients, sitters and nurses report, handed to the rules: answers, check-ins, readings, the dose, help, and whom
//! to ask to sit.
//!
//! The three kinds of callers differ in their [`Scope`] only; which of them may do what is for the rules to say. A dose
//! and a call for help are taken whatever else is wrong with the request.

use bedside_protocol::answering;
use bedside_protocol::document::{Advice, ProtocolDocument};
use bedside_protocol::dosing::{self, DoseReport};
use bedside_protocol::helping;
use bedside_protocol::id::{DutyId, PersonId, SessionId, SitterId};
use bedside_protocol::measuring;
use bedside_protocol::people::Caller;
use bedside_protocol::preparation::{self, Answered};
use bedside_protocol::record::{Decision, RuleContext, SessionRecord};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::running;
use bedside_protocol::sitting;
use bedside_store::{DecideError, Done, Once, Scope, StoreError};
use serde_json::{Map, Value};

use crate::app::App;
use crate::bodies::{AnswerBody, CandidatesBody, CheckInBody, DoseTimeBody, InvitationBody, VitalsBody};
use crate::error::ApiError;
use crate::extract::Body;
use crate::parse::Checks;
use crate::views::{
    AnsweredView, CheckedInView, InvitedView, LoggedView, MeasuredView, ResultView, ShowView,
};

/// Answers a checklist item.
pub async fn answer_item(
    app: &App,
    scope: Scope,
    session: SessionId,
    item: String,
    body: Body<AnswerBody>,
) -> Result<Done<AnsweredView>, ApiError> {
    let once = body.once(&scope.caller);
    let (value, observed_at) = body.value.parse(app.store.clocks().clinical_now())?;
    let done = app
        .store
        .decide_session(scope, session, once, move |record, context| {
            let (decision, result) = preparation::answer(record, &item, value.clone(), observed_at, context)?;
            let urgent = result == Answered::ActNow;
            let show_now = urgent.then(|| ShowView::of(&record.around.protocol, Advice::EmergencyOrCrisis));
            Ok((decision, AnsweredView { result, show_now }))
        });
    Ok(done.await?)
}

/// Answers a check-in.
pub async fn check_in(
    app: &App,
    scope: Scope,
    session: SessionId,
    duty: DutyId,
    body: Body<CheckInBody>,
) -> Result<Done<CheckedInView>, ApiError> {
    let once = body.once(&scope.caller);
    let form = body.value.parse(duty, app.store.clocks().clinical_now())?;
    let done = app
        .store
        .decide_session(scope, session, once, move |record, context| {
            let (decision, result) = answering::answer(record, form.clone(), context)?;
            Ok((decision, CheckedInView::of(record, result)))
        });
    Ok(done.await?)
}

/// Sends a reading.
pub async fn measure(
    app: &App,
    scope: Scope,
    session: SessionId,
    body: Body<VitalsBody>,
) -> Result<Done<MeasuredView>, ApiError> {
    let once = body.once(&scope.caller);
    let mut checks = Checks::new();
    let reading = body
        .value
        .parse("observed_at", &mut checks, app.store.clocks().clinical_now());
    checks.done()?;
    let done = app
        .store
        .decide_session(scope, session, once, move |record, context| {
            let (decision, result) = measuring::measure(record, reading, context)?;
            Ok((decision, MeasuredView { result }))
        });
    Ok(done.await?)
}

/// Asks somebody to sit.
pub async fn invite(
    app: &App,
    scope: Scope,
    session: SessionId,
    body: Body<InvitationBody>,
) -> Result<Done<InvitedView>, ApiError> {
    let once = body.once(&scope.caller);
    let invitation = body.value.parse()?;
    let done = app
        .store
        .decide_session(scope, session, once, move |record, context| {
            let (decision, id) = sitting::invite(record, invitation.clone(), context)?;
            Ok((
                decision,
                InvitedView {
                    id: id.uuid(),
                    state: "invited".to_owned(),
                },
            ))
        });
    Ok(done.await?)
}

/// Says who is asked to sit one after the other.
pub async fn name_candidates(
    app: &App,
    scope: Scope,
    session: SessionId,
    body: Body<CandidatesBody>,
) -> Result<Done<ResultView>, ApiError> {
    let once = body.once(&scope.caller);
    let candidates = body.value.parse()?;
    let done = app
        .store
        .decide_session(scope, session, once, move |record, context| {
            let decision = sitting::set_candidates(record, candidates.clone(), context)?;
            Ok((decision, ResultView::said("named")))
        });
    Ok(done.await?)
}

/// Removes a sitter.
pub async fn remove_sitter(
    app: &App,
    scope: Scope,
    session: SessionId,
    sitter: SitterId,
) -> Result<ResultView, ApiError> {
    let done = app
        .store
        .decide_session(scope, session, None, move |record, context| {
            Ok((
                sitting::remove(record, sitter, context)?,
                ResultView::said("removed"),
            ))
        });
    Ok(done.await?.value)
}

/// The name under which a session that can take no dose hands it on.
const TAKES_NO_DOSE: &str = "takes-no-dose";

/// Logs a dose of `patient`, in `session` if that is theirs and can take it, else in a session of its own. Never refused.
pub async fn log_dose(
    app: &App,
    scope: Scope,
    patient: PersonId,
    session: Option<SessionId>,
    report: DoseReport,
    once: Option<Once>,
) -> Result<Done<LoggedView>, ApiError> {
    let tried = log_dose_once(app, scope.clone(), patient, session, report, once).await;
    match tried {
        // Another request had the key: the dose counts all the same, without the key.
        Err(DecideError::KeyReused) => Ok(log_dose_once(app, scope, patient, session, report, None).await?),
        tried => Ok(tried?),
    }
}

async fn log_dose_once(
    app: &App,
    scope: Scope,
    patient: PersonId,
    session: Option<SessionId>,
    report: DoseReport,
    once: Option<Once>,
) -> Result<Done<LoggedView>, DecideError> {
    if let Some(session) = session {
        let logged =
            app.store
                .decide_session(scope.clone(), session, once.clone(), move |record, context| {
                    if record.patient.id != patient {
                        return Err(Refusal::NotFound);
                    }
                    if !dosing::takes_report(record, &report, context.now) {
                        return Err(Refusal::wrong_state(TAKES_NO_DOSE, "this session is over"));
                    }
                    unverified_unless_current(record, &mut context.caller);
                    let (decision, logged) = dosing::log_dose(record, report, context);
                    Ok((decision, LoggedView::of(logged, session)))
                });
        match logged.await {
            Err(
                DecideError::NotFound
                | DecideError::Refused(Refusal::WrongState {
                    code: TAKES_NO_DOSE, ..
                }),
            ) => {}
            other => return other,
        }
    }
    // A sitter's own scope does not reach the patient; who reported it is then not proved for this session.
    let scope = match scope.caller {
        Caller::Sitter { .. } => Scope {
            caller: Caller::Unverified { link: None },
            ..scope
        },
        _ => scope,
    };
    app.store
        .plan_session(scope, patient, once, move |record, context| {
            let (decision, logged) = dosing::log_unplanned_dose(record, report, context);
            let view = LoggedView::of(logged, decision.after.session.id);
            Ok((Decision::unchanged(record), vec![decision], view))
        })
        .await
}

/// Somebody who was the sitter and is not any more is believed, and marked as unproved.
fn unverified_unless_current(record: &SessionRecord, caller: &mut Caller) {
    if let Caller::Sitter { sitter, .. } = caller {
        let current = record
            .current_sitter()
            .is_some_and(|current| current.id == *sitter);
        if !current {
            let link = record.sitter(*sitter).map(|sitter| sitter.link);
            *caller = Caller::Unverified { link };
        }
    }
}

/// Corrects the time of a dose while its session runs.
pub async fn correct_dose_time(
    app: &App,
    scope: Scope,
    session: SessionId,
    body: Body<DoseTimeBody>,
) -> Result<Done<ResultView>, ApiError> {
    let once = body.once(&scope.caller);
    let mut checks = Checks::new();
    let taken_at = checks.when("taken_at", body.value.taken_at, app.store.clocks().clinical_now());
    checks.done()?;
    let rule = move |record: &SessionRecord, context: &mut RuleContext<'_>| {
        Ok((
            dosing::correct_time(record, taken_at, context)?,
            ResultView::said("corrected"),
        ))
    };
    Ok(app.store.decide_session(scope, session, once, rule).await?)
}

/// A call for help as it was sent; what cannot be read counts as not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HelpCall {
    flag: Option<String>,
    note: Option<String>,
}

impl HelpCall {
    /// What the fields of a body say.
    pub fn of(fields: &Map<String, Value>) -> Self {
        let text = |name: &str| fields.get(name).and_then(Value::as_str);
        Self::new(text("flag"), text("note"))
    }

    /// A call; control characters of the note become spaces.
    pub fn new(flag: Option<&str>, note: Option<&str>) -> Self {
        let plain = |note: &str| -> String {
            note.trim()
                .chars()
                .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
                .collect()
        };
        Self {
            flag: flag.map(str::to_owned),
            note: note.map(plain).filter(|note| !note.is_empty()),
        }
    }

    /// The red flag, if the protocol knows it; any other is plain help, which is as urgent.
    fn flag_in<'a>(&'a self, protocol: &ProtocolDocument) -> Option<&'a str> {
        self.flag
            .as_deref()
            .filter(|flag| protocol.red_flag(flag).is_some())
    }
}

/// A call for help in a session, by its patient (where `patient` says whose it must be) or its sitter.
async fn help_in_session(
    app: &App,
    scope: Scope,
    patient: Option<PersonId>,
    session: SessionId,
    call: HelpCall,
    once: Option<Once>,
) -> Result<Done<ShowView>, DecideError> {
    app.store
        .decide_session(scope, session, once, move |record, context| {
            if patient.is_some_and(|patient| patient != record.patient.id) {
                return Err(Refusal::NotFound);
            }
            unverified_unless_current(record, &mut context.caller);
            let flag = call.flag_in(&record.around.protocol);
            let (decision, show) = helping::help(record, flag, call.note.clone(), context)?;
            Ok((decision, ShowView::shown(&record.around.protocol, show)))
        })
        .await
}

/// A call for help by a sitter, or by who holds a sitter's link that is over. Never refused.
pub async fn help_by_sitter(
    app: &App,
    scope: Scope,
    session: SessionId,
    call: HelpCall,
    once: Option<Once>,
) -> Result<Done<ShowView>, ApiError> {
    match help_in_session(app, scope.clone(), None, session, call.clone(), once).await {
        Err(DecideError::KeyReused) => Ok(help_in_session(app, scope, None, session, call, None).await?),
        helped => Ok(helped?),
    }
}

/// A call for help of a patient: in `session` or else in a running one, else between sessions. Never refused.
pub async fn help_of_patient(
    app: &App,
    scope: Scope,
    patient: PersonId,
    session: Option<SessionId>,
    call: HelpCall,
    once: Option<Once>,
) -> Result<Done<ShowView>, ApiError> {
    let tried = help_of_patient_once(app, scope.clone(), patient, session, call.clone(), once).await;
    match tried {
        Err(DecideError::KeyReused) => {
            Ok(help_of_patient_once(app, scope, patient, session, call, None).await?)
        }
        tried => Ok(tried?),
    }
}

async fn help_of_patient_once(
    app: &App,
    scope: Scope,
    patient: PersonId,
    session: Option<SessionId>,
    call: HelpCall,
    once: Option<Once>,
) -> Result<Done<ShowView>, DecideError> {
    let session = if session.is_some() {
        session
    } else {
        let sessions = app
            .store
            .list_sessions(scope.clone(), patient)
            .await
            .map_err(as_decide_error)?;
        running(&sessions)
    };
    if let Some(session) = session {
        let helped = help_in_session(
            app,
            scope.clone(),
            Some(patient),
            session,
            call.clone(),
            once.clone(),
        )
        .await;
        match helped {
            Err(DecideError::NotFound) => {}
            other => return other,
        }
    }
    app.store
        .decide_patient(scope, patient, once, move |record, context| {
            let flag = call.flag_in(&record.around.protocol);
            let (decision, show) = helping::help_between_sessions(record, flag, call.note.clone(), context)?;
            Ok((decision, ShowView::shown(&record.around.protocol, show)))
        })
        .await
}

fn as_decide_error(error: StoreError) -> DecideError {
    match error {
        StoreError::Busy => DecideError::Busy,
        StoreError::Database(fault) => DecideError::Database(fault),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_for_help_is_read_as_far_as_it_can_be() {
        let call = |body: Value| HelpCall::of(body.as_object().unwrap());
        let odd = call(json!({"flag": 12, "note": " a\u{0}b\r\n "}));
        assert_eq!(
            odd,
            HelpCall {
                flag: None,
                note: Some("a b".to_owned())
            }
        );
        assert_eq!(call(json!({"note": ""})), HelpCall::default());
    }
}
