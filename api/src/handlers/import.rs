//! Patients in mid-course, brought over from a file.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use bedside_protocol::enrolment::planning_faults;
use bedside_protocol::import;
use bedside_protocol::refusal::{Fault, Refusal};
use bedside_store::CreateAccountError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::ok;
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::import_file::{self, Row};

const ADDRESS_TAKEN: &str = "another account of this clinic has this address";

/// A file of patients.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportBody {
    /// Comma-separated, the first line with the names of the columns: `name`, `email`, `phone`, `address`, `zone`,
    /// `emergency_contact_name`, `emergency_contact_phone`, `doses` (local times, `2026-11-01 10:00; 2026-11-08 10:00`),
    /// `lozenges_held`, and if wanted `first_name`, `min_interval_hours`, `max_doses_7d`, `next_session`.
    pub csv: String,
    /// Only say what would happen, with every fault.
    pub dry_run: bool,
}

/// What is wrong in one column of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ColumnFault {
    /// The column.
    pub column: String,
    /// What is wrong.
    pub message: String,
}

impl From<Fault> for ColumnFault {
    fn from(fault: Fault) -> Self {
        Self {
            column: fault.field,
            message: fault.message,
        }
    }
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportedRowView {
    /// The row, as a spreadsheet counts; the names of the columns are row 1.
    pub row: usize,
    /// `good` (in a dry run), `created` or `refused`.
    pub result: String,
    /// The patient, if created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<Uuid>,
    /// Everything wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<ColumnFault>,
    /// Why the next session was not planned: the open items of the enrolment. It is kept, and planned once they are settled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next_session_waits_for: Vec<ColumnFault>,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ImportView {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// How many rows were created, or would be.
    pub good: usize,
    /// How many were refused.
    pub refused: usize,
    /// Each row.
    pub rows: Vec<ImportedRowView>,
}

/// Bring patients over in mid-course: their doses count for interval and seven days, what they hold starts the ledger. A row
/// is taken whole or refused with every fault, and no row waits for another. Each patient gets a mail to set their password.
#[utoipa::path(tag = "patients", request_body = ImportBody, responses(
    (status = 200, body = ImportView), (status = 413, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/patients/import")]
pub async fn import_patients(
    app: Data<App>,
    staff: Staff,
    body: Body<ImportBody>,
) -> Result<HttpResponse, ApiError> {
    let sent = body.value;
    let protocol = app.store.protocol_in_force(staff.scope(), staff.clinic).await?;
    let now = app.store.clocks().clinical_now();
    let mut rows = import_file::read(&sent.csv, &protocol, now)
        .map_err(|faults| ApiError::Refused(Refusal::Invalid(faults)))?;
    let addresses = rows.iter().map(|row| row.patient.email.clone()).collect();
    let taken = app
        .store
        .taken_addresses(staff.scope(), staff.clinic, addresses)
        .await?;
    for place in taken {
        if let Some(row) = rows.get_mut(place) {
            row.faults.push(Fault::new("email", ADDRESS_TAKEN));
        }
    }
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        views.push(if row.faults.0.is_empty() && !sent.dry_run {
            create(&app, &staff, row).await?
        } else {
            let result = if row.faults.0.is_empty() {
                "good"
            } else {
                "refused"
            };
            ImportedRowView {
                row: row.number,
                result: result.to_owned(),
                patient: None,
                faults: row.faults.0.into_iter().map(ColumnFault::from).collect(),
                next_session_waits_for: Vec::new(),
            }
        });
    }
    let refused = views.iter().filter(|row| row.result == "refused").count();
    Ok(ok(&ImportView {
        dry_run: sent.dry_run,
        good: views.len() - refused,
        refused,
        rows: views,
    }))
}

async fn create(app: &App, staff: &Staff, row: Row) -> Result<ImportedRowView, ApiError> {
    let (importer, before) = (staff.person, row.before);
    let wants_session = before.next_session.is_some();
    let created = app
        .store
        .import_patient(
            staff.scope(),
            staff.clinic,
            row.patient,
            move |record, context| import::bring_over(record, &before, importer, context),
        )
        .await;
    let mut view = ImportedRowView {
        row: row.number,
        result: "created".to_owned(),
        patient: None,
        faults: Vec::new(),
        next_session_waits_for: Vec::new(),
    };
    let patient = match created {
        Ok(patient) => patient,
        Err(CreateAccountError::EmailTaken) => {
            "refused".clone_into(&mut view.result);
            view.faults = vec![ColumnFault::from(Fault::new("email", ADDRESS_TAKEN))];
            return Ok(view);
        }
        Err(CreateAccountError::NoClinic) => return Err(ApiError::NotFound),
        Err(CreateAccountError::Store(error)) => return Err(error.into()),
    };
    app.store.invite_to_account(staff.scope(), patient.id).await?;
    view.patient = Some(patient.id.uuid());
    if wants_session {
        let open = app
            .store
            .read_patient(staff.scope(), patient.id, planning_faults)
            .await?;
        view.next_session_waits_for = open
            .unwrap_or_default()
            .into_iter()
            .map(ColumnFault::from)
            .collect();
    }
    Ok(view)
}
