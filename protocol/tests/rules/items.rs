//! Every item of the shipped checklist, as a clinician would read it: who answers it, from when, what each answer does.

use std::sync::Arc;

use bedside_protocol::case::Level;
use bedside_protocol::checklist::{Actor, AnswerValue, Quantity};
use bedside_protocol::document::{Asks, OtherAnswer, ProtocolDocument};
use bedside_protocol::gate;
use bedside_protocol::preparation::Answered;
use bedside_protocol::record::Earlier;
use bedside_protocol::session::KnownSitter;
use bedside_protocol::time::minutes;

use crate::play::Play;
use crate::support::{code, order};

const ACTORS: [Actor; 3] = [Actor::Patient, Actor::Sitter, Actor::Nurse];

/// item, who answers, opens so many minutes before, answers with what they do, whether it keeps the dose of a first session
/// locked.
///
/// The session is at 10:00, so its day begins at T-600.
type Row = (
    &'static str,
    &'static [Actor],
    i64,
    &'static [(&'static str, &'static str)],
    bool,
);

const P: &[Actor] = &[Actor::Patient];
const S: &[Actor] = &[Actor::Sitter];
const PS: &[Actor] = &[Actor::Patient, Actor::Sitter];
const YES_IS_GOOD: &[(&str, &str)] = &[("yes", "done"), ("no", "still open"), ("cleared", "still open")];
const YES_OR_HOLD: &[(&str, &str)] = &[("yes", "done"), ("no", "held P2"), ("cleared", "still open")];
const NO_OR_HOLD: &[(&str, &str)] = &[("no", "done"), ("yes", "held P2"), ("cleared", "still open")];
const YES_OR_CANCEL: &[(&str, &str)] = &[("yes", "done"), ("no", "cancelled"), ("cleared", "still open")];

const TABLE: &[Row] = &[
    ("sitter_invited", S, 0, &[], true),
    ("sitter_trained", S, 0, &[], true),
    ("still_on", P, 1560, YES_OR_CANCEL, true),
    ("changes_health", P, 1560, NO_OR_HOLD, true),
    ("changes_meds", P, 1560, NO_OR_HOLD, true),
    ("sitter_available", S, 1560, YES_IS_GOOD, true),
    ("sitter_called", &[Actor::Nurse], 1560, YES_IS_GOOD, true),
    (
        "private_check",
        P,
        1560,
        &[("text", "done P3"), ("cleared", "still open")],
        false,
    ),
    (
        "sitter_calls",
        P,
        1560,
        &[("yes", "done"), ("no", "done"), ("cleared", "still open")],
        false,
    ),
    ("med_plan_followed", P, 600, YES_OR_HOLD, true),
    ("substances_24h", P, 600, NO_OR_HOLD, true),
    ("psychedelics_7d", P, 600, NO_OR_HOLD, true),
    (
        "last_food_at",
        P,
        600,
        &[("T-600", "done"), ("T-601", "done"), ("cleared", "still open")],
        true,
    ),
    (
        "last_drink_at",
        P,
        600,
        &[("T-600", "done"), ("cleared", "still open")],
        true,
    ),
    (
        "address_today",
        P,
        600,
        &[
            ("yes", "done"),
            ("no", "still open"),
            ("text", "done P2"),
            ("cleared", "still open"),
        ],
        true,
    ),
    ("dependants", P, 600, YES_IS_GOOD, true),
    ("room_safe", P, 600, YES_IS_GOOD, true),
    ("no_driving", P, 600, YES_IS_GOOD, true),
    ("phones", PS, 600, YES_IS_GOOD, true),
    (
        "safety_now",
        P,
        600,
        &[("no", "done"), ("yes", "act now P1"), ("cleared", "still open")],
        true,
    ),
    ("go_ahead", P, 600, YES_OR_CANCEL, true),
    ("kit", P, 600, YES_IS_GOOD, true),
    ("vitals_pre", PS, 60, &[], true),
    ("sitter_here", S, 15, &[], true),
    ("sitter_fit", S, 15, YES_IS_GOOD, true),
    (
        "order_readback",
        PS,
        15,
        &[
            ("as ordered", "done"),
            ("swallow", "read again"),
            ("cleared", "still open"),
        ],
        true,
    ),
    (
        "antiemetic",
        P,
        15,
        &[
            ("taken", "done"),
            ("not_prescribed", "done"),
            ("not_taken", "done"),
        ],
        false,
    ),
    ("bathroom", P, 15, YES_IS_GOOD, false),
];

fn value(play: &Play, item: &str, answer: &str) -> AnswerValue {
    match answer {
        "yes" => AnswerValue::YesNo(true),
        "no" => AnswerValue::YesNo(false),
        "cleared" => AnswerValue::Cleared,
        "text" => AnswerValue::Text("7 Oak Road".into()),
        "as ordered" => play.good(item),
        "swallow" => {
            let mut instruction = order(1, 10).content.instruction;
            instruction.after_hold = bedside_protocol::order::AfterHold::Swallow;
            AnswerValue::Readback(instruction)
        }
        before => match before.strip_prefix("T-").and_then(|min| min.parse().ok()) {
            Some(min) => AnswerValue::Time(play.planned_at() - minutes(min)),
            None => AnswerValue::Choice(answer.into()),
        },
    }
}

fn in_words(play: &Play, answered: Answered) -> String {
    let words = match answered {
        Answered::Done => "done",
        Answered::StillOpen => "still open",
        Answered::ReadAgain => "read again",
        Answered::Held => "held",
        Answered::Cancelled => "cancelled",
        Answered::ActNow => "act now",
    };
    let told = play.record.watch.cases.last().map(|case| case.level.name());
    let told = told.map_or_else(String::new, |level| format!(" {level}"));
    format!("{words}{told}")
}

#[test]
fn the_table_is_the_shipped_checklist_in_its_order() {
    let shipped = ProtocolDocument::shipped().unwrap();
    let shipped: Vec<&str> = shipped.checklist.iter().map(|item| item.key.as_str()).collect();
    let table: Vec<&str> = TABLE.iter().map(|row| row.0).collect();
    assert_eq!(table, shipped);
}

#[test]
fn each_answer_of_each_item_does_what_the_table_says() {
    for (key, actors, opens_before_min, answers, _) in TABLE {
        for actor in actors.iter().filter(|_| !answers.is_empty()) {
            for (answer, expected) in *answers {
                let mut play = Play::planned();
                play.invite_and_accept();
                if *opens_before_min < 1560 {
                    play.before(25 * 60);
                    play.answer_all(bedside_protocol::document::ItemPhase::DayBefore, Actor::Patient);
                }
                play.before(opens_before_min + 1);
                let value = value(&play, key, answer);
                let early = play.item(*actor, key, value.clone()).unwrap_err();
                assert_eq!(code(&early), "item-not-open", "{key} at T-{opens_before_min}-1");
                play.before(*opens_before_min);
                let answered = play.item(*actor, key, value).unwrap();
                assert_eq!(
                    in_words(&play, answered),
                    *expected,
                    "{key}: {actor:?} says {answer}"
                );
            }
        }
    }
}

#[test]
fn nobody_answers_an_item_that_is_anothers() {
    let mut play = Play::planned();
    play.invite_and_accept();
    play.before(10);
    for (key, actors, _, _, _) in TABLE {
        for actor in ACTORS.iter().filter(|actor| !actors.contains(actor)) {
            let refused = play.item(*actor, key, AnswerValue::YesNo(true)).unwrap_err();
            assert_eq!(code(&refused), "not-your-item", "{key}: {actor:?}");
        }
    }
}

#[test]
fn what_blocks_a_first_session_is_what_the_table_says() {
    let mut play = Play::planned();
    play.invite("sam@example.org").unwrap();
    play.before(10);
    for (key, _, _, _, blocks) in TABLE {
        let item = play.record.around.protocol.item(key).unwrap();
        assert_eq!(gate::blocks(&play.record, item), *blocks, "{key}");
    }
}

#[test]
fn a_nurse_rings_before_a_first_session_and_whenever_the_sitter_has_not_sat_before() {
    let sat = |email: &str, sat: bool| KnownSitter {
        email: email.into(),
        trained_at: None,
        sat,
    };
    for (dosed_before, known, rings) in [
        (false, vec![], true),
        (false, vec![sat("sam@example.org", true)], true),
        (true, vec![], true),
        (true, vec![sat("sam@example.org", false)], true),
        (true, vec![sat("kim@example.org", true)], true),
        (true, vec![sat("Sam@example.org", true)], false),
    ] {
        let mut play = Play::planned();
        play.invite("sam@example.org").unwrap();
        if dosed_before {
            play.record.around.other_doses = vec![play.planned_at() - minutes(14 * 24 * 60)];
        }
        play.record.around.earlier.sitters.clone_from(&known);
        let asked = play
            .reason_codes()
            .contains(&"item-open sitter_called".to_owned());
        assert_eq!(asked, rings, "{dosed_before} {known:?}");
    }
}

#[test]
fn another_address_stands_in_place_of_the_stored_one_and_is_told_at_once() {
    let mut play = Play::ready();
    assert_eq!(play.record.address_today(), "1 Elm Street");
    let there = AnswerValue::Text("7 Oak Road, Albany".into());
    assert_eq!(
        play.item(Actor::Patient, "address_today", there).unwrap(),
        Answered::Done
    );
    assert_eq!(play.record.address_today(), "7 Oak Road, Albany");
    assert_eq!(play.record.patient.address, "1 Elm Street");
    assert_eq!(play.case().level, Level::P2);
    assert_eq!(
        play.reason_codes(),
        ["open-case"],
        "a nurse looks at it before the dose"
    );
    play.take_and_resolve();
    assert_eq!(play.reason_codes(), Vec::<String>::new());
    // Back at home after all.
    play.item(Actor::Patient, "address_today", AnswerValue::YesNo(true))
        .unwrap();
    assert_eq!(play.record.address_today(), "1 Elm Street");
}

#[test]
fn a_number_is_in_its_unit_within_its_range_and_a_bad_one_does_what_the_item_says() {
    let mut document = ProtocolDocument::shipped().unwrap();
    let at = document
        .checklist
        .iter()
        .position(|item| item.key == "kit")
        .unwrap();
    document.checklist[at].asks = Asks::Number {
        unit: "lozenges".into(),
        least: 0,
        most: 40,
        good_from: Some(2),
        good_to: None,
        other: OtherAnswer::Hold,
    };
    let mut play = Play::planned();
    play.record.around.protocol = Arc::new(document);
    play.invite_and_accept();
    play.before(25 * 60);
    play.answer_all(bedside_protocol::document::ItemPhase::DayBefore, Actor::Patient);
    play.before(90);
    let said = |number: i64, unit: &str| {
        AnswerValue::Number(Quantity {
            number,
            unit: unit.into(),
        })
    };
    for (number, unit, expected) in [
        (2, "lozenges", Ok("done")),
        (40, "lozenges", Ok("done")),
        (1, "lozenges", Ok("held P2")),
        (0, "lozenges", Ok("held P2")),
        (-1, "lozenges", Err("value.number: must be from 0 to 40")),
        (41, "lozenges", Err("value.number: must be from 0 to 40")),
        (2, "packs", Err("value.unit: must be lozenges")),
        (
            41,
            "packs",
            Err("value.number: must be from 0 to 40; value.unit: must be lozenges"),
        ),
    ] {
        let mut play = play.clone();
        match play.item(Actor::Patient, "kit", said(number, unit)) {
            Ok(answered) => assert_eq!(
                Ok(in_words(&play, answered).as_str()),
                expected,
                "{number} {unit}"
            ),
            Err(refused) => assert_eq!(Err(refused.to_string().as_str()), expected),
        }
    }
    let wrong = play
        .item(Actor::Patient, "kit", AnswerValue::YesNo(true))
        .unwrap_err();
    assert!(wrong.to_string().starts_with("type"));
    // A lifted hold asks it again.
    play.item(Actor::Patient, "kit", said(1, "lozenges")).unwrap();
    play.does(crate::support::nurse(), bedside_protocol::planning::lift)
        .unwrap();
    assert!(play.reason_codes().contains(&"item-open kit".to_owned()));
}

#[test]
fn a_wish_about_calls_to_the_sitter_is_kept_when_the_session_moves_and_holds_after_it() {
    let mut play = Play::planned();
    play.invite_and_accept();
    play.before(25 * 60);
    assert!(!play.record.sitter_is_not_called());
    play.item(Actor::Patient, "sitter_calls", AnswerValue::YesNo(false))
        .unwrap();
    assert!(play.record.sitter_is_not_called());
    let to = bedside_protocol::time::Planned::new(
        "2026-11-30".parse().unwrap(),
        "10:00:00".parse().unwrap(),
        play.record.patient.zone,
    );
    let moved = play.with(crate::support::nurse(), |record, context| {
        let mut draft = bedside_protocol::draft::Draft::of(record, context);
        bedside_protocol::planning::retime(&mut draft, to);
        draft.decide()
    });
    play.apply(moved);
    assert!(play.record.sitter_is_not_called());
    let wish = play.record.around.protocol.item("sitter_calls").unwrap();
    let open = gate::open_reason(&play.record, wish, Actor::Patient, play.now);
    assert_eq!(open, None, "it is not asked again");
    // The sitter of a running session is reminded all the same.
    let mut play = Play::ready();
    play.item(Actor::Patient, "sitter_calls", AnswerValue::YesNo(false))
        .unwrap();
    play.unlock_and_dose();
    let mark = play.mark();
    play.after(17);
    let sent = play.lines_since(mark);
    assert!(sent.iter().any(|line| line.contains(" sitter ")), "{sent:?}");
}

#[test]
fn what_the_next_session_knows_of_the_ones_before() {
    let mut first = Play::ready();
    first
        .item(Actor::Patient, "sitter_calls", AnswerValue::YesNo(false))
        .unwrap();
    first.unlock_and_dose();
    let mut second = first.record.session.clone();
    second.planned.at += minutes(14 * 24 * 60);
    second.dose = None;
    second.known_sitters.clear();
    second.sitter_calls = None;
    let earlier = Earlier::of(&[second.clone(), first.record.session.clone()]);
    assert_eq!(
        (earlier.order_version, earlier.sitter_calls),
        (Some(1), Some(false))
    );
    let known: Vec<_> = earlier.known("SAM@example.org").collect();
    assert!(known.len() == 1 && known[0].sat && known[0].trained_at.is_some());
    assert_eq!(earlier.known("kim@example.org").count(), 0);
    // The newest wish counts.
    second.sitter_calls = Some(true);
    let earlier = Earlier::of(&[second, first.record.session]);
    assert_eq!(earlier.sitter_calls, Some(true));
    let mut next = Play::planned();
    for (own, before, not_called) in [
        (None, None, false),
        (None, Some(false), true),
        (Some(true), Some(false), false),
        (Some(false), Some(true), true),
    ] {
        next.record.session.sitter_calls = own;
        next.record.around.earlier.sitter_calls = before;
        assert_eq!(next.record.sitter_is_not_called(), not_called);
    }
}

#[test]
fn who_reads_back_is_told_when_the_order_is_another_than_last_time() {
    let mut play = Play::ready();
    assert!(!play.record.order_changed(), "there was no last time");
    for (then, now, changed) in [(1, 1, false), (1, 2, true), (2, 2, false)] {
        play.record.around.earlier.order_version = Some(then);
        play.record.order = Some(order(now, 10));
        assert_eq!(play.record.order_changed(), changed, "{then} then, {now} now");
    }
    play.record.order = None;
    assert!(play.record.order_changed());
}
