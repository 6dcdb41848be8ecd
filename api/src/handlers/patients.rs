//! The care team's patients: creating and reading them, orders, planning.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, post, put};
use bedside_protocol::id::{PersonId, SessionId};
use bedside_protocol::licence;
use bedside_protocol::order::{self, AfterHold, Instruction, OrderDraft};
use bedside_protocol::people::{CommsStatus, EmergencyContact, StaffRole};
use bedside_protocol::planning;
use bedside_protocol::record::{Decision, Fact};
use bedside_protocol::refusal::{Faults, Refusal};
use bedside_store::{CreateAccountError, Done, NewPatient};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{done_with, ok, only_of_version, versioned};
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::handlers::licences::{licence_warning, licences_of};
use crate::parse::{ADDRESS_MAX, Checks, Day, NAME_MAX, TimeOfDay};
use crate::views::{OrderView, PatientView, ResultView};

/// A patient to be created.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PatientBody {
    /// Full name.
    pub name: String,
    /// The only name a sitter sees.
    pub first_name: String,
    /// E-mail address, unique within the clinic.
    pub email: String,
    /// Telephone number.
    pub phone: String,
    /// Where they take their lozenges.
    pub address: String,
    /// IANA zone, such as `America/New_York`.
    pub zone: String,
    /// A second person to call.
    pub emergency_contact: EmergencyContactBody,
}

/// A second person to call.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmergencyContactBody {
    /// Their name.
    pub name: String,
    /// Their telephone number.
    pub phone: String,
}

impl PatientBody {
    fn parse(&self) -> Result<NewPatient, ApiError> {
        let mut checks = Checks::new();
        let zone = checks.zone("zone", &self.zone);
        let new = NewPatient {
            name: checks.line("name", &self.name, NAME_MAX),
            first_name: checks.line("first_name", &self.first_name, NAME_MAX),
            email: checks.email("email", &self.email),
            phone: checks.phone("phone", &self.phone),
            address: checks.line("address", &self.address, ADDRESS_MAX),
            zone,
            emergency_contact: EmergencyContact {
                name: checks.line("emergency_contact.name", &self.emergency_contact.name, NAME_MAX),
                phone: checks.phone("emergency_contact.phone", &self.emergency_contact.phone),
            },
        };
        checks.done()?;
        Ok(new)
    }
}

/// Whether messages to a patient make sense.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommsBody {
    /// `active`, `paused`, `hospital`, `deceased` or `withdrawn`.
    #[schema(value_type = String)]
    pub status: CommsStatus,
}

/// An order to be signed.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderBody {
    /// Lozenges for one session.
    pub lozenge_count: u32,
    /// Milligrams of each lozenge.
    pub strength_mg: u32,
    /// Minutes under the tongue.
    pub hold_minutes: u32,
    /// `spit` or `swallow`.
    #[schema(value_type = String)]
    pub after_hold: AfterHold,
    /// The day it was prescribed.
    #[schema(value_type = NaiveDate)]
    pub prescribed_on: Day,
    /// The last day it may be used.
    #[schema(value_type = NaiveDate)]
    pub expires_on: Day,
    /// Refills left.
    pub refills_left: u32,
    /// The second clinician, where the total changes much.
    #[serde(default)]
    pub countersigned_by: Option<Uuid>,
}

/// A session to be planned, in the patient's zone.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// Local date.
    #[schema(value_type = NaiveDate)]
    pub on: Day,
    /// Local time, such as `13:00`.
    #[schema(value_type = String)]
    pub time: TimeOfDay,
}

/// An order that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignedOrderView {
    /// The order.
    #[serde(flatten)]
    pub order: OrderView,
    /// What the signer should know of their licence for where the patient is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// Something that was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreatedView {
    /// Its id.
    pub id: Uuid,
}

/// The clinic's patients.
#[derive(Debug, Serialize, ToSchema)]
pub struct PatientListView {
    /// Oldest first.
    pub patients: Vec<PatientView>,
}

/// Create a patient; they get a mail by which they set their password.
#[utoipa::path(tag = "patients", request_body = PatientBody, responses(
    (status = 201, body = CreatedView), (status = 422, body = Problem),
))]
#[post("/v1/patients")]
pub async fn create(app: Data<App>, staff: Staff, body: Body<PatientBody>) -> Result<HttpResponse, ApiError> {
    let new = body.value.parse()?;
    let patient = app
        .store
        .create_patient(staff.scope(), staff.clinic, new)
        .await
        .map_err(|error| match error {
            CreateAccountError::EmailTaken => {
                ApiError::invalid("email", "another account of this clinic has this address")
            }
            CreateAccountError::NoClinic => ApiError::NotFound,
            CreateAccountError::Store(error) => error.into(),
        })?;
    app.store.invite_to_account(staff.scope(), patient.id).await?;
    let created = Done {
        value: CreatedView {
            id: patient.id.uuid(),
        },
        replayed: false,
    };
    Ok(done_with(StatusCode::CREATED, &created))
}

/// The clinic's patients.
#[utoipa::path(tag = "patients", responses((status = 200, body = PatientListView)))]
#[get("/v1/patients")]
pub async fn list(app: Data<App>, staff: Staff) -> Result<HttpResponse, ApiError> {
    let patients = app.store.list_patients(staff.scope()).await?;
    let refused = app.store.refused_addresses(staff.scope(), staff.clinic).await?;
    let row = |patient| PatientView::row(patient).with_refusals(&refused);
    Ok(ok(&PatientListView {
        patients: patients.iter().map(row).collect(),
    }))
}

/// One patient, with order and sessions. Every look is kept in the audit trail.
#[utoipa::path(tag = "patients", responses(
    (status = 200, body = PatientView, headers(("etag" = String))), (status = 404, body = Problem),
))]
#[get("/v1/patients/{id}")]
pub async fn find(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let view = app
        .store
        .read_patient(staff.scope(), PersonId::from(*id), |record, _| {
            PatientView::whole(record)
        });
    let view = view.await?.ok_or(ApiError::NotFound)?;
    let refused = app.store.refused_addresses(staff.scope(), staff.clinic).await?;
    let view = view.with_refusals(&refused);
    Ok(versioned(&view, view.version))
}

/// Say whether messages to a patient make sense; `If-Match` names the version that was read.
#[utoipa::path(tag = "patients", request_body = CommsBody, responses(
    (status = 200, body = ResultView), (status = 412, body = Problem),
))]
#[put("/v1/patients/{id}/comms")]
pub async fn set_comms(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    id: Path<Uuid>,
    body: Body<CommsBody>,
) -> Result<HttpResponse, ApiError> {
    let (only_of_version, status) = (only_of_version(&request, "patient"), body.value.status);
    let set = app
        .store
        .decide_patient(staff.scope(), PersonId::from(*id), None, move |record, _| {
            only_of_version(record.patient.version)?;
            let mut decision = Decision::unchanged(record);
            if record.patient.comms != status {
                let detail = serde_json::json!({"from": record.patient.comms, "to": status});
                decision.facts.push(Fact::new("patient.comms", detail));
                decision.after.patient.comms = status;
            }
            Ok((decision, ResultView::said("set")))
        });
    Ok(ok(&set.await?.value))
}

/// Sign an order. A read-back of the one before counts no more.
#[utoipa::path(tag = "patients", request_body = OrderBody, responses(
    (status = 201, body = SignedOrderView), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/orders")]
pub async fn sign_order(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<OrderBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, sent, signer) = (body.once(&scope.caller), body.value, staff.person);
    let countersigner = sent.countersigned_by.map(PersonId::from);
    let patient = PersonId::from(*id);
    let licences = licences_of(&app, &scope, signer).await?;
    let shown = licences.clone();
    if let Some(second) = countersigner {
        let account = app.store.find_account(scope.clone(), second).await?;
        let clinician = account.is_some_and(|account| {
            account.active
                && account
                    .roles
                    .iter()
                    .any(|role| matches!(role, StaffRole::Prescriber | StaffRole::Nurse))
        });
        if !clinician {
            return Err(ApiError::invalid(
                "countersigned_by",
                "must be a clinician of this clinic",
            ));
        }
    }
    let draft = OrderDraft {
        instruction: Instruction {
            lozenge_count: sent.lozenge_count,
            hold_minutes: sent.hold_minutes,
            after_hold: sent.after_hold,
        },
        strength_mg: sent.strength_mg,
        prescribed_on: sent.prescribed_on.0,
        expires_on: sent.expires_on.0,
        refills_left: sent.refills_left,
    };
    let signed = app
        .store
        .sign_order(scope.clone(), patient, once, move |record, context| {
            if let Some(fault) = licence::fault(record, &licences, context.now) {
                return Err(Refusal::Invalid(Faults(vec![fault])));
            }
            let (id, now) = (context.ids.fresh(), context.now);
            let (previous, document) = (record.order.as_ref(), &record.around.protocol);
            Ok(order::sign(
                draft.clone(),
                previous,
                signer,
                countersigner,
                id,
                now,
                document,
            )?)
        });
    let Done { value, replayed } = signed.await?;
    let value = SignedOrderView {
        order: OrderView::of(&value),
        warning: licence_warning(&app, scope, patient, shown).await?,
    };
    Ok(done_with(StatusCode::CREATED, &Done { value, replayed }))
}

/// Plan one session.
#[utoipa::path(tag = "patients", request_body = PlanBody, responses(
    (status = 201, body = CreatedView), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/sessions")]
pub async fn plan_session(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<PlanBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, sent, planner) = (body.once(&scope.caller), body.value, staff.person);
    let planned = app
        .store
        .plan_session(scope, PersonId::from(*id), once, move |record, context| {
            let decision = planning::plan(record, sent.on.0, sent.time.0, planner, context)?;
            let id: SessionId = planning::session_of(&decision);
            Ok((
                Decision::unchanged(record),
                vec![decision],
                CreatedView { id: id.uuid() },
            ))
        });
    Ok(done_with(StatusCode::CREATED, &planned.await?))
}
