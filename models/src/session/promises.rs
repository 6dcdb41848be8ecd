//! What holds at every step of a session, beside the protocol's own invariants.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bedside_protocol::case::{Case, CaseState, Cause, Level};
use bedside_protocol::duty::{Duty, DutyKind, DutyState, Lane};
use bedside_protocol::notice::{About, Who};
use bedside_protocol::people::{Caller, OnCallPlace, StaffRole};
use bedside_protocol::record::SessionRecord;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::tick;
use bedside_protocol::time::minutes;
use stateright::Property;

use super::{ACTING, Action, Scene, Session};
use crate::support::on;

/// Longest silence about a case that nobody has, minutes: the steps of the P1 ladder.
const SILENCE_MAX_MIN: i64 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Promise {
    Invariants,
    MissReachesStaff,
    CaseIsNeverForgotten,
    RungIsTold,
    UrgentSignalIsTold,
    TickTwiceIsTickOnce,
}

/// The promise in words, with the invariant it belongs to.
pub fn name_of(promise: Promise) -> &'static str {
    match promise {
        Promise::Invariants => "I2, I3 and the protocol's own invariants",
        Promise::MissReachesStaff => "I1: a missed check is told to staff in the same decision",
        Promise::CaseIsNeverForgotten => "I1: an open case always has somebody who owes something, soon",
        Promise::RungIsTold => "I1: a rung whose time has come is told",
        Promise::UrgentSignalIsTold => "I1: a P1 signal on a case that somebody has is told anew",
        Promise::TickTwiceIsTickOnce => "I2: looking twice at the same instant changes nothing",
    }
}

pub const ALREADY_TAKEN: &str = "who takes second is told who has it, and changes nothing";
pub const NO_DEAD_END: &str = "I6: what is not over has a wake-up";

pub fn all() -> Vec<Property<Session>> {
    vec![
        Property::always(name_of(Promise::Invariants), |_, scene: &Scene| {
            kept(scene, Promise::Invariants)
        }),
        Property::always(name_of(Promise::MissReachesStaff), |_, scene: &Scene| {
            kept(scene, Promise::MissReachesStaff)
        }),
        Property::always(name_of(Promise::CaseIsNeverForgotten), |_, scene: &Scene| {
            kept(scene, Promise::CaseIsNeverForgotten)
        }),
        Property::always(name_of(Promise::RungIsTold), |_, scene: &Scene| {
            kept(scene, Promise::RungIsTold)
        }),
        Property::always(name_of(Promise::UrgentSignalIsTold), |_, scene: &Scene| {
            kept(scene, Promise::UrgentSignalIsTold)
        }),
        Property::always(name_of(Promise::TickTwiceIsTickOnce), |_, scene: &Scene| {
            kept(scene, Promise::TickTwiceIsTickOnce)
        }),
        Property::always(ALREADY_TAKEN, |_, scene: &Scene| {
            // The invariants, asked at each step, panic.
            catch_unwind(AssertUnwindSafe(|| second_is_refused(scene))).unwrap_or(false)
        }),
        Property::always(NO_DEAD_END, |_, scene: &Scene| {
            scene.is_over() || scene.wakes_at().is_some()
        }),
        Property::sometimes("a second round", |_, scene: &Scene| {
            scene.open_case().is_some_and(|case| case.round > 1)
        }),
        Property::sometimes("a second case", |_, scene: &Scene| {
            scene.play.record.watch.cases.len() > 1
        }),
        Property::sometimes("an unknown check", |_, scene: &Scene| {
            let mut duties = scene.play.record.watch.duties.iter();
            duties.any(|duty| matches!(duty.state, DutyState::Unknown { .. }))
        }),
        Property::sometimes("a case that everybody was told of", |_, scene: &Scene| {
            scene
                .open_case()
                .is_some_and(|case| case.told.contains(&on(OnCallPlace::Fallback)))
        }),
    ]
}

fn kept(scene: &Scene, promise: Promise) -> bool {
    scene.broken != Some(promise)
}

/// What one step broke. `after` still has what was given out.
pub fn broken_by(before: &Scene, action: Action, after: &Scene) -> Option<Promise> {
    let (was, is) = (&before.play.record, &after.play.record);
    let checks = [
        (Promise::MissReachesStaff, misses_reach_staff(was, after)),
        (Promise::CaseIsNeverForgotten, case_is_owed_soon(after)),
        (
            Promise::RungIsTold,
            action != Action::Tick || rungs_are_told(before, after),
        ),
        (
            Promise::UrgentSignalIsTold,
            !matches!(action, Action::Help) || urgent_is_told(was, after),
        ),
        (
            Promise::TickTwiceIsTickOnce,
            action != Action::Tick || rests(after, is),
        ),
    ];
    checks
        .into_iter()
        .find(|(_, holds)| !holds)
        .map(|(promise, _)| promise)
}

/// Whether somebody of the staff is told of this case by what was just given out.
fn staff_are_told(after: &Scene, case: &Case) -> bool {
    after.play.sent.iter().any(|notice| {
        let of_case =
            matches!(notice.about, About::Case { case: id, round } if id == case.id && round == case.round);
        of_case && notice.lane == Lane::Escalation && matches!(notice.to.who, Who::Staff(_))
    })
}

/// Staff are told by this decision, or were told of the very case that nobody has yet, at that level.
fn is_heard(was: &SessionRecord, after: &Scene, case: &Case, level: Level) -> bool {
    let before = was.watch.case(case.id);
    let knew = before.is_some_and(|before| {
        let untaken = matches!(before.state, CaseState::Open);
        before.level >= level && !before.told.is_empty() && (untaken || level < Level::P1)
    });
    knew || staff_are_told(after, case)
}

fn misses_reach_staff(was: &SessionRecord, after: &Scene) -> bool {
    let is = &after.play.record;
    let just_over = |duty: &&Duty| {
        matches!(duty.state, DutyState::Missed { .. } | DutyState::Unknown { .. })
            && matches!(duty.kind, DutyKind::CheckIn { .. })
            && was.watch.duty(duty.id).is_none_or(Duty::is_open)
    };
    is.watch.duties.iter().filter(just_over).all(|duty| {
        let tells_of_it = |cause: &Cause| match (cause, &duty.state) {
            (Cause::MissedCheckIn { duty: missed, .. }, DutyState::Missed { .. }) => *missed == duty.id,
            (Cause::WatchDown { gap, .. }, DutyState::Unknown { gap: unwatched, .. }) => gap == unwatched,
            _ => false,
        };
        let Some(case) = is.watch.open_case() else {
            return false;
        };
        let mut signals = case.signals.iter().rev();
        let signal = signals.find(|signal| tells_of_it(&signal.what));
        // Of the gap staff heard when the watch came back; whoever has that case is calling.
        if matches!(duty.state, DutyState::Unknown { .. }) {
            return signal.is_some() && !case.told.is_empty();
        }
        signal.is_some_and(|signal| is_heard(was, after, case, signal.level))
    })
}

fn urgent_is_told(was: &SessionRecord, after: &Scene) -> bool {
    let case = after.open_case();
    case.is_some_and(|case| is_heard(was, after, case, Level::P1))
}

/// A case that nobody has is told again within minutes; one that somebody has runs out by itself.
fn case_is_owed_soon(after: &Scene) -> bool {
    let Some(case) = after.open_case() else {
        return true;
    };
    let taken = case.state.taken().is_some();
    let owes = |duty: &Duty| match duty.kind {
        DutyKind::TakeCase { case: of } => of == case.id && !taken,
        DutyKind::ContactPatient { case: of } | DutyKind::RecordOutcome { case: of } => {
            of == case.id && taken
        }
        _ => false,
    };
    let mut wakes =
        (after.play.record.watch.open_duties().filter(|duty| owes(duty))).filter_map(|duty| duty.wake_at);
    let within = if taken {
        minutes(30)
    } else {
        minutes(SILENCE_MAX_MIN)
    };
    wakes.any(|at| at <= after.play.now + within)
}

fn rungs_are_told(before: &Scene, after: &Scene) -> bool {
    let Some(case) = before
        .open_case()
        .filter(|case| matches!(case.state, CaseState::Open))
    else {
        return true;
    };
    let mut duties = before.play.record.watch.open_duties();
    let due = duties.any(|duty| {
        duty.kind == DutyKind::TakeCase { case: case.id }
            && duty.wake_at.is_some_and(|at| at <= before.play.now)
    });
    !due || after.open_case().is_some_and(|case| staff_are_told(after, case))
}

fn rests(after: &Scene, is: &SessionRecord) -> bool {
    let mut again = after.play.clone();
    let decision = again.with(Caller::System, tick::session);
    decision.after == *is
        && decision.notices.is_empty()
        && decision.facts.is_empty()
        && decision.links.is_empty()
}

fn second_is_refused(scene: &Scene) -> bool {
    let Some(case) = scene.open_case() else {
        return true;
    };
    let (Some(taken), id) = (case.state.taken(), case.id) else {
        return true;
    };
    ACTING.into_iter().all(|place| {
        let by = on(place);
        let caller = Caller::Staff {
            person: by,
            roles: vec![StaffRole::Nurse],
        };
        let mut play = scene.play.clone();
        let took = play.desk(caller.clone(), |desk| desk.take(id, by, "Nora"));
        let contacted = |play: &mut crate::play::Play| play.desk(caller, |desk| desk.contacted(id, by));
        if by == taken.by {
            took.is_ok() && play.record == scene.play.record
        } else {
            let refused = |result: &Result<(), Refusal>| matches!(result, Err(Refusal::AlreadyTaken { by, .. }) if *by == taken.by);
            refused(&took) && refused(&contacted(&mut play)) && play.record == scene.play.record
        }
    })
}
