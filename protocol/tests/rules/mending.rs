//! Mending: what was lost from the rows is owed again, and a record that is whole stays as it is.

use bedside_protocol::case::{CaseState, Outcome};
use bedside_protocol::desk::at_patients_desk;
use bedside_protocol::people::{Caller, OnCallPlace::Nurse};
use bedside_protocol::record::SessionRecord;
use bedside_protocol::{helping, mending, tick};

use crate::play::Play;
use crate::support::{at, nurse, on, patient, patient_record, with_context};

/// Missed at T+30, so a P1 case is open since T+34; its second rung was told at T+38.
fn with_case() -> Play {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(38);
    play
}

fn mend(play: &mut Play) {
    let decision = play.with(Caller::System, mending::session);
    play.apply(decision);
}

fn drop_duties_of_cases(record: &mut SessionRecord) {
    record.watch.duties.retain(|duty| duty.kind.case().is_none());
}

#[test]
fn a_record_that_is_whole_stays_as_it_is() {
    for mut play in [Play::planned(), Play::ready(), Play::dosed(), with_case(), {
        let mut play = with_case();
        play.take(Nurse).unwrap();
        play
    }] {
        let (before, sent, facts) = (play.record.clone(), play.sent.len(), play.facts.len());
        mend(&mut play);
        assert_eq!((play.sent.len(), play.facts.len()), (sent, facts));
        assert!(play.record == before);
    }
}

#[test]
fn every_kind_of_open_duty_that_lost_its_wake_up_is_looked_at_again_and_then_sleeps_as_before() {
    for (name, whole) in [
        ("planned", Play::planned()),
        ("dosed", Play::dosed()),
        ("missed", with_case()),
        ("taken", {
            let mut play = with_case();
            play.take(Nurse).unwrap();
            play
        }),
    ] {
        let open: Vec<usize> = (0..whole.record.watch.duties.len())
            .filter(|index| whole.record.watch.duties[*index].is_open())
            .collect();
        assert!(!open.is_empty(), "{name}");
        for index in open {
            let mut play = whole.clone();
            let sleeps_until = play.record.watch.duties[index].wake_at;
            play.record.watch.duties[index].wake_at = None;
            let sent = play.sent.len();
            mend(&mut play);
            let kind = play.record.watch.duties[index].kind.clone();
            assert_eq!(
                play.record.watch.duties[index].wake_at,
                Some(play.now),
                "{name} {kind:?}"
            );
            assert_eq!(play.facts.last().unwrap().action, "watch.duties_woken");
            play.tick();
            assert_eq!(
                play.record.watch.duties[index].wake_at, sleeps_until,
                "{name} {kind:?}"
            );
            assert_eq!(
                play.sent.len(),
                sent,
                "{name} {kind:?}: nothing was due, so nothing is said"
            );
        }
    }
}

#[test]
fn an_open_case_that_nobody_owes_anything_for_goes_on_with_its_next_round() {
    // Its whole history of duties is gone: from the first rung.
    let mut play = with_case();
    drop_duties_of_cases(&mut play.record);
    let mark = play.mark();
    mend(&mut play);
    assert_eq!((play.case().round, &play.case().state), (2, &CaseState::Open));
    assert_eq!(
        play.case_lines_since(mark),
        ["T+38 nurse P1 nobody took it", "T+38 backup P1 nobody took it"]
    );
    let mark = play.mark();
    mend(&mut play);
    assert_eq!(play.case_lines_since(mark), Vec::<String>::new(), "once");
    // Its duty is over without another in its place: from where the ladder had stopped.
    let mut play = with_case();
    let now = play.now;
    for duty in play
        .record
        .watch
        .duties
        .iter_mut()
        .filter(|duty| duty.kind.case().is_some())
    {
        let why = bedside_protocol::duty::Excuse::CaseMovedOn;
        duty.end(bedside_protocol::duty::DutyState::Excused { why, at: now });
    }
    let mark = play.mark();
    mend(&mut play);
    assert_eq!(
        play.case_lines_since(mark).len(),
        7,
        "everybody up to the third rung"
    );
}

#[test]
fn a_taken_case_that_was_forgotten_must_be_taken_again() {
    let mut play = with_case();
    play.take(Nurse).unwrap();
    drop_duties_of_cases(&mut play.record);
    let mark = play.mark();
    mend(&mut play);
    assert_eq!((play.case().round, &play.case().state), (2, &CaseState::Open));
    assert_eq!(
        play.case_lines_since(mark),
        ["T+38 nurse P1 ran out", "T+38 backup P1 ran out"]
    );
    play.take(Nurse).unwrap();
    play.resolve();
    let before = play.record.clone();
    mend(&mut play);
    assert!(play.record == before, "a resolved case owes nothing");
}

#[test]
fn a_patients_case_between_sessions_is_mended_alike() {
    let now = at("2026-11-20T17:00:00Z");
    let mut record = with_context(&mut 3, now, patient(), |context| {
        helping::help_between_sessions(&patient_record(), None, None, context)
            .unwrap()
            .0
            .after
    });
    let mend = |record: &_| {
        with_context(&mut 4, now, Caller::System, |context| {
            mending::patient(record, context)
        })
    };
    assert!(mend(&record).after == record);
    let sleeps_until = record.watch.duties[0].wake_at.take();
    let woken = mend(&record).after;
    assert_eq!(woken.watch.duties[0].wake_at, Some(now));
    let ticked = with_context(&mut 5, now, Caller::System, |context| {
        tick::patient(&woken, context)
    });
    assert_eq!(ticked.after.watch.duties[0].wake_at, sleeps_until);
    record.watch.duties.clear();
    let mended = mend(&record);
    assert_eq!((mended.after.watch.cases[0].round, mended.notices.len()), (2, 2));
}

#[test]
fn a_duty_of_the_care_team_that_is_woken_before_its_time_sleeps_again() {
    let now = at("2026-11-20T17:00:00Z");
    let record = with_context(&mut 3, now, patient(), |context| {
        helping::help_between_sessions(&patient_record(), None, None, context)
            .unwrap()
            .0
            .after
    });
    let case = record.watch.cases[0].id;
    let mut taken = with_context(&mut 4, now, nurse(), |context| {
        at_patients_desk(&record, context, |desk| {
            desk.take(case, on(Nurse), "Nora").unwrap();
        })
        .0
        .after
    });
    let whole = taken.clone();
    // As a new on-call list does.
    for duty in taken.watch.duties.iter_mut().filter(|duty| duty.is_open()) {
        duty.wake_at = Some(now);
    }
    let ticked = with_context(&mut 5, now, Caller::System, |context| {
        tick::patient(&taken, context)
    });
    // But for the look at the patient that is to come, it is as it was.
    let of_cases = |record: &bedside_protocol::record::PatientRecord| {
        let mut record = record.clone();
        record.watch.duties.retain(|duty| duty.kind.case().is_some());
        record
    };
    assert!(of_cases(&ticked.after) == whole);
    let resolved = with_context(&mut 6, now, nurse(), |context| {
        at_patients_desk(&ticked.after, context, |desk| {
            desk.resolve(case, on(Nurse), Outcome::ReachedWell, "well")
        })
        .1
    });
    assert!(resolved.is_ok());
}
