//! Several who may sit, asked one after the other.

use bedside_protocol::case::{Cause, Level};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::Candidate;
use bedside_protocol::sitting;
use bedside_protocol::time::minutes;

use crate::play::Play;
use crate::support::{code, patient};

/// `cy0 declined, cy1 invited`.
fn asked(play: &Play) -> String {
    let sitters = play.record.sitters.iter();
    let one = |email: &str| email.trim_end_matches("@example.org").to_owned();
    let states: Vec<String> = sitters
        .map(|sitter| format!("{} {}", one(&sitter.email), sitter.state.name()))
        .collect();
    states.join(", ")
}

fn says(play: &mut Play, what: &str) {
    let (by, id) = (play.sitter(), play.record.sitters.last().unwrap().id);
    let done = match what {
        "no" => play.does(by, sitting::decline),
        "yes" => play.does(by, |record, context| sitting::accept(record, true, true, context)),
        "leaves" => play.does(by, sitting::leave),
        _ => play.does(patient(), |record, context| sitting::remove(record, id, context)),
    };
    done.unwrap();
}

#[test]
fn the_first_is_asked_at_once_and_the_next_when_the_one_before_is_gone() {
    for (steps, expected) in [
        (&[][..], "cy0 invited"),
        (&["no"], "cy0 declined, cy1 invited"),
        (&["no", "no"], "cy0 declined, cy1 declined, cy2 invited"),
        (&["yes"], "cy0 accepted"),
        (&["yes", "no"], "cy0 withdrawn, cy1 invited"),
        (&["yes", "leaves"], "cy0 left, cy1 invited"),
        (&["removed"], "cy0 removed, cy1 invited"),
        (
            &["no", "yes", "removed"],
            "cy0 declined, cy1 removed, cy2 invited",
        ),
        (&["no", "no", "no"], "cy0 declined, cy1 declined, cy2 declined"),
    ] {
        let mut play = Play::planned();
        play.name_candidates(3).unwrap();
        for step in steps {
            says(&mut play, step);
        }
        assert_eq!(asked(&play), expected, "{steps:?}");
    }
}

#[test]
fn who_does_not_answer_by_the_deadline_lapses_and_the_last_may_still_say_yes() {
    let mut play = Play::planned();
    play.name_candidates(2).unwrap();
    let first = play.sitter();
    // A day, and an hour after the reminder.
    play.go_to(play.now + minutes(25 * 60 - 1));
    assert_eq!(asked(&play), "cy0 invited");
    play.go_to(play.now + minutes(1));
    assert_eq!(asked(&play), "cy0 lapsed, cy1 invited");
    assert!(play.record.watch.cases.is_empty(), "somebody is asked");
    let late = play.does(first, |record, context| {
        sitting::accept(record, true, true, context)
    });
    assert_eq!(code(&late.unwrap_err()), "not-the-sitter");
    let mark = play.mark();
    play.go_to(play.now + minutes(25 * 60));
    let sent: Vec<String> = play.lines_since(mark);
    assert!(
        sent.iter().any(|line| line.ends_with("patient sitter changed")),
        "{sent:?}"
    );
    assert!(
        sent.iter().any(|line| line.ends_with("coordinator P3 opened")),
        "{sent:?}"
    );
    assert_eq!(asked(&play), "cy0 lapsed, cy1 invited");
    says(&mut play, "yes");
    assert_eq!(asked(&play), "cy0 lapsed, cy1 accepted");
}

#[test]
fn each_may_have_a_deadline_of_their_own() {
    let mut play = Play::planned();
    let candidates = ["cy0", "cy1"].map(|name| Candidate {
        name: name.into(),
        email: format!("{name}@example.org"),
        phone: "+1 555 0200".into(),
        answer_within_min: Some(120),
    });
    play.does(patient(), |record, context| {
        sitting::set_candidates(record, candidates.to_vec(), context)
    })
    .unwrap();
    play.go_to(play.now + minutes(180));
    assert_eq!(asked(&play), "cy0 lapsed, cy1 invited");
}

#[test]
fn with_somebody_left_a_deadline_is_never_after_the_cut_off() {
    let mut play = Play::planned();
    play.before(30 * 60);
    play.name_candidates(2).unwrap();
    assert_eq!(
        play.duty("answer_invitation").due_at,
        play.planned_at() - minutes(24 * 60)
    );
    play.before(23 * 60);
    assert_eq!(asked(&play), "cy0 lapsed, cy1 invited");
    let due_at = play.duty("answer_invitation").due_at;
    assert_eq!(
        due_at,
        play.planned_at() - minutes(60),
        "the last has until an hour before"
    );
}

#[test]
fn the_care_team_hears_when_nobody_is_left_and_after_the_cut_off_always() {
    for (before_min, named, told) in [
        (48 * 60, 2, false),
        (48 * 60, 1, true),
        (24 * 60 + 1, 2, false),
        (24 * 60, 2, true),
        (13 * 60, 2, true),
    ] {
        let mut play = Play::planned();
        play.before(49 * 60);
        play.name_candidates(named).unwrap();
        says(&mut play, "yes");
        play.before(before_min);
        let mark = play.mark();
        says(&mut play, "no");
        let sent = play.lines_since(mark);
        assert_eq!(
            sent.iter().any(|line| line.ends_with("coordinator P3 opened")),
            told,
            "{before_min} {named}: {sent:?}"
        );
        let patient_told = sent
            .iter()
            .filter(|line| line.ends_with("patient sitter changed"));
        assert_eq!(patient_told.count(), 1, "{sent:?}");
        assert_eq!(
            play.record
                .watch
                .cases
                .first()
                .map(|case| (case.level, case.signals[0].what.clone())),
            told.then_some((Level::P3, Cause::SitterGone))
        );
    }
}

fn set(play: &mut Play, people: &[(&str, &str, Option<i64>)]) -> Result<(), Refusal> {
    let candidates = people
        .iter()
        .map(|(email, phone, within)| Candidate {
            name: "Cy".into(),
            email: (*email).into(),
            phone: (*phone).into(),
            answer_within_min: *within,
        })
        .collect();
    play.does(patient(), |record, context| {
        sitting::set_candidates(record, candidates, context)
    })
}

#[test]
fn all_that_is_wrong_with_a_list_is_said_at_once() {
    let mut play = Play::planned();
    play.invite("sam@example.org").unwrap();
    let refused = set(
        &mut play,
        &[
            ("ADA@example.org", "+1 (555) 0100", None),
            ("cy@example.org", "+1 555 0300", Some(14)),
            ("Cy@example.org", "+1 555 0301", Some(10_081)),
            (" SAM@example.org", "+1 555 0302", None),
            ("d@example.org", "+1 555 0303", Some(15)),
            ("e@example.org", "+1 555 0304", Some(10_080)),
        ],
    );
    let refused = refused.unwrap_err().to_string();
    let fields: Vec<&str> = refused
        .split("; ")
        .filter(|fault| fault.starts_with("candidates"))
        .map(|fault| fault.split(':').next().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "candidates",
            "candidates[0].email",
            "candidates[0].phone",
            "candidates[1].answer_within_min",
            "candidates[2].email",
            "candidates[2].answer_within_min",
            "candidates[3].email",
        ]
    );
    assert!(play.record.session.candidates.is_empty());
}

#[test]
fn a_new_list_replaces_who_is_not_asked_yet_and_an_empty_one_ends_it() {
    let mut play = Play::planned();
    play.name_candidates(3).unwrap();
    set(&mut play, &[("new@example.org", "+1 555 0300", None)]).unwrap();
    assert_eq!(asked(&play), "cy0 invited");
    says(&mut play, "no");
    assert_eq!(asked(&play), "cy0 declined, new invited");
    set(&mut play, &[]).unwrap();
    says(&mut play, "no");
    assert_eq!(asked(&play), "cy0 declined, new declined");
}

#[test]
fn in_a_session_nobody_is_asked_by_the_list() {
    let mut play = Play::ready();
    play.name_candidates(2).unwrap();
    play.unlock_and_dose();
    let refused = play.name_candidates(1).unwrap_err();
    assert_eq!(code(&refused), "session-started");
    says(&mut play, "leaves");
    assert_eq!(asked(&play), "sam left");
    assert_eq!(play.case().level, Level::P1);
}

#[test]
fn an_old_document_has_no_list() {
    let mut play = Play::planned();
    let old =
        bedside_protocol::document::ProtocolDocument::parse(include_str!("../../documents/default-1.json"));
    play.record.around.protocol = std::sync::Arc::new(old.unwrap());
    assert_eq!(code(&play.name_candidates(1).unwrap_err()), "not-found");
}
