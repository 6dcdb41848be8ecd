//! Planning a session: its duties up to the dose, and moving it out of the way (hold, lift, cancel).

use chrono::{NaiveDate, NaiveTime};
use serde_json::json;

use crate::case::{Cause, Level};
use crate::checklist::{Answer, AnswerValue};
use crate::document::{Asks, Item, OtherAnswer};
use crate::draft::Draft;
use crate::duty::{DutyKind, Excuse, Lane, NewDuty, OwedBy};
use crate::enrolment::planning_faults;
use crate::gate;
use crate::id::{PersonId, SessionId};
use crate::people::OnCallPlace;
use crate::plan::Spacing;
use crate::record::{Decision, PatientRecord, RuleContext, SessionRecord};
use crate::refusal::{Fault, Faults, Refusal};
use crate::roster::missing_for_session;
use crate::session::{Hold, PlanSlot, Session, SessionKind, SessionState};
use crate::sitting;
use crate::time::{Instant, Planned, minutes};
use crate::watch::Watch;

/// How far ahead a session may be planned, days.
const FARTHEST_AHEAD_DAYS: i64 = 366;

/// Longest reason of a hold or a cancellation, characters.
pub const REASON_MAX_CHARS: usize = 1000;

/// Plans one session at a local date and time in the patient's zone.
///
/// Refused, with every fault at once: without an order that is good on that day, outside the dosing hours, in the past,
/// too near another dose or planned session, with nobody on call, or while something of the enrolment is open.
pub fn plan(
    record: &PatientRecord,
    on: NaiveDate,
    time: NaiveTime,
    planned_by: PersonId,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let planned = Planned::new(on, time, record.patient.zone);
    let spacing = Spacing::of(&record.around.protocol.plan, None).for_patient(&record.course);
    let mut faults = check_planned(record, &planned, spacing, None, context.now);
    for fault in planning_faults(record, context.now) {
        faults.push(fault);
    }
    for message in on_call_faults(record, &planned, context.now) {
        faults.push(Fault::new("on_call", message));
    }
    faults.into_result()?;
    Ok(open_session(
        record,
        planned,
        next_ordinal(record),
        None,
        planned_by,
        context,
    ))
}

/// A new session with what is owed for its preparation. Checks nothing.
pub fn open_session(
    record: &PatientRecord,
    planned: Planned,
    ordinal: u32,
    slot: Option<PlanSlot>,
    planned_by: PersonId,
    context: &mut RuleContext<'_>,
) -> Decision<SessionRecord> {
    let session = Session {
        ordinal,
        slot,
        ..new_session(record, planned, planned_by, context)
    };
    let new = new_record(record, session);
    let mut draft = Draft::of(&new, context);
    let (id, at) = (draft.record.session.id, planned.at);
    draft.fact(
        "session.planned",
        json!({"session": id, "planned": &planned, "at": at, "slot": slot}),
    );
    open_preparation(&mut draft);
    draft.decide()
}

/// The patient's next session, planned by the protocol in force, with nothing done about it.
pub fn new_session(
    record: &PatientRecord,
    planned: Planned,
    planned_by: PersonId,
    context: &mut RuleContext<'_>,
) -> Session {
    Session {
        id: context.ids.fresh(),
        clinic: record.patient.clinic,
        patient: record.patient.id,
        ordinal: next_ordinal(record),
        kind: SessionKind::Planned,
        state: SessionState::Scheduled,
        version: 0,
        planned,
        protocol_version: record.around.protocol.version.clone(),
        dose: None,
        vitals_tries_over: 0,
        planned_by,
        wrong_readbacks: 0,
        slot: None,
        moves: Vec::new(),
        overrides: Vec::new(),
        candidates: Vec::new(),
        known_sitters: Vec::new(),
        sitter_calls: None,
    }
}

/// The ordinal of the patient's next session.
pub fn next_ordinal(record: &PatientRecord) -> u32 {
    record
        .sessions
        .iter()
        .map(|session| session.ordinal)
        .max()
        .unwrap_or(0)
        + 1
}

/// A session's record before anything happened in it.
pub fn new_record(patient: &PatientRecord, session: Session) -> SessionRecord {
    SessionRecord {
        session,
        patient: patient.patient.clone(),
        order: patient.order.clone(),
        course: patient.course.clone(),
        sitters: Vec::new(),
        answers: Vec::new(),
        check_ins: Vec::new(),
        readings: Vec::new(),
        watch: Watch::default(),
        around: patient.around.clone(),
    }
}

/// Everything that speaks against a session at a time: the hours, the calendar, the order, and the patient's other
/// sessions and doses (but for the one that is to be moved).
pub fn check_planned(
    record: &PatientRecord,
    planned: &Planned,
    spacing: Spacing,
    moved: Option<SessionId>,
    now: Instant,
) -> Faults {
    let (plan, mut faults) = (&record.around.protocol.plan, Faults::default());
    let hours = plan.dosing_hours_local;
    if !hours.contains(planned.time) {
        faults.push(Fault::new("time", hours.in_words()));
    }
    for message in day_faults(record, planned, now) {
        faults.push(Fault::new("on", message));
    }
    if record.order.is_none() {
        faults.push(Fault::new("order", "the patient has no signed order"));
    }
    let others: Vec<Instant> = live(record)
        .filter(|session| Some(session.id) != moved)
        .map(Session::t0)
        .collect();
    if others.iter().any(|other| spacing.is_near(*other, planned.at)) {
        faults.push(Fault::new("on", spacing.near_in_words()));
    }
    let mut doses = others;
    doses.push(planned.at);
    if spacing.is_crowded(planned.zone, &doses, planned.at) {
        faults.push(Fault::new("on", spacing.crowded_in_words()));
    }
    faults
}

/// What speaks against a day by itself.
pub fn day_faults(record: &PatientRecord, planned: &Planned, now: Instant) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if planned.at <= now {
        faults.push("is in the past");
    } else if planned.at > now + chrono::Duration::days(FARTHEST_AHEAD_DAYS) {
        faults.push("is more than a year ahead");
    }
    let expires_on = record.order.as_ref().map(|order| order.content.expires_on);
    if expires_on.is_some_and(|expires_on| planned.on > expires_on) {
        faults.push("is after the order expires");
    }
    faults
}

/// Why nobody would watch over a session at this time, in words (PROTOCOL 4.1 `on_call_required`).
pub fn on_call_faults(record: &PatientRecord, planned: &Planned, now: Instant) -> Vec<String> {
    let around = &record.around;
    if let Some(plan) = &around.roster {
        let gaps = missing_for_session(plan, now, planned.at, &around.protocol.roster);
        return gaps
            .into_iter()
            .map(|gap| {
                let who = gap.needed.who();
                let (from, until) = (plan.zone.long(gap.from), plan.zone.long(gap.until));
                format!("the clinic has no {who} on call from {from} until {until}")
            })
            .collect();
    }
    let places = [(OnCallPlace::Nurse, "nurse"), (OnCallPlace::Backup, "backup")];
    let is_empty = |place| around.on_call.iter().all(|person| person.place != place);
    places
        .into_iter()
        .filter(|(place, _)| is_empty(*place))
        .map(|(_, who)| format!("the clinic has no {who} on call"))
        .collect()
}

/// The sessions that another one must keep its distance from: those to come, and those in which a dose was taken.
pub fn live(record: &PatientRecord) -> impl Iterator<Item = &Session> {
    let sessions = record.sessions.iter();
    sessions.filter(|session| session.dose.is_some() || !session.state.is_over())
}

/// R1, C1, C2 and the end of the day; a step whose time has passed is left out.
pub fn open_preparation(draft: &mut Draft<'_, '_>) {
    let (now, at) = (draft.now(), draft.record.session.planned.at);
    let protocol = draft.record.around.protocol.clone();
    let table = &protocol.timetable;
    let opens_at = at - minutes(protocol.plan.prep_opens_before_min);
    let owed = |kind, opens_at, due_at, missed_after, ladder: &str, lane| NewDuty {
        kind,
        owed_by: OwedBy::Patient,
        lane,
        opens_at,
        due_at,
        missed_after: Some(missed_after),
        ladder: protocol.ladder(ladder),
    };
    let heads_up_at = at - minutes(table.heads_up.before_min);
    if heads_up_at > now {
        let rule = &table.heads_up;
        draft.open(owed(
            DutyKind::HeadsUp,
            heads_up_at,
            heads_up_at,
            opens_at,
            &rule.ladder,
            Lane::Reminder,
        ));
    }
    let confirm = &table.confirm_plan;
    let (asked, worklist) = (
        at - minutes(confirm.asked_before_min),
        at - minutes(confirm.worklist_before_min),
    );
    let hold = at - minutes(confirm.hold_before_min);
    if hold > now {
        // Planned at short notice: half of what is left is the patient's, the other half the coordinator's.
        let due_at = worklist.max(now + (hold - now) / 2);
        draft.open(owed(
            DutyKind::ConfirmPlan,
            asked,
            due_at,
            hold,
            &confirm.ladder,
            Lane::Reminder,
        ));
    }
    let day = &table.prepare_day;
    let (due_at, missed) = (
        at - minutes(day.due_before_min),
        at + minutes(day.missed_after_min),
    );
    draft.open(owed(
        DutyKind::PrepareDay,
        opens_at,
        due_at,
        missed,
        &day.ladder,
        Lane::Session,
    ));
    let missed = at + minutes(table.start.no_show_after_min);
    draft.open(owed(
        DutyKind::Start,
        opens_at,
        at,
        missed,
        &table.start.ladder,
        Lane::Session,
    ));
}

/// A clinician holds a session that has not begun.
pub fn hold(
    record: &SessionRecord,
    reason: &str,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let reason = reason_in_words(reason)?;
    if !record.session.state.is_before_dose() {
        return Err(Refusal::wrong_state(
            "session-started",
            "the session has begun or is over; a hold cannot stop it",
        ));
    }
    let mut draft = Draft::of(record, context);
    draft.hold(Hold::Clinician { reason });
    Ok(draft.decide())
}

/// A clinician lifts a hold; the checklist goes on where it was, and what held it is asked again.
pub fn lift(
    record: &SessionRecord,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let SessionState::Held { hold, .. } = &record.session.state else {
        return Err(Refusal::wrong_state("not-held", "the session is not on hold"));
    };
    let lifted = hold.clone();
    let mut draft = Draft::of(record, context);
    draft.fact("session.lifted", json!({ "hold": &lifted }));
    // Several answers can have held a session; the clinician has seen them all.
    clear_answers(&mut draft, holds);
    draft.record.session.vitals_tries_over = 0;
    draft.enter(SessionState::Scheduled);
    Ok(draft.decide())
}

/// Takes back the answers that count and that `which` picks; they stay in the record.
fn clear_answers(draft: &mut Draft<'_, '_>, which: impl Fn(&Item, &Answer) -> bool) {
    let now = draft.now();
    let counting: Vec<Answer> = draft
        .record
        .around
        .protocol
        .checklist
        .iter()
        .flat_map(|item| item.actors.iter().map(move |actor| (item, *actor)))
        .filter_map(|(item, actor)| {
            gate::latest_answer(&draft.record, item, actor)
                .filter(|answer| answer.value != AnswerValue::Cleared && which(item, answer))
        })
        .cloned()
        .collect();
    for answer in counting {
        let cleared = Answer {
            id: draft.context.ids.fresh(),
            value: AnswerValue::Cleared,
            by: draft.context.caller.clone(),
            observed_at: now,
            received_at: now,
            ..answer
        };
        draft.record.answers.push(cleared);
    }
}

fn holds(item: &Item, answer: &Answer) -> bool {
    match (&item.asks, &answer.value) {
        (Asks::YesNo { good, other }, AnswerValue::YesNo(value)) => {
            value != good && matches!(other, OtherAnswer::Hold | OtherAnswer::ActNow)
        }
        (Asks::Number { other, .. }, AnswerValue::Number(given)) => {
            !gate::satisfies(&item.asks, given.number)
                && matches!(other, OtherAnswer::Hold | OtherAnswer::ActNow)
        }
        _ => false,
    }
}

/// Calls a session off before it begins; the clinic disposes so of one of which nobody knows whether it began.
pub fn cancel(
    record: &SessionRecord,
    reason: &str,
    context: &mut RuleContext<'_>,
) -> Result<Decision<SessionRecord>, Refusal> {
    let reason = reason_in_words(reason)?;
    if !record.session.state.is_before_dose() {
        return Err(Refusal::wrong_state(
            "session-started",
            "the session has begun or is over; it cannot be cancelled",
        ));
    }
    let mut open = record.watch.open_duties();
    if open.any(|duty| duty.kind == DutyKind::LogDose) {
        return Err(Refusal::wrong_state(
            "session-started",
            "the dose was unlocked; find out first whether it was taken",
        ));
    }
    let mut draft = Draft::of(record, context);
    call_off(&mut draft, reason);
    Ok(draft.decide())
}

/// Cancels in a draft.
pub fn call_off(draft: &mut Draft<'_, '_>, reason: String) {
    let (by, at) = (draft.context.caller.clone(), draft.now());
    draft.end_preparation(Excuse::SessionOver);
    draft.enter(SessionState::Cancelled { by, reason, at });
}

/// Gives a session another time before it begins: its preparation is owed anew, what was answered is asked again, and so
/// is the sitter.
pub fn retime(draft: &mut Draft<'_, '_>, to: Planned) {
    draft.end_preparation(Excuse::SessionMoved);
    // What a patient wishes of their clinic does not depend on the day.
    clear_answers(draft, |item, _| item.asks != Asks::Wish);
    let now = draft.now();
    for decided in &mut draft.record.session.overrides {
        decided.until = decided.until.min(now);
    }
    draft.record.session.planned = to;
    draft.record.session.vitals_tries_over = 0;
    match &draft.record.session.state {
        SessionState::PrepOpen
        | SessionState::Ready { .. }
        | SessionState::Held {
            hold: Hold::NotConfirmed,
            ..
        } => draft.enter(SessionState::Scheduled),
        _ => {}
    }
    open_preparation(draft);
    sitting::ask_again(draft);
}

/// Asks anew for the preparation of a session that a hold of the course has kept from being asked for. What was answered
/// counts.
pub fn ask_anew(draft: &mut Draft<'_, '_>) {
    draft.excuse(Excuse::CourseLifted, |duty| {
        matches!(
            duty.kind,
            DutyKind::HeadsUp | DutyKind::ConfirmPlan | DutyKind::PrepareDay | DutyKind::Start
        )
    });
    if matches!(draft.record.session.state, SessionState::Held { .. }) {
        draft.enter(SessionState::Scheduled);
    }
    open_preparation(draft);
}

/// The order changed: what was read back counts no more, and a phone in the middle of it must look again.
pub fn order_changed(record: &SessionRecord, context: &mut RuleContext<'_>) -> Decision<SessionRecord> {
    let mut draft = Draft::of(record, context);
    let version = record.order.as_ref().map(|order| order.version);
    draft.fact("session.order_changed", json!({ "order_version": version }));
    draft.decide()
}

/// A worklist entry: nobody answered what was owed.
pub fn no_answer(draft: &mut Draft<'_, '_>, duty: crate::id::DutyId, owed: &str) {
    let cause = Cause::NoAnswer {
        duty,
        owed: owed.to_owned(),
    };
    let known = draft
        .record
        .watch
        .cases
        .iter()
        .flat_map(|case| &case.signals)
        .any(|signal| signal.what == cause);
    if !known {
        draft.signal(Level::P3, cause);
    }
}

/// A reason, trimmed; refused when it is empty or too long.
pub fn reason_in_words(reason: &str) -> Result<String, Refusal> {
    let reason = reason.trim();
    match reason.chars().count() {
        0 => Err(Refusal::invalid("reason", "say why, in a few words")),
        1..=REASON_MAX_CHARS => Ok(reason.to_owned()),
        _ => Err(Refusal::invalid(
            "reason",
            format!("at most {REASON_MAX_CHARS} characters"),
        )),
    }
}

/// The id of the session a decision creates or changes.
pub fn session_of(decision: &Decision<SessionRecord>) -> SessionId {
    decision.after.session.id
}
