//! The call log: written by whoever rang, read by whoever reads what happened.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use bedside_protocol::call::{Called, NewCall};
use bedside_protocol::desk::NOTE_MAX_CHARS;
use bedside_protocol::id::PersonId;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{done_with, ok};
use crate::app::App;
use crate::auth::Staff;
use crate::casework;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::parse::{Checks, When};
use crate::views::{CallLogView, CallView};

/// A call.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallBody {
    /// `patient`, `sitter`, `emergency_contact`, `emergency_services` or `other`.
    #[schema(value_type = String)]
    pub whom: Called,
    /// Whether somebody answered.
    pub reached: bool,
    /// What was said, or not; who it was, for `other`.
    #[serde(default)]
    pub note: Option<String>,
    /// When; now if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub at: Option<When>,
    /// The case it was about. If that is a session's, so is the call.
    #[serde(default)]
    pub case: Option<Uuid>,
    /// The session it was about.
    #[serde(default)]
    pub session: Option<Uuid>,
}

/// Write down a call: whom the caller rang, whether somebody answered, and what was said.
#[utoipa::path(tag = "patients", request_body = CallBody, responses(
    (status = 201, body = CallView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/calls")]
pub async fn log(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<CallBody>,
) -> Result<HttpResponse, ApiError> {
    let (scope, value) = (staff.scope(), &body.value);
    let mut checks = Checks::new();
    let at = checks.when_given("at", value.at, app.store.clocks().clinical_now());
    let note = value
        .note
        .as_ref()
        .map(|note| checks.text("note", note, NOTE_MAX_CHARS));
    checks.done()?;
    let writer = app.store.find_account(scope.clone(), staff.person).await?;
    let new = NewCall {
        by_name: writer.ok_or(ApiError::NotFound)?.name,
        whom: value.whom,
        reached: value.reached,
        note,
        at,
        case: value.case.map(Into::into),
        session: value.session.map(Into::into),
    };
    let once = body.once(&scope.caller);
    let logged = casework::log_call(&app, scope, PersonId::from(*id), once, new).await?;
    Ok(done_with(StatusCode::CREATED, &logged))
}

/// A patient's call log.
#[utoipa::path(tag = "patients", responses((status = 200, body = CallLogView), (status = 404, body = Problem)))]
#[get("/v1/patients/{id}/calls")]
pub async fn list(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let look = |record: &_, _| CallLogView::of(record);
    let view = app
        .store
        .read_patient(staff.scope(), PersonId::from(*id), look)
        .await?;
    Ok(ok(&view.ok_or(ApiError::NotFound)?))
}
