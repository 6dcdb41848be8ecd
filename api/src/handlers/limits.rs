//! A patient's own limits of vital signs.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, put};
use bedside_protocol::id::PersonId;
use bedside_protocol::limits::{self, Limits};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{only_of_version, versioned};
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::views::{LimitsView, PatientLimitsView, ResultView};

/// New limits of a patient.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsBody {
    /// All of them.
    pub limits: LimitsView,
    /// Why.
    pub reason: String,
}

/// A patient's limits, with all earlier versions.
#[utoipa::path(tag = "patients", responses(
    (status = 200, body = PatientLimitsView, headers(("etag" = String))), (status = 404, body = Problem),
))]
#[get("/v1/patients/{id}/limits")]
pub async fn find(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    show(&app, &staff, PersonId::from(*id)).await
}

async fn show(app: &App, staff: &Staff, patient: PersonId) -> Result<HttpResponse, ApiError> {
    let view = app
        .store
        .read_patient(staff.scope(), patient, |record, _| PatientLimitsView::of(record));
    let view = view.await?.ok_or(ApiError::NotFound)?;
    Ok(versioned(&view, view.version))
}

/// Change a patient's limits; `If-Match` names the version that was read. Before the dose they lie in the protocol's ranges; in
/// a session they may be nearer than the protocol's, never farther. Every fault is said at once.
#[utoipa::path(tag = "patients", request_body = LimitsBody, responses(
    (status = 200, body = PatientLimitsView, headers(("etag" = String))), (status = 404, body = Problem),
    (status = 412, body = Problem), (status = 422, body = Problem),
))]
#[put("/v1/patients/{id}/limits")]
pub async fn change(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    id: Path<Uuid>,
    body: Body<LimitsBody>,
) -> Result<HttpResponse, ApiError> {
    let (only_of_version, signer) = (only_of_version(&request, "limits"), staff.person);
    let patient = PersonId::from(*id);
    let LimitsBody { limits, reason } = body.value;
    let limits = Limits::from(limits);
    let changed = app
        .store
        .decide_patient(staff.scope(), patient, None, move |record, context| {
            only_of_version(record.course.limits.len() as u64)?;
            let (decision, _) = limits::change(record, limits, &reason, signer, context)?;
            Ok((decision, ResultView::said("set")))
        });
    changed.await?;
    show(&app, &staff, patient).await
}
