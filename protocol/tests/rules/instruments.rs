//! Instruments: wording, sums, bands, what is refused, and what a document about them must be.

use std::collections::{BTreeMap, BTreeSet};

use bedside_protocol::case::Level;
use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::instruments::answering::{Sent, follow};
use bedside_protocol::instruments::change::change;
use bedside_protocol::instruments::external::{ExternalDraft, check as check_external};
use bedside_protocol::instruments::item9::judge;
use bedside_protocol::instruments::{Answers, Asks, Form, Given, InstrumentKey, Item, check, form, total};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::minutes;
use proptest::prelude::{Strategy, any, prop, proptest};
use proptest::{prop_assert, prop_assert_eq};
use uuid::Uuid;

use crate::forms::{NOON, answers, rules, send, so_far};
use crate::support::{at, patient};

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
    let rows = |form: &Form<'_>| -> Vec<(String, Option<String>, bool, String)> {
        let row = |item: &Item<'_>| {
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
    let codes = |form: &Form<'_>| {
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
