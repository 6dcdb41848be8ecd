//! Instruments: wording, sums, bands, what is refused, the rule about item 9, the safety questions, the clinic's own
//! lists, change since the baseline, and what is due when.

use std::collections::{BTreeMap, BTreeSet};

use bedside_protocol::case::{Cause, Level};
use bedside_protocol::document::{InstrumentRules, ProtocolDocument};
use bedside_protocol::instruments::answering::{Followed, Sent, follow};
use bedside_protocol::instruments::change::{Change, baseline_of, change};
use bedside_protocol::instruments::due::{SoFar, Why, due, not_too_soon};
use bedside_protocol::instruments::external::{ExternalDraft, check as check_external};
use bedside_protocol::instruments::item9::{ScoreReview, baseline, judge};
use bedside_protocol::instruments::{
    Answers, Asks, Given, InstrumentKey, Score, TIMES_MAX, check, form, safety, total,
};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Instant, Zone, minutes};
use proptest::prelude::{Strategy, any, prop, proptest};
use proptest::{prop_assert, prop_assert_eq};
use uuid::Uuid;

use crate::support::{at, code, on, patient};

const NOON: &str = "2026-11-20T17:00:00Z";

fn rules() -> InstrumentRules {
    InstrumentRules::default()
}

fn zone() -> Zone {
    Zone::named("America/New_York").unwrap()
}

/// Every item of a scored instrument answered with `values` in order, the rest with 0.
pub fn answers(key: InstrumentKey, values: &[u32]) -> Answers {
    let rules = rules();
    let form = form(key, &rules);
    let items = form.items.iter().enumerate();
    items
        .map(|(index, item)| {
            let value = values.get(index).copied().unwrap_or(0);
            let given = match item.asks {
                Asks::YesNo => Given::YesNo(value > 0),
                Asks::Choice(_) | Asks::Times => Given::Number(value),
            };
            (item.key.to_owned(), given)
        })
        .collect()
}

fn phq9(item9: u32) -> Answers {
    answers(InstrumentKey::Phq9, &[1, 1, 1, 1, 1, 1, 1, 1, item9])
}

/// The safety questions with a yes to some.
fn said_yes(keys: &[&str]) -> Answers {
    ["q1", "q2", "q3", "q4", "q5"]
        .into_iter()
        .map(|key| (key.to_owned(), Given::YesNo(keys.contains(&key))))
        .collect()
}

pub fn score(number: u128, key: InstrumentKey, answers: Answers, observed_at: Instant) -> Score {
    let rules = rules();
    Score {
        id: Uuid::from_u128(number).into(),
        instrument: key,
        total: total(&form(key, &rules), &answers),
        answers,
        observed_at,
        claimed_at: None,
        received_at: observed_at,
        by: patient(),
    }
}

fn review(score: &Score) -> ScoreReview {
    ScoreReview {
        id: Uuid::from_u128(0x77).into(),
        score: score.id,
        by: on(bedside_protocol::people::OnCallPlace::Prescriber),
        at: score.received_at,
        note: "seen".into(),
    }
}

fn so_far<'a>(scores: &'a [Score], doses: &'a [Instant]) -> SoFar<'a> {
    SoFar {
        scores,
        doses,
        next_session: None,
        zone: zone(),
    }
}

fn send(
    key: InstrumentKey,
    answers: Answers,
    scores: &[Score],
    reviews: &[ScoreReview],
) -> Result<Followed, Refusal> {
    let sent = Sent {
        instrument: key,
        answers,
        observed_at: None,
    };
    let protocol = ProtocolDocument::shipped().unwrap();
    follow(
        sent,
        so_far(scores, &[]),
        reviews,
        &protocol,
        (Uuid::from_u128(0x99).into(), at(NOON), patient()),
    )
}

#[test]
fn phq9_and_gad7_ask_word_for_word_what_their_authors_wrote() {
    let rules = rules();
    let phq9 = form(InstrumentKey::Phq9, &rules);
    let gad7 = form(InstrumentKey::Gad7, &rules);
    for form in [&phq9, &gad7] {
        assert_eq!(
            form.stem,
            "Over the last 2 weeks, how often have you been bothered by any of the following problems?"
        );
        assert_eq!(
            form.notices[0],
            "Developed by Drs. Robert L. Spitzer, Janet B.W. Williams, Kurt Kroenke and colleagues, with an educational grant \
             from Pfizer Inc. No permission required to reproduce, translate, display or distribute."
        );
        assert!(form.notices[1].contains("LOINC"));
        for item in &form.items {
            let Asks::Choice(choices) = item.asks else {
                panic!()
            };
            let offered: Vec<(u32, &str)> = choices.iter().map(|it| (it.value, it.text)).collect();
            assert_eq!(
                offered,
                [
                    (0, "Not at all"),
                    (1, "Several days"),
                    (2, "More than half the days"),
                    (3, "Nearly every day")
                ]
            );
        }
    }
    let rows =
        |form: &bedside_protocol::instruments::Form<'_>| -> Vec<(String, Option<String>, bool, String)> {
            let row = |item: &bedside_protocol::instruments::Item<'_>| {
                (
                    item.key.to_owned(),
                    item.loinc.map(|loinc| loinc.code.to_owned()),
                    item.loinc.is_some_and(|loinc| loinc.verified),
                    item.text.to_owned(),
                )
            };
            form.items.iter().map(row).collect()
        };
    let expected = [
        (
            "q1",
            "44250-9",
            true,
            "Little interest or pleasure in doing things",
        ),
        ("q2", "44255-8", true, "Feeling down, depressed, or hopeless"),
        (
            "q3",
            "44259-0",
            true,
            "Trouble falling or staying asleep, or sleeping too much",
        ),
        ("q4", "44254-1", true, "Feeling tired or having little energy"),
        ("q5", "44251-7", true, "Poor appetite or overeating"),
        (
            "q6",
            "44258-2",
            true,
            "Feeling bad about yourself - or that you are a failure or have let yourself or your family down",
        ),
        (
            "q7",
            "44252-5",
            true,
            "Trouble concentrating on things, such as reading the newspaper or watching television",
        ),
        (
            "q8",
            "44253-3",
            false,
            "Moving or speaking so slowly that other people could have noticed. Or the opposite - being so fidgety or restless that you have been moving around a lot more than usual",
        ),
        (
            "q9",
            "44260-8",
            false,
            "Thoughts that you would be better off dead, or of hurting yourself in some way",
        ),
    ];
    let expected = expected.map(|(key, code, verified, text)| {
        (key.to_owned(), Some(code.to_owned()), verified, text.to_owned())
    });
    assert_eq!(rows(&phq9), expected);
    let expected = [
        "Feeling nervous, anxious, or on edge",
        "Not being able to stop or control worrying",
        "Worrying too much about different things",
        "Trouble relaxing",
        "Being so restless that it is hard to sit still",
        "Becoming easily annoyed or irritable",
        "Feeling afraid, as if something awful might happen",
    ];
    let texts: Vec<&str> = gad7.items.iter().map(|item| item.text).collect();
    assert_eq!(texts, expected);
    let codes = |form: &bedside_protocol::instruments::Form<'_>| {
        [form.panel, form.total].map(|loinc| loinc.map(|loinc| (loinc.code, loinc.verified)))
    };
    assert_eq!(codes(&phq9), [Some(("44249-1", true)), Some(("44261-6", false))]);
    assert_eq!(codes(&gad7), [Some(("69737-5", false)), Some(("70274-6", false))]);
}

#[test]
fn the_safety_questions_are_labelled_as_what_they_are_not() {
    let rules = rules();
    let form = form(InstrumentKey::Safety, &rules);
    let texts: Vec<&str> = form.items.iter().map(|item| item.text).collect();
    assert_eq!(
        texts,
        [
            "In the past few weeks, have you wished you were dead?",
            "In the past few weeks, have you felt that you or your family would be better off if you were dead?",
            "In the past week, have you been having thoughts about killing yourself?",
            "Have you ever tried to kill yourself?",
            "Are you having thoughts of killing yourself right now?",
        ]
    );
    assert!(form.notices[0].contains("based on the ASQ"));
    assert!(form.notices[0].contains("not the validated instrument"));
}

#[test]
fn every_sum_has_one_band() {
    for (key, edges) in [
        (
            InstrumentKey::Phq9,
            &[
                (0, "none or minimal"),
                (4, "none or minimal"),
                (5, "mild"),
                (9, "mild"),
                (10, "moderate"),
                (14, "moderate"),
                (15, "moderately severe"),
                (19, "moderately severe"),
                (20, "severe"),
                (27, "severe"),
            ][..],
        ),
        (
            InstrumentKey::Gad7,
            &[
                (0, "minimal"),
                (4, "minimal"),
                (5, "mild"),
                (9, "mild"),
                (10, "moderate"),
                (14, "moderate"),
                (15, "severe"),
                (21, "severe"),
            ],
        ),
    ] {
        for (total, name) in edges {
            assert_eq!(
                key.band(*total).map(|band| band.name),
                Some(*name),
                "{key:?} {total}"
            );
        }
        let most = edges.last().unwrap().0;
        for total in 0..=most {
            let inside = key
                .bands()
                .iter()
                .filter(|band| band.from <= total && total <= band.to);
            assert_eq!(inside.count(), 1, "{key:?} {total}");
        }
        assert!(key.band(most + 1).is_none());
        let rules = rules();
        let full = answers(key, &[3; 9]);
        assert_eq!(total(&form(key, &rules), &full), Some(most));
    }
    assert!(InstrumentKey::Safety.bands().is_empty());
}

#[test]
fn an_instrument_is_found_by_its_name_and_by_no_other() {
    for key in InstrumentKey::ALL {
        assert_eq!(InstrumentKey::named(key.name()), Some(key));
        assert_eq!(serde_json::to_value(key).unwrap(), key.name());
    }
    assert_eq!(InstrumentKey::named("c-ssrs"), None);
}

#[test]
fn a_partial_answer_is_refused_with_every_missing_item_named() {
    let mut some = answers(InstrumentKey::Phq9, &[3; 8]);
    for key in ["q2", "q7", "q9"] {
        some.remove(key);
    }
    some.insert("q10".into(), Given::Number(1));
    some.insert("<b>".into(), Given::Number(1));
    some.insert("q1".into(), Given::Number(4));
    some.insert("q3".into(), Given::YesNo(true));
    let Refusal::Invalid(faults) = send(InstrumentKey::Phq9, some, &[], &[]).unwrap_err() else {
        panic!()
    };
    let named: BTreeMap<&str, &str> = faults
        .0
        .iter()
        .map(|fault| (fault.field.as_str(), fault.message.as_str()))
        .collect();
    assert_eq!(
        named,
        BTreeMap::from([
            ("answers", "is not a question of this instrument"),
            ("answers.q10", "is not a question of this instrument"),
            ("answers.q1", "must be a whole number from 0 to 3"),
            ("answers.q3", "must be a whole number from 0 to 3"),
            ("answers.q2", "is missing"),
            ("answers.q7", "is missing"),
            ("answers.q9", "is missing"),
        ])
    );
    for key in [
        InstrumentKey::SideEffects,
        InstrumentKey::Monthly,
        InstrumentKey::Gad7,
    ] {
        let rules = rules();
        let Refusal::Invalid(faults) = send(key, Answers::new(), &[], &[]).unwrap_err() else {
            panic!()
        };
        assert_eq!(faults.0.len(), form(key, &rules).items.len(), "{key:?}");
    }
}

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
        phq9(3),
        std::slice::from_ref(&yesterday),
        &[],
    )
    .unwrap_err();
    assert_eq!(code(&refusal), "asked-too-soon");
    assert!(refusal.to_string().starts_with("Not watched live."), "{refusal}");
    let refusal = send(InstrumentKey::Phq9, phq9(0), &[yesterday], &[]).unwrap_err();
    assert!(refusal.to_string().starts_with("These questions"), "{refusal}");

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
fn the_last_review_counts_and_a_review_of_another_instrument_does_not() {
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

#[test]
fn the_device_time_is_bounded_and_what_it_said_is_kept() {
    let protocol = ProtocolDocument::shipped().unwrap();
    for (claimed, observed, kept) in [
        (None, 0, false),
        (Some(-60), -60, false),
        (Some(60), 0, true),
        (Some(-7 * 24 * 60), -7 * 24 * 60, false),
        (Some(-30 * 24 * 60), -7 * 24 * 60, true),
    ] {
        let claimed = claimed.map(|ago| at(NOON) + minutes(ago));
        let sent = Sent {
            instrument: InstrumentKey::Gad7,
            answers: answers(InstrumentKey::Gad7, &[]),
            observed_at: claimed,
        };
        let id = Uuid::from_u128(1).into();
        let score = follow(sent, so_far(&[], &[]), &[], &protocol, (id, at(NOON), patient()))
            .unwrap()
            .score;
        assert_eq!(score.observed_at, at(NOON) + minutes(observed));
        assert_eq!(score.claimed_at, claimed.filter(|_| kept));
        assert_eq!(score.received_at, at(NOON));
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

#[test]
fn an_external_result_names_instrument_rater_and_day() {
    let good = ExternalDraft {
        instrument: "C-SSRS".into(),
        level: Some("moderate risk".into()),
        score: None,
        rater: "Dr. Example".into(),
        rated_on: "2026-11-20".parse().unwrap(),
    };
    let today = "2026-11-20".parse().unwrap();
    assert!(check_external(&good, today).is_ok());
    let scored = ExternalDraft {
        level: None,
        score: Some(-3),
        ..good.clone()
    };
    assert!(check_external(&scored, today).is_ok());
    let bad = ExternalDraft {
        instrument: " ".into(),
        level: Some("x".repeat(81)),
        score: None,
        rater: "a\nb".into(),
        rated_on: "2026-11-21".parse().unwrap(),
    };
    let faults = check_external(&bad, today).unwrap_err();
    let fields: BTreeSet<&str> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        BTreeSet::from(["instrument", "level", "rated_on", "rater"])
    );
    let nothing = ExternalDraft { level: None, ..good };
    assert_eq!(check_external(&nothing, today).unwrap_err().0[0].field, "level");
}

#[test]
fn a_rule_about_instruments_that_would_go_quiet_is_no_document() {
    let shipped: serde_json::Value = serde_json::from_str(ProtocolDocument::shipped_text()).unwrap();
    let fault = |pointer: &str, value: serde_json::Value| {
        let mut document = shipped.clone();
        document["instruments"] = serde_json::to_value(rules()).unwrap();
        *document.pointer_mut(&format!("/instruments{pointer}")).unwrap() = value;
        ProtocolDocument::parse(&document.to_string())
            .map_err(|fault| fault.path)
            .err()
    };
    assert_eq!(fault("/ask_again_after_days", 14.into()), None);
    for (pointer, value, path) in [
        ("/ask_again_after_days", 0.into(), "ask_again_after_days"),
        ("/baseline_valid_days", 0.into(), "baseline_valid_days"),
        ("/report_back_days", (-1).into(), "report_back_days"),
        ("/monthly_every_days", i64::MAX.into(), "monthly_every_days"),
        ("/due_within_days", 0.into(), "due_within_days"),
        ("/opens_after_days", 7.into(), "opens_after_days"),
        ("/opens_after_days", (-1).into(), "opens_after_days"),
        ("/after_sessions/1", 0.into(), "after_sessions[1]"),
        ("/item9_always_from", 3.into(), "item9_always_from"),
        ("/item9_always_from", 0.into(), "item9_always_from"),
        ("/item9_level", "P3".into(), "item9_level"),
        ("/item9_known_level", "info".into(), "item9_known_level"),
        ("/safety_positive_level", "P3".into(), "safety_positive_level"),
        ("/safety_known_level", "info".into(), "safety_known_level"),
        ("/change/response_percent", 0.into(), "change.response_percent"),
        ("/change/response_percent", 101.into(), "change.response_percent"),
        (
            "/side_effects/items/1/key",
            "nausea".into(),
            "side_effects.items[1].key",
        ),
        ("/monthly/items", serde_json::json!([]), "monthly.items"),
        ("/monthly/items/0/asks", "song".into(), "monthly.items[0].asks"),
        (
            "/monthly/items/3/tell/0/from",
            0.into(),
            "monthly.items[3].tell[0].from",
        ),
    ] {
        assert_eq!(
            fault(pointer, value).map(|path| path.replace("instruments.", "")),
            Some(path.to_owned())
        );
    }
}

fn any_answers() -> impl Strategy<Value = Answers> {
    let given = prop::strategy::Union::new([
        any::<bool>().prop_map(Given::YesNo).boxed(),
        (0_u32..6).prop_map(Given::Number).boxed(),
        any::<u32>().prop_map(Given::Number).boxed(),
    ]);
    prop::collection::btree_map("q[0-9]|[a-z_]{0,8}|.{0,3}", given, 0..12)
}

proptest! {
    #[test]
    fn a_complete_form_sums_its_answers_into_one_band(values in prop::collection::vec(0_u32..=3, 9)) {
        let rules = rules();
        for (key, items) in [(InstrumentKey::Phq9, 9), (InstrumentKey::Gad7, 7)] {
            let sum = total(&form(key, &rules), &answers(key, &values)).unwrap();
            prop_assert_eq!(sum, values[..items].iter().sum::<u32>());
            prop_assert!(key.band(sum).is_some());
        }
    }

    #[test]
    fn whatever_is_sent_is_taken_whole_or_refused(answers in any_answers()) {
        let rules = rules();
        for key in InstrumentKey::ALL {
            let form = form(key, &rules);
            let taken = send(key, answers.clone(), &[], &[]);
            if key != InstrumentKey::Safety {
                prop_assert_eq!(taken.is_ok(), check(&form, &answers).is_ok());
            }
            if let Ok(followed) = taken {
                prop_assert_eq!(&followed.score.answers, &answers);
                prop_assert_eq!(followed.score.total.is_some(), InstrumentKey::SCORED.contains(&key));
            }
        }
    }

    #[test]
    fn item_9_never_grows_less_urgent_as_it_rises(known in prop::option::of(0_u32..=3)) {
        let levels: Vec<Option<Level>> = (0..=3).map(|now| judge(now, known, &rules())).collect();
        prop_assert!(levels.is_sorted());
    }

    #[test]
    fn a_change_is_a_response_exactly_from_half_of_the_baseline_on(from in 0_u32..=27, to in 0_u32..=27) {
        let change = change(from, to, &rules().change);
        prop_assert_eq!(change.response, from > 0 && 2 * to <= from);
        prop_assert_eq!(change.remission.is_some(), from >= 10);
        prop_assert_eq!(change.meaningful, from.abs_diff(to) >= 5);
    }
}
