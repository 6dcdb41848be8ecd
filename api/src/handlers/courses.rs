//! The course of a patient: preview and signature of its plan, the zone, one session moved or left out, holds, reviews.

use actix_web::http::StatusCode;
use actix_web::http::header::IF_MATCH;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get, post, put};
use bedside_protocol::document::{LocalHours, ProtocolDocument};
use bedside_protocol::id::{PersonId, SessionId};
use bedside_protocol::licence;
use bedside_protocol::people::StaffRole;
use bedside_protocol::plan::{
    self, CourseDecision, Maintenance, NewTime, PlanDraft, PlanTerms, REVIEW_MAX_CHARS,
};
use bedside_protocol::record::Decision;
use bedside_protocol::refusal::{Faults, Refusal};
use bedside_protocol::session::MoveCause;
use bedside_store::Done;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{done, done_with, ok, only_of_version, versioned};
use crate::app::App;
use crate::auth::Staff;
use crate::error::{ApiError, Problem};
use crate::extract::Body;
use crate::handlers::licences::{licence_warning, licences_of};
use crate::handlers::patients::CreatedView;
use crate::handlers::sessions::{ReasonBody, reason};
use crate::parse::{Checks, Day, TimeOfDay};
use crate::views::{CourseView, LayoutView, ResultView, SignedPlanView};

/// A plan to be looked at or signed. What is left out is as the clinic's protocol has it. `If-Match` names the version of
/// the plan in force that it changes; without it, it is a first plan.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CoursePlanBody {
    /// The local date of the first session that is planned by it.
    #[schema(value_type = NaiveDate)]
    pub first_on: Day,
    /// The local time of all, such as `10:00`.
    #[schema(value_type = String)]
    pub time: TimeOfDay,
    /// Lozenges dispensed for the whole course.
    pub dispensed_lozenges: u32,
    /// Why it is planned so.
    pub reason: String,
    /// Sessions of the induction, those that took place included.
    #[serde(default)]
    pub induction_sessions: Option<u32>,
    /// Days from one to the next.
    #[serde(default)]
    pub interval_days: Option<u32>,
    /// Local hours within which a single session may be moved.
    #[serde(default)]
    pub hours: Option<PlanHoursBody>,
    /// Days of the week that are possible; all when none is named.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub weekdays: Vec<Weekday>,
    /// Least hours from one dose to the next.
    #[serde(default)]
    pub min_interval_hours: Option<i64>,
    /// Most doses in seven days.
    #[serde(default)]
    pub max_doses_rolling_7d: Option<usize>,
    /// After which sessions a clinician reviews the course before the next.
    #[serde(default)]
    pub review_after_sessions: Option<Vec<u32>>,
    /// What follows the induction.
    #[serde(default)]
    pub maintenance: Option<MaintenanceBody>,
}

/// Local hours of a day, both ends included.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanHoursBody {
    /// From.
    #[schema(value_type = String)]
    pub from: TimeOfDay,
    /// To.
    #[schema(value_type = String)]
    pub to: TimeOfDay,
}

/// Sessions after the induction.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceBody {
    /// Days from one to the next.
    pub interval_days: u32,
    /// How many; as many as the dispensed lozenges last when it is left out.
    #[serde(default)]
    pub sessions: Option<u32>,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl From<Weekday> for chrono::Weekday {
    fn from(day: Weekday) -> Self {
        match day {
            Weekday::Monday => Self::Mon,
            Weekday::Tuesday => Self::Tue,
            Weekday::Wednesday => Self::Wed,
            Weekday::Thursday => Self::Thu,
            Weekday::Friday => Self::Fri,
            Weekday::Saturday => Self::Sat,
            Weekday::Sunday => Self::Sun,
        }
    }
}

impl CoursePlanBody {
    /// The draft; what is left out is the document's.
    fn draft(&self, changes: Option<u32>, document: &ProtocolDocument) -> PlanDraft {
        let (plan, course) = (&document.plan, &document.course);
        PlanDraft {
            terms: PlanTerms {
                induction_sessions: self
                    .induction_sessions
                    .unwrap_or(course.induction_sessions_default),
                interval_days: self.interval_days.unwrap_or(course.recommended_interval_days),
                first_on: self.first_on.0,
                time: self.time.0,
                hours: self.hours.map_or(plan.dosing_hours_local, |hours| LocalHours {
                    from: hours.from.0,
                    to: hours.to.0,
                }),
                weekdays: self.weekdays.iter().map(|day| (*day).into()).collect(),
                min_interval_hours: self.min_interval_hours.unwrap_or(plan.min_interval_hours),
                max_doses_rolling_7d: self.max_doses_rolling_7d.unwrap_or(plan.max_doses_rolling_7d),
                review_after_sessions: self
                    .review_after_sessions
                    .clone()
                    .unwrap_or_else(|| course.review_after_sessions.clone()),
                maintenance: self.maintenance.map(|maintenance| Maintenance {
                    interval_days: maintenance.interval_days,
                    sessions: maintenance.sessions,
                }),
                dispensed_lozenges: self.dispensed_lozenges,
            },
            reason: self.reason.clone(),
            changes,
        }
    }
}

/// A plan that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PlanSignedView {
    /// The plan.
    #[serde(flatten)]
    pub plan: SignedPlanView,
    /// What the signer should know of their licence for where the patient is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The version of a plan that `If-Match` names: `"3"`.
fn named_version(request: &HttpRequest) -> Result<Option<u32>, ApiError> {
    let Some(given) = request.headers().get(IF_MATCH) else {
        return Ok(None);
    };
    let version = given.to_str().ok().and_then(|text| {
        let text = text.trim();
        let inner = text.strip_prefix("W/").unwrap_or(text);
        inner.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
    });
    // The tag of a course without a plan.
    version
        .map(|version: u32| Some(version).filter(|version| *version > 0))
        .ok_or_else(|| ApiError::Malformed {
            field: "if-match".to_owned(),
            message: "must name the version of a plan, such as \"3\"".to_owned(),
        })
}

/// Look at a plan before it is signed: every date, the days on which the clocks change, what would become of the sessions
/// that are there, and all that speaks against it. Changes nothing.
#[utoipa::path(tag = "courses", request_body = CoursePlanBody, responses(
    (status = 200, body = LayoutView), (status = 404, body = Problem),
))]
#[post("/v1/patients/{id}/plans/preview")]
pub async fn preview(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    id: Path<Uuid>,
    body: Body<CoursePlanBody>,
) -> Result<HttpResponse, ApiError> {
    let (changes, sent) = (named_version(&request)?, body.value);
    let laid_out = app
        .store
        .read_patient(staff.scope(), PersonId::from(*id), move |record, now| {
            let draft = sent.draft(changes, &record.around.protocol);
            LayoutView::of(&plan::lay_out(record, &record.course.plans, &draft, now))
        });
    Ok(ok(&laid_out.await?.ok_or(ApiError::NotFound)?))
}

/// Sign a plan, or a change of the one in force that `If-Match` names: its sessions get their times. Those whose preparation
/// has begun, and all that is over, stay as they are.
#[utoipa::path(tag = "courses", request_body = CoursePlanBody, responses(
    (status = 201, body = PlanSignedView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/plans")]
pub async fn sign(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    id: Path<Uuid>,
    body: Body<CoursePlanBody>,
) -> Result<HttpResponse, ApiError> {
    let (scope, changes) = (staff.scope(), named_version(&request)?);
    let (once, sent, signer) = (body.once(&scope.caller), body.value, staff.person);
    let patient = PersonId::from(*id);
    let licences = licences_of(&app, &scope, signer).await?;
    let shown = licences.clone();
    let signed = app
        .store
        .decide_course(scope.clone(), patient, once, move |record, sessions, context| {
            if let Some(fault) = licence::fault(record, &licences, context.now) {
                return Err(Refusal::Invalid(Faults(vec![fault])));
            }
            let draft = sent.draft(changes, &record.around.protocol);
            plan::sign(record, sessions, &draft, signer, context)
        });
    let Done { value, replayed } = signed.await?;
    let value = PlanSignedView {
        plan: SignedPlanView::of(&value),
        warning: licence_warning(&app, scope, patient, shown).await?,
    };
    Ok(done_with(StatusCode::CREATED, &Done { value, replayed }))
}

/// A patient's course: the plan in force, every version before it, its sessions, holds and reviews. The `ETag` is the version
/// of the plan in force.
#[utoipa::path(tag = "courses", responses(
    (status = 200, body = CourseView, headers(("etag" = String))), (status = 404, body = Problem),
))]
#[get("/v1/patients/{id}/plans")]
pub async fn find(app: Data<App>, staff: Staff, id: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let view = app
        .store
        .read_patient(staff.scope(), PersonId::from(*id), CourseView::of);
    let view = view.await?.ok_or(ApiError::NotFound)?;
    let version = view.plan.as_ref().map_or(0, |plan| plan.version);
    Ok(versioned(&view, version.into()))
}

/// Where a patient is now.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ZoneBody {
    /// IANA zone, such as `Europe/Madrid`.
    pub zone: String,
}

/// What became of the sessions to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ZoneChangedView {
    /// Those that keep their local date and time in the new zone.
    pub moved: Vec<Uuid>,
    /// Those whose preparation has begun: they stay at the same instant.
    pub left: Vec<Uuid>,
}

/// Change a patient's zone; `If-Match` names the version of the patient that was read. Sessions to come keep their local date
/// and time, and the care team is told.
#[utoipa::path(tag = "courses", request_body = ZoneBody, responses(
    (status = 200, body = ZoneChangedView), (status = 412, body = Problem), (status = 422, body = Problem),
))]
#[put("/v1/patients/{id}/zone")]
pub async fn change_zone(
    app: Data<App>,
    staff: Staff,
    request: HttpRequest,
    id: Path<Uuid>,
    body: Body<ZoneBody>,
) -> Result<HttpResponse, ApiError> {
    let only_of_version = only_of_version(&request, "patient");
    let mut checks = Checks::new();
    let zone = checks.zone("zone", &body.value.zone);
    checks.done()?;
    let changed = app.store.decide_course(
        staff.scope(),
        PersonId::from(*id),
        None,
        move |record, sessions, context| {
            only_of_version(record.patient.version)?;
            let decision = plan::change_zone(record, sessions, zone, context);
            let moved: Vec<Uuid> = decision
                .changed
                .iter()
                .map(|it| it.after.session.id.uuid())
                .collect();
            let to_come = sessions.iter().filter(|it| it.session.state.is_before_dose());
            let left = to_come
                .map(|it| it.session.id.uuid())
                .filter(|id| !moved.contains(id))
                .collect();
            Ok((decision, ZoneChangedView { moved, left }))
        },
    );
    Ok(ok(&changed.await?.value))
}

/// Another time for one session.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveBody {
    /// Local date.
    #[schema(value_type = NaiveDate)]
    pub on: Day,
    /// Local time, such as `13:00`.
    #[schema(value_type = String)]
    pub time: TimeOfDay,
    /// `asked`, `sitter_dropped_out` or `clinical`.
    #[schema(value_type = String)]
    pub cause: MoveCause,
    /// In a few words.
    pub reason: String,
}

/// Move one session: freely until 24 hours before it, after that because the sitter dropped out or a clinician says so. What
/// was prepared is asked again, and so is the sitter.
#[utoipa::path(tag = "courses", request_body = MoveBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/move")]
pub async fn move_session(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<MoveBody>,
) -> Result<HttpResponse, ApiError> {
    let (scope, session) = (staff.scope(), SessionId::from(*id));
    let owner = app.store.find_session_owner(session).await?;
    let (_, patient) = owner.ok_or(ApiError::NotFound)?;
    let (once, sent) = (body.once(&scope.caller), body.value);
    let to = NewTime {
        on: sent.on.0,
        time: sent.time.0,
        cause: sent.cause,
        reason: sent.reason,
    };
    let moved = app
        .store
        .decide_course(scope, patient, once, move |record, sessions, context| {
            let Some(there) = sessions.iter().find(|there| there.session.id == session) else {
                return Err(Refusal::wrong_state(
                    "session-started",
                    "the session was unlocked, has begun or is over; it cannot be moved",
                ));
            };
            let moved = plan::move_session(record, there, &to, context)?;
            let decision = CourseDecision {
                changed: vec![moved],
                ..CourseDecision::of_patient(Decision::unchanged(record))
            };
            Ok((decision, ResultView::said("moved")))
        });
    Ok(done(&moved.await?))
}

/// Leave one session of a plan out; the others stay where they are.
#[utoipa::path(tag = "courses", request_body = ReasonBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/sessions/{id}/skip")]
pub async fn skip(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<ReasonBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, reason) = (body.once(&scope.caller), reason(&body.value)?);
    let skipped = app
        .store
        .decide_session(scope, SessionId::from(*id), once, move |record, context| {
            Ok((plan::skip(record, &reason, context)?, ResultView::said("skipped")))
        });
    Ok(done(&skipped.await?))
}

/// A hold of a course.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CourseHoldBody {
    /// Its last day, in the patient's zone; it ends by itself.
    #[schema(value_type = NaiveDate)]
    pub until: Day,
    /// Who may lift it before: `nurse`, `prescriber` or both.
    #[schema(value_type = Vec<String>)]
    pub may_lift: Vec<StaffRole>,
    /// Why.
    pub reason: String,
}

/// A hold that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CourseHeldView {
    /// The hold.
    pub id: Uuid,
    /// Sessions that fall into it and should be moved or left out.
    pub sessions: Vec<Uuid>,
}

/// Hold a course until a day: no dose opens and nobody at home is reminded; whatever was escalated goes on.
#[utoipa::path(tag = "courses", request_body = CourseHoldBody, responses(
    (status = 201, body = CourseHeldView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/hold")]
pub async fn hold(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<CourseHoldBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, sent) = (body.once(&scope.caller), body.value);
    let held = app.store.decide_course(
        scope,
        PersonId::from(*id),
        once,
        move |record, sessions, context| {
            let until = sent.until.0;
            let (decision, id) =
                plan::hold_course(record, sessions, until, &sent.may_lift, &sent.reason, context)?;
            let to_come = record
                .sessions
                .iter()
                .filter(|session| session.state.is_before_dose());
            let within = to_come.filter(|session| session.planned.on <= until);
            let sessions = within.map(|session| session.id.uuid()).collect();
            Ok((
                decision,
                CourseHeldView {
                    id: id.uuid(),
                    sessions,
                },
            ))
        },
    );
    Ok(done_with(StatusCode::CREATED, &held.await?))
}

/// Lift the hold of a course, if it is the caller's to lift.
#[utoipa::path(tag = "courses", request_body = ReasonBody, responses(
    (status = 200, body = ResultView), (status = 409, body = Problem), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/lift")]
pub async fn lift(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<ReasonBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, reason) = (body.once(&scope.caller), reason(&body.value)?);
    let lifted = app.store.decide_course(
        scope,
        PersonId::from(*id),
        once,
        move |record, sessions, context| {
            Ok((
                plan::lift_course(record, sessions, &reason, context)?,
                ResultView::said("lifted"),
            ))
        },
    );
    Ok(done(&lifted.await?))
}

/// A clinician's review.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewBody {
    /// What they found, for the chart.
    pub note: String,
}

/// Record a review of the course; the next dose waits for it where the plan says so, and after a long gap.
#[utoipa::path(tag = "courses", request_body = ReviewBody, responses(
    (status = 201, body = CreatedView), (status = 422, body = Problem),
))]
#[post("/v1/patients/{id}/reviews")]
pub async fn review(
    app: Data<App>,
    staff: Staff,
    id: Path<Uuid>,
    body: Body<ReviewBody>,
) -> Result<HttpResponse, ApiError> {
    let scope = staff.scope();
    let (once, mut checks) = (body.once(&scope.caller), Checks::new());
    let note = checks.text("note", &body.value.note, REVIEW_MAX_CHARS);
    checks.done()?;
    let reviewed = app
        .store
        .decide_patient(scope, PersonId::from(*id), once, move |record, context| {
            let (decision, id) = plan::record_review(record, &note, context)?;
            Ok((decision, CreatedView { id: id.uuid() }))
        });
    Ok(done_with(StatusCode::CREATED, &reviewed.await?))
}
