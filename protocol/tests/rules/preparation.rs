//! Before the dose: planning, the worklist, holds, unlocked and nothing, no-shows. No session stays behind unseen.

use bedside_protocol::case::{Cause, Level};
use bedside_protocol::checklist::{Actor, AnswerValue};
use bedside_protocol::document::ItemPhase;
use bedside_protocol::people::{Caller, OnCallPlace};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::{Hold, SessionState};
use bedside_protocol::time::minutes;
use bedside_protocol::{planning, preparation, sitting};

use crate::play::Play;
use crate::support::{at, code, enrolled, nurse, on, patient, patient_record, with_context};

const DAY: i64 = 24 * 60;

fn fields(record: &bedside_protocol::record::PatientRecord, date: &str, time: &str) -> Vec<String> {
    let now = at("2026-11-24T14:00:00Z");
    let (date, time) = (date.parse().unwrap(), time.parse().unwrap());
    let planned = with_context(&mut 1, now, nurse(), |context| {
        planning::plan(record, date, time, on(OnCallPlace::Nurse), context)
    });
    match planned {
        Ok(_) => Vec::new(),
        Err(Refusal::Invalid(faults)) => faults.0.into_iter().map(|fault| fault.field).collect(),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_plan_with_faults_is_refused_with_all_of_them() {
    let good = enrolled(patient_record(), at("2026-11-24T14:00:00Z"));
    assert_eq!(fields(&good, "2026-11-28", "09:00:00"), Vec::<String>::new());
    assert_eq!(fields(&good, "2026-11-28", "15:00:00"), Vec::<String>::new());
    assert_eq!(fields(&good, "2026-11-28", "08:59:00"), ["time"]);
    assert_eq!(fields(&good, "2026-11-28", "15:01:00"), ["time"]);
    assert_eq!(fields(&good, "2026-11-23", "10:00:00"), ["on"]);
    assert_eq!(fields(&good, "2027-04-30", "10:00:00"), Vec::<String>::new());
    assert_eq!(fields(&good, "2027-05-01", "10:00:00"), ["on"]);
    assert_eq!(fields(&good, "2028-01-01", "10:00:00"), ["on", "on"]);
    let mut near = good.clone();
    near.sessions = vec![Play::planned().record.session];
    assert_eq!(fields(&near, "2026-11-30", "10:00:00"), ["on"]);
    assert_eq!(fields(&near, "2026-12-01", "10:00:00"), Vec::<String>::new());
    near.sessions[0].state = SessionState::NoShow {
        at: at("2026-11-28T17:00:00Z"),
    };
    assert_eq!(fields(&near, "2026-11-30", "10:00:00"), Vec::<String>::new());
    let mut bare = good;
    bare.order = None;
    bare.around.on_call.clear();
    assert_eq!(
        fields(&bare, "2026-11-20", "20:00:00"),
        ["time", "on", "order", "on_call", "on_call"]
    );
}

#[test]
fn no_word_by_twelve_hours_before_goes_to_the_worklist_and_by_two_hours_holds() {
    let mut play = Play::planned();
    play.before(12 * 60 + 1);
    assert!(play.record.watch.cases.is_empty());
    play.before(12 * 60);
    assert_eq!(play.case().level, Level::P3);
    assert!(matches!(&play.case().signals[0].what, Cause::NoAnswer { owed, .. } if owed == "confirm_plan"));
    play.before(121);
    assert_eq!(play.state(), "prep_open");
    play.before(120);
    let hold = Hold::NotConfirmed;
    assert_eq!(
        play.record.session.state,
        SessionState::Held {
            hold,
            since: play.now
        }
    );
    assert_eq!(play.case().signals.len(), 1);
}

#[test]
fn an_answer_that_holds_is_an_answer_all_the_same() {
    let mut play = Play::planned();
    play.before(25 * 60);
    play.answer_all(ItemPhase::DayBefore, Actor::Patient);
    play.item(Actor::Patient, "changes_meds", AnswerValue::YesNo(true))
        .unwrap();
    play.before(60);
    let causes: Vec<_> = play
        .case()
        .signals
        .iter()
        .map(|signal| signal.what.name())
        .collect();
    assert_eq!(causes, ["unsafe_answer"]);
}

#[test]
fn what_is_answered_while_the_session_is_on_hold_counts() {
    let mut play = Play::planned();
    play.before(30 * 60);
    play.does(nurse(), |record, context| {
        planning::hold(record, "lab result first", context)
    })
    .unwrap();
    play.before(25 * 60);
    play.answer_all(ItemPhase::DayBefore, Actor::Patient);
    assert_eq!(play.duty("confirm_plan").state.name(), "met");
    play.before(110);
    let state = play.record.session.state.clone();
    let SessionState::Held { hold, .. } = state else {
        panic!()
    };
    assert_eq!(
        hold,
        Hold::Clinician {
            reason: "lab result first".into()
        }
    );
    assert!(play.record.watch.cases.is_empty());
    play.does(nurse(), planning::lift).unwrap();
    assert_eq!(play.state(), "prep_open");
}

#[test]
fn nobody_is_reminded_to_prepare_a_session_on_hold() {
    let mut play = Play::planned();
    play.does(nurse(), |record, context| planning::hold(record, "wait", context))
        .unwrap();
    let mark = play.mark();
    play.go_to(play.planned_at() + minutes(119));
    let mut sent = play.lines_since(mark);
    sent.retain(|line| line.contains("patient") || line.contains("sitter"));
    assert_eq!(sent, Vec::<String>::new());
}

#[test]
fn a_session_still_on_hold_when_its_time_has_passed_is_over() {
    let mut play = Play::planned();
    play.does(nurse(), |record, context| planning::hold(record, "wait", context))
        .unwrap();
    play.go_to(play.planned_at() + minutes(121));
    let SessionState::Cancelled { by, .. } = &play.record.session.state else {
        panic!("{}", play.state())
    };
    assert_eq!(*by, Caller::System);
}

#[test]
fn planned_at_short_notice_the_patient_has_some_time_before_the_worklist() {
    let mut play = Play::planned_with(
        &patient_record(),
        "2026-11-24",
        "14:00:00",
        at("2026-11-24T14:00:00Z"),
    );
    // Five hours ahead: three until the hold.
    play.tick();
    assert!(play.record.watch.cases.is_empty());
    play.before(3 * 60 + 30);
    assert_eq!(play.case().level, Level::P3);
    play.before(120);
    assert_eq!(play.state(), "held");
}

#[test]
fn unlocked_and_nothing_asks_both_after_fifteen_minutes_and_tells_a_nurse_after_thirty() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).unwrap();
    let mark = play.mark();
    play.go_to(play.now + minutes(30));
    let sent = play.lines_since(mark);
    assert_eq!(
        sent,
        [
            "T+5 patient task",
            "T+5 sitter task",
            "T+15 patient overdue",
            "T+15 sitter overdue",
            "T+20 nurse P2 opened",
            "T+20 backup P2 opened",
        ],
        "at T+5 \"did you take it?\", at T+15 \"is it still on?\""
    );
    assert_eq!(play.state(), "unverified");
    assert_eq!(play.case().signals[0].what, Cause::TakenAndNotLogged);
    // It may have been taken: the case climbs as in a session.
    let mark = play.mark();
    play.go_to(play.now + minutes(4));
    assert_eq!(play.case_lines_since(mark).len(), 4);
}

#[test]
fn found_not_taken_in_time_the_session_goes_on() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).unwrap();
    play.go_to(play.now + minutes(31));
    play.take_and_resolve();
    assert_eq!(play.state(), "prep_open");
    play.measure(patient(), 120, 80, 70).unwrap();
    play.here();
    assert_eq!(play.state(), "ready");
    play.asked(patient(), preparation::unlock).unwrap();
}

#[test]
fn unlocked_near_the_end_of_the_day_is_still_found_out() {
    let mut play = Play::ready();
    play.go_to(play.planned_at() + minutes(110));
    play.measure(patient(), 120, 80, 70).unwrap();
    play.here();
    play.asked(patient(), preparation::unlock).unwrap();
    play.go_to(play.planned_at() + minutes(130));
    assert_eq!(
        play.state(),
        "ready",
        "the end of the day does not end what was unlocked"
    );
    play.go_to(play.planned_at() + minutes(140));
    assert_eq!((play.state(), play.case().level), ("unverified", Level::P2));
    play.go_to(play.planned_at() + minutes(600));
    assert_eq!(play.state(), "unverified");
    play.take_and_resolve();
    assert_eq!(play.state(), "no_show");
}

#[test]
fn unlocked_and_locked_again_is_found_out_as_well() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).unwrap();
    play.does(play.sitter(), sitting::leave).unwrap();
    assert_eq!(play.state(), "prep_open");
    play.go_to(play.now + minutes(30));
    assert_eq!(play.state(), "unverified");
    assert!(
        play.case()
            .signals
            .iter()
            .any(|signal| signal.what == Cause::TakenAndNotLogged)
    );
}

#[test]
fn nothing_at_all_two_hours_after_the_time_is_a_no_show_for_the_worklist() {
    let mut play = Play::ready();
    play.go_to(play.planned_at() + minutes(119));
    assert_eq!(play.state(), "prep_open");
    play.go_to(play.planned_at() + minutes(120));
    assert_eq!((play.state(), play.case().level), ("no_show", Level::P3));
    play.take_and_resolve();
    assert_eq!(play.record.watch.open_duties().count(), 0);
}

#[test]
fn a_session_that_was_unlocked_is_not_called_off_before_it_is_known_whether_the_dose_was_taken() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).map(drop).unwrap();
    let cancel = |play: &mut Play| {
        play.does(nurse(), |record, context| {
            planning::cancel(record, "weather", context)
        })
    };
    assert_eq!(code(&cancel(&mut play).unwrap_err()), "session-started");
    // Half an hour later nobody has logged it, and the clinic may dispose of it.
    play.go_to(play.now + minutes(31));
    assert_eq!(play.state(), "unverified");
    cancel(&mut play).unwrap();
}

#[test]
fn a_cancelled_session_owes_nothing_but_an_open_case() {
    type Change = fn(&mut Play);
    let changes: [(&str, Change); 2] = [
        ("ready", |_| {}),
        ("held", |play| {
            play.item(Actor::Patient, "changes_meds", AnswerValue::YesNo(true))
                .unwrap();
        }),
    ];
    for (state, change) in changes {
        let mut play = Play::ready();
        change(&mut play);
        assert_eq!(play.state(), state);
        play.does(nurse(), |record, context| {
            planning::cancel(record, "weather", context)
        })
        .unwrap();
        let owed: Vec<_> = play
            .record
            .watch
            .open_duties()
            .map(|duty| duty.kind.name())
            .collect();
        assert!(owed.iter().all(|kind| *kind == "take_case"), "{owed:?}");
        let mark = play.mark();
        play.go_to(play.now + minutes(DAY));
        assert!(
            play.lines_since(mark)
                .iter()
                .all(|line| !line.contains("patient") && !line.contains("sitter"))
        );
        assert_eq!(play.state(), "cancelled");
    }
}

#[test]
fn once_begun_a_session_is_neither_held_nor_cancelled() {
    let mut play = Play::dosed();
    for refusal in [
        play.does(nurse(), |record, context| planning::hold(record, "x", context)),
        play.does(nurse(), |record, context| planning::cancel(record, "x", context)),
    ] {
        assert_eq!(code(&refusal.unwrap_err()), "session-started");
    }
    let mut play = Play::planned();
    for reason in ["", " ", &"x".repeat(1001)] {
        let held = play.does(nurse(), |record, context| planning::hold(record, reason, context));
        assert_eq!(code(&held.unwrap_err()), "invalid");
    }
}
