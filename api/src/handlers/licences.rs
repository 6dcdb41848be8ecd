//! Licences of prescribers: recorded by an administrator, held against where a patient is.

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, put};
use bedside_protocol::id::PersonId;
use bedside_protocol::licence::{self, LICENCES_MAX, Licence};
use bedside_protocol::people::StaffRole;
use bedside_store::{Account, AccountKind, Scope, SetLicencesError};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{only_of_version, versioned};
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::parse::{Checks, Day};

/// All licences of a prescriber.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LicencesBody {
    /// Each, by state or region.
    pub licences: Vec<LicenceBody>,
}

/// A licence.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LicenceBody {
    /// The state or region (ISO 3166-2), such as `US-NY`.
    pub region: String,
    /// Its last day.
    #[schema(value_type = NaiveDate)]
    pub expires_on: Day,
}

/// A licence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LicenceView {
    /// The state or region, such as `US-NY`.
    pub region: String,
    /// Its last day.
    pub expires_on: NaiveDate,
}

/// All licences of a prescriber.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LicencesView {
    /// The prescriber.
    pub person: Uuid,
    /// What `If-Match` names.
    pub version: u64,
    /// Each.
    pub licences: Vec<LicenceView>,
}

impl LicencesView {
    fn of(account: &Account) -> Self {
        let licences = account.licences.iter().map(|licence| LicenceView {
            region: licence.region.clone(),
            expires_on: licence.expires_on,
        });
        Self {
            person: account.id.uuid(),
            version: account.licences_version,
            licences: licences.collect(),
        }
    }
}

async fn shown(app: &App, scope: Scope, person: PersonId) -> Result<HttpResponse, ApiError> {
    let account = app.store.find_account(scope, person).await?;
    let account = account
        .filter(|account| {
            account.kind == AccountKind::Staff && account.roles.contains(&StaffRole::Prescriber)
        })
        .ok_or(ApiError::NotFound)?;
    let view = LicencesView::of(&account);
    Ok(versioned(&view, view.version))
}

/// The licences of a prescriber.
#[utoipa::path(tag = "clinic", responses(
    (status = 200, body = LicencesView, headers(("etag" = String))), (status = 404, body = Problem),
))]
#[get("/v1/staff/{id}/licences")]
pub async fn find(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    shown(&app, staff.scope(), PersonId::from(*id)).await
}

/// Record all licences of a prescriber; `If-Match` names the version that was read.
#[utoipa::path(tag = "clinic", request_body = LicencesBody, responses(
    (status = 200, body = LicencesView), (status = 404, body = Problem), (status = 412, body = Problem),
    (status = 422, body = Problem),
))]
#[put("/v1/staff/{id}/licences")]
pub async fn set(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    id: Path<Uuid>,
    body: Body<LicencesBody>,
) -> Result<HttpResponse, ApiError> {
    let only_of_version = only_of_version(&request, "list of licences");
    let sent = body.value.licences;
    let mut checks = Checks::new();
    if sent.len() > LICENCES_MAX {
        checks.fault("licences", format!("must be at most {LICENCES_MAX}"));
    }
    let mut licences: Vec<Licence> = Vec::new();
    for (index, licence) in sent.iter().take(LICENCES_MAX).enumerate() {
        let field = format!("licences[{index}].region");
        let region = checks.region(&field, &licence.region);
        if licences.iter().any(|earlier| earlier.region == region) {
            checks.fault(&field, "stands twice");
        }
        licences.push(Licence {
            region,
            expires_on: licence.expires_on.0,
        });
    }
    checks.done()?;
    let person = PersonId::from(*id);
    app.store
        .set_licences(staff.scope(), person, licences, move |version| {
            only_of_version(version).is_ok()
        })
        .await
        .map_err(|error| match error {
            SetLicencesError::NoPrescriber => ApiError::NotFound,
            SetLicencesError::Changed => ApiError::PreconditionFailed,
            SetLicencesError::Store(error) => error.into(),
        })?;
    shown(&app, staff.scope(), person).await
}

/// The licences of who signs.
pub async fn licences_of(app: &App, scope: &Scope, person: PersonId) -> Result<Vec<Licence>, ApiError> {
    let account = app.store.find_account(scope.clone(), person).await?;
    Ok(account.map(|account| account.licences).unwrap_or_default())
}

/// What who signed with these licences should know.
pub async fn licence_warning(
    app: &App,
    scope: Scope,
    patient: PersonId,
    licences: Vec<Licence>,
) -> Result<Option<String>, ApiError> {
    let found = app.store.read_patient(scope, patient, move |record, now| {
        licence::warning(record, &licences, now)
    });
    Ok(found.await?.flatten())
}
