//! Nobody on call: an empty step is passed at once, the fallback list is the end, and who keeps the list is told.

use bedside_protocol::helping;
use bedside_protocol::people::OnCallPerson;
use bedside_protocol::people::OnCallPlace::{
    self, Administrator, AfterHours, Backup, Fallback, Manager, Nurse,
};
use bedside_protocol::time::minutes;

use crate::play::Play;

/// A red flag ten minutes after the dose, with only these people on the list.
fn red_flag_with(places: &[OnCallPlace]) -> (Play, usize) {
    let mut play = Play::dosed();
    play.after(10);
    play.answer("C4", 0, &[]);
    play.record
        .around
        .on_call
        .retain(|person| places.contains(&person.place));
    let mark = play.mark();
    let sitter = play.sitter();
    play.asked(sitter, |record, context| {
        helping::help(record, None, None, context)
    })
    .unwrap();
    (play, mark)
}

#[test]
fn with_only_a_fallback_it_is_told_at_once_and_again_every_five_minutes() {
    let (mut play, mark) = red_flag_with(&[Fallback]);
    assert_eq!(
        play.lines_since(mark),
        ["T+10 fallback nobody on call", "T+10 fallback P1 nobody took it"]
    );
    let mark = play.mark();
    play.go_to(play.now + minutes(9 + 30));
    let lines = play.case_lines_since(mark);
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with("fallback P1 nobody took it")),
        "{lines:?}"
    );
    assert_eq!(lines.len(), 39 / 5, "{lines:?}");
    play.take(Fallback).unwrap();
}

#[test]
fn an_empty_first_step_passes_to_the_next_at_once() {
    let (mut play, mark) = red_flag_with(&[OnCallPlace::Rota, Administrator, Fallback]);
    assert_eq!(
        play.lines_since(mark),
        ["T+10 administrator nobody on call", "T+10 rota P1 nobody took it"]
    );
    let mark = play.mark();
    play.go_to(play.now + minutes(9));
    let lines = play.case_lines_since(mark);
    assert_eq!(
        lines,
        [
            "T+15 rota P1 nobody took it",
            "T+15 administrator P1 nobody took it",
            "T+15 fallback P1 nobody took it",
        ]
    );
}

#[test]
fn after_hours_the_named_contact_stands_where_nurse_and_backup_do_and_only_then() {
    for (places, first) in [
        (vec![AfterHours, Fallback], "after_hours"),
        (vec![AfterHours, Backup, Fallback], "backup"),
        (vec![AfterHours, Nurse, Fallback], "nurse"),
    ] {
        let mut play = Play::dosed();
        play.after(10);
        play.answer("C4", 0, &[]);
        let on_call = &mut play.record.around.on_call;
        on_call.push(OnCallPerson {
            place: AfterHours,
            person: crate::support::person(0x200),
            name: "after_hours".into(),
            email: "after_hours@elm.example".into(),
            reached_at: None,
        });
        on_call.retain(|person| places.contains(&person.place));
        let mark = play.mark();
        let sitter = play.sitter();
        play.asked(sitter, |record, context| {
            helping::help(record, None, None, context)
        })
        .unwrap();
        let told = |play: &Play| -> Vec<String> {
            let notices = play.sent[mark..].iter();
            notices.map(|notice| notice.to.email.clone()).collect()
        };
        assert_eq!(told(&play), [format!("{first}@elm.example")]);
        play.after(19);
        let heard = told(&play).contains(&"after_hours@elm.example".to_owned());
        assert_eq!(heard, first == "after_hours", "{:?}", told(&play));
    }
}

#[test]
fn who_keeps_the_list_is_told_once_a_round() {
    let (mut play, mark) = red_flag_with(&[Administrator, Manager, Fallback]);
    play.go_to(play.now + minutes(60));
    let told = |play: &Play, mark| {
        let lines = play.case_lines_since(mark);
        lines
            .iter()
            .filter(|line| line.ends_with("administrator nobody on call"))
            .count()
    };
    assert_eq!(told(&play, mark), 1);
    let mark = play.mark();
    play.take(Manager).unwrap();
    play.go_to(play.now + minutes(60));
    assert_eq!(play.case().round, 2);
    assert!(told(&play, mark) <= 1);
}

#[test]
fn with_nobody_at_all_the_case_stays_awake_until_somebody_is_on_the_list() {
    let (mut play, mark) = red_flag_with(&[]);
    play.go_to(play.now + minutes(30));
    assert_eq!(play.case_lines_since(mark), Vec::<String>::new());
    let full = crate::support::patient_record().around.on_call;
    play.record.around.on_call = full.into_iter().filter(|person| person.place == Nurse).collect();
    play.go_to(play.now + minutes(5));
    assert_eq!(play.case_lines_since(mark).len(), 1);
}

#[test]
fn one_person_on_several_places_gets_one_mail_a_step() {
    let mut play = Play::dosed();
    play.after(10);
    play.answer("C4", 0, &[]);
    let nurse = crate::support::on(Nurse);
    for person in &mut play.record.around.on_call {
        if matches!(person.place, Backup | Fallback | Manager) {
            person.person = nurse;
        }
    }
    let mark = play.mark();
    let sitter = play.sitter();
    play.asked(sitter, |record, context| {
        helping::help(record, None, None, context)
    })
    .unwrap();
    play.after(19);
    let lines = play.case_lines_since(mark);
    let to_nurse: Vec<_> = lines.iter().filter(|line| line.contains(" nurse ")).collect();
    assert_eq!(to_nurse.len(), 3, "{lines:?}");
}
