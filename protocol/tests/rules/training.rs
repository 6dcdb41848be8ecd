//! The sitter's page and its questions.

use std::collections::BTreeMap;

use bedside_protocol::gate;
use bedside_protocol::session::KnownSitter;
use bedside_protocol::sitting::{self, Trained};
use bedside_protocol::time::minutes;

use crate::play::Play;
use crate::support::{code, patient};

const QUESTIONS: [&str; 4] = ["red_flags", "emergency_first", "as_ordered", "stay"];

fn accepted() -> Play {
    let mut play = Play::planned();
    play.invite("sam@example.org").unwrap();
    play.accept();
    play
}

fn train(play: &mut Play, answers: &BTreeMap<String, String>) -> Result<Trained, String> {
    play.asked(play.sitter(), |record, context| {
        sitting::train(record, answers, context)
    })
    .map_err(|refused| match code(&refused) {
        "invalid" => refused.to_string(),
        code => code.to_owned(),
    })
}

fn is_open(play: &Play) -> Option<String> {
    let mut reasons = play.reason_codes().into_iter();
    reasons.find(|reason| reason.ends_with(" sitter_trained"))
}

#[test]
fn the_shipped_page_asks_the_four_questions_and_each_has_one_right_answer() {
    let play = accepted();
    let training = &play.record.around.protocol.training;
    let keys: Vec<&str> = training.questions.iter().map(|it| it.key.as_str()).collect();
    assert_eq!(keys, QUESTIONS);
    for question in &training.questions {
        for option in &question.options {
            let mut play = play.clone();
            let mut answers = play.right_answers();
            answers.insert(question.key.clone(), option.key.clone());
            let expected = if option.key == question.right {
                Trained::Done
            } else {
                Trained::ReadAgain {
                    questions: vec![question.key.clone()],
                }
            };
            let trained = train(&mut play, &answers).unwrap();
            assert_eq!(trained, expected, "{}: {}", question.key, option.key);
            assert_eq!(is_open(&play).is_none(), expected == Trained::Done);
        }
    }
}

#[test]
fn wrong_answers_are_kept_until_all_are_right() {
    let mut play = accepted();
    let mut answers = play.right_answers();
    answers.insert("stay".into(), "hour".into());
    answers.insert("as_ordered".into(), "last_time".into());
    train(&mut play, &answers).unwrap();
    let sitter = &play.record.sitters[0];
    assert_eq!((sitter.read_again.len(), sitter.wrong_tries), (2, 1));
    play.train();
    let sitter = &play.record.sitters[0];
    assert_eq!((sitter.read_again.len(), sitter.wrong_tries), (0, 1));
    assert_eq!(gate::trained_at(&play.record), Some(play.now));
}

#[test]
fn everything_wrong_with_the_form_is_said_at_once() {
    let mut play = accepted();
    let answers = BTreeMap::from([
        ("stay".to_owned(), "forever".to_owned()),
        ("weather".to_owned(), "fine".to_owned()),
        ("red_flags".to_owned(), "tears".to_owned()),
    ]);
    assert_eq!(
        train(&mut play, &answers).unwrap_err(),
        "answers.stay: choose one of what is offered; answers.weather: there is no such question; \
         answers.emergency_first: choose one; answers.as_ordered: choose one"
    );
    assert_eq!(play.record.sitters[0].wrong_tries, 0);
}

#[test]
fn only_who_said_yes_and_has_not_gone_is_trained() {
    let mut play = Play::planned();
    play.invite("sam@example.org").unwrap();
    let right = play.right_answers();
    assert_eq!(train(&mut play, &right).unwrap_err(), "not-accepted");
    play.accept();
    play.does(play.sitter(), sitting::decline).unwrap();
    assert_eq!(train(&mut play, &right).unwrap_err(), "not-the-sitter");
    let by_patient = play.asked(patient(), |record, context| {
        sitting::train(record, &right, context)
    });
    assert_eq!(code(&by_patient.unwrap_err()), "not-found");
}

#[test]
fn what_was_read_is_good_for_ninety_days_under_the_same_address() {
    let day = 24 * 60;
    for (email, days_ago, expected) in [
        ("sam@example.org", 10, None),
        ("SAM@example.org ", 89, None),
        ("sam@example.org", 91, Some("item-expired sitter_trained")),
        ("kim@example.org", 10, Some("item-open sitter_trained")),
    ] {
        let mut play = accepted();
        play.record.around.earlier.sitters = vec![KnownSitter {
            email: email.into(),
            trained_at: Some(play.now - minutes(days_ago * day)),
            sat: false,
        }];
        assert_eq!(is_open(&play).as_deref(), expected, "{email} {days_ago}");
    }
    let mut play = accepted();
    play.train();
    play.record.around.earlier.sitters = vec![KnownSitter {
        email: "sam@example.org".into(),
        trained_at: Some(play.now - minutes(200 * day)),
        sat: true,
    }];
    assert_eq!(is_open(&play), None, "the newest counts");
}

#[test]
fn a_session_that_moves_asks_the_sitter_again_and_not_the_page() {
    let mut play = accepted();
    play.train();
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
    assert!(play.reason_codes().contains(&"sitter-not-accepted".to_owned()));
    assert_eq!(is_open(&play), None);
}
