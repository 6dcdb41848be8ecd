//! The gate: every reason why the dose is not open yet.
//!
//! It gives all reasons at once, each with a stable code, the item it is about and words for the person. It is asked
//! by the server at the moment of unlocking; a phone without network can log a dose and never unlock one.

use crate::case::Level;
use crate::checklist::{Actor, Answer, AnswerValue};
use crate::document::{Asks, Item, ItemPhase};
use crate::instruments::safety;
use crate::ledger;
use crate::order::Order;
use crate::overriding;
use crate::people::{Caller, CommsStatus, OnCallPlace};
use crate::plan::Spacing;
use crate::record::SessionRecord;
use crate::roster::{missing_for_session, untested_places};
use crate::session::SessionState;
use crate::time::{Instant, minutes};

mod course;
mod items;
mod reason;

pub use course::{is_held, plan_of, review_before, review_blocks};
pub(crate) use items::satisfies;
pub use items::{blocks, open_reason, trained_at};
pub use reason::{Reason, ReasonCode};

/// Every reason why the dose is not open at `now`. Empty means it may be unlocked.
pub fn reasons(record: &SessionRecord, now: Instant) -> Vec<Reason> {
    let mut reasons = session_reasons(record, now);
    reasons.extend(course::course_reasons(record, now));
    reasons.extend(preparation_reasons(record, now));
    reasons.extend(clinic_reasons(record, now));
    reasons
}

/// From when the dose may be unlocked.
pub fn opens_at(record: &SessionRecord) -> Instant {
    record.session.planned.at - minutes(record.around.protocol.plan.unlock_before_min)
}

/// When a dose screen that was unlocked at `unlocked_at` locks again.
pub fn locks_again_at(record: &SessionRecord, unlocked_at: Instant) -> Instant {
    unlocked_at + minutes(record.around.protocol.plan.unlocked_for_min)
}

/// Until when the dose screen is unlocked, if it is at `now`.
pub fn unlocked_until(record: &SessionRecord, now: Instant) -> Option<Instant> {
    match record.session.state {
        SessionState::Ready {
            unlocked_at: Some(at),
        } => Some(locks_again_at(record, at)).filter(|until| *until > now),
        _ => None,
    }
}

/// What is left to do of the checklist, by anybody.
pub fn preparation_reasons(record: &SessionRecord, now: Instant) -> Vec<Reason> {
    let mut reasons = order_reasons(record, now);
    reasons.extend(course::enrolment_reasons(record, now));
    if safety::unreviewed_acute(&record.course.scores, &record.course.score_reviews).is_some() {
        reasons.push(Reason::new(
            ReasonCode::SafetyAnswer,
            "Your clinic wants to speak with you first. Please wait for their call.",
        ));
    }
    reasons.extend(items::sitter_reason(record));
    // Whether there is a sitter is said once, whatever the document asks.
    let asked = record.around.protocol.checklist.iter();
    for item in asked.filter(|item| item.asks != Asks::Sitter && blocks(record, item)) {
        if overriding::in_force(record, &item.key, now).is_none() {
            reasons.extend(items::item_reasons(record, item, now));
        }
    }
    reasons
}

fn session_reasons(record: &SessionRecord, now: Instant) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let (session, plan) = (&record.session, &record.around.protocol.plan);
    match &session.state {
        SessionState::Held { .. } => {
            reasons.push(Reason::new(
                ReasonCode::Held,
                "The session is on hold. Your clinic has been told and decides what follows.",
            ));
        }
        SessionState::Draft | SessionState::Scheduled => {
            reasons.push(Reason::new(
                ReasonCode::PreparationNotOpen,
                "Preparation has not opened yet.",
            ));
        }
        SessionState::PrepOpen | SessionState::Ready { .. } | SessionState::Unverified { .. } => {}
        _ => reasons.push(Reason::new(
            ReasonCode::SessionOver,
            "This session is already under way or over.",
        )),
    }
    if record.patient.comms != CommsStatus::Active {
        reasons.push(Reason::new(
            ReasonCode::Paused,
            "Your course is paused. Please talk to your clinic.",
        ));
    }
    let opens_at = opens_at(record);
    if now < opens_at {
        let from = session.planned.zone.clock_12h(opens_at);
        reasons.push(Reason::new(
            ReasonCode::TooEarly,
            format!("The dose can be opened from {from}."),
        ));
    }
    if now > session.planned.at + minutes(plan.unlock_after_min) {
        reasons.push(Reason::new(
            ReasonCode::TooLate,
            "The time for this session is over. Please talk to your clinic.",
        ));
    }
    let spacing = Spacing::of(plan, plan_of(record).map(|signed| &signed.terms)).for_patient(&record.course);
    if let Some(last) = record.other_doses_before(now).last()
        && now < *last + spacing.interval()
    {
        let hours = spacing.hours;
        reasons.push(Reason::new(
            ReasonCode::Interval,
            format!("It is less than {hours} hours since your last dose."),
        ));
    }
    let zone = record.patient.zone;
    let week = record
        .other_doses_before(now)
        .filter(|dose| Spacing::is_in_week(zone, **dose, now))
        .count();
    let most = spacing.most_in_week;
    if week >= most {
        reasons.push(Reason::new(
            ReasonCode::Rolling7Days,
            format!("There were {most} doses in the last seven days."),
        ));
    }
    reasons
}

fn order_reasons(record: &SessionRecord, now: Instant) -> Vec<Reason> {
    match &record.order {
        None => vec![Reason::new(ReasonCode::NoOrder, "There is no signed order.")],
        Some(order) if record.patient.zone.date_of(now) > order.content.expires_on => {
            vec![Reason::new(
                ReasonCode::OrderExpired,
                "Your order has expired. Please talk to your clinic.",
            )]
        }
        Some(order) => too_few_lozenges(record, order).into_iter().collect(),
    }
}

fn too_few_lozenges(record: &SessionRecord, order: &Order) -> Option<Reason> {
    let taken = record.around.lozenges_taken_elsewhere.unwrap_or(u32::MAX);
    let left = ledger::balance(&record.course.ledger, taken)?;
    let needed = i64::from(order.content.instruction.lozenge_count);
    (left < needed).then(|| {
        Reason::new(
            ReasonCode::TooFewLozenges,
            "By the clinic's count you have fewer lozenges than your order says. Please count them and talk to your clinic.",
        )
    })
}

fn clinic_reasons(record: &SessionRecord, now: Instant) -> Vec<Reason> {
    let around = &record.around;
    let mut reasons = on_call_reasons(record, now);
    if let Some(rules) = &around.protocol.roster.tested
        && !untested_places(&around.on_call, around.roster.as_deref(), now, rules).is_empty()
    {
        reasons.push(Reason::new(
            ReasonCode::OnCallNotTested,
            "Your clinic is making sure that somebody can be reached. Please wait a little, or talk to your clinic.",
        ));
    }
    let own = record.watch.open_case().map(|case| case.level);
    if own
        .into_iter()
        .chain(around.other_open_cases.iter().copied())
        .any(|level| level >= Level::P2)
    {
        reasons.push(Reason::new(
            ReasonCode::OpenCase,
            "Your clinic is looking into something. Please wait for their call.",
        ));
    }
    let alive_within = crate::time::seconds(around.protocol.watch.alive_within_s);
    if around
        .watch_health
        .silent_for
        .is_none_or(|silent_for| silent_for >= alive_within)
    {
        reasons.push(Reason::new(
            ReasonCode::WatchDown,
            "We cannot watch over you now. Please wait.",
        ));
    }
    reasons
}

fn on_call_reasons(record: &SessionRecord, now: Instant) -> Vec<Reason> {
    let around = &record.around;
    let Some(plan) = &around.roster else {
        let on_call = |place| around.on_call.iter().any(|person| person.place == place);
        let staffed = on_call(OnCallPlace::Nurse) && on_call(OnCallPlace::Backup);
        let message = "Your clinic has no nurse and backup on call now.";
        let missing = (!staffed).then(|| Reason::new(ReasonCode::NobodyOnCall, message));
        return missing.into_iter().collect();
    };
    let dose_at = record.session.planned.at.max(now);
    let gaps = missing_for_session(plan, now, dose_at, &around.protocol.roster);
    gaps.iter()
        .map(|gap| {
            let who = gap.needed.who();
            let when = if gap.from <= now {
                "now".to_owned()
            } else {
                format!("from {}", record.patient.zone.long(gap.from))
            };
            let message = format!("Your clinic has no {who} on call {when}.");
            Reason::new(ReasonCode::NobodyOnCall, message)
        })
        .collect()
}

/// The answer of one actor to an item that counts: the last one, of a sitter only the present sitter's own, and about a
/// sitter only about the present one.
pub fn latest_answer<'r>(record: &'r SessionRecord, item: &Item, actor: Actor) -> Option<&'r Answer> {
    let sitter = record.current_sitter().map(|sitter| sitter.id);
    record.answers.iter().rev().find(|answer| {
        let counts = match &answer.by {
            Caller::Sitter { sitter: by, .. } => Some(*by) == sitter,
            _ => true,
        };
        let same_sitter = !item.about_sitter || answer.about_sitter == sitter;
        answer.item == item.key && answer.actor == actor && counts && same_sitter
    })
}

/// Whether the patient has answered an item, well or not.
pub fn patient_has_answered(record: &SessionRecord, key: &str) -> bool {
    let item = record.around.protocol.item(key);
    let answer = item.and_then(|item| latest_answer(record, item, Actor::Patient));
    answer.is_some_and(|answer| answer.value != AnswerValue::Cleared)
}

/// Whether the patient has done all that blocks up to and including the day's list.
pub fn patients_day_is_done(record: &SessionRecord, now: Instant) -> bool {
    let list = record.around.protocol.checklist.iter();
    list.filter(|item| {
        item.phase <= ItemPhase::Day && item.actors.contains(&Actor::Patient) && blocks(record, item)
    })
    .all(|item| {
        overriding::in_force(record, &item.key, now).is_some()
            || open_reason(record, item, Actor::Patient, now).is_none()
    })
}

/// Whether something that was done at `unlocked_at` was undone since: an answer or a consent changed or taken back, the sitter
/// gone, the order changed, the course held. What merely grew old does not count while the screen is unlocked.
pub fn something_was_taken_back(record: &SessionRecord, unlocked_at: Instant) -> bool {
    let reasons = preparation_reasons(record, unlocked_at);
    let undone = reasons.iter().any(|reason| {
        !matches!(
            reason.code,
            ReasonCode::ItemExpired | ReasonCode::EnrolmentExpired
        )
    });
    undone || is_held(record, unlocked_at)
}

impl SessionRecord {
    fn other_doses_before(&self, now: Instant) -> impl Iterator<Item = &Instant> {
        self.around.other_doses.iter().filter(move |dose| **dose <= now)
    }
}
