//! Enrolment: what the patient gives and consents to, what a clinician signs, and how far it is.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, post, put};
use bedside_protocol::enrolment::{
    self, ConsentSent, ContactsSent, EmergencyRoom, SCREENING_NOTE_MAX_CHARS, ScreeningFinding, ScreeningSent,
};
use bedside_protocol::id::PersonId;
use bedside_protocol::people::{EmergencyContact, StaffRole};
use bedside_store::Scope;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::patients::{CreatedView, EmergencyContactBody};
use crate::answer::{done, done_with, ok, only_of_version, versioned};
use crate::app::App;
use crate::auth::{Patient, Staff};
use crate::bodies::VitalsBody;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::parse::{ADDRESS_MAX, Checks, NAME_MAX};
use crate::views::{EnrolmentView, ResultView, StaffEnrolmentView};

/// Most findings in one screening: more than any list has.
const FINDINGS_MAX: usize = 100;

/// Longest key of a point, characters.
const KEY_MAX: usize = 64;

/// Where a patient is and whom to call.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactsBody {
    /// Their own telephone.
    pub phone: String,
    /// Where they take their lozenges.
    pub address: String,
    /// The state or region of that address (ISO 3166-2), such as `US-NY`.
    pub region: String,
    /// The IANA zone of that address. Another than before has planned sessions keep their local time.
    pub zone: String,
    /// The language they want to be spoken to in (BCP 47), such as `en` or `es-MX`.
    pub language: String,
    /// Another person to call.
    pub emergency_contact: EmergencyContactBody,
    /// The nearest emergency room.
    pub emergency_room: EmergencyRoomBody,
}

/// An emergency room.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmergencyRoomBody {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// Its telephone number.
    #[serde(default)]
    pub phone: Option<String>,
}

impl ContactsBody {
    fn parse(&self) -> Result<ContactsSent, ApiError> {
        let mut checks = Checks::new();
        let (person, room) = (&self.emergency_contact, &self.emergency_room);
        let sent = ContactsSent {
            phone: checks.phone("phone", &self.phone),
            address: checks.line("address", &self.address, ADDRESS_MAX),
            region: checks.region("region", &self.region),
            zone: checks.zone("zone", &self.zone),
            language: checks.language("language", &self.language),
            emergency_contact: EmergencyContact {
                name: checks.line("emergency_contact.name", &person.name, NAME_MAX),
                phone: checks.phone("emergency_contact.phone", &person.phone),
            },
            emergency_room: EmergencyRoom {
                name: checks.line("emergency_room.name", &room.name, NAME_MAX),
                address: checks.line("emergency_room.address", &room.address, ADDRESS_MAX),
                phone: room
                    .phone
                    .as_ref()
                    .map(|phone| checks.phone("emergency_room.phone", phone)),
            },
        };
        checks.done()?;
        Ok(sent)
    }
}

/// An answer to a text.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentBody {
    /// The version of the words that were read.
    pub version: u32,
    /// Yes, or no; a no takes an earlier yes back.
    pub agreed: bool,
}

/// A screening to be signed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScreeningBody {
    /// One for each point of the list.
    pub findings: Vec<FindingBody>,
    /// Whether the patient may be treated at home.
    pub cleared: bool,
    /// In a few words.
    #[serde(default)]
    pub note: Option<String>,
}

/// One point of a screening.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FindingBody {
    /// The point's key.
    pub point: String,
    /// Whether it is there.
    pub present: bool,
    /// In a few words; needed for what is there.
    #[serde(default)]
    pub note: Option<String>,
}

impl ScreeningBody {
    fn parse(&self) -> Result<ScreeningSent, ApiError> {
        let mut checks = Checks::new();
        if self.findings.len() > FINDINGS_MAX {
            checks.fault("findings", format!("has more than {FINDINGS_MAX} findings"));
        }
        let findings = self.findings.iter().take(FINDINGS_MAX).enumerate();
        let findings = findings
            .map(|(index, finding)| ScreeningFinding {
                point: checks.line(&format!("findings[{index}].point"), &finding.point, KEY_MAX),
                present: finding.present,
                note: finding.note.as_ref().map(|note| {
                    let field = format!("findings[{index}].note");
                    checks.text(&field, note, SCREENING_NOTE_MAX_CHARS)
                }),
            })
            .collect();
        let note = self.note.as_ref();
        let sent = ScreeningSent {
            findings,
            cleared: self.cleared,
            note: note.map(|note| checks.text("note", note, SCREENING_NOTE_MAX_CHARS)),
        };
        checks.done()?;
        Ok(sent)
    }
}

/// How far the own enrolment is: every item, the texts to answer, the addresses and numbers that were confirmed. The `ETag`
/// is the patient's version.
#[utoipa::path(tag = "patient", responses(
    (status = 200, body = EnrolmentView, headers(("etag" = String))), (status = 401, body = Problem),
))]
#[get("/v1/me/enrolment")]
pub async fn own(app: Data<App>, patient: Patient) -> Result<HttpResponse, ApiError> {
    let view = app
        .store
        .read_patient(patient.scope(), patient.person, EnrolmentView::of);
    let view = view.await?.ok_or(ApiError::NotFound)?;
    Ok(versioned(&view, view.version))
}

/// Confirm the own address, numbers and nearest emergency room; `If-Match` names the version that was read.
#[utoipa::path(tag = "patient", request_body = ContactsBody, responses(
    (status = 200, body = ResultView), (status = 412, body = Problem), (status = 422, body = Problem),
))]
#[put("/v1/me/contacts")]
pub async fn confirm_own_contacts(
    app: Data<App>,
    patient: Patient,
    request: HttpRequest,
    body: Body<ContactsBody>,
) -> Result<HttpResponse, ApiError> {
    confirm(&app, patient.scope(), patient.person, &request, &body.value).await
}

/// Say yes or no to a text, or take a yes back. What is taken back is told to the coordinator.
#[utoipa::path(tag = "patient", request_body = ConsentBody, responses(
    (status = 200, body = ResultView), (status = 404, body = Problem), (status = 409, body = Problem),
))]
#[post("/v1/me/consents/{key}")]
pub async fn answer_text(
    app: Data<App>,
    patient: Patient,
    key: Path<String>,
    body: Body<ConsentBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = patient.scope();
    let once = body.once(&scope.caller);
    let sent = ConsentSent {
        text: key.into_inner(),
        version: body.value.version,
        agreed: body.value.agreed,
    };
    let answered = app
        .store
        .decide_patient(scope, patient.person, once, move |record, context| {
            let decision = enrolment::answer_text(record, &sent, context)?;
            Ok((decision, ResultView::said("answered")))
        });
    Ok(done(&answered.await?))
}

/// Try the cuff: one reading at home, before any session.
#[utoipa::path(tag = "patient", request_body = VitalsBody, responses(
    (status = 201, body = ResultView), (status = 422, body = Problem),
))]
#[post("/v1/me/trial-readings")]
pub async fn try_cuff(
    app: Data<App>,
    patient: Patient,
    body: Body<VitalsBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = patient.scope();
    let once = body.once(&scope.caller);
    let mut checks = Checks::new();
    let now = app.store.clocks().clinical_now();
    let reading = body.value.parse("observed_at", &mut checks, now);
    checks.done()?;
    let tried = app
        .store
        .decide_patient(scope, patient.person, once, move |record, context| {
            let decision = enrolment::try_cuff(record, reading, context)?;
            Ok((decision, ResultView::said("recorded")))
        });
    Ok(done_with(StatusCode::CREATED, &tried.await?))
}

/// How far a patient's enrolment is, and what was screened. Every look is kept in the audit trail.
#[utoipa::path(tag = "patients", responses(
    (status = 200, body = StaffEnrolmentView, headers(("etag" = String))), (status = 404, body = Problem),
))]
#[get("/v1/patients/{id}/enrolment")]
pub async fn of_patient(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let clinician = scope.caller.is_staff(&[StaffRole::Nurse, StaffRole::Prescriber]);
    let view = app
        .store
        .read_patient(scope, PersonId::from(*id), move |record, now| {
            StaffEnrolmentView::of(record, clinician, now)
        });
    let view = view.await?.ok_or(ApiError::NotFound)?;
    Ok(versioned(&view, view.enrolment.version))
}

/// Write down what the patient said of address, numbers and nearest emergency room; `If-Match` names the version that was read.
#[utoipa::path(tag = "patients", request_body = ContactsBody, responses(
    (status = 200, body = ResultView), (status = 404, body = Problem), (status = 412, body = Problem),
    (status = 422, body = Problem),
))]
#[put("/v1/patients/{id}/contacts")]
pub async fn confirm_contacts(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    id: Path<Uuid>,
    body: Body<ContactsBody>,
) -> Result<HttpResponse, ApiError> {
    confirm(&app, staff.scope(), PersonId::from(*id), &request, &body.value).await
}

/// Sign a screening: every point of the protocol's list, there or not.
#[utoipa::path(tag = "patients", request_body = ScreeningBody, responses(
    (status = 201, body = CreatedView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/screenings")]
pub async fn sign_screening(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<ScreeningBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, sent) = (body.once(&scope.caller), body.value.parse()?);
    let signed = app
        .store
        .decide_patient(scope, PersonId::from(*id), once, move |record, context| {
            let (decision, id) = enrolment::sign_screening(record, &sent, context)?;
            Ok((decision, CreatedView { id: id.uuid() }))
        });
    Ok(done_with(StatusCode::CREATED, &signed.await?))
}

async fn confirm(
    app: &App,
    scope: Scope,
    patient: PersonId,
    request: &HttpRequest,
    body: &ContactsBody,
) -> Result<HttpResponse, ApiError> {
    let only_of_version = only_of_version(request, "patient");
    let sent = body.parse()?;
    let confirmed = app
        .store
        .decide_course(scope, patient, None, move |record, sessions, context| {
            only_of_version(record.patient.version)?;
            let decision = enrolment::confirm_contacts(record, sessions, sent.clone(), context);
            Ok((decision, ResultView::said("confirmed")))
        });
    Ok(ok(&confirmed.await?.value))
}
