//! The roster, its gaps, and the list it lies over.

use bedside_protocol::id::PersonId;
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::roster::{Cover, Gap, Holiday, LocalMoment, Rotation, Shift};
use bedside_store::{GapsAhead, KeptRoster};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A clinic's roster.
#[derive(Debug, Serialize, ToSchema)]
pub struct RosterView {
    /// What `If-Match` names in an edit.
    pub version: u64,
    /// The clinic's zone, in which dates and times of day are meant.
    pub zone: String,
    /// The on-call list under the roster, in its order.
    pub list: Vec<ListedView>,
    /// Weekly rotations.
    pub rotations: Vec<RotationView>,
    /// Single shifts.
    pub shifts: Vec<ShiftView>,
    /// Who stands in for whom.
    pub covers: Vec<CoverView>,
    /// Days on which a place is somebody else's or nobody's.
    pub holidays: Vec<HolidayView>,
    /// There is a roster and it cannot be read: the list stands alone. Setting a roster replaces it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
}

impl RosterView {
    /// The view of a roster.
    pub fn of(kept: &KeptRoster) -> Self {
        let (plan, roster) = (&kept.plan, &kept.plan.roster);
        Self {
            version: kept.version,
            zone: plan.zone.name().to_owned(),
            list: plan.list.iter().map(ListedView::of).collect(),
            rotations: roster.rotations.iter().map(RotationView::of).collect(),
            shifts: roster.shifts.iter().map(ShiftView::of).collect(),
            covers: roster.covers.iter().map(CoverView::of).collect(),
            holidays: roster.holidays.iter().map(HolidayView::of).collect(),
            unreadable: kept.unreadable,
        }
    }
}

/// A place of the on-call list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListedView {
    /// The place.
    pub place: String,
    /// The member of staff.
    pub person: Uuid,
}

impl ListedView {
    fn of((place, person): &(OnCallPlace, PersonId)) -> Self {
        Self {
            place: place.name().to_owned(),
            person: person.uuid(),
        }
    }
}

/// One person a week, in order and then from the beginning again.
#[derive(Debug, Serialize, ToSchema)]
pub struct RotationView {
    /// `nurse`, `backup`, `after_hours`, `prescriber`, `manager` or `coordinator`.
    pub place: String,
    /// Who, in order.
    pub people: Vec<Uuid>,
    /// The day of the week on which it is handed over, such as `monday` …
    pub weekday: String,
    /// … and the time of day.
    pub at: NaiveTime,
    /// The day of the first hand-over.
    pub starts_on: NaiveDate,
    /// When the place is taken at all; always, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<HoursView>,
}

impl RotationView {
    fn of(rotation: &Rotation) -> Self {
        Self {
            place: rotation.place.name().to_owned(),
            people: rotation.people.iter().map(|person| person.uuid()).collect(),
            weekday: rotation.weekday.name().to_owned(),
            at: rotation.at,
            starts_on: rotation.starts_on,
            hours: rotation.hours.as_ref().map(|hours| HoursView {
                days: hours.days.iter().map(|day| day.name().to_owned()).collect(),
                from: hours.from,
                until: hours.until,
            }),
        }
    }
}

/// The hours of the clinic in which a place is taken.
#[derive(Debug, Serialize, ToSchema)]
pub struct HoursView {
    /// The days on which they begin, such as `monday`.
    pub days: Vec<String>,
    /// From this time of day on …
    pub from: NaiveTime,
    /// … until this one, the next day's if it is not after `from`.
    pub until: NaiveTime,
}

/// A date and a time of day in the clinic's zone.
#[derive(Debug, Serialize, ToSchema)]
pub struct MomentView {
    /// The date.
    pub on: NaiveDate,
    /// The time of day.
    pub at: NaiveTime,
}

impl MomentView {
    fn of(moment: LocalMoment) -> Self {
        Self {
            on: moment.on,
            at: moment.at,
        }
    }
}

/// One person has a place once.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShiftView {
    /// The place.
    pub place: String,
    /// Who has it.
    pub person: Uuid,
    /// From then on …
    pub from: MomentView,
    /// … until then.
    pub until: MomentView,
}

impl ShiftView {
    fn of(shift: &Shift) -> Self {
        Self {
            place: shift.place.name().to_owned(),
            person: shift.person.uuid(),
            from: MomentView::of(shift.from),
            until: MomentView::of(shift.until),
        }
    }
}

/// One person stands in for another.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverView {
    /// The place.
    pub place: String,
    /// Whose turn it was.
    pub instead_of: Uuid,
    /// Who has it.
    pub by: Uuid,
    /// From then on …
    pub from: DateTime<Utc>,
    /// … until then.
    pub until: DateTime<Utc>,
}

impl CoverView {
    fn of(cover: &Cover) -> Self {
        Self {
            place: cover.place.name().to_owned(),
            instead_of: cover.instead_of.uuid(),
            by: cover.by.uuid(),
            from: cover.from,
            until: cover.until,
        }
    }
}

/// A day on which a place is somebody else's or nobody's.
#[derive(Debug, Serialize, ToSchema)]
pub struct HolidayView {
    /// The day, midnight to midnight in the clinic's zone.
    pub on: NaiveDate,
    /// The place.
    pub place: String,
    /// Who has it that day; nobody, if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Uuid>,
}

impl HolidayView {
    fn of(holiday: &Holiday) -> Self {
        Self {
            on: holiday.on,
            place: holiday.place.name().to_owned(),
            person: holiday.person.map(PersonId::uuid),
        }
    }
}

/// Gaps of the days ahead.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapListView {
    /// By their beginning; also one that has begun.
    pub gaps: Vec<GapView>,
    /// How far was looked.
    pub looked_until: DateTime<Utc>,
    /// There is a roster and it cannot be read: these are the gaps of the on-call list.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub roster_unreadable: bool,
    /// Planned sessions of that time for which somebody is missing, by their time. None of them can begin.
    pub sessions: Vec<UnstaffedView>,
}

/// A planned session for which somebody is missing.
#[derive(Debug, Serialize, ToSchema)]
pub struct UnstaffedView {
    /// The session.
    pub session: Uuid,
    /// Its planned moment.
    pub planned_at: DateTime<Utc>,
    /// Who is missing when.
    pub gaps: Vec<GapView>,
}

impl GapListView {
    /// The view of the gaps.
    pub fn of(ahead: &GapsAhead) -> Self {
        Self {
            gaps: ahead.gaps.iter().map(GapView::of).collect(),
            looked_until: ahead.until,
            roster_unreadable: ahead.unreadable,
            sessions: ahead
                .sessions
                .iter()
                .map(|it| UnstaffedView {
                    session: it.session.uuid(),
                    planned_at: it.planned_at,
                    gaps: it.gaps.iter().map(GapView::of).collect(),
                })
                .collect(),
        }
    }
}

/// A stretch in which somebody is needed and nobody is on call.
#[derive(Debug, Serialize, ToSchema)]
pub struct GapView {
    /// `nurse`, `backup`, or `urgent`: neither of them nor an after-hours contact.
    pub missing: String,
    /// From then on …
    pub from: DateTime<Utc>,
    /// … until then, or longer where it reaches `looked_until`.
    pub until: DateTime<Utc>,
}

impl GapView {
    fn of(gap: &Gap) -> Self {
        Self {
            missing: gap.needed.name().to_owned(),
            from: gap.from,
            until: gap.until,
        }
    }
}
