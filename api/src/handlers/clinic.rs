//! The clinic's on-call list and its staff.

use actix_web::web::Data;
use actix_web::{HttpResponse, get, put};
use bedside_protocol::id::PersonId;
use bedside_protocol::people::OnCallPlace;
use bedside_store::{OnCallTurn, SetOnCallError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::ok;
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::views::{OnCallView, StaffView};

/// Most places on a list.
const PLACES_MAX: usize = 100;

/// A whole on-call list.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OnCallBody {
    /// In the order in which people are told.
    pub places: Vec<PlaceBody>,
}

/// One place.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlaceBody {
    /// `nurse`, `backup`, `after_hours`, `rota`, `prescriber`, `manager`, `administrator`, `coordinator` or `fallback`.
    #[schema(value_type = String)]
    pub place: OnCallPlace,
    /// The member of staff.
    pub person: Uuid,
}

/// Who is on call now.
#[derive(Debug, Serialize, ToSchema)]
pub struct OnCallListView {
    /// By place, in the order in which people are told.
    pub places: Vec<OnCallView>,
    /// There is a roster and it cannot be read: the on-call list stands alone until it is set anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub roster_unreadable: bool,
}

/// The clinic's staff.
#[derive(Debug, Serialize, ToSchema)]
pub struct StaffListView {
    /// Oldest account first.
    pub staff: Vec<StaffView>,
}

/// Who is on call now, and until when. Where there is no roster the list stands at all times.
#[utoipa::path(tag = "clinic", responses((status = 200, body = OnCallListView)))]
#[get("/v1/on-call")]
pub async fn on_call(app: Data<App>, staff: Staff) -> Result<HttpResponse, ApiError> {
    list(&app, &staff).await
}

async fn list(app: &App, staff: &Staff) -> Result<HttpResponse, ApiError> {
    let now = app.store.list_turns(staff.scope(), staff.clinic).await?;
    let refused = app.store.refused_addresses(staff.scope(), staff.clinic).await?;
    let view = |turn: &OnCallTurn| OnCallView::of(turn, &refused);
    Ok(ok(&OnCallListView {
        places: now.turns.iter().map(view).collect(),
        roster_unreadable: now.roster_unreadable,
    }))
}

/// Set the whole on-call list, over which the roster lies. It needs a fallback. The answer says who is on call now.
#[utoipa::path(tag = "clinic", request_body = OnCallBody, responses(
    (status = 200, body = OnCallListView), (status = 422, body = Problem),
))]
#[put("/v1/on-call")]
pub async fn set_on_call(
    app: Data<App>,
    staff: Staff,
    body: Body<OnCallBody>,
) -> Result<HttpResponse, ApiError> {
    let places = body.value.places;
    if places.len() > PLACES_MAX {
        return Err(ApiError::invalid(
            "places",
            format!("must have at most {PLACES_MAX} places"),
        ));
    }
    let entries = places
        .iter()
        .map(|place| (place.place, PersonId::from(place.person)))
        .collect();
    app.store
        .set_on_call(staff.scope(), staff.clinic, entries)
        .await
        .map_err(|error| match error {
            SetOnCallError::NoFallback => ApiError::invalid("places", "needs somebody as fallback"),
            SetOnCallError::NotStaff(person) => {
                let index = places
                    .iter()
                    .position(|place| place.person == person.uuid())
                    .unwrap_or_default();
                ApiError::invalid(
                    format!("places[{index}].person"),
                    "is not an active member of this clinic's staff",
                )
            }
            SetOnCallError::Store(error) => error.into(),
        })?;
    list(&app, &staff).await
}

/// The clinic's staff, for who keeps the on-call list.
#[utoipa::path(tag = "clinic", responses((status = 200, body = StaffListView)))]
#[get("/v1/staff")]
pub async fn list_staff(app: Data<App>, staff: Staff) -> Result<HttpResponse, ApiError> {
    let accounts = app.store.list_staff(staff.clinic).await?;
    let refused = app.store.refused_addresses(staff.scope(), staff.clinic).await?;
    Ok(ok(&StaffListView {
        staff: accounts.iter().map(|it| StaffView::of(it, &refused)).collect(),
    }))
}
