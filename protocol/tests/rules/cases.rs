//! Cases: taken, contacted, resolved, given back, forgotten; and what joins a case that somebody has.

use bedside_protocol::answering::CheckedIn;
use bedside_protocol::case::{CaseState, Cause, Level, Outcome};
use bedside_protocol::desk::NOTE_MAX_CHARS;
use bedside_protocol::helping;
use bedside_protocol::notice::Who;
use bedside_protocol::people::OnCallPlace::{Backup, Manager, Nurse};
use bedside_protocol::people::StaffRole;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::minutes;

use crate::play::Play;
use crate::support::{code, is_missed, nurse, on, patient, staff};

/// Missed at T+30, so a P1 case is open since T+34.
fn missed_at_30() -> Play {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(34);
    assert_eq!((play.case().level, play.case().round), (Level::P1, 1));
    play
}

fn help(play: &mut Play, flag: Option<&str>) {
    let sitter = play.sitter();
    play.asked(sitter, |record, context| {
        helping::help(record, flag, None, context)
    })
    .unwrap();
}

#[test]
fn taking_a_case_ends_its_ladder_and_tells_the_others_who_has_it() {
    let mut play = missed_at_30();
    play.after(35);
    let mark = play.mark();
    play.take(Nurse).unwrap();
    play.after(39);
    assert_eq!(play.case_lines_since(mark), ["T+35 backup taken"]);
}

#[test]
fn the_second_nurse_hears_who_was_first_and_the_same_nurse_twice_changes_nothing() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    let taken_at = play.now;
    let mark = play.mark();
    let refusal = play.take(Backup).unwrap_err();
    let expected = Refusal::AlreadyTaken {
        by: on(Nurse),
        by_name: "Nora".into(),
        at: taken_at,
    };
    assert_eq!(refusal, expected);
    let before = play.record.clone();
    play.take(Nurse).unwrap();
    assert_eq!((play.record.clone(), play.mark()), (before, mark));
}

#[test]
fn a_case_is_contacted_and_resolved_in_that_order_with_words() {
    let mut play = missed_at_30();
    let id = play.case_id();
    let not_taken = play
        .desk(nurse(), |desk| desk.contacted(id, on(Nurse)))
        .unwrap_err();
    assert_eq!(code(&not_taken), "case-not-taken");
    let not_taken = play.desk(nurse(), |desk| {
        desk.resolve(id, on(Nurse), Outcome::FalseAlarm, "x")
    });
    assert_eq!(code(&not_taken.unwrap_err()), "case-not-taken");
    play.take(Nurse).unwrap();
    for note in ["", "  ", &"x".repeat(NOTE_MAX_CHARS + 1)] {
        let refusal = play.desk(nurse(), |desk| {
            desk.resolve(id, on(Nurse), Outcome::ReachedWell, note)
        });
        assert_eq!(code(&refusal.unwrap_err()), "invalid");
    }
    play.desk(nurse(), |desk| desk.contacted(id, on(Nurse))).unwrap();
    assert_eq!(play.case().state.name(), "contacted");
    let mark = play.mark();
    play.resolve();
    assert_eq!(play.case().state.name(), "resolved");
    assert_eq!(play.case_lines_since(mark), ["T+34 backup closed"]);
    let closed = play.take(Backup).unwrap_err();
    assert_eq!(code(&closed), "case-closed");
    let duties_of_the_case = play
        .record
        .watch
        .open_duties()
        .filter(|duty| duty.kind.case().is_some());
    assert_eq!(duties_of_the_case.count(), 0);
}

#[test]
fn taken_without_contact_runs_out_after_five_minutes_and_the_ladder_goes_on_where_it_was() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    let mark = play.mark();
    play.after(39);
    assert_eq!((play.case().round, play.case().state.name()), (2, "open"));
    let expected = ["nurse", "backup", "rota", "prescriber"].map(|who| format!("T+39 {who} P1 ran out"));
    assert_eq!(play.case_lines_since(mark), expected);
}

#[test]
fn contacted_without_an_outcome_runs_out_fifteen_minutes_after_it_was_taken() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    let id = play.case_id();
    play.desk(nurse(), |desk| desk.contacted(id, on(Nurse))).unwrap();
    play.after(45);
    play.answer("C7", 0, &[]);
    let mark = play.mark();
    play.after(48);
    assert_eq!(play.case_lines_since(mark), Vec::<String>::new());
    play.after(49);
    assert_eq!(play.case().state, CaseState::Open);
    assert_eq!(play.case_lines_since(mark).len(), 4);
}

#[test]
fn giving_back_resumes_at_once_and_only_who_took_it_can() {
    let mut play = missed_at_30();
    let id = play.case_id();
    let untaken = play
        .desk(nurse(), |desk| desk.give_back(id, on(Nurse)))
        .unwrap_err();
    assert_eq!(code(&untaken), "case-not-taken");
    play.take(Nurse).unwrap();
    let other = play.desk(staff(Backup, StaffRole::Nurse), |desk| {
        desk.give_back(id, on(Backup))
    });
    assert_eq!(code(&other.unwrap_err()), "already-taken");
    let mark = play.mark();
    play.desk(nurse(), |desk| desk.give_back(id, on(Nurse))).unwrap();
    let expected = ["nurse", "backup", "rota", "prescriber"].map(|who| format!("T+34 {who} P1 given back"));
    assert_eq!(play.case_lines_since(mark), expected);
    play.take(Backup).unwrap();
}

#[test]
fn a_red_flag_on_a_taken_case_mails_again_and_needs_a_new_acknowledgement() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    let mark = play.mark();
    help(&mut play, Some("chest_pain"));
    assert_eq!(
        play.case_lines_since(mark),
        ["T+34 nurse P1 new signal", "T+34 backup P1 new signal"]
    );
    assert_eq!((play.record.watch.cases.len(), play.case().round), (1, 2));
    assert_eq!(play.case().state, CaseState::Open);
    // Pressed again and again before anybody took it: it joins, and mails nobody twice.
    let mark = play.mark();
    for _ in 0..20 {
        help(&mut play, None);
    }
    assert_eq!(play.case_lines_since(mark), Vec::<String>::new());
    assert_eq!(play.case().signals.len(), 1 + 1 + 20);
    play.take(Nurse).unwrap();
}

#[test]
fn a_lesser_signal_joins_a_taken_case_in_silence() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    let id = play.case_id();
    play.desk(nurse(), |desk| desk.contacted(id, on(Nurse))).unwrap();
    play.after(41);
    let mark = play.mark();
    assert_eq!(play.answer("C7", 0, &["safe_position"]), CheckedIn::Noted);
    assert_eq!(play.case_lines_since(mark), Vec::<String>::new());
    assert_eq!(play.case().signals.len(), 2);
    assert_eq!(play.case().level, Level::P1);
}

#[test]
fn a_raised_case_goes_on_with_those_who_were_told_and_not_with_fewer() {
    let mut play = Play::dosed();
    play.all_well_until(62);
    play.after(84);
    // C8 at T+75 was missed alone: P2, and at T+83 the whole rota heard of it.
    assert_eq!(play.case().level, Level::P2);
    let mark = play.mark();
    help(&mut play, None);
    let expected = ["nurse", "backup", "rota", "prescriber"].map(|who| format!("T+84 {who} P1 new signal"));
    assert_eq!(play.case_lines_since(mark), expected);
    assert_eq!((play.case().level, play.case().round), (Level::P1, 2));
}

#[test]
fn an_untaken_case_from_before_the_session_speeds_up_when_something_joins_it_in_the_session() {
    let mut play = Play::ready();
    // A P2 of the preparation: this hour, the nurse first.
    play.asked(patient(), |record, context| {
        bedside_protocol::preparation::answer(
            record,
            "changes_meds",
            bedside_protocol::checklist::AnswerValue::YesNo(true),
            None,
            context,
        )
    })
    .unwrap();
    assert_eq!((play.case().level, play.case().in_session), (Level::P2, false));
    play.before(5);
    let mark = play.mark();
    play.dose(patient(), bedside_protocol::dosing::DoseReport::default());
    // The sitter is present, so the dose on hold is a P2 of its own; it must not wait for the slow ladder.
    assert_eq!((play.case().level, play.case().in_session), (Level::P2, true));
    assert_eq!(
        play.case_lines_since(mark),
        ["T+0 nurse P2 new signal", "T+0 backup P2 new signal"]
    );
    play.after(4);
    assert_eq!(play.case_lines_since(mark).len(), 2 + 4);
}

#[test]
fn a_late_answer_never_opens_raises_or_closes_a_case() {
    let mut play = missed_at_30();
    play.after(36);
    let mark = play.mark();
    assert_eq!(play.answer("C6", 0, &[]), CheckedIn::Late);
    assert!(is_missed(play.check("C6", 0)));
    let joined = &play.case().signals[1].what;
    assert!(matches!(joined, Cause::LateAnswer { all_well: true, .. }));
    assert_eq!((play.case().round, play.case_lines_since(mark).len()), (1, 0));
    assert!(play.case().is_open());
    play.take_and_resolve();
    // Another late answer, with no case open any more: kept, and nobody is disturbed.
    let form = play.form(&play.check("C6", 0).clone(), &["safe_position"]);
    let cases = play.record.watch.cases.len();
    play.send(play.sitter(), form).unwrap();
    // A bad answer is never only stored, late or not.
    assert_eq!(play.record.watch.cases.len(), cases + 1);
}

#[test]
fn an_address_that_refuses_mail_sends_the_next_rung_at_once_and_never_a_flood() {
    let mut play = missed_at_30();
    let id = play.case_id();
    let bounced = |play: &mut Play, place| {
        let contact = on(place);
        let notice = play
            .sent
            .iter()
            .rev()
            .find(|notice| notice.to.who == Who::Staff(contact))
            .unwrap()
            .id;
        play.desk(bedside_protocol::people::Caller::System, |desk| {
            desk.contact_unreachable(id, notice, contact);
            Ok(())
        })
        .unwrap();
    };
    let mark = play.mark();
    bounced(&mut play, Nurse);
    let sent = play.case_lines_since(mark);
    assert_eq!(
        sent.iter()
            .filter(|line| line.ends_with("P1 nobody took it"))
            .count(),
        4
    );
    assert_eq!(
        sent.iter()
            .filter(|line| line.ends_with("contact unreachable"))
            .count(),
        2
    );
    // The mails of the later rungs to the same address bounce too: that is known by now.
    let mark = play.mark();
    for _ in 0..10 {
        bounced(&mut play, Nurse);
    }
    assert_eq!(play.case_lines_since(mark), Vec::<String>::new());
    // Even with everybody's address refused, the last rung is told once and then keeps its five minutes.
    for place in [Backup, Manager, Nurse, Backup, Manager] {
        if place != Manager {
            bounced(&mut play, place);
        }
    }
    play.go_to(play.now + minutes(60));
    let to_fallback = play.case_lines_since(mark);
    let count = to_fallback
        .iter()
        .filter(|line| line.contains(" fallback "))
        .count();
    assert!(
        (12..=14).contains(&count),
        "{count} mails to the fallback in an hour"
    );
    let mark = play.mark();
    bounced(&mut play, Manager);
    let sent = play.case_lines_since(mark);
    assert!(
        sent.iter().all(|line| line.ends_with("contact unreachable")),
        "{sent:?}"
    );
}

#[test]
fn an_emergency_that_was_dealt_with_is_watched_on_and_can_be_released() {
    let mut play = Play::dosed();
    play.all_well_until(100);
    help(&mut play, Some("seizure"));
    assert_eq!(play.state(), "emergency");
    play.all_well_until(117);
    play.after(120);
    // The sitter alone does not end an emergency.
    assert_eq!(play.answer("C10", 0, &[]), CheckedIn::Noted);
    assert_eq!(play.state(), "emergency");
    play.take_and_resolve();
    assert_eq!(play.state(), "monitoring");
    // The same good answers again, now that they can count.
    assert_eq!(play.answer("C10", 0, &[]), CheckedIn::Released);
    assert_eq!(play.state(), "released");
}

#[test]
fn only_who_took_a_case_says_how_it_goes_on() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    let id = play.case_id();
    let other = on(Backup);
    let contacted = play.desk(nurse(), |desk| desk.contacted(id, other));
    let resolved = play.desk(nurse(), |desk| desk.resolve(id, other, Outcome::FalseAlarm, "x"));
    let given_back = play.desk(nurse(), |desk| desk.give_back(id, other));
    for refusal in [contacted, resolved, given_back] {
        assert_eq!(code(&refusal.unwrap_err()), "already-taken");
    }
    assert_eq!(play.case().state.name(), "acknowledged");
}
