//! Versions of the protocol document: the shipped ones and the clinic's own, drafted and signed.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data, Path, Query};
use actix_web::{HttpResponse, get, post};
use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::dry_run::{self, Answers, Plan};
use bedside_protocol::id::PersonId;
use bedside_protocol::record::PatientRecord;
use bedside_protocol::session::SessionState;
use bedside_protocol::time::Zone;
use bedside_protocol::versions::{self, NewVersion};
use bedside_store::{Done, KeptProtocol};
use chrono::Days;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::answer::{done_with, ok};
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::handlers::me::EmptyBody;
use crate::parse::{Day, TimeOfDay};
use crate::routes::CARE;
use crate::views::{
    DryRunListView, DryRunView, ProtocolDiffView, ProtocolListView, ProtocolVersionView, WrittenView,
};

/// A draft of the clinic's next version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProtocolDraftBody {
    /// The version that was read and changed. If another has come into force since, the draft is refused with what is different.
    pub based_on: String,
    /// Why.
    pub reason: String,
    /// The whole document. Its `version` is not looked at: the clinic's next one takes its place.
    #[schema(value_type = Object)]
    pub document: serde_json::Value,
}

/// What a version is compared with.
#[derive(Debug, Deserialize, IntoParams)]
pub struct DiffQuery {
    /// A version; the one in force, if absent.
    pub from: Option<String>,
}

/// The versions this clinic knows, and which is in force.
#[utoipa::path(tag = "protocols", responses((status = 200, body = ProtocolListView)))]
#[get("/v1/protocols")]
pub async fn list(app: Data<App>, staff: Staff) -> Result<HttpResponse, ApiError> {
    let kept = app.store.list_protocols(staff.scope(), staff.clinic).await?;
    Ok(ok(&ProtocolListView::of(&kept)))
}

/// One version with its document.
#[utoipa::path(tag = "protocols", responses(
    (status = 200, body = ProtocolVersionView), (status = 404, body = Problem),
))]
#[get("/v1/protocols/{version}")]
pub async fn find(app: Data<App>, staff: Staff, version: Path<String>) -> Result<HttpResponse, ApiError> {
    let (kept, in_force) = kept(&app, &staff, version.into_inner()).await?;
    Ok(ok(&ProtocolVersionView::whole(&kept, in_force)))
}

async fn kept(app: &App, staff: &Staff, version: String) -> Result<(KeptProtocol, bool), ApiError> {
    let found = app.store.find_protocol(staff.scope(), staff.clinic, version);
    found.await?.ok_or(ApiError::NotFound)
}

/// Draft the clinic's next version. Refused with every fault of the document, each by its path.
#[utoipa::path(tag = "protocols", request_body = ProtocolDraftBody, responses(
    (status = 201, body = WrittenView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/protocols")]
pub async fn draft(
    app: Data<App>,
    staff: Staff,
    body: Body<ProtocolDraftBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, sent) = (body.once(&scope.caller), body.value);
    let new = NewVersion {
        document: sent.document,
        based_on: sent.based_on,
        reason: sent.reason,
    };
    let drafted = app.store.draft_protocol(scope, staff.clinic, once, new).await?;
    let value = WrittenView::of(&drafted.value);
    let replayed = drafted.replayed;
    Ok(done_with(StatusCode::CREATED, &Done { value, replayed }))
}

/// Sign a version. A prescriber's signature brings it into force; where it changes a ladder or a case rule, a second
/// clinician's too. Sessions whose preparation has not opened take it; all others keep their own.
#[utoipa::path(tag = "protocols", request_body = EmptyBody, responses(
    (status = 200, body = WrittenView), (status = 404, body = Problem), (status = 409, body = Problem),
))]
#[post("/v1/protocols/{version}/sign")]
pub async fn sign(
    app: Data<App>,
    staff: Staff,
    version: Path<String>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let once = body.once(&scope.caller);
    let signed = app
        .store
        .sign_protocol(scope, staff.clinic, once, version.into_inner())
        .await?;
    if signed.value.in_force_at.is_some() && !signed.replayed {
        // The signature stands whatever becomes of this; housekeeping does what is left.
        if let Err(error) = app.store.take_protocols_in_force(Some(staff.clinic)).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "planned sessions did not all take the new protocol yet");
        }
    }
    let value = WrittenView::of(&signed.value);
    let replayed = signed.replayed;
    Ok(done_with(StatusCode::OK, &Done { value, replayed }))
}

/// What differs between a version and another.
#[utoipa::path(tag = "protocols", params(DiffQuery), responses(
    (status = 200, body = ProtocolDiffView), (status = 404, body = Problem),
))]
#[get("/v1/protocols/{version}/diff")]
pub async fn diff(
    app: Data<App>,
    staff: Staff,
    version: Path<String>,
    query: Query<DiffQuery>,
) -> Result<HttpResponse, ApiError> {
    let from = match query.into_inner().from {
        Some(from) => from,
        None => {
            app.store
                .list_protocols(staff.scope(), staff.clinic)
                .await?
                .in_force
        }
    };
    let (from, _) = kept(&app, &staff, from).await?;
    let (to, _) = kept(&app, &staff, version.into_inner()).await?;
    let changes = versions::differences(
        &versions::as_read(&from.document),
        &versions::as_read(&to.document),
    );
    Ok(ok(&ProtocolDiffView {
        from: from.version,
        to: to.version,
        changes: changes.into_iter().map(Into::into).collect(),
    }))
}

/// Days ahead of a session that is played without a date.
const PLAYED_IN_DAYS: u64 = 14;

/// Most of a patient's planned sessions that are played at once.
const PLAYED_MAX: usize = 12;

/// Whether people answer in a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DryRunAnswers {
    /// Nobody does.
    None,
    /// Everybody does, well and when it is due.
    All,
}

/// What is played.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DryRunBody {
    /// Whether people answer.
    pub answers: DryRunAnswers,
    /// Play each session that this patient has planned, by their signed order. Else one session is played.
    #[serde(default)]
    pub patient: Option<Uuid>,
    /// The session's date; in two weeks, if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub on: Option<Day>,
    /// Its local time; the first of the dosing hours, if absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub time: Option<TimeOfDay>,
}

/// Play sessions by a version, also by a draft: every duty and every message, to whom, when and in which words. Nothing is kept
/// and nothing is sent.
#[utoipa::path(tag = "protocols", request_body = DryRunBody, responses(
    (status = 200, body = DryRunListView), (status = 404, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/protocols/{version}/dry-run")]
pub async fn play(
    app: Data<App>,
    staff: Staff,
    version: Path<String>,
    body: Body<DryRunBody>,
) -> Result<HttpResponse, ApiError> {
    let (kept, _) = kept(&app, &staff, version.into_inner()).await?;
    let document = ProtocolDocument::parse_checked_before(&kept.document.to_string());
    let document = Arc::new(document.map_err(|error| ApiError::internal(&error))?);
    let sent = body.value;
    let plans = if let Some(patient) = sent.patient {
        // Who writes protocols need not know when a patient takes their dose.
        if !staff.scope().caller.is_staff(CARE) {
            return Err(ApiError::NotFound);
        }
        let look = app
            .store
            .read_patient(staff.scope(), PersonId::from(patient), |record, _| {
                plans_of(record)
            });
        look.await?.ok_or(ApiError::NotFound)?
    } else {
        let clinic = app.store.find_clinic(staff.clinic).await?;
        let zone = clinic.map_or(Zone::UTC, |clinic| clinic.zone);
        let today = zone.date_of(app.store.clocks().clinical_now());
        let on = sent.on.map_or(today + Days::new(PLAYED_IN_DAYS), |on| on.0);
        let usual = Plan::usual(&document, zone, on);
        vec![Plan {
            time: sent.time.map_or(usual.time, |time| time.0),
            ..usual
        }]
    };
    if plans.is_empty() {
        return Err(ApiError::invalid(
            "patient",
            "has no order, or no session planned",
        ));
    }
    let answers = match sent.answers {
        DryRunAnswers::None => Answers::None,
        DryRunAnswers::All => Answers::All,
    };
    // Seconds of work for a whole course: not on a thread that answers others.
    let runs = web::block(move || {
        let runs = plans
            .into_iter()
            .map(|plan| dry_run::run(&document, plan, answers));
        runs.collect::<Vec<_>>()
    });
    let runs = runs.await.map_err(|error| ApiError::internal(&error))?;
    Ok(ok(&DryRunListView {
        runs: runs
            .iter()
            .map(|run| DryRunView::of(run, app.words.as_ref()))
            .collect(),
    }))
}

/// What a patient has planned, by the order in force.
fn plans_of(record: &PatientRecord) -> Vec<Plan> {
    let Some(order) = &record.order else {
        return Vec::new();
    };
    let dosed = record
        .sessions
        .iter()
        .filter(|session| session.dose.is_some())
        .count();
    let mut planned: Vec<_> = record
        .sessions
        .iter()
        .filter(|session| matches!(session.state, SessionState::Scheduled | SessionState::PrepOpen))
        .map(|session| session.planned)
        .collect();
    planned.sort_by_key(|planned| planned.at);
    let plan = |(index, planned): (usize, bedside_protocol::time::Planned)| Plan {
        zone: planned.zone,
        on: planned.on,
        time: planned.time,
        instruction: order.content.instruction,
        number: u32::try_from(dosed + index + 1).unwrap_or(u32::MAX),
    };
    planned
        .into_iter()
        .take(PLAYED_MAX)
        .enumerate()
        .map(plan)
        .collect()
}
