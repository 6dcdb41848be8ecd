//! Questionnaires: what a patient is asked and answers; scores, reviews and trends for the care team.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use bedside_protocol::id::{PersonId, ScoreId, SessionId};
use bedside_protocol::instruments::answering::{self, Sending, Sent};
use bedside_protocol::instruments::external::ExternalDraft;
use bedside_protocol::instruments::{Given, InstrumentKey};
use bedside_protocol::refusal::{Faults, Refusal};
use bedside_store::Done;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::patients::CreatedView;
use crate::answer::{done_with, ok};
use crate::app::App;
use crate::auth::{Patient, Staff};
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::parse::{Checks, Day, When};
use crate::pictures;
use crate::views::{
    AnsweredFormView, OwnInstrumentsView, ScoresView, TrendsView, VitalsTrendView, score_series,
    vitals_series,
};

/// Most answers in one form.
pub const ANSWERS_MAX: usize = 64;

/// Longest note of a review, characters.
const NOTE_MAX: usize = 2000;

/// An answered questionnaire.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormBody {
    /// By item: true or false, or a number.
    #[schema(value_type = Object)]
    pub answers: BTreeMap<String, Value>,
    /// When it was answered, by the device; now if absent.
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub observed_at: Option<When>,
}

/// A clinician has seen a score.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreReviewBody {
    /// What they made of it, for the chart.
    pub note: String,
}

/// A result of an instrument that was asked elsewhere.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalResultBody {
    /// The instrument's name, such as `C-SSRS`. Its questions are not kept here.
    pub instrument: String,
    /// The level it gave, such as `moderate risk`.
    #[serde(default)]
    pub level: Option<String>,
    /// The score it gave.
    #[serde(default)]
    pub score: Option<i32>,
    /// Who rated.
    pub rater: String,
    /// On which day.
    #[schema(value_type = NaiveDate)]
    pub rated_on: Day,
}

/// An answer as it was sent. What is neither yes, no nor a number becomes one that no question takes, so that it is
/// refused with everything else that is wrong.
pub fn given(value: &Value) -> Given {
    let number = || {
        value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .unwrap_or(u32::MAX)
    };
    value
        .as_bool()
        .map_or_else(|| Given::Number(number()), Given::YesNo)
}

/// What became of a form; a refusal is an outcome where the care team was told of what was in it.
#[derive(Serialize, Deserialize)]
enum FormOutcome {
    Kept(Box<AnsweredFormView>),
    Refused(Faults),
}

fn svg(picture: String) -> HttpResponse {
    HttpResponse::Ok().content_type("image/svg+xml").body(picture)
}

/// The patient's questionnaires: the wording, and what is due.
#[utoipa::path(tag = "patient", responses(
    (status = 200, body = OwnInstrumentsView), (status = 401, body = Problem),
))]
#[get("/v1/me/instruments")]
pub async fn own(app: Data<App>, patient: Patient) -> Result<HttpResponse, ApiError> {
    let view = app
        .store
        .read_patient(patient.scope(), patient.person, OwnInstrumentsView::of);
    Ok(ok(&view.await?.ok_or(ApiError::NotFound)?))
}

/// Answer a questionnaire, whole. `show_now` is what to show before anything else, `ask_next` what to ask at once.
#[utoipa::path(tag = "patient", request_body = FormBody, responses(
    (status = 201, body = AnsweredFormView), (status = 404, body = Problem), (status = 409, body = Problem),
    (status = 422, body = Problem),
))]
#[post("/v1/me/instruments/{key}")]
pub async fn answer(
    app: Data<App>,
    patient: Patient,
    key: Path<String>,
    body: Body<FormBody>,
) -> Result<HttpResponse, ApiError> {
    let instrument = InstrumentKey::named(&key).ok_or(ApiError::NotFound)?;
    let scope = patient.scope();
    let (once, form) = (body.once(&scope.caller), body.value);
    let mut checks = Checks::new();
    if form.answers.len() > ANSWERS_MAX {
        checks.fault("answers", format!("has more than {ANSWERS_MAX} answers"));
    }
    let observed_at = checks.when_given("observed_at", form.observed_at, app.store.clocks().clinical_now());
    checks.done()?;
    let answers = form
        .answers
        .iter()
        .map(|(key, value)| (key.clone(), given(value)))
        .collect();
    let sent = Sent {
        instrument,
        answers,
        observed_at,
    };
    let answered = app
        .store
        .decide_patient(scope, patient.person, once, move |record, context| {
            let (decision, sending) = answering::answer(record, sent.clone(), context)?;
            let outcome = match sending {
                Sending::Kept(answered) => {
                    FormOutcome::Kept(Box::new(AnsweredFormView::of(record, answered)))
                }
                Sending::RefusedAndTold(Refusal::Invalid(faults)) => FormOutcome::Refused(faults),
                Sending::RefusedAndTold(refusal) => return Err(refusal),
            };
            Ok((decision, outcome))
        });
    let Done { value, replayed } = answered.await?;
    match value {
        FormOutcome::Kept(value) => Ok(done_with(StatusCode::CREATED, &Done { value, replayed })),
        FormOutcome::Refused(faults) => Err(Refusal::Invalid(faults).into()),
    }
}

/// Everything a patient answered, every single answer, with reviews and results from elsewhere.
#[utoipa::path(tag = "patients", responses((status = 200, body = ScoresView), (status = 404, body = Problem)))]
#[get("/v1/patients/{id}/scores")]
pub async fn scores(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let look = |record: &bedside_protocol::record::PatientRecord, _| ScoresView::of(record);
    let view = app.store.read_patient(staff.scope(), PersonId::from(*id), look);
    Ok(ok(&view.await?.ok_or(ApiError::NotFound)?))
}

/// Say that a score was seen. A reviewed PHQ-9 is the baseline of item 9; a reviewed "right now" opens sessions again.
#[utoipa::path(tag = "patients", request_body = ScoreReviewBody, responses(
    (status = 201, body = CreatedView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/scores/{score}/review")]
pub async fn review(
    app: Data<App>,
    staff: Staff,
    path: Path<(Uuid, Uuid)>,
    body: Body<ScoreReviewBody>,
) -> Result<HttpResponse, ApiError> {
    let (id, score) = path.into_inner();
    let scope = staff.scope();
    let (once, by) = (body.once(&scope.caller), staff.person);
    let mut checks = Checks::new();
    let note = checks.text("note", &body.value.note, NOTE_MAX);
    checks.done()?;
    let reviewed = app
        .store
        .decide_patient(scope, PersonId::from(id), once, move |record, context| {
            let (decision, review) = answering::review(record, ScoreId::from(score), by, &note, context)?;
            Ok((decision, CreatedView { id: review.uuid() }))
        });
    Ok(done_with(StatusCode::CREATED, &reviewed.await?))
}

/// Record a result of an instrument that was asked elsewhere.
#[utoipa::path(tag = "patients", request_body = ExternalResultBody, responses(
    (status = 201, body = CreatedView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/external-results")]
pub async fn record_external(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<ExternalResultBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, sent, by) = (body.once(&scope.caller), body.value, staff.person);
    let line = |text: &str| text.trim().to_owned();
    let draft = ExternalDraft {
        instrument: line(&sent.instrument),
        level: sent.level.as_deref().map(line),
        score: sent.score,
        rater: line(&sent.rater),
        rated_on: sent.rated_on.0,
    };
    let recorded = app
        .store
        .decide_patient(scope, PersonId::from(*id), once, move |record, context| {
            let (decision, result) = answering::record_external(record, draft.clone(), by, context)?;
            Ok((decision, CreatedView { id: result.uuid() }))
        });
    Ok(done_with(StatusCode::CREATED, &recorded.await?))
}

/// A patient's scores and side effects over time, as numbers.
#[utoipa::path(tag = "patients", responses((status = 200, body = TrendsView), (status = 404, body = Problem)))]
#[get("/v1/patients/{id}/trends")]
pub async fn trends(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let look = |record: &bedside_protocol::record::PatientRecord, _| TrendsView::of(record);
    let view = app.store.read_patient(staff.scope(), PersonId::from(*id), look);
    Ok(ok(&view.await?.ok_or(ApiError::NotFound)?))
}

/// A patient's scores over time, as a picture with severity bands. No name is in it.
#[utoipa::path(tag = "patients", responses(
    (status = 200, content_type = "image/svg+xml", body = String), (status = 404, body = Problem),
))]
#[get("/v1/patients/{id}/trends.svg")]
pub async fn trends_picture(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let look =
        |record: &bedside_protocol::record::PatientRecord, _| (score_series(record), record.patient.zone);
    let found = app.store.read_patient(staff.scope(), PersonId::from(*id), look);
    let (series, zone) = found.await?.ok_or(ApiError::NotFound)?;
    Ok(svg(
        pictures::of_scores(&series, zone).map_err(|error| ApiError::internal(&error))?
    ))
}

/// A session's readings and the limits in force, as numbers.
#[utoipa::path(tag = "sessions", responses((status = 200, body = VitalsTrendView), (status = 404, body = Problem)))]
#[get("/v1/sessions/{id}/vitals")]
pub async fn vitals(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let look = |record: &bedside_protocol::record::SessionRecord, _| VitalsTrendView::of(record);
    let view = app.store.read_session(staff.scope(), SessionId::from(*id), look);
    Ok(ok(&view.await?.ok_or(ApiError::NotFound)?))
}

/// A session's readings with the limits in force, as a picture. No name is in it.
#[utoipa::path(tag = "sessions", responses(
    (status = 200, content_type = "image/svg+xml", body = String), (status = 404, body = Problem),
))]
#[get("/v1/sessions/{id}/vitals.svg")]
pub async fn vitals_picture(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let look = |record: &bedside_protocol::record::SessionRecord, _| vitals_series(record);
    let found = app.store.read_session(staff.scope(), SessionId::from(*id), look);
    let series = found.await?.ok_or(ApiError::NotFound)?;
    Ok(svg(
        pictures::of_vitals(&series).map_err(|error| ApiError::internal(&error))?
    ))
}
