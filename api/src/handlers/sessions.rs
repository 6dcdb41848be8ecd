//! The care team's sessions: reading, holding, lifting, cancelling, the nurse's answers, release by telephone.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, delete, get, post};
use bedside_protocol::id::{DutyId, SessionId, SitterId};
use bedside_protocol::overriding;
use bedside_protocol::planning;
use bedside_protocol::releasing;
use bedside_store::{TimelineEntry, TimelineEvent};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{done, done_with, ok};
use crate::app::App;
use crate::auth::Staff;
use crate::bodies::{
    AnswerBody, CandidatesBody, CheckInBody, DoseTimeBody, InvitationBody, OverrideBody, VitalsBody,
    dose_report,
};
use crate::error::{ApiError, Problem};
use crate::extract::{AnyBody, Body};
use crate::handlers::me::{DoseBody, EmptyBody};
use crate::parse::Checks;
use crate::reporting::{self};
use crate::views::{
    AnsweredView, CheckedInView, InvitedView, LoggedView, MeasuredView, ResultView, StaffSessionView,
};

/// Why.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReasonBody {
    /// In a few words.
    pub reason: String,
}

/// A release by telephone.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TelephoneReleaseBody {
    /// "I have spoken to the patient."
    pub spoke_to_patient: bool,
    /// "I have spoken to the sitter."
    pub spoke_to_sitter: bool,
    /// What was said.
    pub note: String,
}

/// What happened in a session and what was sent, by time. Ids, no names.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineView {
    /// The lines.
    pub entries: Vec<TimelineLineView>,
}

/// One line.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineLineView {
    /// When.
    pub at: DateTime<Utc>,
    /// `fact` or `message`.
    pub kind: String,
    /// For a fact: its stable name, such as `dose.logged`. For a message: what it is about, such as `case`.
    pub what: String,
    /// Who did it, or to whom it went, as a kind and an id.
    pub who: String,
    /// The values that show it.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

/// Values of a fact that say what was answered or measured.
const ANSWERS: [(&str, &[&str]); 6] = [
    ("checklist.answered", &["answer"]),
    ("check_in.answered", &["bad"]),
    ("vitals.measured", &["vitals"]),
    ("case.signal", &["note"]),
    ("session.held", &[]),
    ("order.readback_wrong", &["chosen"]),
];

impl TimelineLineView {
    /// Without what was answered or measured; of a signal and of a hold the name of its cause is left.
    fn without_answers(mut self) -> Self {
        let hidden = ANSWERS.iter().find(|(action, _)| *action == self.what);
        if let (Some((_, names)), Some(detail)) = (hidden, self.detail.as_object_mut()) {
            for name in *names {
                detail.remove(*name);
            }
            for (within, kept) in [("cause", "cause"), ("hold", "why")] {
                if let Some(value) = detail.get_mut(within).and_then(Value::as_object_mut) {
                    value.retain(|name, _| name == kept);
                }
            }
        }
        self
    }

    fn of(entry: TimelineEntry) -> Self {
        let at = entry.at;
        match entry.event {
            TimelineEvent::Fact {
                action,
                actor,
                detail,
            } => Self {
                at,
                kind: "fact".to_owned(),
                what: action,
                who: actor,
                detail,
            },
            TimelineEvent::Message {
                id,
                lane,
                about,
                about_id,
                recipient_kind,
                recipient_id,
                state,
                finished_at,
                attempts,
                why,
            } => Self {
                at,
                kind: "message".to_owned(),
                what: about,
                who: format!("{recipient_kind}:{recipient_id}"),
                detail: serde_json::json!({
                    "id": id, "lane": lane, "about_id": about_id, "state": state, "finished_at": finished_at,
                    "attempts": attempts, "why": why,
                }),
            },
        }
    }
}

/// One session, everything; to coordinators and managers that an answer or a reading came and when, and not what it says. Every
/// look is kept in the audit trail.
#[utoipa::path(tag = "sessions", responses((status = 200, body = StaffSessionView), (status = 404, body = Problem)))]
#[get("/v1/sessions/{id}")]
pub async fn find(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let view = app
        .store
        .read_session(staff.scope(), SessionId::from(*id), StaffSessionView::of)
        .await?;
    let view = view.ok_or(ApiError::NotFound)?;
    let refused = app.store.refused_addresses(staff.scope(), staff.clinic).await?;
    let view = if staff.sees_answers() {
        view
    } else {
        view.without_answers()
    };
    Ok(ok(&view.with_refusals(&refused)))
}

/// What happened in a session and what was sent, by time. What was answered and measured is for nurses and prescribers.
#[utoipa::path(tag = "sessions", responses((status = 200, body = TimelineView), (status = 404, body = Problem)))]
#[get("/v1/sessions/{id}/timeline")]
pub async fn timeline(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let sees_answers = staff.sees_answers();
    let entries = app
        .store
        .timeline(staff.scope(), SessionId::from(*id))
        .await?
        .ok_or(ApiError::NotFound)?;
    Ok(ok(&TimelineView {
        entries: entries
            .into_iter()
            .map(TimelineLineView::of)
            .map(|line| {
                if sees_answers {
                    line
                } else {
                    line.without_answers()
                }
            })
            .collect(),
    }))
}

/// Put a session on hold before it begins.
#[utoipa::path(tag = "sessions", request_body = ReasonBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/hold")]
pub async fn hold(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<ReasonBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, reason) = (body.once(&scope.caller), reason(&body.value)?);
    let held = app
        .store
        .decide_session(scope, SessionId::from(*id), once, move |record, context| {
            Ok((
                planning::hold(record, &reason, context)?,
                ResultView::said("held"),
            ))
        });
    Ok(done(&held.await?))
}

/// Lift a hold; what held the session is asked again.
#[utoipa::path(tag = "sessions", request_body = EmptyBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem),
))]
#[post("/v1/sessions/{id}/lift")]
pub async fn lift(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let once = body.once(&scope.caller);
    let lifted = app
        .store
        .decide_session(scope, SessionId::from(*id), once, |record, context| {
            Ok((planning::lift(record, context)?, ResultView::said("lifted")))
        });
    Ok(done(&lifted.await?))
}

/// Call a session off before it begins.
#[utoipa::path(tag = "sessions", request_body = ReasonBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/cancel")]
pub async fn cancel(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<ReasonBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, reason) = (body.once(&scope.caller), reason(&body.value)?);
    let cancelled = app
        .store
        .decide_session(scope, SessionId::from(*id), once, move |record, context| {
            Ok((
                planning::cancel(record, &reason, context)?,
                ResultView::said("cancelled"),
            ))
        });
    Ok(done(&cancelled.await?))
}

/// The reason, as it may be kept.
pub fn reason(body: &ReasonBody) -> Result<String, ApiError> {
    let mut checks = Checks::new();
    let reason = checks.text("reason", &body.reason, planning::REASON_MAX_CHARS);
    checks.done()?;
    Ok(reason)
}

/// Ask somebody to sit, for the patient.
#[utoipa::path(tag = "sessions", request_body = InvitationBody, responses(
    (status = 201, body = InvitedView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/sitters")]
pub async fn invite_sitter(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<InvitationBody>,
) -> Result<HttpResponse, ApiError> {
    let invited = reporting::invite(&app, staff.scope(), SessionId::from(*id), body).await?;
    Ok(done_with(StatusCode::CREATED, &invited))
}

/// Say who is asked to sit, one after the other, for the patient.
#[utoipa::path(tag = "sessions", request_body = CandidatesBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/candidates")]
pub async fn name_candidates(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<CandidatesBody>,
) -> Result<HttpResponse, ApiError> {
    Ok(done(
        &reporting::name_candidates(&app, staff.scope(), SessionId::from(*id), body).await?,
    ))
}

/// Decide that an item need not be done, for a while and with a reason. The patient reads "your clinic decided".
#[utoipa::path(tag = "sessions", request_body = OverrideBody, responses(
    (status = 200, body = ResultView), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/checklist/{item}/override")]
pub async fn decide_item(
    app: Data<App>,
    staff: Staff,
    path: Path<(Uuid, String)>,
    body: Body<OverrideBody>,
) -> Result<HttpResponse, ApiError> {
    let (id, item) = path.into_inner();
    let scope = staff.scope();
    let (once, said) = (body.once(&scope.caller), body.value);
    let decided = app
        .store
        .decide_session(scope, SessionId::from(id), once, move |record, context| {
            let decision = overriding::decide(record, &item, &said.reason, said.until.0, context)?;
            Ok((decision, ResultView::said("decided")))
        });
    Ok(done(&decided.await?))
}

/// Remove the sitter.
#[utoipa::path(tag = "sessions", responses((status = 200, body = ResultView), (status = 404, body = Problem)))]
#[delete("/v1/sessions/{id}/sitters/{sitter}")]
pub async fn remove_sitter(
    app: Data<App>,
    staff: Staff,
    path: Path<(Uuid, Uuid)>,
) -> Result<HttpResponse, ApiError> {
    let (id, sitter) = path.into_inner();
    Ok(ok(&reporting::remove_sitter(
        &app,
        staff.scope(),
        id.into(),
        SitterId::from(sitter),
    )
    .await?))
}

/// Answer a nurse's item.
#[utoipa::path(tag = "sessions", request_body = AnswerBody, responses(
    (status = 200, body = AnsweredView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/checklist/{item}")]
pub async fn answer_item(
    app: Data<App>,
    staff: Staff,
    path: Path<(Uuid, String)>,
    body: Body<AnswerBody>,
) -> Result<HttpResponse, ApiError> {
    let (id, item) = path.into_inner();
    Ok(done(
        &reporting::answer_item(&app, staff.scope(), id.into(), item, body).await?,
    ))
}

/// Answer a check-in by telephone.
#[utoipa::path(tag = "sessions", request_body = CheckInBody, responses(
    (status = 200, body = CheckedInView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/check-ins/{duty}")]
pub async fn check_in(
    app: Data<App>,
    staff: Staff,
    path: Path<(Uuid, Uuid)>,
    body: Body<CheckInBody>,
) -> Result<HttpResponse, ApiError> {
    let (id, duty) = path.into_inner();
    Ok(done(
        &reporting::check_in(&app, staff.scope(), id.into(), DutyId::from(duty), body).await?,
    ))
}

/// Send blood pressure and pulse that were read out on the telephone.
#[utoipa::path(tag = "sessions", request_body = VitalsBody, responses(
    (status = 200, body = MeasuredView), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/vitals")]
pub async fn measure(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<VitalsBody>,
) -> Result<HttpResponse, ApiError> {
    Ok(done(
        &reporting::measure(&app, staff.scope(), SessionId::from(*id), body).await?,
    ))
}

/// Log a dose that was told on the telephone. Never refused to who may log it.
#[utoipa::path(tag = "sessions", request_body = DoseBody, responses(
    (status = 200, body = LoggedView), (status = 404, body = Problem),
))]
#[post("/v1/sessions/{id}/dose")]
pub async fn log_dose(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    let (scope, session) = (staff.scope(), SessionId::from(*id));
    let owner = app.store.find_session_owner(session).await?;
    let Some((_, patient)) = owner.filter(|(clinic, _)| *clinic == staff.clinic) else {
        return Err(ApiError::NotFound);
    };
    let (report, once) = (dose_report(&body.fields), body.once(&scope.caller));
    Ok(done(
        &reporting::log_dose(&app, scope, patient, Some(session), report, once).await?,
    ))
}

/// Correct the time of a dose by what was told on the telephone, while the session runs.
#[utoipa::path(tag = "sessions", request_body = DoseTimeBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/dose/time")]
pub async fn correct_dose_time(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<DoseTimeBody>,
) -> Result<HttpResponse, ApiError> {
    let session = SessionId::from(*id);
    Ok(done(
        &reporting::correct_dose_time(&app, staff.scope(), session, body).await?,
    ))
}

/// Release a patient by telephone, after speaking to patient and sitter.
#[utoipa::path(tag = "sessions", request_body = TelephoneReleaseBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/release")]
pub async fn release(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<TelephoneReleaseBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, said) = (body.once(&scope.caller), body.value);
    let mut checks = Checks::new();
    let note = checks.text("note", &said.note, bedside_protocol::desk::NOTE_MAX_CHARS);
    checks.done()?;
    let released = app
        .store
        .decide_session(scope, SessionId::from(*id), once, move |record, context| {
            let (patient, sitter) = (said.spoke_to_patient, said.spoke_to_sitter);
            let decision = releasing::release_by_telephone(record, patient, sitter, &note, context)?;
            Ok((decision, ResultView::said("released")))
        });
    Ok(done(&released.await?))
}
