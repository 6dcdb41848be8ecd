//! Cases at their edges: where the next round begins, what a decision leaves behind, and what does not open one.

use std::collections::BTreeSet;

use bedside_protocol::case::{CaseState, Cause, Level, Outcome};
use bedside_protocol::desk::NOTE_MAX_CHARS;
use bedside_protocol::duty::{DutyKind, DutyState, Excuse};
use bedside_protocol::helping;
use bedside_protocol::id::LinkId;
use bedside_protocol::ladder::{Audience, Ladder, Rung};
use bedside_protocol::notice::{About, Message, Notice, Who};
use bedside_protocol::people::Caller;
use bedside_protocol::people::OnCallPlace::{Backup, Nurse};
use bedside_protocol::record::LinkTarget;
use bedside_protocol::time::minutes;
use bedside_protocol::{preparation, tick};

use crate::play::Play;
use crate::support::{code, is_missed, nurse, on, patient};

/// Missed at T+30, so a P1 case is open since T+34.
fn missed_at_30() -> Play {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(34);
    play
}

fn case_link(notice: &Notice) -> Option<LinkId> {
    match notice.message {
        Message::CaseNeedsYou { link, .. } => Some(link),
        _ => None,
    }
}

#[test]
fn an_acknowledgement_that_ran_out_was_missed_and_what_else_it_owed_is_excused() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    play.after(39);
    let missed_at = play.now;
    let state = play.duty("contact_patient").state.clone();
    assert!(
        matches!(state, DutyState::Missed { at, answered: None } if at == missed_at),
        "{state:?}"
    );
    let state = &play.duty("record_outcome").state;
    assert!(
        matches!(state, DutyState::Excused { why: Excuse::CaseMovedOn, at } if *at == missed_at),
        "{state:?}"
    );
}

#[test]
fn a_ladder_that_resumes_goes_on_at_the_rung_it_had_not_told() {
    let mut play = missed_at_30();
    // The second rung was told at T+38; the third, with everybody, is next.
    play.after(39);
    play.take(Nurse).unwrap();
    let mark = play.mark();
    play.after(44);
    assert_eq!(play.case_lines_since(mark).len(), 7, "everybody");
}

#[test]
fn a_case_that_is_raised_after_everybody_was_told_tells_everybody() {
    let mut play = Play::dosed();
    play.all_well_until(62);
    play.after(89);
    // C8 at T+75 was missed alone: P2, and at T+88 the last rung was told.
    assert_eq!(play.case().level, Level::P2);
    let mark = play.mark();
    let sitter = play.sitter();
    play.asked(sitter, |record, context| {
        helping::help(record, None, None, context)
    })
    .unwrap();
    assert_eq!(play.case().level, Level::P1);
    assert_eq!(play.case_lines_since(mark).len(), 7, "everybody");
}

#[test]
fn a_duty_that_is_looked_at_early_is_not_missed() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    // As the store does with everything of a session when the watch comes back.
    let now = play.now;
    for duty in &mut play.record.watch.duties {
        if duty.wake_at.is_some() {
            duty.wake_at = Some(now);
        }
    }
    play.tick();
    assert_eq!(play.case().state.name(), "acknowledged");
    assert!(play.duty("contact_patient").is_open() && play.duty("record_outcome").is_open());
}

#[test]
fn each_contact_whose_address_is_refused_is_told_of_once() {
    let mut play = missed_at_30();
    let id = play.case_id();
    let mark = play.mark();
    for place in [Nurse, Backup] {
        let contact = on(place);
        let mails: Vec<_> = play
            .sent
            .iter()
            .filter(|notice| notice.to.who == Who::Staff(contact))
            .map(|notice| notice.id)
            .collect();
        let notice = *mails.last().unwrap();
        play.desk(Caller::System, |desk| {
            desk.contact_unreachable(id, notice, contact);
            Ok(())
        })
        .unwrap();
    }
    let told = play.case_lines_since(mark);
    let unreachable = told.iter().filter(|line| line.ends_with("contact unreachable"));
    assert_eq!(
        unreachable.count(),
        4,
        "manager and administrator, of two contacts: {told:?}"
    );
    let known = play.case().signals.iter().filter_map(|signal| match signal.what {
        Cause::Undeliverable { contact, .. } => Some(contact),
        _ => None,
    });
    assert_eq!(known.collect::<Vec<_>>(), [on(Nurse), on(Backup)]);
}

#[test]
fn a_case_is_in_the_audit_trail_from_its_first_signal_to_its_end() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    let id = play.case_id();
    play.desk(nurse(), |desk| desk.give_back(id, on(Nurse))).unwrap();
    play.take(Backup).unwrap();
    play.after(40);
    let of_the_case: Vec<&str> = play
        .facts
        .iter()
        .map(|fact| fact.action)
        .filter(|action| action.starts_with("case."))
        .collect();
    assert_eq!(
        of_the_case,
        [
            "case.signal",
            "case.opened",
            "case.taken",
            "case.given_back",
            "case.round",
            "case.taken",
            "case.acknowledgement_ran_out",
            "case.round",
        ]
    );
}

#[test]
fn a_good_late_answer_opens_no_case() {
    let mut play = missed_at_30();
    play.take_and_resolve();
    play.after(36);
    let cases = play.record.watch.cases.clone();
    play.answer("C6", 0, &[]);
    assert_eq!(play.record.watch.cases, cases);
    assert!(matches!(play.case().state, CaseState::Resolved { .. }));
}

#[test]
fn two_signals_in_one_step_leave_the_links_of_the_mails_that_go_out_and_no_others() {
    let mut play = Play::dosed();
    play.all_well_until(62);
    // Two checks are missed at once, the second raises the case that the first opened in the same decision.
    play.now = play.record.session.t0() + minutes(110);
    let decision = play.with(Caller::System, tick::session);
    let case = decision.after.watch.cases.last().unwrap();
    assert!(case.round > 1, "raised within the decision");
    let sent: BTreeSet<LinkId> = decision.notices.iter().filter_map(case_link).collect();
    let kept: BTreeSet<LinkId> = decision
        .links
        .iter()
        .filter(|link| matches!(link.target, LinkTarget::Case { .. }))
        .map(|link| link.id)
        .collect();
    assert!(!sent.is_empty());
    assert_eq!(sent, kept);
}

#[test]
fn a_reminder_that_repeats_is_told_at_each_of_its_times_and_after_an_outage_once() {
    let mut play = Play::planned();
    let duty = play
        .record
        .watch
        .duties
        .iter_mut()
        .find(|duty| duty.kind.name() == "confirm_plan")
        .unwrap();
    duty.ladder = Ladder(vec![Rung {
        after_due_s: -3 * 3600,
        tell: vec![Audience::Patient],
        repeat_every_s: Some(1800),
    }]);
    (duty.rung, duty.repeat_no) = (0, 0);
    duty.wake_at = duty.next_wake();
    let (id, due_at) = (duty.id, duty.due_at);
    let told = |play: &Play, mark: usize| -> Vec<i64> {
        play.sent[mark..]
            .iter()
            .filter(|notice| notice.about == About::Duty { duty: id })
            .map(|notice| (notice.not_before - due_at).num_minutes())
            .collect()
    };
    let mark = play.mark();
    play.go_to(due_at - minutes(80));
    assert_eq!(told(&play, mark), [-180, -150, -120, -90]);
    // Looked at late: the one whose time is now is told, those that were passed over are not.
    let mark = play.mark();
    play.now = due_at - minutes(25);
    play.tick();
    assert_eq!(told(&play, mark), [-25]);
}

#[test]
fn a_day_that_ends_while_the_screen_is_unlocked_leaves_the_dose_to_the_duty_of_logging_it() {
    let mut play = Play::ready();
    play.go_to(play.planned_at());
    play.asked(patient(), preparation::unlock).unwrap();
    let ends_at = play.now + minutes(1);
    let mut duties = play.record.watch.duties.iter_mut();
    let start = duties.find(|duty| duty.kind == DutyKind::Start).unwrap();
    start.missed_after = Some(ends_at);
    start.wake_at = start.next_wake();
    play.go_to(ends_at);
    assert!(is_missed(play.duty("start")) && play.duty("log_dose").is_open());
    assert_eq!(
        play.record.watch.cases,
        [],
        "nobody is asked why there was no dose"
    );
}

#[test]
fn a_check_that_fell_due_in_an_outage_calls_again_when_the_case_about_it_is_closed_by_then() {
    let mut play = Play::dosed();
    play.all_well_until(40);
    // Due at T+45 and missed at T+49: the watch is back in between.
    play.outage_until(play.record.session.t0() + minutes(46));
    play.tick();
    play.take_and_resolve();
    let cases = play.record.watch.cases.len();
    play.after(50);
    assert!(matches!(play.check("C7", 0).state, DutyState::Unknown { .. }));
    assert_eq!(play.record.watch.cases.len(), cases + 1);
    assert!(matches!(play.case().signals[0].what, Cause::WatchDown { .. }));
}

#[test]
fn the_release_questions_are_asked_anew_from_the_clinicians_second_call_on() {
    let mut play = Play::dosed();
    let asked = |play: &Play| {
        let checks = play.record.watch.duties.iter();
        checks
            .filter(|duty| matches!(&duty.kind, DutyKind::CheckIn { rule, .. } if rule == "C10b"))
            .count()
    };
    play.after(239);
    let before = asked(&play);
    play.after(240);
    assert_eq!(asked(&play), before, "the timetable's own last one is at T+240");
    play.after(255);
    assert_eq!(asked(&play), before + 1);
}

#[test]
fn a_closed_case_is_closed_for_everybody_and_a_note_may_be_as_long_as_it_may() {
    let mut play = missed_at_30();
    play.take(Nurse).unwrap();
    let (id, by) = (play.case_id(), on(Nurse));
    let longest = "x".repeat(NOTE_MAX_CHARS);
    play.desk(nurse(), |desk| {
        desk.resolve(id, by, Outcome::ReachedWell, &longest)
    })
    .unwrap();
    let refusal = play.desk(nurse(), |desk| desk.contacted(id, by)).unwrap_err();
    assert_eq!(code(&refusal), "case-closed");
}

#[test]
fn a_case_mail_says_by_when_and_its_link_is_good_for_a_week() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(33);
    play.now += minutes(1);
    let decision = play.with(Caller::System, tick::session);
    let needed_by: Vec<_> = decision
        .notices
        .iter()
        .filter_map(|notice| match notice.message {
            Message::CaseNeedsYou { needed_by, .. } => Some(needed_by),
            _ => None,
        })
        .collect();
    assert_eq!(needed_by, [play.now + minutes(5); 2]);
    let until: Vec<_> = decision.links.iter().map(|link| link.expires_at).collect();
    assert_eq!(until, [play.now + minutes(10_080); 2]);
}
