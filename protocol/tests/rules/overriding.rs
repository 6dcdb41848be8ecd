//! A clinician decides that an item need not be done: which items, for how long, and what nobody may decide.

use std::sync::Arc;

use bedside_protocol::checklist::{Actor, AnswerValue};
use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::minutes;
use bedside_protocol::{gate, overriding, preparation};

use crate::play::Play;
use crate::support::{code, patient, prescriber};

fn decide(play: &mut Play, item: &str, for_min: i64) -> Result<(), Refusal> {
    let until = play.now + minutes(for_min);
    play.does(prescriber(), |record, context| {
        overriding::decide(record, item, "spoke to them at length", until, context)
    })
}

#[test]
fn which_items_may_be_decided_about_is_written_here_for_the_shipped_document() {
    let never = ["sitter_here", "order_readback", "safety_now", "sitter_invited"];
    let blocks_nothing = ["private_check", "sitter_calls", "antiemetic", "bathroom"];
    let play = Play::ready();
    for item in &play.record.around.protocol.checklist {
        let mut play = play.clone();
        let outcome = match decide(&mut play, &item.key, 60) {
            Ok(()) => "decided",
            Err(refusal) => code(&refusal),
        };
        let expected = if never.contains(&item.key.as_str()) {
            "never-overridden"
        } else if blocks_nothing.contains(&item.key.as_str()) {
            "blocks-nothing"
        } else {
            "decided"
        };
        assert_eq!(outcome, expected, "{}", item.key);
    }
    assert_eq!(
        code(&decide(&mut play.clone(), "nonsense", 60).unwrap_err()),
        "not-found"
    );
}

#[test]
fn no_document_lifts_the_floor_and_each_may_raise_it() {
    let mut document = ProtocolDocument::shipped().unwrap();
    document.preparation.never_overridden = vec!["kit".into()];
    // A presence under another name is a presence.
    for item in &mut document.checklist {
        if item.key == "sitter_here" {
            item.key = "somebody_here".into();
        }
    }
    let mut play = Play::ready();
    play.record.around.protocol = Arc::new(document);
    for item in ["somebody_here", "order_readback", "safety_now", "kit"] {
        let refused = decide(&mut play, item, 60).unwrap_err();
        assert_eq!(code(&refused), "never-overridden", "{item}");
    }
    decide(&mut play, "room_safe", 60).unwrap();
}

#[test]
fn a_document_from_before_lets_nobody_decide() {
    let mut play = Play::ready();
    let old = ProtocolDocument::parse(include_str!("../../documents/default-1.json")).unwrap();
    play.record.around.protocol = Arc::new(old);
    let refused = decide(&mut play, "room_safe", 60).unwrap_err();
    assert_eq!(code(&refused), "never-overridden");
}

#[test]
fn everything_that_is_wrong_with_a_decision_is_said_at_once() {
    let mut play = Play::ready();
    for (reason, for_min, faults) in [
        ("", 0, "reason: say why, in a few words; until: is in the past"),
        ("  ", 60, "reason: say why, in a few words"),
        ("ok", -1, "until: is in the past"),
        ("ok", 7 * 24 * 60 + 1, "until: is more than 168 hours from now"),
    ] {
        let until = play.now + minutes(for_min);
        let refused = play.does(prescriber(), |record, context| {
            overriding::decide(record, "room_safe", reason, until, context)
        });
        assert_eq!(refused.unwrap_err().to_string(), faults);
    }
    decide(&mut play, "room_safe", 7 * 24 * 60).unwrap();
}

#[test]
fn a_decision_opens_what_it_is_about_and_nothing_else_until_its_time_is_over() {
    let mut play = Play::ready();
    play.item(Actor::Patient, "room_safe", AnswerValue::YesNo(false))
        .unwrap();
    play.item(Actor::Patient, "phones", AnswerValue::Cleared).unwrap();
    assert_eq!(
        play.reason_codes(),
        ["item-not-good room_safe", "item-open phones"]
    );
    decide(&mut play, "room_safe", 15).unwrap();
    assert_eq!(play.reason_codes(), ["item-open phones"]);
    decide(&mut play, "phones", 30).unwrap();
    assert_eq!((play.reason_codes().len(), play.state()), (0, "ready"));
    play.go_to(play.now + minutes(14));
    assert_eq!(play.reason_codes(), Vec::<String>::new());
    play.go_to(play.now + minutes(1));
    assert_eq!(play.reason_codes(), ["item-not-good room_safe"]);
    assert_eq!(play.state(), "prep_open");
}

#[test]
fn the_last_decision_about_an_item_counts() {
    let mut play = Play::ready();
    play.item(Actor::Patient, "room_safe", AnswerValue::Cleared)
        .unwrap();
    decide(&mut play, "room_safe", 600).unwrap();
    decide(&mut play, "room_safe", 1).unwrap();
    play.go_to(play.now + minutes(1));
    assert_eq!(play.reason_codes(), ["item-open room_safe"]);
    assert_eq!(play.record.session.overrides.len(), 2, "both are kept");
    let kept = play
        .facts
        .iter()
        .filter(|fact| fact.action == "checklist.overridden");
    assert_eq!(kept.count(), 2);
}

#[test]
fn a_decision_that_ends_does_not_lock_a_screen_that_is_unlocked() {
    let mut play = Play::ready();
    play.item(Actor::Patient, "room_safe", AnswerValue::Cleared)
        .unwrap();
    decide(&mut play, "room_safe", 5).unwrap();
    play.asked(patient(), preparation::unlock).unwrap();
    play.go_to(play.now + minutes(6));
    assert!(gate::unlocked_until(&play.record, play.now).is_some());
}

#[test]
fn nothing_is_decided_once_the_dose_is_taken() {
    let mut play = Play::dosed();
    let refused = decide(&mut play, "room_safe", 60).unwrap_err();
    assert_eq!(code(&refused), "checklist-closed");
}
