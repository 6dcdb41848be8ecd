//! The dose: by the book, out of the blue, late, twice, at another time. It is never refused.

use bedside_protocol::answering::CheckedIn;
use bedside_protocol::case::{Cause, Level};
use bedside_protocol::checklist::{Actor, AnswerValue};
use bedside_protocol::dosing::{self, DoseReport, Logged};
use bedside_protocol::duty::{DutyKind, DutyState, Excuse, OwedBy};
use bedside_protocol::people::Caller;
use bedside_protocol::session::SessionState;
use bedside_protocol::time::{Instant, minutes};
use bedside_protocol::{planning, preparation, releasing, sitting};

use crate::play::Play;
use crate::support::{code, nurse, order, patient, patient_record, with_context};

fn report(observed_at: Instant) -> DoseReport {
    DoseReport {
        observed_at: Some(observed_at),
        ..DoseReport::default()
    }
}

fn open_checks(play: &Play) -> Vec<(String, i64)> {
    let mut open: Vec<_> = play
        .record
        .watch
        .open_duties()
        .filter_map(|duty| match &duty.kind {
            DutyKind::CheckIn { rule, .. } => Some(((duty.due_at - play.now).num_minutes(), rule.clone())),
            _ => None,
        })
        .collect();
    open.sort();
    open.into_iter().map(|(due_min, rule)| (rule, due_min)).collect()
}

#[test]
fn a_dose_by_the_book_opens_no_case() {
    let play = Play::dosed();
    let dose = play.record.session.dose.as_ref().unwrap();
    assert_eq!((dose.taken_at, dose.order_version), (play.planned_at(), Some(1)));
    assert!(dose.not_open_because.is_empty() && play.record.watch.cases.is_empty());
    assert_eq!(play.state(), "dosed");
}

#[test]
fn a_dose_outside_a_ready_session_is_recorded_with_every_reason_and_is_a_case() {
    type Change = fn(&mut Play);
    let cases: [(&str, &str, Level, Change); 6] = [
        ("not-unlocked", "ready", Level::P2, |_| {}),
        ("watch-down", "ready", Level::P2, |play| {
            play.record.around.watch_health.silent_for = None;
        }),
        ("held", "held", Level::P2, |play| {
            play.does(nurse(), |record, context| planning::hold(record, "wait", context))
                .unwrap();
        }),
        ("item-open", "prep_open", Level::P2, |play| {
            play.item(Actor::Patient, "phones", AnswerValue::Cleared).unwrap();
        }),
        // Nobody is known to watch.
        ("no-sitter", "prep_open", Level::P1, |play| {
            play.does(play.sitter(), sitting::leave).unwrap();
        }),
        ("no-order", "prep_open", Level::P2, |play| {
            play.record.order = None;
        }),
    ];
    for (reason, state, level, change) in cases {
        let mut play = Play::ready();
        change(&mut play);
        play.tick();
        assert_eq!(play.state(), state);
        let Logged::RecordedOutsideReadySession { reasons, .. } = play.dose(patient(), DoseReport::default())
        else {
            panic!("{reason} is told")
        };
        assert!(reasons.contains(&reason.to_owned()), "{reasons:?}");
        assert_eq!((play.state(), play.case().level), ("dosed", level), "{reason}");
        assert!(play.is_running());
    }
}

#[test]
fn a_dose_after_the_screen_locked_again_or_an_order_changed_is_told() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).unwrap();
    play.record.order = Some(order(2, 10));
    let shown = DoseReport {
        shown_order_version: Some(1),
        ..DoseReport::default()
    };
    let logged = play.dose(patient(), shown);
    assert!(matches!(logged, Logged::RecordedOutsideReadySession { .. }));
    let causes: Vec<_> = play
        .case()
        .signals
        .iter()
        .map(|signal| signal.what.name())
        .collect();
    assert_eq!(causes, ["unplanned_dose", "outdated_order"]);
    assert_eq!(play.case().level, Level::P1);
}

#[test]
fn a_dose_with_no_session_gets_one_of_its_own_watched_by_the_care_team() {
    let (record, mut seed) = (patient_record(), 3);
    let now = crate::support::at("2026-11-28T20:00:00Z");
    let caller = Caller::Unverified { link: None };
    let (decision, _) = with_context(&mut seed, now, caller, |context| {
        dosing::log_unplanned_dose(&record, report(now - minutes(20)), context)
    });
    let empty = planning::new_record(&record, decision.after.session.clone());
    let mut play = Play::begin(empty, decision, now, seed);
    play.record
        .watch
        .duties
        .iter()
        .for_each(|duty| assert_ne!(duty.owed_by, OwedBy::Sitter, "{:?}", duty.kind));
    assert_eq!((play.case().level, play.state()), (Level::P1, "dosed"));
    play.after(300);
    assert!(play.is_running(), "nobody released");
    play.does(nurse(), |record, context| {
        releasing::release_by_telephone(record, true, false, "spoke to her; well", context)
    })
    .unwrap();
    assert_eq!(play.state(), "released");
}

#[test]
fn a_dose_logged_twenty_five_minutes_late_merges_what_passed_into_one_check_now() {
    let mut play = Play::ready();
    play.go_to(play.planned_at());
    play.asked(patient(), preparation::unlock).unwrap();
    let taken_at = play.now;
    play.now += minutes(25);
    let mark = play.mark();
    play.dose(patient(), report(taken_at));
    assert_eq!(
        open_checks(&play)[..3],
        [("C5".into(), 0), ("C6".into(), 5), ("C7".into(), 20)]
    );
    let merged: Vec<_> = play
        .record
        .watch
        .duties
        .iter()
        .filter(|duty| {
            matches!(
                duty.state,
                DutyState::Excused {
                    why: Excuse::MergedIntoCheckNow,
                    ..
                }
            )
        })
        .collect();
    assert_eq!(merged.len(), 2, "C4 and C5");
    play.tick();
    assert_eq!(play.lines_since(mark), ["T+25 sitter task"]);
    assert_eq!(play.answer("C5", 1, &[]), CheckedIn::Well);
    assert!(play.record.watch.cases.is_empty());
}

#[test]
fn the_check_now_asks_for_blood_pressure_if_one_that_passed_did() {
    let mut play = Play::ready();
    play.go_to(play.planned_at());
    play.asked(patient(), preparation::unlock).unwrap();
    let taken_at = play.now;
    play.now += minutes(62);
    play.dose(patient(), report(taken_at));
    assert_eq!(open_checks(&play)[..2], [("C7".into(), 0), ("C8".into(), 13)]);
}

#[test]
fn an_impossible_time_is_bounded_and_the_claim_kept() {
    let now = Play::ready().now;
    let day = 24 * 60;
    for (claimed, device_now, believed) in [
        (now + minutes(600), None, now),
        (now - minutes(9 * day), None, now - minutes(day)),
        (now - minutes(7), None, now - minutes(7)),
        // A device an hour ahead says the dose is an hour from now.
        (now + minutes(60), Some(now + minutes(60)), now),
        (now - minutes(70), Some(now - minutes(60)), now - minutes(10)),
        (Instant::MAX_UTC, Some(Instant::MIN_UTC), now),
        (Instant::MIN_UTC, Some(Instant::MAX_UTC), now),
        (Instant::MIN_UTC, None, now - minutes(day)),
    ] {
        let mut play = Play::ready();
        let mut late = report(claimed);
        late.device_now = device_now;
        play.dose(patient(), late);
        let dose = play.record.session.dose.unwrap();
        assert_eq!(dose.taken_at, believed, "{claimed}");
        assert_eq!(dose.claimed_at, (claimed != believed).then_some(claimed));
    }
}

#[test]
fn the_same_dose_from_a_second_phone_keeps_the_earliest_time() {
    for (second_min, t0_min) in [(0, 0), (3, 0), (-4, -4), (-29, -29)] {
        let mut play = Play::dosed();
        let first = play.now;
        play.now += minutes(5);
        let logged = play.dose(play.sitter(), report(first + minutes(second_min)));
        let t0 = first + minutes(t0_min);
        assert_eq!(logged, Logged::SameDose { taken_at: t0 });
        assert_eq!(play.record.session.t0(), t0);
        assert_eq!(play.check("C6", 0).due_at, t0 + minutes(30));
        assert!(play.record.watch.cases.is_empty());
    }
}

#[test]
fn a_second_dose_much_later_or_earlier_is_a_p1_and_moves_no_check() {
    for apart_min in [31, 75, -31, -600] {
        let mut play = Play::dosed();
        let first = play.now;
        play.all_well_until(76);
        let second = report(first + minutes(apart_min));
        assert_eq!(play.dose(patient(), second), Logged::SameDose { taken_at: first });
        assert_eq!(play.case().level, Level::P1);
        let reasons = vec!["second-dose".to_owned()];
        assert_eq!(play.case().signals[0].what, Cause::UnplannedDose { reasons });
        assert_eq!(play.check("C9", 0).due_at, first + minutes(90));
        // Sent again, as a phone does that heard no answer: said once.
        play.dose(patient(), second);
        assert_eq!(play.case().signals.len(), 1);
    }
}

#[test]
fn after_a_second_dose_the_release_waits_two_hours_from_that_one() {
    let mut play = Play::dosed();
    play.all_well_until(60);
    play.dose(patient(), DoseReport::default());
    play.take_and_resolve();
    play.all_well_until(119);
    play.after(120);
    assert_eq!(play.answer("C10", 0, &[]), CheckedIn::Well);
    play.all_well_until(179);
    assert!(play.is_running());
    play.after(180);
    assert_eq!(play.answer("C10b", 3, &[]), CheckedIn::Released);
}

#[test]
fn a_second_phone_that_syncs_the_same_dose_after_the_release_alarms_nobody() {
    let mut play = Play::dosed();
    let first = play.now;
    play.all_well_until(125);
    assert_eq!(play.state(), "released");
    let same = report(first + minutes(2));
    assert!(!dosing::takes_dose(&play.record));
    assert!(dosing::takes_report(&play.record, &same, play.now));
    play.dose(patient(), same);
    assert_eq!((play.state(), play.record.watch.cases.len()), ("released", 0));
    // Another dose that evening is no report of this session's.
    assert!(!dosing::takes_report(
        &play.record,
        &DoseReport::default(),
        play.now
    ));
}

#[test]
fn a_session_that_is_over_takes_no_dose_and_every_other_does() {
    let play = Play::ready();
    let takes = |state| {
        let mut play = play.clone();
        play.enter(state);
        dosing::takes_dose(&play.record)
    };
    let at = play.now;
    assert!(takes(SessionState::Scheduled) && takes(SessionState::Unverified { unlocked_at: at }));
    assert!(takes(SessionState::Emergency { since: at }));
    assert!(!takes(SessionState::NoShow { at }) && !takes(SessionState::Closed { at }));
    assert!(!takes(SessionState::Released { at }));
}

#[test]
fn unlocked_unverified_and_then_logged_after_all_becomes_a_running_session() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).unwrap();
    let unlocked_at = play.now;
    play.go_to(play.now + minutes(35));
    assert_eq!(play.state(), "unverified");
    let logged = play.dose(patient(), report(unlocked_at + minutes(3)));
    assert!(matches!(logged, Logged::RecordedOutsideReadySession { .. }));
    assert_eq!((play.state(), play.record.watch.cases.len()), ("dosed", 1));
    play.all_well_until(120);
    assert_eq!(play.state(), "released");
}

#[test]
fn a_corrected_time_moves_what_is_still_to_come() {
    let mut play = Play::dosed();
    let first = play.now;
    play.all_well_until(20);
    play.does(patient(), |record, context| {
        dosing::correct_time(record, first + minutes(15), context)
    })
    .unwrap();
    // C5 was answered at T+15 of the old time, which is the very start of the new one: it is owed again.
    assert_eq!(
        open_checks(&play)[..4],
        [
            ("C4".into(), 5),
            ("C5".into(), 10),
            ("C6".into(), 25),
            ("C7".into(), 40)
        ]
    );
    assert_eq!(play.record.session.dose.as_ref().unwrap().corrected_from, [first]);
    play.all_well_until(120);
    assert_eq!(play.state(), "released");

    // A minute makes no difference to what was answered.
    let mut play = Play::dosed();
    let first = play.now;
    play.all_well_until(31);
    play.does(patient(), |record, context| {
        dosing::correct_time(record, first + minutes(1), context)
    })
    .unwrap();
    assert_eq!(open_checks(&play)[0], ("C7".into(), 15));
}

#[test]
fn a_corrected_time_lies_in_the_last_day_and_not_ahead() {
    let mut play = Play::dosed();
    play.after(10);
    for (minutes_ago, expected) in [(-1, "invalid"), (24 * 60 + 1, "invalid")] {
        let at = play.now - minutes(minutes_ago);
        let refusal = play.does(patient(), |record, context| {
            dosing::correct_time(record, at, context)
        });
        assert_eq!(code(&refusal.unwrap_err()), expected);
    }
    play.all_well_until(130);
    let at = play.now - minutes(60);
    let refusal = play.does(patient(), |record, context| {
        dosing::correct_time(record, at, context)
    });
    assert_eq!(code(&refusal.unwrap_err()), "not-running");
}

#[test]
fn a_sitter_who_withdraws_just_before_the_dose_leaves_it_locked_and_watched_by_nurses() {
    let mut play = Play::ready();
    play.asked(patient(), preparation::unlock).unwrap();
    play.does(play.sitter(), sitting::decline).unwrap();
    assert_eq!(play.state(), "prep_open");
    let logged = play.dose(patient(), DoseReport::default());
    let Logged::RecordedOutsideReadySession { reasons, .. } = logged else {
        panic!()
    };
    assert!(reasons.contains(&"no-sitter".to_owned()));
    assert_eq!(play.case().level, Level::P1);
    assert_eq!(play.check("C5", 0).owed_by, OwedBy::OnCall);
}
