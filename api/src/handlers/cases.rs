//! The worklist: cases, and what the care team does with them.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get, post};
use bedside_protocol::case::Outcome;
use bedside_protocol::desk::NOTE_MAX_CHARS;
use bedside_protocol::id::CaseId;
use bedside_protocol::watch::Subject;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{done, ok};
use crate::app::App;
use crate::auth::Staff;
use crate::casework::{self, CaseAct, CaseActedView};
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::handlers::me::EmptyBody;
use crate::parse::Checks;
use crate::views::{CaseListView, CaseReader, CaseRowView, CaseView, UnreadableView};

/// How a case ended.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveBody {
    /// `reached_well`, `reached_care_arranged`, `emergency_services`, `not_reached` or `false_alarm`.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// In words.
    pub note: String,
}

/// The open cases, most urgent first, then oldest.
#[utoipa::path(tag = "cases", responses((status = 200, body = CaseListView)))]
#[get("/v1/cases")]
pub async fn list(app: Data<App>, staff: Staff) -> Result<HttpResponse, ApiError> {
    let open = app.store.list_open_cases(staff.scope()).await?;
    Ok(ok(&CaseListView {
        cases: open.cases.iter().map(CaseRowView::of).collect(),
        unreadable: open.unreadable.iter().map(UnreadableView::of).collect(),
    }))
}

/// One case; whom to call is shown to who has taken it. Every look is kept in the audit trail.
#[utoipa::path(tag = "cases", responses((status = 200, body = CaseView), (status = 404, body = Problem)))]
#[get("/v1/cases/{id}")]
pub async fn find(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let case = CaseId::from(*id);
    let reader = CaseReader {
        person: staff.person,
        sees_answers: staff.sees_answers(),
    };
    let subject = app
        .store
        .find_case(staff.scope(), case)
        .await?
        .ok_or(ApiError::NotFound)?;
    let view = match subject {
        Subject::Session(session) => {
            let look = app.store.read_session(staff.scope(), session, move |record, _| {
                record
                    .watch
                    .case(case)
                    .map(|case| CaseView::of_session(record, case, reader))
            });
            look.await?
        }
        Subject::Patient(patient) => {
            let look = app.store.read_patient(staff.scope(), patient, move |record, _| {
                record
                    .watch
                    .case(case)
                    .map(|case| CaseView::of_patient(record, case, reader))
            });
            look.await?
        }
        Subject::Clinic(_) => None,
    };
    Ok(ok(&view.flatten().ok_or(ApiError::NotFound)?))
}

/// Does with a case what a member of staff asks, and says how the case stands.
pub(super) async fn answer<T>(
    app: &App,
    staff: &Staff,
    id: Uuid,
    body: &Body<T>,
    act: CaseAct,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let once = body.once(&scope.caller);
    let acted = casework::act(app, scope, CaseId::from(id), once, act).await?;
    Ok(done(&acted))
}

/// The caller's name, as others read who has a case.
pub(super) async fn name_of(app: &App, staff: &Staff) -> Result<String, ApiError> {
    let account = app.store.find_account(staff.scope(), staff.person).await?;
    Ok(account.ok_or(ApiError::NotFound)?.name)
}

/// "I am calling." The second person hears who was first.
#[utoipa::path(tag = "cases", request_body = EmptyBody, responses(
    (status = 200, body = CaseActedView), (status = 409, body = Problem),
))]
#[post("/v1/cases/{id}/acknowledge")]
pub async fn acknowledge(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let (by, by_name) = (staff.person, name_of(&app, &staff).await?);
    let act = CaseAct::Take { by, by_name };
    answer(&app, &staff, *id, &body, act).await
}

/// Patient or sitter was reached.
#[utoipa::path(tag = "cases", request_body = EmptyBody, responses(
    (status = 200, body = CaseActedView), (status = 409, body = Problem),
))]
#[post("/v1/cases/{id}/contacted")]
pub async fn contacted(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let act = CaseAct::Contacted { by: staff.person };
    answer(&app, &staff, *id, &body, act).await
}

/// Close a case, with how it ended.
#[utoipa::path(tag = "cases", request_body = ResolveBody, responses(
    (status = 200, body = CaseActedView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/cases/{id}/resolve")]
pub async fn resolve(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<ResolveBody>,
) -> Result<HttpResponse, ApiError> {
    let mut checks = Checks::new();
    let note = checks.text("note", &body.value.note, NOTE_MAX_CHARS);
    checks.done()?;
    let act = CaseAct::Resolve {
        by: staff.person,
        outcome: body.value.outcome,
        note,
    };
    answer(&app, &staff, *id, &body, act).await
}

/// Give a case back; the care team is told again at once.
#[utoipa::path(tag = "cases", request_body = EmptyBody, responses(
    (status = 200, body = CaseActedView), (status = 409, body = Problem),
))]
#[post("/v1/cases/{id}/give-back")]
pub async fn give_back(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let act = CaseAct::GiveBack { by: staff.person };
    answer(&app, &staff, *id, &body, act).await
}
