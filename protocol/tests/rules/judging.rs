//! Whom an answer is told to: item 9 against the reviewed baseline, the safety questions, the clinic's own lists.

use bedside_protocol::case::{Cause, Level};
use bedside_protocol::instruments::item9::{ScoreReview, baseline, judge};
use bedside_protocol::instruments::{Answers, Given, InstrumentKey, TIMES_MAX, safety};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::minutes;

use crate::forms::{NOON, answers, phq9, review, rules, said_yes, score, send};
use crate::support::{at, code};

#[test]
fn a_refusal_of_a_form_that_speaks_of_death_gives_the_numbers_first() {
    let mut partial = phq9(1);
    partial.remove("q2");
    let Refusal::Invalid(faults) = send(InstrumentKey::Phq9, partial, &[], &[]).unwrap_err() else {
        panic!()
    };
    assert!(faults.0[0].message.contains("988") && faults.0[0].message.contains("911"));
    assert_eq!(faults.0[1].field, "answers.q2");
    assert!(
        !faults.0[0].message.contains("being told"),
        "nobody is told by a form that is not taken"
    );

    let yesterday = score(1, InstrumentKey::Phq9, phq9(0), at(NOON) - minutes(24 * 60));
    let refusal = send(
        InstrumentKey::Phq9,
        phq9(0),
        std::slice::from_ref(&yesterday),
        &[],
    )
    .unwrap_err();
    assert_eq!(code(&refusal), "asked-too-soon");
    // What speaks of death is taken whenever it is said, and told.
    let followed = send(InstrumentKey::Phq9, phq9(1), &[yesterday], &[]).unwrap();
    assert!(followed.tell.is_some() && followed.show_now.is_some());

    // Sent as a number instead of a yes, it is refused, and not overlooked.
    let wrong = Answers::from([("q5".to_owned(), Given::Number(1))]);
    let Refusal::Invalid(faults) = send(InstrumentKey::Safety, wrong, &[], &[]).unwrap_err() else {
        panic!()
    };
    assert!(faults.0[0].message.contains("988"));
}

#[test]
fn item_9_is_judged_against_what_a_clinician_has_reviewed() {
    // now, reviewed before, told at
    for (now, reviewed, level) in [
        (0, None, None),
        (0, Some(3), None),
        (1, None, Some(Level::P2)),
        (1, Some(0), Some(Level::P2)),
        (1, Some(1), Some(Level::P3)),
        (1, Some(2), Some(Level::P3)),
        (1, Some(3), Some(Level::P3)),
        (2, None, Some(Level::P2)),
        (2, Some(1), Some(Level::P2)),
        (2, Some(2), Some(Level::P2)),
        (2, Some(3), Some(Level::P2)),
        (3, None, Some(Level::P2)),
        (3, Some(2), Some(Level::P2)),
        (3, Some(3), Some(Level::P2)),
    ] {
        assert_eq!(judge(now, reviewed, &rules()), level, "{now} {reviewed:?}");
        let week_ago = at(NOON) - minutes(8 * 24 * 60);
        let known = score(1, InstrumentKey::Phq9, phq9(reviewed.unwrap_or(3)), week_ago);
        let reviews: Vec<ScoreReview> = reviewed.iter().map(|_| review(&known)).collect();
        assert_eq!(baseline(std::slice::from_ref(&known), &reviews), reviewed);
        let followed = send(InstrumentKey::Phq9, phq9(now), &[known], &reviews).unwrap();
        assert_eq!(followed.tell.as_ref().map(|(level, _)| *level), level);
        // Any answer above 0 shows the numbers and asks the safety questions at once.
        assert_eq!(followed.ask_next, (now > 0).then_some(InstrumentKey::Safety));
        assert_eq!(followed.show_now.is_some(), now > 0);
        if let Some(shown) = followed.show_now {
            assert!(shown.words.contains("988") && shown.words.contains("911"));
        }
        assert_eq!(followed.score.total, Some(8 + now));
        assert_eq!(followed.score.answers, phq9(now));
    }
}

#[test]
fn the_newest_reviewed_score_counts_and_a_review_of_another_instrument_does_not() {
    let day = |number: i64| at(NOON) - minutes(number * 24 * 60);
    let scores = [
        score(1, InstrumentKey::Phq9, phq9(1), day(30)),
        score(2, InstrumentKey::Phq9, phq9(0), day(20)),
        score(3, InstrumentKey::Gad7, answers(InstrumentKey::Gad7, &[]), day(20)),
    ];
    let reviews: Vec<ScoreReview> = scores.iter().map(review).collect();
    assert_eq!(baseline(&scores, &reviews[..1]), Some(1));
    assert_eq!(baseline(&scores, &reviews), Some(0));
    assert_eq!(baseline(&scores, &reviews[2..]), None);
    // An older score that is looked at last says nothing new.
    let reviews = [review(&scores[1]), review(&scores[0])];
    assert_eq!(baseline(&scores, &reviews), Some(0));
}

#[test]
fn the_safety_questions_are_judged_by_the_table() {
    let no = Answers::new;
    let partial = |key: &str| Answers::from([(key.to_owned(), Given::YesNo(true))]);
    let ten_days_ago = at(NOON) - minutes(10 * 24 * 60);
    // answers, yes in the reviewed answers, told at, asked on, words of emergency
    for (now, reviewed, level, again) in [
        (said_yes(&[]), None, Level::Info, false),
        (said_yes(&["q1"]), None, Level::P2, false),
        (said_yes(&["q1"]), Some(&["q1"][..]), Level::P3, false),
        (said_yes(&["q4"]), Some(&["q1", "q4"][..]), Level::P3, false),
        (said_yes(&["q1", "q4"]), Some(&["q4"][..]), Level::P2, false),
        (said_yes(&["q3"]), Some(&["q3"][..]), Level::P2, false),
        (said_yes(&["q1", "q5"]), Some(&["q1", "q5"][..]), Level::P1, false),
        (said_yes(&["q5"]), None, Level::P1, false),
        // What was said is not refused for what is missing beside it.
        (partial("q5"), None, Level::P1, false),
        (partial("q4"), Some(&["q4"][..]), Level::P2, true),
    ] {
        let known = score(
            1,
            InstrumentKey::Safety,
            reviewed.map_or_else(no, said_yes),
            ten_days_ago,
        );
        let reviews: Vec<ScoreReview> = reviewed.iter().map(|_| review(&known)).collect();
        let followed = send(InstrumentKey::Safety, now.clone(), &[known], &reviews).unwrap();
        let (told, cause) = followed.tell.unwrap();
        assert_eq!(told, level, "{now:?} {reviewed:?}");
        assert_eq!(cause.only_joins(), level == Level::Info);
        assert_eq!(followed.ask_next, again.then_some(InstrumentKey::Safety));
        let shown = followed.show_now.map(|shown| shown.words).unwrap_or_default();
        assert_eq!(shown.starts_with("Call 911 now"), level == Level::P1, "{shown}");
        assert_eq!(shown.is_empty(), level == Level::Info);
    }
    // No yes, and something missing: refused, and "right now" is not asked of somebody who said no to all.
    let mut some = said_yes(&[]);
    some.remove("q5");
    assert!(safety::check(&some).is_ok());
    some.remove("q2");
    some.remove("q4");
    let faults = safety::check(&some).unwrap_err();
    let fields: Vec<&str> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, ["answers.q2", "answers.q4"]);
}

#[test]
fn a_yes_to_right_now_keeps_sessions_shut_until_a_clinician_has_reviewed_it() {
    let acute = score(1, InstrumentKey::Safety, said_yes(&["q5"]), at(NOON));
    let later = score(2, InstrumentKey::Safety, said_yes(&[]), at(NOON) + minutes(60));
    let scores = [acute.clone(), later.clone()];
    assert_eq!(safety::unreviewed_acute(&scores, &[]), Some(acute.id));
    assert_eq!(
        safety::unreviewed_acute(&scores, &[review(&later)]),
        Some(acute.id)
    );
    assert_eq!(safety::unreviewed_acute(&scores, &[review(&acute)]), None);
    assert_eq!(safety::unreviewed_acute(&[later], &[]), None);
}

#[test]
fn what_the_clinics_own_lists_call_for() {
    let list_answers = |key: InstrumentKey, item: &str, value: u32| {
        let mut given = answers(key, &[]);
        let place = given.get_mut(item).unwrap();
        *place = match place {
            Given::YesNo(_) => Given::YesNo(value > 0),
            Given::Number(_) => Given::Number(value),
        };
        given
    };
    for (key, item, value, level, red_flag) in [
        (InstrumentKey::SideEffects, "nausea", 2, None, false),
        (InstrumentKey::SideEffects, "nausea", 3, Some(Level::P3), false),
        (InstrumentKey::SideEffects, "vomiting", TIMES_MAX, None, false),
        (InstrumentKey::SideEffects, "chest_tightness", 0, None, false),
        (
            InstrumentKey::SideEffects,
            "chest_tightness",
            1,
            Some(Level::P1),
            true,
        ),
        (
            InstrumentKey::SideEffects,
            "trouble_breathing",
            1,
            Some(Level::P1),
            true,
        ),
        (InstrumentKey::SideEffects, "fall", 1, Some(Level::P2), false),
        (InstrumentKey::Monthly, "urgency", 2, None, false),
        (
            InstrumentKey::Monthly,
            "blood_in_urine",
            1,
            Some(Level::P2),
            false,
        ),
        (InstrumentKey::Monthly, "wanting_more", 3, Some(Level::P3), false),
    ] {
        let followed = send(key, list_answers(key, item, value), &[], &[]).unwrap();
        assert_eq!(
            followed.tell.as_ref().map(|(level, _)| *level),
            level,
            "{item} {value}"
        );
        assert_eq!(followed.show_now.is_some(), red_flag, "{item} {value}");
        if let Some((_, Cause::ListAnswer { items, list, .. })) = followed.tell {
            assert_eq!((items, list), (vec![item.to_owned()], key));
        }
        assert_eq!(followed.score.total, None);
    }
    // The most urgent decides; all that called for it are named.
    let mut given = list_answers(InstrumentKey::SideEffects, "nausea", 3);
    given.insert("fall".into(), Given::YesNo(true));
    let (level, cause) = send(InstrumentKey::SideEffects, given, &[], &[])
        .unwrap()
        .tell
        .unwrap();
    let Cause::ListAnswer { items, .. } = cause else {
        panic!()
    };
    assert_eq!(
        (level, items),
        (Level::P2, vec!["nausea".to_owned(), "fall".to_owned()])
    );
}
