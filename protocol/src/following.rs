//! What a patient owes between sessions: scores before a first dose and after some of them, and the monthly list
//! (PROTOCOL 4.3, C14 and C15).
//!
//! These duties belong to the patient, not to a session: a session ends when its own follow-up does. What is due is a
//! function of doses and answers ([`crate::instruments::due`]); [`look`] asks it whenever the worker looks at the
//! patient, which [`DutyKind::FollowCourse`] sees to every morning. A patient who is paused, in hospital or gone is asked
//! nothing and reported for nothing.

use serde_json::json;

use crate::case::{Cause, Level};
use crate::desk::{Desk, at_patients_desk};
use crate::duty::{Duty, DutyKind, DutyState, Excuse, Lane, NewDuty, OwedBy};
use crate::id::DutyId;
use crate::instruments::answering::due_of;
use crate::instruments::due::{Due, Why};
use crate::instruments::{Score, latest};
use crate::ladder::{Audience, Ladder};
use crate::notice::{Message, Recipient, Who};
use crate::people::CommsStatus;
use crate::record::{Decision, PatientRecord, RuleContext};
use crate::reminding::{is_overdue, reminder, steps_due};
use crate::time::{Instant, minutes};

const DAY_MIN: i64 = 24 * 60;

/// The questionnaires that one duty stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    kind: DutyKind,
    /// What is still to be answered.
    due: Vec<Due>,
}

/// Looks at a patient: cases climb, what was answered is met, what is due is asked.
pub fn look(record: &PatientRecord, context: &mut RuleContext<'_>) -> Decision<PatientRecord> {
    let (decision, ()) = at_patients_desk(record, context, |desk| {
        desk.advance_due();
        follow(record, desk);
    });
    decision
}

fn follow(record: &PatientRecord, desk: &mut Desk<'_, '_>) {
    let now = desk.context.now;
    if record.patient.comms == CommsStatus::Active {
        let asked = asked_of(record, now);
        meet_answered(record, desk, &asked);
        for duty in open_forms(desk) {
            remind_or_miss(record, desk, duty);
        }
        for asked in &asked {
            ask(record, desk, asked);
        }
    } else {
        for duty in open_forms(desk) {
            let why = Excuse::NotFollowed;
            end(desk, duty.id, DutyState::Excused { why, at: now });
        }
    }
    look_again_tomorrow(record, desk);
}

fn open_forms(desk: &Desk<'_, '_>) -> Vec<Duty> {
    let forms = desk.watch.open_duties().filter(|duty| duty.kind.is_form());
    forms.cloned().collect()
}

fn end(desk: &mut Desk<'_, '_>, id: DutyId, state: DutyState) {
    if let Some(duty) = desk.watch.duties.iter_mut().find(|duty| duty.id == id) {
        duty.end(state);
    }
}

/// What is due now and not answered, by the duty that stands for it.
fn asked_of(record: &PatientRecord, now: Instant) -> Vec<Asked> {
    let rules = &record.around.protocol.follow_up;
    let due: Vec<Due> = due_of(record, now)
        .into_iter()
        .filter(|due| due.opens_at <= now)
        .collect();
    let of = |kind: DutyKind, which: fn(&Why) -> bool| Asked {
        kind,
        due: due.iter().copied().filter(|due| which(&due.why)).collect(),
    };
    let mut asked = vec![of(DutyKind::AnswerScores, |why| {
        matches!(why, Why::AfterSession { .. })
    })];
    if rules.baseline {
        asked.push(of(DutyKind::AnswerBaseline, |why| *why == Why::BeforeFirstDose));
    }
    if rules.monthly {
        asked.push(of(DutyKind::AnswerMonthly, |why| *why == Why::Monthly));
    }
    asked
}

/// A duty is met when nothing of what it stands for is due any more.
fn meet_answered(record: &PatientRecord, desk: &mut Desk<'_, '_>, asked: &[Asked]) {
    for duty in open_forms(desk) {
        let of_duty = asked.iter().find(|asked| asked.kind == duty.kind);
        if of_duty.is_some_and(|asked| !asked.due.is_empty()) {
            continue;
        }
        let since = |score: &&Score| score.received_at >= duty.opens_at;
        let answered = record.course.scores.iter().filter(since);
        let state = match answered.max_by_key(|score| score.received_at) {
            Some(score) => DutyState::Met {
                observed_at: score.observed_at,
                received_at: score.received_at,
            },
            None => DutyState::Excused {
                why: Excuse::NotFollowed,
                at: desk.context.now,
            },
        };
        end(desk, duty.id, state);
    }
}

fn remind_or_miss(record: &PatientRecord, desk: &mut Desk<'_, '_>, mut duty: Duty) {
    let Some(open) = desk.watch.duty(duty.id).filter(|duty| duty.is_open()) else {
        return;
    };
    duty.clone_from(open);
    let now = desk.context.now;
    for step in steps_due(&mut duty, now) {
        if step.tell.contains(&Audience::Patient) {
            remind(record, desk, &duty, format!("{}:Patient", step.key));
        }
    }
    duty.wake_at = duty.next_wake();
    let missed = duty.missed_after.is_some_and(|missed_after| missed_after <= now);
    let id = duty.id;
    if let Some(place) = desk.watch.duties.iter_mut().find(|place| place.id == id) {
        place.clone_from(&duty);
    }
    if missed {
        miss(desk, &duty);
    }
}

fn remind(record: &PatientRecord, desk: &mut Desk<'_, '_>, duty: &Duty, key: String) {
    let (patient, now) = (&record.patient, desk.context.now);
    let to = Recipient {
        who: Who::Patient(patient.id),
        email: patient.email.clone(),
    };
    let message = Message::PatientTask {
        due_at: duty.due_at,
        zone: patient.zone,
        overdue: is_overdue(duty.due_at, now),
    };
    let quiet = (record.around.protocol.quiet_hours, patient.zone);
    let id = desk.context.ids.fresh();
    let notice = reminder((id, key), duty, (to, message), quiet, now);
    desk.out.notices.push(notice);
}

/// Not answered in time: the worklist. Nobody is blamed for what fell due while nobody was watching, and somebody asks all
/// the same.
fn miss(desk: &mut Desk<'_, '_>, duty: &Duty) {
    let (now, id, owed) = (desk.context.now, duty.id, duty.kind.name());
    let gaps = &desk.around.watch_health.gaps;
    if let Some(gap) = gaps.iter().find(|gap| gap.contains(duty.due_at)).copied() {
        desk.fact(
            "duty.unknown",
            json!({"duty": id, "owed": &duty.kind, "gap": gap.id}),
        );
        let unknown = DutyState::Unknown {
            gap: gap.id,
            at: now,
            answered: None,
        };
        end(desk, id, unknown);
        let (gap, from, to) = (gap.id, gap.from, gap.to);
        desk.signal(Level::P3, Cause::WatchDown { gap, from, to }, None);
        return;
    }
    desk.fact(
        "duty.missed",
        json!({"duty": id, "owed": &duty.kind, "due_at": duty.due_at}),
    );
    let missed = DutyState::Missed {
        at: now,
        answered: None,
    };
    end(desk, id, missed);
    let in_a_row = missed_in_a_row(desk);
    let cause = if in_a_row > 1 {
        Cause::LateTwice {
            duty: id,
            owed: owed.to_owned(),
            in_a_row,
        }
    } else {
        Cause::NoAnswer {
            duty: id,
            owed: owed.to_owned(),
        }
    };
    desk.signal(Level::P3, cause, None);
}

/// How many questionnaires were missed in a row, up to the last.
fn missed_in_a_row(desk: &Desk<'_, '_>) -> u32 {
    let over = |duty: &&Duty| {
        duty.kind.is_form() && !matches!(duty.state, DutyState::Open | DutyState::Excused { .. })
    };
    let mut forms: Vec<&Duty> = desk.watch.duties.iter().filter(over).collect();
    forms.sort_by_key(|duty| duty.due_at);
    let missed = |duty: &&&Duty| matches!(duty.state, DutyState::Missed { .. });
    u32::try_from(forms.iter().rev().take_while(missed).count()).unwrap_or(u32::MAX)
}

/// Opens the duty of what is due, unless it was opened for the same occasion. One that is open is due by what is known now:
/// a session may have come nearer.
fn ask(record: &PatientRecord, desk: &mut Desk<'_, '_>, asked: &Asked) {
    let Some(opens_at) = asked.due.iter().map(|due| due.opens_at).min() else {
        return;
    };
    let (now, protocol) = (desk.context.now, &record.around.protocol);
    // What could not be asked when it opened has its whole time from now on.
    let from = Some(opens_at)
        .filter(|at| now - *at < minutes(DAY_MIN))
        .unwrap_or(now);
    let within = from + minutes(protocol.instruments.due_within_days.saturating_mul(DAY_MIN));
    let known = asked
        .due
        .iter()
        .filter_map(|due| due.due_at)
        .filter(|at| *at > now);
    let due_at = known.min().map_or(within, |at| at.min(within));
    let missed_after = due_at + minutes(protocol.follow_up.missed_after_min(&protocol.instruments));
    let of_kind = |duty: &&mut Duty| duty.kind == asked.kind;
    if let Some(open) = desk
        .watch
        .duties
        .iter_mut()
        .filter(of_kind)
        .find(|duty| duty.is_open())
    {
        if open.due_at > due_at {
            open.due_at = due_at;
            open.missed_after = Some(missed_after);
            let brought_forward = open.clone();
            remind_or_miss(record, desk, brought_forward);
        }
        return;
    }
    if was_asked(record, desk, asked, opens_at) {
        return;
    }
    let duty = Duty::opened(
        desk.context.ids.fresh(),
        NewDuty {
            kind: asked.kind.clone(),
            owed_by: OwedBy::Patient,
            lane: Lane::Reminder,
            opens_at: now,
            due_at,
            missed_after: Some(missed_after),
            ladder: protocol.follow_up.reminders(&protocol.instruments),
        },
    );
    desk.fact(
        "duty.opened",
        json!({"duty": duty.id, "owed": &duty.kind, "due_at": due_at}),
    );
    desk.watch.duties.push(duty.clone());
    remind_or_miss(record, desk, duty);
}

/// Whether a duty that is over stood for this occasion. The monthly list comes again every month, answered or not.
fn was_asked(record: &PatientRecord, desk: &Desk<'_, '_>, asked: &Asked, opens_at: Instant) -> bool {
    let rules = &record.around.protocol.instruments;
    let every = minutes(rules.monthly_every_days.saturating_mul(DAY_MIN));
    let now = desk.context.now;
    let mut earlier = desk
        .watch
        .duties
        .iter()
        .filter(|duty| duty.kind == asked.kind && !matches!(duty.state, DutyState::Excused { .. }));
    match asked.kind {
        DutyKind::AnswerMonthly => {
            earlier.any(|duty| duty.opens_at >= opens_at && now < duty.opens_at + every)
        }
        DutyKind::AnswerBaseline => {
            let answers = asked
                .due
                .iter()
                .map(|due| latest(&record.course.scores, due.instrument));
            let answered = answers.flatten().map(|score| score.received_at).max();
            earlier.any(|duty| answered.is_none_or(|answered| duty.opens_at >= answered))
        }
        _ => earlier.any(|duty| duty.opens_at >= opens_at),
    }
}

/// Sees to it that the worker looks again: at the end of the patient's next night.
fn look_again_tomorrow(record: &PatientRecord, desk: &mut Desk<'_, '_>) {
    let now = desk.context.now;
    let quiet = record.around.protocol.quiet_hours;
    let at = quiet.end_after(record.patient.zone, now);
    let standing = |duty: &&mut Duty| duty.is_open() && duty.kind == DutyKind::FollowCourse;
    if let Some(duty) = desk.watch.duties.iter_mut().find(standing) {
        if duty.wake_at.is_none_or(|wake_at| wake_at <= now) {
            duty.due_at = at;
            duty.wake_at = Some(at);
        }
        return;
    }
    let mut duty = Duty::opened(
        desk.context.ids.fresh(),
        NewDuty {
            kind: DutyKind::FollowCourse,
            owed_by: OwedBy::OnCall,
            lane: Lane::Digest,
            opens_at: now,
            due_at: at,
            missed_after: None,
            ladder: Ladder::default(),
        },
    );
    // Nobody is told and nothing is missed: it is only looked at.
    duty.wake_at = Some(at);
    desk.watch.duties.push(duty);
}
