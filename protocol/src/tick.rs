//! The worker's step over one subject: every duty whose time has come moves on.
//!
//! Running it twice at the same instant changes nothing the second time. It never looks at how often it runs: after an
//! outage, stale reminders are passed over and what must reach staff is told at once.

use std::collections::BTreeSet;

use serde_json::json;

use crate::case::{Cause, Level};
use crate::draft::Draft;
use crate::duty::{Duty, DutyKind, DutyState, Excuse, OwedBy};
use crate::following;
use crate::gate;
use crate::id::DutyId;
use crate::ladder::Audience;
use crate::planning::no_answer;
use crate::record::{Decision, PatientRecord, RuleContext, SessionRecord};
use crate::reminding::steps_due;
use crate::session::{Hold, SessionState};
use crate::sharing::sitter_hears_of_lateness;
use crate::sitting;
use crate::time::{Instant, minutes};
use crate::watch::WatchGap;

/// Moves every due duty of a session on.
pub fn session(record: &SessionRecord, context: &mut RuleContext<'_>) -> Decision<SessionRecord> {
    let mut draft = Draft::of(record, context);
    draft.settle();
    tell_of_gaps(&mut draft);
    let mut advanced = BTreeSet::new();
    while let Some(duty) = most_urgent(&draft, &advanced) {
        advanced.insert(duty.id);
        advance(&mut draft, duty);
    }
    draft.decide()
}

/// The most urgent duty whose time has come, each once: what one of them opens is looked at in the same step.
fn most_urgent(draft: &Draft<'_, '_>, advanced: &BTreeSet<DutyId>) -> Option<Duty> {
    let now = draft.now();
    draft
        .record
        .watch
        .open_duties()
        .filter(|duty| duty.wake_at.is_some_and(|wake_at| wake_at <= now) && !advanced.contains(&duty.id))
        .min_by_key(|duty| (duty.lane, duty.due_at))
        .cloned()
}

/// Moves every due duty of a patient between sessions on.
pub fn patient(record: &PatientRecord, context: &mut RuleContext<'_>) -> Decision<PatientRecord> {
    following::look(record, context)
}

fn advance(draft: &mut Draft<'_, '_>, mut duty: Duty) {
    if duty.kind.case().is_some() {
        draft.desk().advance(duty.id);
        return;
    }
    if duty.kind == DutyKind::Release {
        not_released(draft, duty);
        return;
    }
    let now = draft.now();
    if duty.kind.is_form() {
        // Questionnaires are the patient's to owe, not a session's: one that stands here is of a program before this one, and
        // nothing that is answered would meet it.
        let why = Excuse::NotFollowed;
        draft.end(duty.id, DutyState::Excused { why, at: now });
        return;
    }
    climb(draft, &mut duty);
    let session_at = draft.record.session.planned.at;
    let held = gate::is_held(&draft.record, now) && gate::is_held(&draft.record, session_at);
    if duty.kind == DutyKind::ConfirmPlan && duty.due_at <= now && !held {
        no_answer(draft, duty.id, "confirm_plan");
    }
    if duty.missed_after.is_some_and(|missed_after| missed_after <= now) {
        miss(draft, &duty);
    } else {
        duty.wake_at = duty.next_wake();
        put_back(draft, duty);
    }
}

fn put_back(draft: &mut Draft<'_, '_>, duty: Duty) {
    if let Some(place) = draft
        .record
        .watch
        .duties
        .iter_mut()
        .find(|place| place.id == duty.id)
    {
        *place = duty;
    }
}

/// Tells the steps whose time has come; of use is no reminder to prepare a session that is on hold, and the sitter hears of
/// a check after the session only where the patient agreed.
fn climb(draft: &mut Draft<'_, '_>, duty: &mut Duty) {
    let on_hold = matches!(draft.record.session.state, SessionState::Held { .. });
    let follows_up = draft.record.around.protocol.is_follow_up(duty);
    let to_sitter = !follows_up || sitter_hears_of_lateness(&draft.record);
    for step in steps_due(duty, draft.now()) {
        for audience in step.tell.into_iter().filter(|_| !on_hold) {
            let key = format!("{}:{audience:?}", step.key);
            match audience {
                Audience::Patient => draft.remind_patient(duty, key),
                Audience::Sitter if to_sitter => draft.remind_sitter(duty, key),
                _ => {}
            }
        }
    }
}

fn miss(draft: &mut Draft<'_, '_>, duty: &Duty) {
    let (now, id) = (draft.now(), duty.id);
    match &duty.kind {
        DutyKind::HeadsUp => draft.end(
            id,
            DutyState::Excused {
                why: Excuse::Informed,
                at: now,
            },
        ),
        DutyKind::CheckIn { rule, .. } => miss_check(draft, duty, &rule.clone()),
        DutyKind::RecheckVitals { .. } | DutyKind::SendVitals { .. } => {
            // A pressure that was over the limit and is not measured again is as urgent as one that stayed so.
            let recheck = matches!(duty.kind, DutyKind::RecheckVitals { .. });
            let level = if recheck { Level::P1 } else { Level::P2 };
            if !unwatched(draft, duty, level) {
                end_as_missed(draft, duty);
                draft.signal(level, Cause::VitalsMissing { duty: id });
            }
        }
        DutyKind::ConfirmPlan => {
            end_as_missed(draft, duty);
            if !matches!(draft.record.session.state, SessionState::Held { .. }) {
                draft.hold(Hold::NotConfirmed);
            }
        }
        DutyKind::AnswerInvitation => {
            end_as_missed(draft, duty);
            if !sitting::lapse(draft, duty) {
                no_answer(draft, id, "answer_invitation");
            }
        }
        DutyKind::LogDose => {
            end_as_missed(draft, duty);
            let unlocked_at = duty.opens_at;
            if matches!(
                draft.record.session.state,
                SessionState::PrepOpen | SessionState::Ready { .. }
            ) {
                draft.enter(SessionState::Unverified { unlocked_at });
            }
            let level = draft.record.around.protocol.timetable.log_dose.level;
            draft.signal(level, Cause::TakenAndNotLogged);
        }
        DutyKind::Start => {
            end_as_missed(draft, duty);
            // Held: a clinician knows. Unlocked or unverified: whether it was taken is another duty's to find out.
            let unlocked = draft
                .record
                .watch
                .open_duties()
                .any(|duty| duty.kind == DutyKind::LogDose);
            if !unlocked
                && matches!(
                    draft.record.session.state,
                    SessionState::Scheduled | SessionState::PrepOpen | SessionState::Ready { .. }
                )
            {
                no_answer(draft, id, "start");
            }
        }
        DutyKind::PrepareDay => end_as_missed(draft, duty),
        DutyKind::AnswerScores
        | DutyKind::AnswerBaseline
        | DutyKind::AnswerMonthly
        | DutyKind::Release
        | DutyKind::FollowCourse
        | DutyKind::TakeCase { .. }
        | DutyKind::ContactPatient { .. }
        | DutyKind::RecordOutcome { .. }
        | DutyKind::AcceptHandOver { .. } => {}
    }
}

fn end_as_missed(draft: &mut Draft<'_, '_>, duty: &Duty) {
    let at = draft.now();
    let answered = draft.late_answer(duty.id);
    draft.fact(
        "duty.missed",
        json!({"duty": duty.id, "owed": &duty.kind, "due_at": duty.due_at}),
    );
    draft.end(duty.id, DutyState::Missed { at, answered });
}

/// Ends a duty as unknown if it fell due while nobody was watching. Somebody calls all the same: the running session
/// had its signal when the watch came back, any other has it now, and so has one whose case about the gap is closed by
/// now.
fn unwatched(draft: &mut Draft<'_, '_>, duty: &Duty, level: Level) -> bool {
    let gaps = &draft.record.around.watch_health.gaps;
    let Some(gap) = gaps.iter().find(|gap| gap.contains(duty.due_at)).copied() else {
        return false;
    };
    let at = draft.now();
    let answered = draft.late_answer(duty.id);
    draft.fact(
        "duty.unknown",
        json!({"duty": duty.id, "owed": &duty.kind, "gap": gap.id}),
    );
    draft.end(
        duty.id,
        DutyState::Unknown {
            gap: gap.id,
            at,
            answered,
        },
    );
    if !was_told(draft, &gap) || draft.record.watch.open_case().is_none() {
        tell_of_gap(draft, &gap, level.max(Level::P3));
    }
    crate::answering::join_late_answer(draft, duty.id);
    true
}

fn miss_check(draft: &mut Draft<'_, '_>, duty: &Duty, key: &str) {
    if draft.record.session.state == SessionState::Dosed {
        draft.enter(SessionState::Monitoring);
    }
    let rule = draft.record.around.protocol.check_rule(key);
    let (first, second) = rule.map_or((Level::P1, Level::P1), |rule| {
        (rule.miss_level, rule.second_miss_level)
    });
    if unwatched(draft, duty, first) {
        return;
    }
    end_as_missed(draft, duty);
    let in_a_row = misses_in_a_row(draft, duty);
    let follows_up = draft.record.around.protocol.is_follow_up(duty);
    let (duty_id, rule) = (duty.id, key.to_owned());
    let cause = if follows_up && in_a_row > 1 {
        Cause::LateTwice {
            duty: duty_id,
            owed: rule,
            in_a_row,
        }
    } else {
        Cause::MissedCheckIn {
            duty: duty_id,
            rule,
            in_a_row,
        }
    };
    draft.signal(if in_a_row > 1 { second } else { first }, cause);
    crate::answering::join_late_answer(draft, duty.id);
}

/// How many checks of the same person were missed in a row, up to and including this one, by due time.
fn misses_in_a_row(draft: &Draft<'_, '_>, missed: &Duty) -> u32 {
    let mut earlier: Vec<&Duty> = draft
        .record
        .watch
        .duties
        .iter()
        .filter(|duty| matches!(duty.kind, DutyKind::CheckIn { .. }) && same_person(duty, missed))
        .filter(|duty| duty.due_at <= missed.due_at && !matches!(duty.state, DutyState::Excused { .. }))
        .collect();
    earlier.sort_by_key(|duty| duty.due_at);
    let missed = |duty: &&&Duty| matches!(duty.state, DutyState::Missed { .. });
    u32::try_from(earlier.iter().rev().take_while(missed).count()).unwrap_or(u32::MAX)
}

/// The care team's checks stand in for the sitter's.
fn same_person(one: &Duty, other: &Duty) -> bool {
    (one.owed_by == OwedBy::Patient) == (other.owed_by == OwedBy::Patient)
}

/// The release duty's steps: not released by then, a nurse; later a clinician, again and again, with the release
/// questions asked anew each time so that the sitter can still answer them.
fn not_released(draft: &mut Draft<'_, '_>, mut duty: Duty) {
    let now = draft.now();
    let rule = draft.record.around.protocol.timetable.release.clone();
    let after_minutes = (now - draft.record.session.t0()).num_minutes();
    let mut level = None;
    while duty
        .ladder
        .told_at(duty.rung, duty.repeat_no, duty.due_at)
        .is_some_and(|at| at <= now)
    {
        let first = duty.rung == 0;
        level = Some(if first {
            rule.nurse_level
        } else {
            rule.clinician_level
        });
        if first {
            duty.rung += 1;
        } else {
            duty.repeat_no += 1;
        }
    }
    let asked_again = duty.rung > 0 && duty.repeat_no > 1;
    duty.wake_at = duty.next_wake();
    put_back(draft, duty);
    if let Some(level) = level {
        draft.signal(level, Cause::NotReleased { after_minutes });
        if asked_again {
            ask_release_again(draft, now);
        }
    }
}

fn ask_release_again(draft: &mut Draft<'_, '_>, now: Instant) {
    let rules = &draft.record.around.protocol.timetable.checks;
    let Some(rule) = rules.iter().rfind(|rule| rule.releases).cloned() else {
        return;
    };
    let ordinal = crate::dosing::next_check_ordinal(draft, &rule.key);
    crate::dosing::open_check(draft, &rule, ordinal, now + minutes(2), now);
}

/// "Watch was down from … to …, please call": once for each gap that a running session lived through. A dose that was
/// heard of after the gap had nothing to lose in it.
fn tell_of_gaps(draft: &mut Draft<'_, '_>) {
    let Some(dose) = draft
        .record
        .session
        .dose
        .as_ref()
        .filter(|_| draft.record.session.state.is_running())
    else {
        return;
    };
    let known_since = dose.received_at;
    let untold: Vec<WatchGap> = draft
        .record
        .around
        .watch_health
        .gaps
        .iter()
        .filter(|gap| gap.to >= known_since && !was_told(draft, gap))
        .copied()
        .collect();
    for gap in untold {
        tell_of_gap(draft, &gap, Level::P1);
    }
}

fn tell_of_gap(draft: &mut Draft<'_, '_>, gap: &WatchGap, level: Level) {
    let (gap, from, to) = (gap.id, gap.from, gap.to);
    draft.signal(level, Cause::WatchDown { gap, from, to });
}

fn was_told(draft: &Draft<'_, '_>, gap: &WatchGap) -> bool {
    let mut signals = draft.record.watch.cases.iter().flat_map(|case| &case.signals);
    signals.any(|signal| matches!(signal.what, Cause::WatchDown { gap: told, .. } if told == gap.id))
}
