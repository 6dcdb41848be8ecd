//! The checklist: each kind of item, what its answers do, who may give them and how long they are good.

use bedside_protocol::case::{Cause, Level};
use bedside_protocol::checklist::{Actor, AnswerValue};
use bedside_protocol::order::{AfterHold, Instruction};
use bedside_protocol::preparation::{self, Answered};
use bedside_protocol::session::{Hold, SessionState};
use bedside_protocol::time::minutes;
use bedside_protocol::{planning, sitting};

use crate::play::Play;
use crate::support::{code, nurse, order, patient, staff};

const YES: AnswerValue = AnswerValue::YesNo(true);
const NO: AnswerValue = AnswerValue::YesNo(false);

/// Ninety minutes before, all of the day before is done.
fn on_the_day() -> Play {
    let mut play = Play::planned();
    play.invite_and_accept();
    play.before(25 * 60);
    for actor in [Actor::Patient, Actor::Sitter, Actor::Nurse] {
        play.answer_all(bedside_protocol::document::ItemPhase::DayBefore, actor);
    }
    play.before(90);
    play
}

#[test]
fn an_answer_that_asks_for_a_clinician_holds_the_session_and_tells_the_nurse() {
    for (item, bad) in [
        ("changes_health", YES),
        ("changes_meds", YES),
        ("med_plan_followed", NO),
        ("substances_24h", YES),
        ("psychedelics_7d", YES),
    ] {
        let mut play = on_the_day();
        assert_eq!(
            play.item(Actor::Patient, item, bad).unwrap(),
            Answered::Held,
            "{item}"
        );
        let hold = Hold::Answer { item: item.into() };
        assert_eq!(
            play.record.session.state,
            SessionState::Held {
                hold,
                since: play.now
            }
        );
        assert_eq!(play.case().level, Level::P2);
        let cause = Cause::UnsafeAnswer { item: item.into() };
        assert_eq!(play.case().signals[0].what, cause);
    }
}

#[test]
fn thoughts_of_suicide_are_a_p1_at_once_and_hold_the_session() {
    let mut play = on_the_day();
    let mark = play.mark();
    let outcome = play.item(Actor::Patient, "safety_now", YES).unwrap();
    assert_eq!(
        (outcome, play.state(), play.case().level),
        (Answered::ActNow, "held", Level::P1)
    );
    assert_eq!(
        play.case_lines_since(mark),
        ["T-90 nurse P1 opened", "T-90 backup P1 opened"]
    );
}

#[test]
fn saying_no_to_the_session_cancels_it_without_a_case() {
    for item in ["still_on", "go_ahead"] {
        let mut play = on_the_day();
        assert_eq!(play.item(Actor::Patient, item, NO).unwrap(), Answered::Cancelled);
        assert_eq!(play.state(), "cancelled");
        assert_eq!(play.record.watch.open_duties().count(), 0);
        let mark = play.mark();
        play.go_to(play.planned_at() + minutes(24 * 60));
        assert_eq!((play.mark(), play.record.watch.cases.len()), (mark, 0));
    }
}

#[test]
fn other_answers_leave_the_item_open() {
    let mut play = on_the_day();
    for (item, value, outcome) in [
        ("room_safe", NO, Answered::StillOpen),
        ("room_safe", YES, Answered::Done),
        ("address_today", NO, Answered::StillOpen),
        (
            "last_food_at",
            AnswerValue::Time(play.planned_at() - minutes(120)),
            Answered::StillOpen,
        ),
        (
            "last_food_at",
            AnswerValue::Time(play.planned_at() - minutes(241)),
            Answered::Done,
        ),
        (
            "private_check",
            AnswerValue::Text("please do not call my sitter".into()),
            Answered::Done,
        ),
        ("phones", AnswerValue::Cleared, Answered::StillOpen),
    ] {
        assert_eq!(play.item(Actor::Patient, item, value).unwrap(), outcome, "{item}");
    }
    // What is written for the clinic only is on the worklist, and locks nothing.
    assert_eq!((play.record.watch.cases.len(), play.case().level), (1, Level::P3));
    assert_eq!(play.case().signals[0].what.name(), "private_word");
}

#[test]
fn an_answer_of_the_wrong_kind_or_size_names_the_field() {
    let mut play = on_the_day();
    play.before(10);
    let (now, many) = (play.now, "x".repeat(1001));
    for (item, value, field) in [
        ("room_safe", AnswerValue::Text("yes".into()), "type"),
        ("last_food_at", YES, "type"),
        ("last_food_at", AnswerValue::Time(now + minutes(1)), "value"),
        (
            "last_food_at",
            AnswerValue::Time(now - minutes(8 * 24 * 60)),
            "value",
        ),
        ("private_check", AnswerValue::Text(many), "value"),
        ("antiemetic", AnswerValue::Choice("perhaps".into()), "value"),
    ] {
        let refusal = play.item(Actor::Patient, item, value).unwrap_err();
        assert!(refusal.to_string().starts_with(field), "{item}: {refusal}");
    }
    let vitals = play.item(Actor::Patient, "vitals_pre", YES).unwrap_err();
    assert_eq!(code(&vitals), "answered-elsewhere");
    for item in ["sitter_invited", "sitter_trained", "sitter_here"] {
        let followed = play.item(Actor::Sitter, item, YES).unwrap_err();
        assert_eq!(code(&followed), "answered-elsewhere", "{item}");
    }
    let unknown = play.item(Actor::Patient, "nonsense", YES).unwrap_err();
    assert_eq!(code(&unknown), "not-found");
}

#[test]
fn everyone_answers_their_own_items_and_no_others() {
    let mut play = on_the_day();
    play.before(10);
    for (actor, item) in [
        (Actor::Patient, "sitter_fit"),
        (Actor::Patient, "sitter_called"),
        (Actor::Sitter, "room_safe"),
        (Actor::Sitter, "safety_now"),
        (Actor::Nurse, "order_readback"),
    ] {
        assert_eq!(
            code(&play.item(actor, item, YES).unwrap_err()),
            "not-your-item",
            "{item}"
        );
    }
    let manager = staff(
        bedside_protocol::people::OnCallPlace::Manager,
        bedside_protocol::people::StaffRole::Manager,
    );
    let answered = play.asked(manager, |record, context| {
        preparation::answer(record, "sitter_called", YES, None, context)
    });
    assert_eq!(code(&answered.unwrap_err()), "not-found");
}

#[test]
fn an_item_opens_with_its_phase() {
    let mut play = Play::planned();
    play.invite_and_accept();
    for (before_min, item, open) in [
        (26 * 60 + 1, "changes_meds", false),
        (26 * 60, "changes_meds", true),
        (10 * 60 + 1, "room_safe", false),
        (10 * 60, "room_safe", true),
        (16, "bathroom", false),
        (15, "bathroom", true),
    ] {
        play.before(before_min);
        let good = play.good(item);
        let outcome = play.item(Actor::Patient, item, good);
        assert_eq!(outcome.is_ok(), open, "{item} at T-{before_min}");
    }
}

#[test]
fn a_wrong_read_back_is_kept_and_shows_the_order_again() {
    let mut play = Play::ready();
    let ordered = play.record.order.as_ref().unwrap().content.instruction;
    let wrong = [
        Instruction {
            after_hold: AfterHold::Swallow,
            ..ordered
        },
        Instruction {
            hold_minutes: 15,
            ..ordered
        },
        Instruction {
            lozenge_count: 20,
            ..ordered
        },
    ];
    for (index, wrong) in wrong.into_iter().enumerate() {
        let outcome = play.item(Actor::Sitter, "order_readback", AnswerValue::Readback(wrong));
        assert_eq!(outcome.unwrap(), Answered::ReadAgain);
        assert_eq!(play.record.session.wrong_readbacks as usize, index + 1);
        assert_eq!(play.reason_codes(), ["readback-wrong order_readback"]);
        assert_eq!(play.state(), "prep_open");
    }
    let good = play.good("order_readback");
    assert_eq!(
        play.item(Actor::Sitter, "order_readback", good).unwrap(),
        Answered::Done
    );
    assert_eq!(play.state(), "ready");
}

#[test]
fn an_order_that_changes_on_the_day_is_read_back_again_by_both_even_when_it_says_the_same() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).unwrap();
    play.record.order = Some(order(2, 10));
    let decision = play.with(nurse(), planning::order_changed);
    play.apply(decision);
    assert_eq!(play.state(), "prep_open");
    let changed = "order-changed order_readback".to_owned();
    assert_eq!(play.reason_codes(), [changed.clone(), changed.clone()]);
    for (actor, left) in [(Actor::Patient, 1), (Actor::Sitter, 0)] {
        let good = play.good("order_readback");
        play.item(actor, "order_readback", good).unwrap();
        assert_eq!(play.reason_codes().len(), left);
    }
}

#[test]
fn unticking_locks_again_also_after_the_screen_was_unlocked() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).unwrap();
    play.item(Actor::Patient, "phones", AnswerValue::Cleared).unwrap();
    assert_eq!(play.state(), "prep_open");
    play.item(Actor::Patient, "phones", YES).unwrap();
    assert_eq!(play.state(), "ready");
}

#[test]
fn presence_grows_old_after_twenty_minutes_and_vitals_after_thirty() {
    let mut play = Play::ready();
    for (later_min, expected) in [
        (20, vec![]),
        (21, vec!["item-expired sitter_here"]),
        (30, vec!["item-expired sitter_here"]),
        (31, vec!["item-expired vitals_pre", "item-expired sitter_here"]),
    ] {
        play.go_to(play.planned_at() - minutes(10) + minutes(later_min));
        assert_eq!(play.reason_codes(), expected, "{later_min}");
        let state = if expected.is_empty() { "ready" } else { "prep_open" };
        assert_eq!(play.state(), state);
    }
    play.here();
    play.measure(patient(), 118, 76, 66).unwrap();
    assert_eq!((play.reason_codes().len(), play.state()), (0, "ready"));
}

#[test]
fn what_merely_grows_old_does_not_lock_a_screen_that_is_unlocked() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).unwrap();
    play.go_to(play.now + minutes(25));
    let state = &play.record.session.state;
    assert!(
        matches!(state, SessionState::Ready { unlocked_at: Some(_) }),
        "{state:?}"
    );
}

#[test]
fn when_the_sitter_changes_all_that_the_sitter_said_is_open_again() {
    let mut play = Play::ready();
    let first = play.record.current_sitter().unwrap().id;
    play.does(patient(), |record, context| {
        sitting::remove(record, first, context)
    })
    .unwrap();
    play.invite("kim@example.org").unwrap();
    play.does(play.sitter(), |record, context| {
        sitting::accept(record, true, true, context)
    })
    .unwrap();
    // A nurse has spoken to the other one.
    let mut expected = [
        "sitter_trained",
        "sitter_called",
        "sitter_available",
        "phones",
        "sitter_here",
        "sitter_fit",
        "order_readback",
    ]
    .map(|item| format!("item-open {item}"))
    .to_vec();
    expected.sort();
    let mut reasons = play.reason_codes();
    reasons.sort();
    assert_eq!(reasons, expected);
}

#[test]
fn the_checklist_closes_with_the_dose() {
    let mut play = Play::dosed();
    let refusal = play.item(Actor::Patient, "phones", NO).unwrap_err();
    assert_eq!(code(&refusal), "checklist-closed");
}

#[test]
fn a_lifted_hold_asks_again_what_held_and_nothing_else() {
    let mut play = Play::ready();
    play.item(Actor::Patient, "changes_meds", YES).unwrap();
    play.item(Actor::Patient, "substances_24h", YES).unwrap();
    play.does(nurse(), |record, context| {
        planning::hold(record, "calling first", context)
    })
    .unwrap();
    play.take_and_resolve();
    play.does(nurse(), planning::lift).unwrap();
    assert_eq!(play.state(), "prep_open");
    assert_eq!(
        play.reason_codes(),
        ["item-open changes_meds", "item-open substances_24h"]
    );
    play.item(Actor::Patient, "changes_meds", NO).unwrap();
    play.item(Actor::Patient, "substances_24h", NO).unwrap();
    assert_eq!((play.reason_codes().len(), play.state()), (0, "ready"));
    let refusal = play.does(nurse(), planning::lift).unwrap_err();
    assert_eq!(code(&refusal), "not-held");
}
