//! When instruments are due, when it is too soon, and how a score stands against the baseline.

use bedside_protocol::instruments::change::{Change, baseline_of, change};
use bedside_protocol::instruments::due::{SoFar, Why, due, not_too_soon};
use bedside_protocol::instruments::{InstrumentKey, Score};
use bedside_protocol::time::{Instant, Zone, minutes};

use crate::forms::{NOON, answers, phq9, rules, said_yes, score, so_far};
use crate::support::{at, code};

#[test]
fn response_remission_and_meaningful_change_follow_the_study() {
    // baseline, now → response, remission, meaningful
    for (from, to, response, remission, meaningful) in [
        (20, 20, false, Some(false), false),
        (20, 16, false, Some(false), false),
        (20, 15, false, Some(false), true),
        (20, 11, false, Some(false), true),
        (20, 10, true, Some(false), true),
        (20, 5, true, Some(false), true),
        (20, 4, true, Some(true), true),
        (10, 4, true, Some(true), true),
        (9, 4, true, None, true),
        (11, 6, false, Some(false), true),
        (11, 5, true, Some(false), true),
        (3, 8, false, None, true),
        (3, 7, false, None, false),
        (0, 0, false, None, false),
    ] {
        let expected = Change {
            baseline: from,
            points: i64::from(to) - i64::from(from),
            response,
            remission,
            meaningful,
        };
        assert_eq!(change(from, to, &rules().change), expected, "{from} -> {to}");
    }
}

#[test]
fn the_baseline_is_the_last_score_before_the_first_dose() {
    let day = |number: i64| at(NOON) + minutes(number * 24 * 60);
    let scores: Vec<Score> = [0, 10, 20]
        .into_iter()
        .zip(1_u128..)
        .map(|(on, id)| score(id, InstrumentKey::Phq9, phq9(0), day(on)))
        .collect();
    let found = |dose: Option<i64>| {
        baseline_of(&scores, InstrumentKey::Phq9, dose.map(day)).map(|score| score.observed_at)
    };
    for (dose, expected) in [
        (None, 0),
        (Some(15), 10),
        (Some(10), 10),
        (Some(25), 20),
        (Some(-1), 0),
    ] {
        assert_eq!(found(dose), Some(day(expected)), "{dose:?}");
    }
    assert_eq!(baseline_of(&scores, InstrumentKey::Gad7, None), None);
}

#[test]
fn the_same_questions_are_not_asked_twice_in_a_week() {
    let answered_at = at("2026-11-13T20:00:00Z");
    let scores = [score(1, InstrumentKey::Phq9, phq9(0), answered_at)];
    for (when, key, refused) in [
        ("2026-11-13T20:00:01Z", InstrumentKey::Phq9, true),
        // The evening of the 19th in New York is too soon, the first minute of the 20th is not.
        ("2026-11-20T04:59:59Z", InstrumentKey::Phq9, true),
        ("2026-11-20T05:00:00Z", InstrumentKey::Phq9, false),
        ("2026-11-20T14:00:00Z", InstrumentKey::Phq9, false),
        ("2026-11-10T14:00:00Z", InstrumentKey::Phq9, true),
        ("2026-11-13T20:00:01Z", InstrumentKey::Gad7, false),
    ] {
        let result = not_too_soon(so_far(&scores, &[]), key, &rules(), at(when));
        assert_eq!(result.is_err(), refused, "{when} {key:?}");
        if let Err(refusal) = result {
            assert_eq!(code(&refusal), "asked-too-soon");
            assert!(refusal.to_string().contains("next on 2026-11-20"), "{refusal}");
        }
    }
    // The safety questions and the clinic's own lists may be answered at any time.
    for key in [
        InstrumentKey::Safety,
        InstrumentKey::SideEffects,
        InstrumentKey::Monthly,
    ] {
        let scores = [score(1, key, answers(key, &[]), answered_at)];
        assert!(not_too_soon(so_far(&scores, &[]), key, &rules(), answered_at).is_ok());
    }
}

/// What is due, as `instrument why opens/due in days`.
fn due_lines(scores: &[Score], doses: &[Instant], next: Option<Instant>, now: Instant) -> Vec<String> {
    let so_far = SoFar {
        scores,
        doses,
        next_session: next,
        zone: Zone::UTC,
    };
    let in_days = |then: Instant| (then - now).num_days();
    due(so_far, &rules(), now)
        .into_iter()
        .map(|due| {
            let why = match due.why {
                Why::BeforeFirstDose => "before first dose".to_owned(),
                Why::AfterSession { number } => format!("after session {number}"),
                Why::Monthly => "monthly".to_owned(),
                Why::AfterItem9 => "after item 9".to_owned(),
            };
            let by = due.due_at.map_or("-".to_owned(), |at| in_days(at).to_string());
            format!("{} {why} {}/{by}", due.instrument.name(), in_days(due.opens_at))
        })
        .collect()
}

#[test]
fn what_is_due_follows_from_the_doses_and_the_answers_so_far() {
    let start = at("2026-11-01T00:00:00Z");
    let day = |number: i64| start + minutes(number * 24 * 60);
    let phq = |on: i64, item9: u32| {
        score(
            on.unsigned_abs().into(),
            InstrumentKey::Phq9,
            phq9(item9),
            day(on),
        )
    };
    let gad = |on: i64| {
        score(
            0x40,
            InstrumentKey::Gad7,
            answers(InstrumentKey::Gad7, &[]),
            day(on),
        )
    };
    let safe = |on: i64| score(0x41, InstrumentKey::Safety, said_yes(&[]), day(on));

    // Nothing yet, the first session planned in five days.
    assert_eq!(
        due_lines(&[], &[], Some(day(5)), day(0)),
        [
            "phq9 before first dose 0/5",
            "gad7 before first dose 0/5",
            "safety before first dose 0/5"
        ]
    );
    // Answered: good for fourteen days.
    assert_eq!(
        due_lines(&[phq(0, 0), gad(0), safe(0)], &[], None, day(3)),
        [
            "phq9 before first dose 11/-",
            "gad7 before first dose 11/-",
            "safety before first dose 11/-"
        ]
    );
    // Item 9 was 1 and the safety questions are not answered since.
    assert_eq!(
        due_lines(&[safe(0), phq(1, 1)], &[], None, day(1))[0],
        "safety after item 9 0/0"
    );
    assert!(!due_lines(&[phq(0, 1), safe(0)], &[], None, day(1))[0].starts_with("safety"));
    // One dose: nothing but the monthly list.
    let doses = [day(10)];
    assert_eq!(
        due_lines(&[phq(0, 0), gad(0)], &doses, None, day(10)),
        ["monthly monthly 30/37"]
    );
    // Two doses: a day after, by a week after or the next session.
    let doses = [day(10), day(17)];
    let before = [phq(0, 0), gad(0)];
    assert_eq!(
        due_lines(&before, &doses, None, day(17)),
        [
            "phq9 after session 2 1/7",
            "gad7 after session 2 1/7",
            "monthly monthly 23/30"
        ]
    );
    assert_eq!(
        due_lines(&before, &doses, Some(day(20)), day(17))[0],
        "phq9 after session 2 1/3"
    );
    // A third dose does not take back what is owed after the second; the fourth asks anew.
    let doses = [day(10), day(17), day(24)];
    assert_eq!(
        due_lines(&before, &doses, None, day(25))[0],
        "phq9 after session 2 -7/-1"
    );
    let doses = [day(10), day(17), day(24), day(31)];
    assert_eq!(
        due_lines(&before, &doses, None, day(31))[0],
        "phq9 after session 4 1/7"
    );
    // Answered after it: done. Answered within the week before: asked a week after that.
    assert_eq!(
        due_lines(&[phq(32, 0), gad(32)], &doses, None, day(32)),
        ["monthly monthly 8/15"]
    );
    assert_eq!(
        due_lines(&[phq(30, 0), gad(32)], &doses, None, day(31))[0],
        "phq9 after session 4 6/7"
    );
    // The monthly list counts from the last answer.
    let monthly = score(
        9,
        InstrumentKey::Monthly,
        answers(InstrumentKey::Monthly, &[]),
        day(40),
    );
    assert_eq!(
        due_lines(&[phq(32, 0), gad(32), monthly], &doses, None, day(41)),
        ["monthly monthly 29/36"]
    );
}
