//! The patient's own: the day, the preparation, the dose, check-ins, help.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, delete, get, post};
use bedside_protocol::id::{DutyId, SessionId, SitterId};
use bedside_protocol::preparation;
use bedside_protocol::session;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{done, done_with, ok, tagged};
use crate::app::App;
use crate::auth::{Patient, Reporter};
use crate::bodies::{
    AnswerBody, CandidatesBody, CheckInBody, DoseTimeBody, InvitationBody, VitalsBody, dose_report,
};
use crate::error::{ApiError, Problem};
use crate::extract::{AnyBody, Body};
use crate::reporting::{self, HelpCall};
use crate::views::{
    AnsweredView, CheckedInView, InvitedView, LoggedView, MeasuredView, OwnSessionView, ResultView,
    SessionRow, ShowView, TodayView,
};

/// Nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyBody {}

/// The report of a dose. Unknown fields are ignored, and what cannot be read counts as not said: it is never refused.
#[derive(ToSchema)]
pub struct DoseBody {
    /// When the lozenge went in, by the device; now if absent.
    pub observed_at: Option<DateTime<Utc>>,
    /// The device's clock when it sent this, to correct a clock that is off.
    pub device_now: Option<DateTime<Utc>>,
    /// The version of the order that was shown.
    pub order_version: Option<u32>,
}

/// A call for help. Everything may be absent.
#[derive(ToSchema)]
pub struct HelpBody {
    /// A key of the "something is wrong" list.
    pub flag: Option<String>,
    /// A few words.
    pub note: Option<String>,
}

/// Until when the dose screen is unlocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnlockedView {
    /// Until when.
    pub unlocked_until: DateTime<Utc>,
}

/// A patient's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionListView {
    /// By ordinal.
    pub sessions: Vec<SessionRow>,
}

/// Everything a phone needs, in one answer.
#[utoipa::path(tag = "patient", responses(
    (status = 200, body = TodayView, headers(("etag" = String))), (status = 304), (status = 401, body = Problem),
))]
#[get("/v1/me/today")]
pub async fn today(app: Data<App>, patient: Patient, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let choose = |record: &bedside_protocol::record::PatientRecord, _| session::of_today(&record.sessions);
    let view = app
        .store
        .read_today(patient.scope(), patient.person, choose, TodayView::of);
    tagged(&request, &view.await?.ok_or(ApiError::NotFound)?)
}

/// The patient's sessions.
#[utoipa::path(tag = "patient", responses((status = 200, body = SessionListView), (status = 401, body = Problem)))]
#[get("/v1/me/sessions")]
pub async fn list_sessions(app: Data<App>, patient: Patient) -> Result<HttpResponse, ApiError> {
    let sessions = app.store.list_sessions(patient.scope(), patient.person).await?;
    Ok(ok(&SessionListView {
        sessions: sessions.iter().map(SessionRow::of).collect(),
    }))
}

/// One of the patient's sessions.
#[utoipa::path(tag = "patient", responses((status = 200, body = OwnSessionView), (status = 404, body = Problem)))]
#[get("/v1/me/sessions/{id}")]
pub async fn one_session(app: Data<App>, patient: Patient, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let view = app
        .store
        .read_session(patient.scope(), SessionId::from(*id), OwnSessionView::of)
        .await?;
    Ok(ok(&view.ok_or(ApiError::NotFound)?))
}

/// Answer a checklist item, or take an answer back.
#[utoipa::path(tag = "patient", request_body = AnswerBody, responses(
    (status = 200, body = AnsweredView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/me/sessions/{id}/checklist/{item}")]
pub async fn answer_item(
    app: Data<App>,
    patient: Patient,
    path: Path<(Uuid, String)>,
    body: Body<AnswerBody>,
) -> Result<HttpResponse, ApiError> {
    let (id, item) = path.into_inner();
    Ok(done(
        &reporting::answer_item(&app, patient.scope(), id.into(), item, body).await?,
    ))
}

/// Ask somebody to sit.
#[utoipa::path(tag = "patient", request_body = InvitationBody, responses(
    (status = 201, body = InvitedView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/me/sessions/{id}/sitters")]
pub async fn invite_sitter(
    app: Data<App>,
    patient: Patient,
    id: Path<Uuid>,
    body: Body<InvitationBody>,
) -> Result<HttpResponse, ApiError> {
    let invited = reporting::invite(&app, patient.scope(), SessionId::from(*id), body).await?;
    Ok(done_with(StatusCode::CREATED, &invited))
}

/// Say who is asked to sit, one after the other: the next when the one before says no or does not answer in time.
#[utoipa::path(tag = "patient", request_body = CandidatesBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/me/sessions/{id}/candidates")]
pub async fn name_candidates(
    app: Data<App>,
    patient: Patient,
    id: Path<Uuid>,
    body: Body<CandidatesBody>,
) -> Result<HttpResponse, ApiError> {
    Ok(done(
        &reporting::name_candidates(&app, patient.scope(), SessionId::from(*id), body).await?,
    ))
}

/// Remove the sitter, without a reason.
#[utoipa::path(tag = "patient", responses((status = 200, body = ResultView), (status = 404, body = Problem)))]
#[delete("/v1/me/sessions/{id}/sitters/{sitter}")]
pub async fn remove_sitter(
    app: Data<App>,
    patient: Patient,
    path: Path<(Uuid, Uuid)>,
) -> Result<HttpResponse, ApiError> {
    let (id, sitter) = path.into_inner();
    let removed = reporting::remove_sitter(&app, patient.scope(), id.into(), SitterId::from(sitter)).await?;
    Ok(ok(&removed))
}

/// Unlock the dose screen, or hear every reason why not.
#[utoipa::path(tag = "patient", request_body = EmptyBody, responses(
    (status = 200, body = UnlockedView), (status = 409, body = Problem),
))]
#[post("/v1/me/sessions/{id}/unlock")]
pub async fn unlock(
    app: Data<App>,
    patient: Patient,
    id: Path<Uuid>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = patient.scope();
    let once = body.once(&scope.caller);
    let unlocked = app
        .store
        .decide_session(scope, SessionId::from(*id), once, |record, context| {
            let (decision, unlocked_until) = preparation::unlock(record, context)?;
            Ok((decision, UnlockedView { unlocked_until }))
        });
    Ok(done(&unlocked.await?))
}

/// Log the dose. Never refused: a log-in that ran out, a time that cannot be, a session that is over all count.
#[utoipa::path(tag = "patient", request_body = DoseBody, responses((status = 200, body = LoggedView)))]
#[post("/v1/me/sessions/{id}/dose")]
pub async fn log_dose(
    app: Data<App>,
    patient: Reporter,
    id: Path<String>,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    // An id that is none is a session that is not theirs: the dose gets one of its own.
    let session = id.parse::<SessionId>().ok();
    let (scope, report) = (patient.scope(), dose_report(&body.fields));
    let once = body.once(&scope.caller);
    Ok(done(
        &reporting::log_dose(&app, scope, patient.person, session, report, once).await?,
    ))
}

/// Log a dose without saying of which session. Never refused.
#[utoipa::path(tag = "patient", request_body = DoseBody, responses((status = 200, body = LoggedView)))]
#[post("/v1/me/dose")]
pub async fn log_dose_without_session(
    app: Data<App>,
    patient: Reporter,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    let (scope, report) = (patient.scope(), dose_report(&body.fields));
    let once = body.once(&scope.caller);
    let choose = |record: &bedside_protocol::record::PatientRecord, now| {
        session::for_dose(&record.sessions, record.patient.zone, now)
    };
    let session = app
        .store
        .read_patient(scope.clone(), patient.person, choose)
        .await?
        .flatten();
    Ok(done(
        &reporting::log_dose(&app, scope, patient.person, session, report, once).await?,
    ))
}

/// Correct the time of the dose while the session runs.
#[utoipa::path(tag = "patient", request_body = DoseTimeBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/me/sessions/{id}/dose/time")]
pub async fn correct_dose_time(
    app: Data<App>,
    patient: Patient,
    id: Path<Uuid>,
    body: Body<DoseTimeBody>,
) -> Result<HttpResponse, ApiError> {
    let session = SessionId::from(*id);
    Ok(done(
        &reporting::correct_dose_time(&app, patient.scope(), session, body).await?,
    ))
}

/// Answer a check-in.
#[utoipa::path(tag = "patient", request_body = CheckInBody, responses(
    (status = 200, body = CheckedInView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/me/sessions/{id}/check-ins/{duty}")]
pub async fn check_in(
    app: Data<App>,
    patient: Patient,
    path: Path<(Uuid, Uuid)>,
    body: Body<CheckInBody>,
) -> Result<HttpResponse, ApiError> {
    let (id, duty) = path.into_inner();
    Ok(done(
        &reporting::check_in(&app, patient.scope(), id.into(), DutyId::from(duty), body).await?,
    ))
}

/// Send blood pressure and pulse.
#[utoipa::path(tag = "patient", request_body = VitalsBody, responses(
    (status = 200, body = MeasuredView), (status = 422, body = Problem),
))]
#[post("/v1/me/sessions/{id}/vitals")]
pub async fn measure(
    app: Data<App>,
    patient: Patient,
    id: Path<Uuid>,
    body: Body<VitalsBody>,
) -> Result<HttpResponse, ApiError> {
    Ok(done(
        &reporting::measure(&app, patient.scope(), SessionId::from(*id), body).await?,
    ))
}

/// "Something is wrong", in a session. Never refused.
#[utoipa::path(tag = "patient", request_body = HelpBody, responses((status = 200, body = ShowView)))]
#[post("/v1/me/sessions/{id}/help")]
pub async fn help_in_session(
    app: Data<App>,
    patient: Reporter,
    id: Path<String>,
    body: AnyBody,
) -> Result<HttpResponse, ApiError> {
    let (scope, call) = (patient.scope(), HelpCall::of(&body.fields));
    let once = body.once(&scope.caller);
    let session = id.parse::<SessionId>().ok();
    Ok(done(
        &reporting::help_of_patient(&app, scope, patient.person, session, call, once).await?,
    ))
}

/// "Something is wrong". Never refused.
#[utoipa::path(tag = "patient", request_body = HelpBody, responses((status = 200, body = ShowView)))]
#[post("/v1/me/help")]
pub async fn help(app: Data<App>, patient: Reporter, body: AnyBody) -> Result<HttpResponse, ApiError> {
    let (scope, call) = (patient.scope(), HelpCall::of(&body.fields));
    let once = body.once(&scope.caller);
    Ok(done(
        &reporting::help_of_patient(&app, scope, patient.person, None, call, once).await?,
    ))
}
