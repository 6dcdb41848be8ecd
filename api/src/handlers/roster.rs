//! The roster: who is on call when, "cover me", and the gaps ahead.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, get, post, put};
use bedside_protocol::id::PersonId;
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::roster::{
    self, Cover, CoverRequest, Holiday, Hours, LocalMoment, Roster, Rotation, Shift, Weekday,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{mark_replayed, ok, only_of_version, versioned};
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::parse::{Day, TimeOfDay, When};
use crate::routes::ROSTER;
use crate::views::{GapListView, RosterView};

/// A whole roster. It speaks for `nurse`, `backup`, `after_hours`, `prescriber`, `manager` and `coordinator`; of what speaks
/// for one place at one time the first counts: a cover, a shift, a holiday, the rotation, the on-call list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RosterBody {
    /// Weekly rotations, one for a place at most.
    #[serde(default)]
    pub rotations: Vec<RotationBody>,
    /// Single shifts. Two of one place may not overlap.
    #[serde(default)]
    pub shifts: Vec<ShiftBody>,
    /// Who stands in for whom. Two of one place may not overlap.
    #[serde(default)]
    pub covers: Vec<CoverBody>,
    /// Days on which a place is somebody else's or nobody's.
    #[serde(default)]
    pub holidays: Vec<HolidayBody>,
}

impl From<RosterBody> for Roster {
    fn from(body: RosterBody) -> Self {
        Self {
            rotations: body.rotations.into_iter().map(Rotation::from).collect(),
            shifts: body.shifts.into_iter().map(Shift::from).collect(),
            covers: body.covers.into_iter().map(Cover::from).collect(),
            holidays: body.holidays.into_iter().map(Holiday::from).collect(),
        }
    }
}

/// One person a week, in order and then from the beginning again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationBody {
    /// The place.
    #[schema(value_type = String)]
    pub place: OnCallPlace,
    /// Who, in order.
    pub people: Vec<Uuid>,
    /// The day of the week on which it is handed over, such as `monday` …
    #[schema(value_type = String)]
    pub weekday: Weekday,
    /// … and the time of day.
    #[schema(value_type = String)]
    pub at: TimeOfDay,
    /// The day of the first hand-over; before it the on-call list stands.
    #[schema(value_type = String, format = Date)]
    pub starts_on: Day,
    /// When the place is taken at all; always, if absent.
    pub hours: Option<HoursBody>,
}

impl From<RotationBody> for Rotation {
    fn from(body: RotationBody) -> Self {
        Self {
            place: body.place,
            people: body.people.into_iter().map(PersonId::from).collect(),
            weekday: body.weekday,
            at: body.at.0,
            starts_on: body.starts_on.0,
            hours: body.hours.map(|hours| Hours {
                days: hours.days,
                from: hours.from.0,
                until: hours.until.0,
            }),
        }
    }
}

/// The hours of the clinic in which a place is taken.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoursBody {
    /// The days on which they begin, such as `monday`.
    #[schema(value_type = Vec<String>)]
    pub days: Vec<Weekday>,
    /// From this time of day on …
    #[schema(value_type = String)]
    pub from: TimeOfDay,
    /// … until this one, the next day's if it is not after `from`.
    #[schema(value_type = String)]
    pub until: TimeOfDay,
}

/// A date and a time of day in the clinic's zone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MomentBody {
    /// The date.
    #[schema(value_type = String, format = Date)]
    pub on: Day,
    /// The time of day.
    #[schema(value_type = String)]
    pub at: TimeOfDay,
}

impl From<MomentBody> for LocalMoment {
    fn from(body: MomentBody) -> Self {
        Self {
            on: body.on.0,
            at: body.at.0,
        }
    }
}

/// One person has a place once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftBody {
    /// The place.
    #[schema(value_type = String)]
    pub place: OnCallPlace,
    /// Who has it.
    pub person: Uuid,
    /// From then on …
    pub from: MomentBody,
    /// … until then.
    pub until: MomentBody,
}

impl From<ShiftBody> for Shift {
    fn from(body: ShiftBody) -> Self {
        Self {
            place: body.place,
            person: body.person.into(),
            from: body.from.into(),
            until: body.until.into(),
        }
    }
}

/// One person stands in for another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CoverBody {
    /// The place.
    #[schema(value_type = String)]
    pub place: OnCallPlace,
    /// Whose turn it was.
    pub instead_of: Uuid,
    /// Who has it.
    pub by: Uuid,
    /// From then on …
    #[schema(value_type = String, format = DateTime)]
    pub from: When,
    /// … until then.
    #[schema(value_type = String, format = DateTime)]
    pub until: When,
}

impl From<CoverBody> for Cover {
    fn from(body: CoverBody) -> Self {
        Self {
            place: body.place,
            instead_of: body.instead_of.into(),
            by: body.by.into(),
            from: body.from.0,
            until: body.until.0,
        }
    }
}

/// A day on which a place is somebody else's or nobody's.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HolidayBody {
    /// The day, midnight to midnight in the clinic's zone.
    #[schema(value_type = String, format = Date)]
    pub on: Day,
    /// The place.
    #[schema(value_type = String)]
    pub place: OnCallPlace,
    /// Who has it that day; nobody, if absent.
    pub person: Option<Uuid>,
}

impl From<HolidayBody> for Holiday {
    fn from(body: HolidayBody) -> Self {
        Self {
            on: body.on.0,
            place: body.place,
            person: body.person.map(PersonId::from),
        }
    }
}

/// "Cover me".
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CoverMeBody {
    /// Who takes the turns.
    pub by: Uuid,
    /// Whose turns; your own, if absent. Only who keeps the roster names somebody else.
    pub instead_of: Option<Uuid>,
    /// From then on; what is over stays as it was.
    #[schema(value_type = String, format = DateTime)]
    pub from: When,
    /// Until then.
    #[schema(value_type = String, format = DateTime)]
    pub until: When,
}

/// The roster, and the on-call list under it. One that cannot be read says so, and its version is that which an edit names.
#[utoipa::path(tag = "clinic", responses(
    (status = 200, body = RosterView, headers(("etag" = String))),
))]
#[get("/v1/roster")]
pub async fn find(app: Data<App>, staff: Staff) -> Result<HttpResponse, ApiError> {
    show(&app, &staff).await
}

async fn show(app: &App, staff: &Staff) -> Result<HttpResponse, ApiError> {
    let kept = app.store.find_roster(staff.scope(), staff.clinic).await?;
    Ok(versioned(&RosterView::of(&kept), kept.version))
}

/// Set the whole roster; `If-Match` names the version that was read. Every fault is said at once.
#[utoipa::path(tag = "clinic", request_body = RosterBody, responses(
    (status = 200, body = RosterView, headers(("etag" = String))), (status = 412, body = Problem),
    (status = 422, body = Problem),
))]
#[put("/v1/roster")]
pub async fn set(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    body: Body<RosterBody>,
) -> Result<HttpResponse, ApiError> {
    let only_of_version = only_of_version(&request, "roster");
    let roster = Roster::from(body.value);
    let edited = app
        .store
        .edit_roster(staff.scope(), staff.clinic, None, move |kept, now| {
            only_of_version(kept.version)?;
            roster::check(&roster, kept.plan.zone, &kept.plan.staff, now)?;
            Ok(roster.clone())
        });
    edited.await?;
    show(&app, &staff).await
}

/// Have somebody take your turns for a while; who keeps the roster may name another's.
#[utoipa::path(tag = "clinic", request_body = CoverMeBody, responses(
    (status = 200, body = RosterView, headers(("etag" = String))), (status = 404, body = Problem),
    (status = 422, body = Problem),
))]
#[post("/v1/roster/cover")]
pub async fn cover(app: Data<App>, staff: Staff, body: Body<CoverMeBody>) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, sent) = (body.once(&scope.caller), body.value);
    let request = CoverRequest {
        instead_of: sent.instead_of.map_or(staff.person, PersonId::from),
        by: sent.by.into(),
        from: sent.from.0,
        until: sent.until.0,
    };
    if request.instead_of != staff.person && !scope.caller.is_staff(ROSTER) {
        return Err(ApiError::invalid(
            "instead_of",
            "only who keeps the roster names somebody else",
        ));
    }
    let covered = app
        .store
        .edit_roster(scope, staff.clinic, once, move |kept, now| {
            if kept.unreadable {
                return Err(Refusal::wrong_state(
                    "roster-unreadable",
                    "the roster cannot be read; whoever keeps it has to set it anew first",
                ));
            }
            Ok(roster::cover(&kept.plan, request, now)?)
        });
    let replayed = covered.await?.replayed;
    let mut answer = show(&app, &staff).await?;
    if replayed {
        mark_replayed(&mut answer);
    }
    Ok(answer)
}

/// Stretches of the days ahead in which nobody is on call who is needed, and the planned sessions that stand in one.
#[utoipa::path(tag = "clinic", responses((status = 200, body = GapListView)))]
#[get("/v1/roster/gaps")]
pub async fn gaps(app: Data<App>, staff: Staff) -> Result<HttpResponse, ApiError> {
    let ahead = app.store.list_roster_gaps(staff.scope(), staff.clinic).await?;
    Ok(ok(&GapListView::of(&ahead)))
}
