//! The evening, the day after and two days after: what is asked, what an answer calls for, who hears of a miss and when
//! (PROTOCOL 4.3, C11 to C13; 4.5, ladder B).

use std::collections::BTreeMap;

use bedside_protocol::answering::{CheckedIn, Form};
use bedside_protocol::case::{Cause, Level};
use bedside_protocol::check_in::Besides;
use bedside_protocol::duty::DutyState;
use bedside_protocol::enrolment::ConsentAnswer;
use bedside_protocol::instruments::{Answers, Given, InstrumentKey};
use bedside_protocol::ledger::{LedgerEntry, LedgerKind};
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::minutes;
use bedside_protocol::{document::ProtocolDocument, notice::Message};
use uuid::Uuid;

use crate::forms::answers;
use crate::play::Play;
use crate::support::{at, nurse, patient, patient_record};

const DAY: i64 = 24 * 60;

/// A session by the book up to the release.
fn released() -> Play {
    let mut play = Play::dosed();
    play.all_well_until(121);
    assert_eq!(play.state(), "released");
    play
}

/// The clinic's list of side effects: all none but for some.
fn side_effects(said: &[(&str, u32)]) -> Answers {
    let mut list = answers(InstrumentKey::SideEffects, &[]);
    for (key, value) in said {
        let given = list.get_mut(*key).expect("an item of the list");
        *given = match given {
            Given::YesNo(_) => Given::YesNo(*value > 0),
            Given::Number(_) => Given::Number(*value),
        };
    }
    list
}

/// A form for a check with some questions answered the other way and some side effects.
fn form(play: &Play, key: &str, bad: &[&str], effects: Option<&[(&str, u32)]>) -> Form {
    let mut form = play.form(&play.check(key, 0).clone(), bad);
    if let Some(effects) = effects {
        form.besides.side_effects = side_effects(effects);
    }
    form
}

fn faults(refused: Refusal) -> Vec<String> {
    let Refusal::Invalid(faults) = refused else {
        panic!("{refused:?}")
    };
    faults.0.into_iter().map(|fault| fault.field).collect()
}

#[test]
fn a_side_effect_calls_for_what_the_table_says() {
    // what is said, what the screen says, the case
    for (bad, effects, outcome, level) in [
        (&[][..], None, CheckedIn::Well, None),
        (
            &["no_side_effects"],
            Some(&[("nausea", 1)][..]),
            CheckedIn::Noted,
            None,
        ),
        (
            &["no_side_effects"],
            Some(&[("nausea", 2)]),
            CheckedIn::Noted,
            None,
        ),
        (
            &["no_side_effects"],
            Some(&[("nausea", 3)]),
            CheckedIn::Noted,
            Some(Level::P3),
        ),
        (
            &["no_side_effects"],
            Some(&[("fall", 1)]),
            CheckedIn::Noted,
            Some(Level::P2),
        ),
        (
            &["no_side_effects"],
            Some(&[("chest_tightness", 1)]),
            CheckedIn::ActNow,
            Some(Level::P1),
        ),
        (
            &["no_side_effects"],
            Some(&[("trouble_breathing", 2)]),
            CheckedIn::ActNow,
            Some(Level::P1),
        ),
        // A list that comes unasked counts as well.
        (
            &[],
            Some(&[("chest_tightness", 1)]),
            CheckedIn::ActNow,
            Some(Level::P1),
        ),
        (&["mood_steady"], None, CheckedIn::Noted, Some(Level::P3)),
        (&["not_driven"], None, CheckedIn::Noted, Some(Level::P3)),
        (&["not_taken_more"], None, CheckedIn::ActNow, Some(Level::P1)),
        (&["safety_now"], None, CheckedIn::ActNow, Some(Level::P1)),
    ] {
        for (key, after_min) in [("C11", 361), ("C12", DAY + 1)] {
            let mut play = released();
            if key == "C12" {
                play.after(361);
                play.answer_own("C11", &[]);
            }
            play.after(after_min);
            let sent = form(&play, key, bad, effects);
            let said = play.send(patient(), sent).unwrap();
            let case = play.record.watch.open_case().map(|case| case.level);
            assert_eq!((said, case), (outcome, level), "{key} {bad:?} {effects:?}");
        }
    }
}

#[test]
fn the_list_is_asked_for_by_a_no_and_what_is_wrong_is_told_at_once() {
    let mut play = released();
    play.after(361);
    let bare = form(&play, "C11", &["no_side_effects"], None);
    assert_eq!(faults(play.send(patient(), bare).unwrap_err()).len(), 16);
    let mut sent = form(&play, "C11", &["no_side_effects"], Some(&[]));
    sent.besides.side_effects.remove("nausea");
    sent.besides
        .side_effects
        .insert("headache".into(), Given::Number(4));
    sent.besides
        .side_effects
        .insert("hiccups".into(), Given::Number(1));
    sent.besides.lozenges_left = Some(3);
    sent.besides.words = BTreeMap::from([("insight".to_owned(), "light".to_owned())]);
    assert_eq!(
        faults(play.send(patient(), sent).unwrap_err()),
        [
            "side_effects.headache",
            "side_effects.hiccups",
            "side_effects.nausea",
            "lozenges_left",
            "words"
        ]
    );
    assert!(play.check("C11", 0).is_open());
}

#[test]
fn what_calls_for_help_is_never_refused_for_what_is_missing() {
    for (answers, effects) in [
        (BTreeMap::from([("safety_now".to_owned(), true)]), Answers::new()),
        (
            BTreeMap::from([("no_side_effects".to_owned(), false)]),
            Answers::from([("chest_tightness".to_owned(), Given::Number(1))]),
        ),
    ] {
        let mut play = released();
        play.after(361);
        let sent = Form {
            duty: play.check("C11", 0).id,
            answers,
            besides: Besides {
                side_effects: effects,
                ..Besides::default()
            },
            reading: None,
            observed_at: None,
        };
        assert_eq!(play.send(patient(), sent.clone()).unwrap(), CheckedIn::ActNow);
        assert_eq!(play.case().level, Level::P1);
        let signals = play.case().signals.len();
        assert_eq!(
            play.send(patient(), sent).unwrap(),
            CheckedIn::ActNow,
            "sent twice"
        );
        assert_eq!(play.case().signals.len(), signals);
    }
}

fn received(play: &mut Play, count: u32) {
    let planned_at = play.planned_at();
    play.record.course.ledger = vec![LedgerEntry {
        id: Uuid::from_u128(0x1ED).into(),
        kind: LedgerKind::Received { count },
        observed_at: planned_at - minutes(7 * DAY),
        received_at: planned_at - minutes(7 * DAY),
        by: nurse(),
        note: None,
        storage: None,
    }];
}

#[test]
fn a_count_the_day_after_is_held_against_the_ledger() {
    // Twelve came, two were taken in this session, and some before it.
    for (elsewhere, counted, case) in [
        (0, 10, None),
        (0, 9, Some((10, 9))),
        (0, 12, Some((10, 12))),
        (4, 6, None),
        (4, 10, Some((6, 10))),
    ] {
        let mut play = Play::ready();
        received(&mut play, 12);
        play.record.around.lozenges_taken_elsewhere = Some(elsewhere);
        play.unlock_and_dose();
        play.all_well_until(121);
        play.after(361);
        play.answer_own("C11", &[]);
        play.after(DAY + 1);
        let mut sent = form(&play, "C12", &[], None);
        sent.besides.lozenges_left = None;
        assert_eq!(
            faults(play.send(patient(), sent.clone()).unwrap_err()),
            ["lozenges_left"]
        );
        sent.besides.lozenges_left = Some(counted);
        play.send(patient(), sent).unwrap();
        let told = play
            .record
            .watch
            .open_case()
            .map(|case| case.signals[0].what.clone());
        let expected = case.map(|(expected, counted)| Cause::CountDiffers { expected, counted });
        assert_eq!(told, expected, "{elsewhere} elsewhere, {counted} counted");
    }
    // Where nobody keeps the ledger nobody is asked to count.
    let mut play = released();
    play.record.course.ledger.clear();
    play.after(DAY + 1);
    let sent = form(&play, "C12", &[], None);
    assert_eq!(sent.besides.lozenges_left, None);
    play.send(patient(), sent).unwrap();
}

#[test]
fn two_days_after_an_insight_and_an_action_are_kept_in_the_patients_words() {
    let mut play = released();
    play.after(361);
    play.answer_own("C11", &[]);
    play.after(DAY + 1);
    play.answer_own("C12", &[]);
    play.after(2 * DAY);
    let mut sent = form(&play, "C13", &[], None);
    sent.besides.words.remove("action");
    sent.besides.words.insert("insight".into(), "x".repeat(1001));
    assert_eq!(
        faults(play.send(patient(), sent).unwrap_err()),
        ["words.insight", "words.action"]
    );
    play.answer_own("C13", &[]);
    let kept = &play.record.check_ins.last().unwrap().besides.words;
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["action", "insight"]);
    assert_eq!(play.state(), "closed");
    assert!(play.record.watch.cases.is_empty());
}

/// What is sent after the release, by whom it reaches and when, counted from the dose.
fn lines_after_release(play: &mut Play, until_min: i64) -> Vec<String> {
    let mark = play.mark();
    play.after(until_min);
    play.lines_since(mark)
}

#[test]
fn each_check_after_the_session_is_missed_and_told_at_its_own_time() {
    // The evening: P2 an hour after it was due.
    let mut play = released();
    assert_eq!(
        lines_after_release(&mut play, 421),
        [
            "T+360 patient task",
            "T+390 patient overdue",
            "T+420 nurse P2 opened"
        ]
    );
    // The day after: reminded after one and two hours, P2 after four. The sitter is not told: nobody knows that they may.
    let mut play = released();
    play.record.course.consents.clear();
    play.after(361);
    play.answer_own("C11", &[]);
    assert_eq!(
        lines_after_release(&mut play, DAY + 241),
        [
            "T+1440 patient task",
            "T+1500 patient overdue",
            "T+1560 patient overdue",
            "T+1680 nurse P2 opened"
        ]
    );
    // Two days after: reminded once, and a line in the daily mail of whoever works the list. No case.
    let mut play = released();
    play.after(361);
    play.answer_own("C11", &[]);
    play.after(DAY + 1);
    play.answer_own("C12", &[]);
    assert_eq!(
        lines_after_release(&mut play, 2 * DAY + 301),
        [
            "T+2880 patient task",
            "T+2940 patient overdue",
            "T+4200 coordinator for information"
        ]
    );
    assert!(play.record.watch.cases.is_empty());
    assert_eq!(play.state(), "closed");
    let digest = play.sent.last().unwrap();
    assert!(matches!(digest.message, Message::ForInformation { .. }));
    assert_eq!(
        digest.not_before,
        at("2026-12-01T13:00:00Z"),
        "at eight in the clinic"
    );
}

#[test]
fn the_sitter_hears_of_a_late_check_only_by_the_patients_last_word_and_not_if_they_are_to_be_left_in_peace() {
    let told = "T+1560 sitter overdue";
    for (answers, sitter_calls, hears) in [
        (vec![], None, false),
        (vec![false], None, false),
        (vec![true], None, true),
        (vec![true, false], None, false),
        (vec![false, true], Some(true), true),
        (vec![true], Some(false), false),
    ] {
        let mut play = released();
        play.record.course.consents = answers
            .iter()
            .map(|agreed| ConsentAnswer {
                id: Uuid::from_u128(0x5A).into(),
                text: "safety_sharing".into(),
                version: 1,
                agreed: *agreed,
                at: play.planned_at(),
                by: patient(),
            })
            .collect();
        play.record.session.sitter_calls = sitter_calls;
        play.after(361);
        play.answer_own("C11", &[]);
        let lines = lines_after_release(&mut play, DAY + 241);
        assert_eq!(
            lines.iter().any(|line| line == told),
            hears,
            "{answers:?}, {sitter_calls:?}: {lines:?}"
        );
    }
}

#[test]
fn a_talk_that_is_neither_had_nor_booked_is_a_line_in_the_daily_mail_and_no_case() {
    let mut play = released();
    play.all_well_until(2 * DAY - 1);
    play.after(2 * DAY);
    let mark = play.mark();
    assert_eq!(play.answer_own("C13", &["talk"]), CheckedIn::Noted);
    assert!(play.record.watch.cases.is_empty());
    assert_eq!(play.lines_since(mark), ["T+4200 coordinator for information"]);
    assert_eq!(play.state(), "closed");
}

#[test]
fn late_twice_running_is_its_own_notice_also_to_who_has_the_case() {
    let mut play = released();
    play.after(421);
    play.take(OnCallPlace::Nurse).unwrap();
    let (case, taken) = (play.case_id(), play.case().round);
    let id = play.case_id();
    play.desk(nurse(), |desk| {
        desk.contacted(id, crate::support::on(OnCallPlace::Nurse))
    })
    .unwrap();
    // The evening's case is still open when the day after is missed, if the protocol gives as long.
    let later = play.now + minutes(100);
    assert!(later < play.record.session.t0() + minutes(DAY));
    let mut resolved = play.clone();
    resolved.resolve();
    resolved.after(DAY + 241);
    let causes: Vec<&str> = resolved.case().signals.iter().map(|it| it.what.name()).collect();
    assert_eq!((causes, resolved.case().level), (vec!["late_twice"], Level::P2));
    assert!(matches!(
        resolved.case().signals[0].what,
        Cause::LateTwice { in_a_row: 2, .. }
    ));
    // A third, which alone would wait for the daily mail, is on the worklist.
    resolved.take_and_resolve();
    let mark = resolved.mark();
    resolved.after(2 * DAY + 301);
    assert_eq!(resolved.case().level, Level::P3);
    assert!(
        resolved
            .lines_since(mark)
            .last()
            .unwrap()
            .contains("coordinator P3")
    );
    // One that was answered between begins anew.
    play.resolve();
    play.after(DAY + 1);
    play.answer_own("C12", &[]);
    play.after(2 * DAY + 301);
    assert!(play.record.watch.open_case().is_none());
    assert_eq!((play.record.watch.case(case).unwrap().round, taken), (1, 1));
}

#[test]
fn a_follow_up_check_that_fell_due_in_an_outage_is_unknown_and_somebody_calls() {
    for (key, due_min, missed_min, level) in [
        ("C11", 360, 420, Level::P2),
        ("C12", DAY, DAY + 240, Level::P2),
        ("C13", 2 * DAY, 2 * DAY + 300, Level::P3),
    ] {
        let mut play = released();
        for (earlier, at_min) in [("C11", 361), ("C12", DAY + 1)] {
            if at_min < due_min {
                play.after(at_min);
                play.answer_own(earlier, &[]);
            }
        }
        play.after(due_min - 2);
        play.outage_until(play.now + minutes(4));
        play.after(missed_min);
        assert!(
            matches!(play.check(key, 0).state, DutyState::Unknown { .. }),
            "{key}"
        );
        assert_eq!(play.case().level, level, "{key}");
        assert_eq!(play.case().signals[0].what.name(), "watch_down", "{key}");
    }
}

#[test]
fn quiet_hours_move_a_reminder_and_never_the_call_of_a_nurse() {
    // Dosed at three in the afternoon: the evening check is due at nine, and a nurse hears at ten, in the quiet hours.
    let now = at("2026-11-24T14:00:00Z");
    let mut play = Play::planned_with(&patient_record(), "2026-11-28", "15:00:00", now);
    play.prepare();
    play.unlock_and_dose();
    play.all_well_until(121);
    let mark = play.mark();
    play.after(421);
    let sent: Vec<_> = play.sent[mark..].iter().map(|notice| notice.not_before).collect();
    assert_eq!(
        sent,
        [
            at("2026-11-29T02:00:00Z"),
            // Half an hour later the quiet hours begin, and would outlive it: it goes at once.
            at("2026-11-29T02:30:00Z"),
            at("2026-11-29T03:00:00Z"),
        ]
    );
}

#[test]
fn a_check_of_the_days_after_keeps_the_times_of_device_and_server() {
    let mut play = released();
    play.after(361);
    play.answer_own("C11", &[]);
    play.after(DAY + 300);
    let mut late = form(&play, "C12", &[], None);
    late.observed_at = Some(play.record.session.t0() + minutes(DAY + 30));
    assert_eq!(play.send(patient(), late).unwrap(), CheckedIn::Late);
    let DutyState::Missed { answered, .. } = &play.check("C12", 0).state else {
        panic!()
    };
    let answered = answered.unwrap();
    assert_eq!(
        (answered.observed_at, answered.received_at),
        (play.record.session.t0() + minutes(DAY + 30), play.now)
    );
}

#[test]
fn the_first_document_asks_nothing_new() {
    let first = include_str!("../../documents/default-1.json");
    let first = ProtocolDocument::parse(first).unwrap();
    assert!(first.check_rule("C12").is_none() && first.check_rule("C13").is_none());
    assert!(!first.follow_up.baseline && !first.follow_up.monthly);
    assert_eq!(first.follow_up.missed_after_min(&first.instruments), DAY);
    assert!(first.vitals.during.oximeter, "a reading is believed as before");
}
