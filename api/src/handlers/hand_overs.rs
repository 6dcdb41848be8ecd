//! Hand-over of open cases at the end of a shift: offered, accepted, declined or taken back.

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, post};
use bedside_protocol::case::Taken;
use bedside_protocol::id::PersonId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::ok;
use crate::app::App;
use crate::auth::Staff;
use crate::casework::{self, CaseAct, CaseActedView};
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::handlers::cases::{answer, name_of};
use crate::handlers::me::EmptyBody;

/// To whom a case is handed over.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HandOverBody {
    /// Somebody of the on-call list or the roster.
    pub to: Uuid,
}

/// What became of one case of a list that is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HandedOverView {
    /// The case.
    pub id: Uuid,
    /// What people call it.
    pub code: String,
    /// Whether it is offered now.
    pub offered: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// What became of every case that the caller had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HandOversView {
    /// Each, the most urgent first.
    pub cases: Vec<HandedOverView>,
}

/// Offer a case to the next person. It stays with the caller until they accept.
#[utoipa::path(tag = "cases", request_body = HandOverBody, responses(
    (status = 200, body = CaseActedView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/cases/{id}/hand-over")]
pub async fn offer(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<HandOverBody>,
) -> Result<HttpResponse, ApiError> {
    let act = CaseAct::Offer {
        by: staff.person,
        to: body.value.to.into(),
    };
    answer(&app, &staff, *id, &body, act).await
}

/// Take over a case that is offered to the caller.
#[utoipa::path(tag = "cases", request_body = EmptyBody, responses(
    (status = 200, body = CaseActedView), (status = 409, body = Problem),
))]
#[post("/v1/cases/{id}/accept")]
pub async fn accept(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let (by, by_name) = (staff.person, name_of(&app, &staff).await?);
    let act = CaseAct::Accept { by, by_name };
    answer(&app, &staff, *id, &body, act).await
}

/// Say no to a case that is offered to the caller, or take back the caller's own offer.
#[utoipa::path(tag = "cases", request_body = EmptyBody, responses(
    (status = 200, body = CaseActedView), (status = 409, body = Problem),
))]
#[post("/v1/cases/{id}/decline")]
pub async fn decline(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<EmptyBody>,
) -> Result<HttpResponse, ApiError> {
    let act = CaseAct::Decline { by: staff.person };
    answer(&app, &staff, *id, &body, act).await
}

/// Offer every case that the caller has to the next person, each by itself: what cannot be offered keeps no other back. The
/// same again changes nothing.
#[utoipa::path(tag = "cases", request_body = HandOverBody, responses((status = 200, body = HandOversView)))]
#[post("/v1/hand-overs")]
pub async fn offer_all(
    app: Data<App>,
    staff: Staff,
    body: Body<HandOverBody>,
) -> Result<HttpResponse, ApiError> {
    let (by, to) = (staff.person, PersonId::from(body.value.to));
    let open = app.store.list_open_cases(staff.scope()).await?.cases;
    let has = |taken: &Taken| taken.by == by;
    let mut cases = Vec::new();
    for open in open
        .into_iter()
        .filter(|open| open.case.state.taken().is_some_and(has))
    {
        let case = open.case;
        let act = CaseAct::Offer { by, to };
        let problem = match casework::act(&app, staff.scope(), case.id, None, act).await {
            Ok(_) => None,
            // Closed or taken meanwhile, or nobody to whom anything can be offered.
            Err(error @ (ApiError::Refused(_) | ApiError::NotFound)) => Some(error.problem(None)),
            Err(other) => return Err(other),
        };
        cases.push(HandedOverView {
            id: case.id.uuid(),
            code: case.code,
            offered: problem.is_none(),
            problem,
        });
    }
    Ok(ok(&HandOversView { cases }))
}
