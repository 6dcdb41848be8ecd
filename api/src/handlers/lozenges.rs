//! The lozenge ledger: written by the patient and by the care team, read by both.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use bedside_protocol::desk::NOTE_MAX_CHARS;
use bedside_protocol::id::PersonId;
use bedside_protocol::ledger::{self, LedgerKind, NewEntry, Storage};
use bedside_protocol::time::Instant;
use bedside_store::{Once, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{done_with, ok};
use crate::app::App;
use crate::auth::{Patient, Staff};
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::parse::{Checks, When};
use crate::views::LedgerView;

/// What an entry of the ledger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A package came.
    Received,
    /// A logged dose was spat out at once or vomited during the hold.
    DoseWasted,
    /// Lost or stolen; the care team is told.
    Lost,
    /// Destroyed, as the clinic said.
    Destroyed,
    /// Brought back.
    Returned,
    /// What is there was counted; the care team is told if it differs.
    CountDeclared,
    /// The clinic sets the balance right; needs a note.
    Correction,
}

/// An entry of the ledger.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryBody {
    /// What it says.
    pub kind: EntryKind,
    /// Lozenges; of a correction how many more there are, or fewer if negative. Absent for `dose_wasted`.
    #[serde(default)]
    pub count: Option<i32>,
    /// When it happened, by the device; now if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub observed_at: Option<When>,
    /// A few words.
    #[serde(default)]
    pub note: Option<String>,
    /// Of a package that came, or was counted: it was sealed. Said together with `locked`.
    #[serde(default)]
    pub sealed: Option<bool>,
    /// Of a package that came, or was counted: it stands in a locked place.
    #[serde(default)]
    pub locked: Option<bool>,
}

impl EntryBody {
    fn parse(&self, now: Instant) -> Result<NewEntry, ApiError> {
        let mut checks = Checks::new();
        let observed_at = checks.when_given("observed_at", self.observed_at, now);
        let note = self
            .note
            .as_ref()
            .map(|note| checks.text("note", note, NOTE_MAX_CHARS));
        let change = match (self.kind, self.count) {
            (EntryKind::DoseWasted, Some(_)) => {
                checks.fault(
                    "count",
                    "must be absent: a wasted dose was taken from the balance already",
                );
                0
            }
            (EntryKind::DoseWasted, None) => 0,
            (_, None) => {
                checks.fault("count", "is missing");
                0
            }
            (_, Some(count)) => count,
        };
        if change < 0 && self.kind != EntryKind::Correction {
            checks.fault("count", "must not be negative");
        }
        let storage = match (self.sealed, self.locked) {
            (Some(sealed), Some(locked)) => Some(Storage { sealed, locked }),
            (None, None) => None,
            (Some(_), None) => {
                checks.fault("locked", "is missing");
                None
            }
            (None, Some(_)) => {
                checks.fault("sealed", "is missing");
                None
            }
        };
        checks.done()?;
        let count = change.unsigned_abs();
        let kind = match self.kind {
            EntryKind::Received => LedgerKind::Received { count },
            EntryKind::DoseWasted => LedgerKind::DoseWasted,
            EntryKind::Lost => LedgerKind::Lost { count },
            EntryKind::Destroyed => LedgerKind::Destroyed { count },
            EntryKind::Returned => LedgerKind::Returned { count },
            EntryKind::CountDeclared => LedgerKind::CountDeclared { count },
            EntryKind::Correction => LedgerKind::Correction { change },
        };
        Ok(NewEntry {
            kind,
            observed_at,
            note,
            storage,
        })
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnteredView {
    /// The entry.
    pub id: Uuid,
    /// How many lozenges should be there now; absent when nobody keeps the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<i64>,
}

async fn enter(
    app: &App,
    scope: Scope,
    patient: PersonId,
    once: Option<Once>,
    new: NewEntry,
) -> Result<HttpResponse, ApiError> {
    let entered = app
        .store
        .decide_patient(scope, patient, once, move |record, context| {
            let (decision, entry) = ledger::enter(record, new.clone(), context)?;
            let after = &decision.after;
            let view = EnteredView {
                id: entry.id.uuid(),
                balance: ledger::balance(
                    &after.course.ledger,
                    ledger::taken(&after.course.ledger, &after.sessions),
                ),
            };
            Ok((decision, view))
        });
    Ok(done_with(StatusCode::CREATED, &entered.await?))
}

/// Say that lozenges came, were lost, destroyed, returned or counted.
#[utoipa::path(tag = "patient", request_body = EntryBody, responses(
    (status = 201, body = EnteredView), (status = 422, body = Problem),
))]
#[post("/v1/me/lozenges")]
pub async fn enter_own(
    app: Data<App>,
    patient: Patient,
    body: Body<EntryBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = patient.scope();
    let new = body.value.parse(app.store.clocks().clinical_now())?;
    enter(&app, scope.clone(), patient.person, body.once(&scope.caller), new).await
}

/// The patient's own ledger.
#[utoipa::path(tag = "patient", responses((status = 200, body = LedgerView)))]
#[get("/v1/me/lozenges")]
pub async fn own_ledger(app: Data<App>, patient: Patient) -> Result<HttpResponse, ApiError> {
    of(&app, patient.scope(), patient.person).await
}

/// Write an entry for a patient.
#[utoipa::path(tag = "patients", request_body = EntryBody, responses(
    (status = 201, body = EnteredView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/lozenges")]
pub async fn enter_for_patient(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<EntryBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let new = body.value.parse(app.store.clocks().clinical_now())?;
    enter(
        &app,
        scope.clone(),
        PersonId::from(*id),
        body.once(&scope.caller),
        new,
    )
    .await
}

/// A patient's ledger.
#[utoipa::path(tag = "patients", responses((status = 200, body = LedgerView), (status = 404, body = Problem)))]
#[get("/v1/patients/{id}/lozenges")]
pub async fn ledger_of_patient(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    of(&app, staff.scope(), PersonId::from(*id)).await
}

async fn of(app: &App, scope: Scope, patient: PersonId) -> Result<HttpResponse, ApiError> {
    let view = app
        .store
        .read_patient(scope, patient, |record, _| LedgerView::of(record));
    Ok(ok(&view.await?.ok_or(ApiError::NotFound)?))
}
