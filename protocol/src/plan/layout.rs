//! The layout of a plan: every session it would have, what would become of those that are there, and all that speaks
//! against it. What a clinician looks at before signing, and what signing does.

use std::collections::BTreeSet;

use super::{
    ClockEffect, INTERVAL_HOURS_MAX, Phase, PlanDraft, PlanTerms, PlannedSession, SESSIONS_MAX, SignedPlan,
    Spacing, doses_of, in_force, may_be_moved, may_be_replanned,
};
use crate::document::Range;
use crate::enrolment::planning_faults;
use crate::id::SessionId;
use crate::planning::{day_faults, live, on_call_faults, reason_in_words};
use crate::record::PatientRecord;
use crate::refusal::{Fault, Faults, Refusal};
use crate::session::Session;
use crate::time::{ClockChange, Instant, Planned};

/// What would become of one session of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotChange {
    /// It is new.
    New,
    /// It is there already, at the same time.
    Same,
    /// It is there already, at another time.
    Moved {
        /// Its time now.
        from: Planned,
    },
    /// It has begun, is over, or somebody decides about it: it stays as it is.
    Left,
    /// It is there and the plan has no place for it: it is called off.
    Dropped,
}

impl SlotChange {
    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Same => "same",
            Self::Moved { .. } => "moved",
            Self::Left => "left",
            Self::Dropped => "dropped",
        }
    }
}

/// One session of a plan that is looked at or signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// Which of the plan's sessions, from 1.
    pub ordinal: u32,
    /// The part of the course.
    pub phase: Phase,
    /// When it is to be.
    pub planned: Planned,
    /// The session, if it is there already.
    pub session: Option<SessionId>,
    /// What would become of it.
    pub change: SlotChange,
    /// Whether a clinician's review stands before it, if all before it take place.
    pub review_before: bool,
    /// The clock change of its day and what it does to its time.
    pub clock: Option<(ClockChange, ClockEffect)>,
}

impl Slot {
    fn new(
        terms: &PlanTerms,
        ordinal: u32,
        planned: Planned,
        session: Option<SessionId>,
        change: SlotChange,
    ) -> Self {
        let clock = planned.zone.clock_change_on(planned.on);
        Self {
            ordinal,
            phase: terms.phase(ordinal),
            planned,
            session,
            change,
            review_before: terms
                .review_after_sessions
                .iter()
                .any(|after| after.checked_add(1) == Some(ordinal)),
            clock: clock.map(|change| (change, ClockEffect::of(&planned))),
        }
    }
}

/// A plan as it would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Every session, by ordinal.
    pub slots: Vec<Slot>,
    /// The places of the series that it gives a time, those included whose session was moved by hand.
    pub ordinals: Vec<u32>,
    /// All that speaks against signing it.
    pub faults: Faults,
}

/// Lays a draft out over what is there.
pub fn lay_out(record: &PatientRecord, plans: &[SignedPlan], draft: &PlanDraft, now: Instant) -> Layout {
    let (terms, document) = (&draft.terms, &record.around.protocol);
    let prep_opens_before_min = document.plan.prep_opens_before_min;
    let current = in_force(plans, &record.sessions).filter(|_| draft.changes.is_some());
    let mut faults = check_terms(record, draft);
    check_version(record, plans, draft, &mut faults);
    for fault in planning_faults(record, now) {
        faults.push(fault);
    }
    let of_plan: Vec<&Session> = record
        .sessions
        .iter()
        .filter(|session| {
            current.is_some() && session.slot.map(|slot| slot.plan) == current.map(|it| it.plan)
        })
        .collect();
    let (open, fixed): (Vec<&Session>, Vec<&Session>) = of_plan
        .into_iter()
        .partition(|session| may_be_replanned(session, prep_opens_before_min, now));

    let began_at = current.map_or(now, |current| current.began_at);
    let stock = Stock::of(record, terms, &fixed, began_at);
    let taken: BTreeSet<u32> = fixed
        .iter()
        .filter_map(|session| session.slot)
        .map(|slot| slot.ordinal)
        .collect();
    let last = last_ordinal(terms, &taken, &stock);
    let ordinals: Vec<u32> = (1..=last).filter(|ordinal| !taken.contains(ordinal)).collect();
    // One that was moved by hand keeps its time and its place: those after it do not move up.
    let by_hand: BTreeSet<u32> = fixed
        .iter()
        .filter(|session| may_be_moved(session, prep_opens_before_min, now))
        .filter_map(|session| session.slot)
        .map(|slot| slot.ordinal)
        .collect();
    let places: BTreeSet<u32> = ordinals.iter().chain(&by_hand).copied().collect();
    let places: Vec<u32> = places.into_iter().collect();
    let mut dates = terms.dates(&places, record.patient.zone);
    if dates.len() < places.len() {
        faults.push(Fault::new("interval_days", "leads past the end of the calendar"));
    }
    dates.retain(|date| !by_hand.contains(&date.ordinal));
    if terms
        .maintenance
        .is_some_and(|maintenance| maintenance.sessions.is_none())
    {
        // As many as the lozenges last, while the order is good.
        let possible = |date: &PlannedSession| day_faults(record, &date.planned, now).is_empty();
        let end = dates
            .iter()
            .position(|date| date.phase == Phase::Maintenance && !possible(date));
        dates.truncate(end.unwrap_or(dates.len()));
    } else if ordinals.len() > stock.available {
        faults.push(Fault::new(
            "dispensed_lozenges",
            format!(
                "cover {} more sessions, and {} are planned",
                stock.available,
                ordinals.len()
            ),
        ));
    }
    check_dates(record, terms, &open, &dates, now, &mut faults);
    if dates.is_empty() && open.is_empty() {
        faults.push(Fault::new("induction_sessions", "nothing is left to be planned"));
    }

    let mut slots: Vec<Slot> = fixed
        .iter()
        .filter_map(|session| {
            let slot = session.slot?;
            Some(Slot::new(
                terms,
                slot.ordinal,
                session.planned,
                Some(session.id),
                SlotChange::Left,
            ))
        })
        .collect();
    slots.extend(dates.iter().map(|date| {
        let there = open
            .iter()
            .find(|session| session.slot.is_some_and(|slot| slot.ordinal == date.ordinal));
        let change = match there {
            None => SlotChange::New,
            Some(session) if session.planned == date.planned => SlotChange::Same,
            Some(session) => SlotChange::Moved {
                from: session.planned,
            },
        };
        Slot::new(
            terms,
            date.ordinal,
            date.planned,
            there.map(|session| session.id),
            change,
        )
    }));
    let planned: BTreeSet<u32> = dates.iter().map(|date| date.ordinal).collect();
    slots.extend(open.iter().filter_map(|session| {
        let slot = session.slot.filter(|slot| !planned.contains(&slot.ordinal))?;
        Some(Slot::new(
            terms,
            slot.ordinal,
            session.planned,
            Some(session.id),
            SlotChange::Dropped,
        ))
    }));
    slots.sort_by_key(|slot| slot.ordinal);
    let places: BTreeSet<u32> = dates.iter().map(|date| date.ordinal).chain(by_hand).collect();
    Layout {
        slots,
        ordinals: places.into_iter().collect(),
        faults,
    }
}

/// What the dispensed lozenges are good for.
struct Stock {
    /// Sessions that can still be planned with them.
    available: usize,
}

impl Stock {
    fn of(record: &PatientRecord, terms: &PlanTerms, fixed: &[&Session], began_at: Instant) -> Self {
        let for_one = record
            .order
            .as_ref()
            .map_or(1, |order| order.content.instruction.lozenge_count);
        let covered = terms.dispensed_lozenges.checked_div(for_one).unwrap_or(0);
        let preparing = fixed
            .iter()
            .filter(|session| session.state.is_before_dose())
            .count();
        let used = doses_of(record, began_at) + preparing;
        Self {
            available: usize::try_from(covered)
                .unwrap_or(usize::MAX)
                .saturating_sub(used),
        }
    }
}

/// The last session of the plan.
fn last_ordinal(terms: &PlanTerms, taken: &BTreeSet<u32>, stock: &Stock) -> u32 {
    let induction = terms.induction_sessions.min(SESSIONS_MAX);
    let more = match terms.maintenance {
        None => 0,
        Some(maintenance) => maintenance.sessions.unwrap_or_else(|| {
            let open_induction = (1..=induction).filter(|ordinal| !taken.contains(ordinal)).count();
            let begun = taken.iter().filter(|ordinal| **ordinal > induction).count();
            let left = stock
                .available
                .saturating_sub(open_induction)
                .saturating_add(begun);
            u32::try_from(left).unwrap_or(SESSIONS_MAX)
        }),
    };
    induction.saturating_add(more).min(SESSIONS_MAX)
}

fn check_version(record: &PatientRecord, plans: &[SignedPlan], draft: &PlanDraft, faults: &mut Faults) {
    match (in_force(plans, &record.sessions), draft.changes) {
        (Some(current), None) => faults.push(Fault::new(
            "plan",
            format!(
                "the patient has a plan in force (version {}); change that one",
                current.version
            ),
        )),
        (None, Some(_)) => faults.push(Fault::new("plan", "there is no plan in force to be changed")),
        _ => {}
    }
}

fn check_terms(record: &PatientRecord, draft: &PlanDraft) -> Faults {
    let (terms, document) = (&draft.terms, &record.around.protocol);
    let (plan, course) = (&document.plan, &document.course);
    let mut faults = Faults::default();
    let mut fault = |field: &str, message: String| faults.push(Fault::new(field, message));
    let in_range = |range: Range| format!("must be from {} to {}", range.min, range.max);
    if !course.induction_sessions.contains(terms.induction_sessions) {
        fault("induction_sessions", in_range(course.induction_sessions));
    }
    if !(plan.min_interval_hours..=INTERVAL_HOURS_MAX).contains(&terms.min_interval_hours) {
        let least = plan.min_interval_hours;
        fault(
            "min_interval_hours",
            format!("must be from {least} to {INTERVAL_HOURS_MAX}"),
        );
    }
    if terms.max_doses_rolling_7d < 1 || terms.max_doses_rolling_7d > plan.max_doses_rolling_7d {
        let most = plan.max_doses_rolling_7d;
        fault("max_doses_rolling_7d", format!("must be from 1 to {most}"));
    }
    if i64::from(terms.interval_days) * 24 < terms.min_interval_hours.max(plan.min_interval_hours) {
        fault("interval_days", "is less than the minimum interval".to_owned());
    }
    if let Some(maintenance) = terms.maintenance {
        let range = course.maintenance_interval_days;
        if !range.contains(maintenance.interval_days) {
            fault("maintenance.interval_days", in_range(range));
        }
        if maintenance
            .sessions
            .is_some_and(|sessions| !(1..=SESSIONS_MAX).contains(&sessions))
        {
            fault(
                "maintenance.sessions",
                format!("must be from 1 to {SESSIONS_MAX}"),
            );
        }
    }
    let (hours, dosing) = (terms.hours, plan.dosing_hours_local);
    if hours.from > hours.to || !dosing.contains(hours.from) || !dosing.contains(hours.to) {
        fault("hours", dosing.in_words());
    }
    if !hours.contains(terms.time) || !dosing.contains(terms.time) {
        fault("time", dosing.in_words());
    }
    if !terms.allows(terms.first_on) {
        fault("first_on", "is not on one of the weekdays".to_owned());
    }
    let reviews = &terms.review_after_sessions;
    let counted = reviews.iter().all(|after| (1..=SESSIONS_MAX).contains(after));
    if !counted || !reviews.is_sorted_by(|one, next| one < next) {
        fault(
            "review_after_sessions",
            format!("must count up, from 1 to {SESSIONS_MAX}"),
        );
    }
    if record.order.is_none() {
        fault("order", "the patient has no signed order".to_owned());
    }
    if let Err(Refusal::Invalid(found)) = reason_in_words(&draft.reason) {
        faults.0.extend(found.0);
    }
    faults
}

/// Each date by itself, its distance from every session and dose that stays, and seven days at a time.
fn check_dates(
    record: &PatientRecord,
    terms: &PlanTerms,
    open: &[&Session],
    dates: &[PlannedSession],
    now: Instant,
    faults: &mut Faults,
) {
    let (spacing, zone) = (
        Spacing::of(&record.around.protocol.plan, Some(terms)).for_patient(&record.course),
        record.patient.zone,
    );
    let stays: Vec<Instant> = live(record)
        .filter(|session| open.iter().all(|moved| moved.id != session.id))
        .map(Session::t0)
        .collect();
    let mut doses = stays.clone();
    doses.extend(dates.iter().map(|date| date.planned.at));
    let field_of = |index: usize| match dates.get(index) {
        Some(date) if index > 0 => format!("sessions[{}]", date.ordinal),
        _ => "first_on".to_owned(),
    };
    for (index, date) in dates.iter().enumerate() {
        let field = field_of(index);
        for message in day_faults(record, &date.planned, now) {
            faults.push(Fault::new(&field, message));
        }
        for message in on_call_faults(record, &date.planned, now) {
            let fault = Fault::new("on_call", message);
            if !faults.0.contains(&fault) {
                faults.push(fault);
            }
        }
        if stays.iter().any(|other| spacing.is_near(*other, date.planned.at)) {
            faults.push(Fault::new(&field, spacing.near_in_words()));
        }
    }
    let mut by_date = dates.iter();
    if let Some(index) = by_date.position(|date| spacing.is_crowded(zone, &doses, date.planned.at)) {
        faults.push(Fault::new(field_of(index), spacing.crowded_in_words()));
    }
    if i64::from(terms.interval_days) * 24 >= spacing.hours {
        // Days are counted by the calendar and hours by the clock: on the day of a change they differ.
        let mut pairs = dates.windows(2);
        if let Some(index) = pairs.position(|pair| spacing.is_near(pair[0].planned.at, pair[1].planned.at)) {
            let hours = spacing.hours;
            let message = format!("is less than {hours} hours from the session before it: the clocks change");
            faults.push(Fault::new(field_of(index + 1), message));
        }
    }
}
