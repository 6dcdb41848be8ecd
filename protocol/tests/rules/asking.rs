//! Scores in the course: asked for after certain sessions, and answers about death on the patient's desk and at the gate.

use bedside_protocol::case::{CaseState, Level, Outcome};
use bedside_protocol::desk::at_patients_desk;
use bedside_protocol::duty::{Duty, DutyKind, DutyState};
use bedside_protocol::instruments::answering::{Answered, Sent, answer, record_external, review};
use bedside_protocol::instruments::external::ExternalDraft;
use bedside_protocol::instruments::{Given, InstrumentKey};
use bedside_protocol::notice::Who;
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::preparation;
use bedside_protocol::record::{Decision, PatientRecord};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Instant, minutes};
use uuid::Uuid;

use crate::forms::{answers, score};
use crate::play::Play;
use crate::support::{at, code, nurse, on, patient, patient_record, with_context};

const NOON: &str = "2026-11-20T17:00:00Z";
const DAY: i64 = 24 * 60;

/// The dose of a session with so many weekly doses before it.
fn dosed_after(earlier: i64) -> Play {
    let mut play = Play::ready();
    let first = play.now;
    play.record.around.other_doses = (1..=earlier)
        .rev()
        .map(|weeks| first - minutes(weeks * 7 * DAY))
        .collect();
    play.unlock_and_dose();
    play
}

fn scores_duty(play: &Play) -> Option<&Duty> {
    let mut duties = play.record.watch.duties.iter();
    duties.find(|duty| duty.kind == DutyKind::AnswerScores)
}

/// Reminders to the patient from the evening after the session on, in days after the dose.
fn reminders(play: &Play) -> Vec<i64> {
    let t0 = play.record.session.t0();
    let to_patient = play
        .sent
        .iter()
        .filter(|notice| matches!(notice.to.who, Who::Patient(_)));
    let days = to_patient.map(|notice| (notice.not_before - t0).num_days());
    days.filter(|days| *days > 0).collect()
}

fn followed_up(play: &mut Play) {
    play.all_well_until(121);
    play.after(361);
    let evening = play.form(&play.check("C11", 0).clone(), &[]);
    play.send(patient(), evening).unwrap();
}

#[test]
fn scores_are_asked_for_after_the_second_the_fourth_and_the_sixth_dose() {
    for (earlier, asked) in [
        (0, false),
        (1, true),
        (2, false),
        (3, true),
        (4, false),
        (5, true),
        (6, false),
    ] {
        let play = dosed_after(earlier);
        assert_eq!(scores_duty(&play).is_some(), asked, "{earlier} doses before");
        if let Some(duty) = scores_duty(&play) {
            let t0 = play.record.session.t0();
            assert_eq!(
                [duty.opens_at, duty.due_at, duty.missed_after.unwrap()],
                [1, 7, 8].map(|days| t0 + minutes(days * DAY))
            );
        }
    }
}

#[test]
fn a_corrected_dose_time_moves_the_questions_with_it() {
    let mut play = dosed_after(1);
    play.after(10);
    let earlier = play.record.session.t0() - minutes(5);
    play.does(patient(), |record, context| {
        bedside_protocol::dosing::correct_time(record, earlier, context)
    })
    .unwrap();
    let open: Vec<&Duty> = play
        .record
        .watch
        .open_duties()
        .filter(|duty| duty.kind == DutyKind::AnswerScores)
        .collect();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].due_at, earlier + minutes(7 * DAY));
}

#[test]
fn unanswered_they_are_reminded_of_three_times_and_then_go_to_the_worklist() {
    let mut play = dosed_after(1);
    followed_up(&mut play);
    play.after(8 * DAY - 1);
    assert_eq!(reminders(&play), [1, 5, 7]);
    assert!(play.record.watch.cases.is_empty());
    play.after(8 * DAY);
    assert!(matches!(
        scores_duty(&play).unwrap().state,
        DutyState::Missed { .. }
    ));
    assert_eq!(play.case().level, Level::P3);
}

#[test]
fn only_both_answered_after_the_dose_end_the_questions_and_the_reminders() {
    let mut play = dosed_after(1);
    followed_up(&mut play);
    let t0 = play.record.session.t0();
    let full = |id: u128, key, days: i64| score(id, key, answers(key, &[]), t0 + minutes(days * DAY));
    let mut early = play.clone();
    early.record.course.scores = vec![full(1, InstrumentKey::Phq9, -1), full(2, InstrumentKey::Gad7, 2)];
    early.after(3 * DAY);
    assert!(scores_duty(&early).unwrap().is_open());
    play.record.course.scores = vec![full(1, InstrumentKey::Phq9, 2), full(2, InstrumentKey::Gad7, 3)];
    play.after(8 * DAY);
    assert_eq!(
        scores_duty(&play).unwrap().state,
        DutyState::Met {
            observed_at: t0 + minutes(3 * DAY),
            received_at: t0 + minutes(3 * DAY),
        }
    );
    assert!(play.record.watch.cases.is_empty());
    assert_eq!(play.state(), "closed");
}

fn sends(
    record: &PatientRecord,
    now: Instant,
    instrument: InstrumentKey,
    answers: bedside_protocol::instruments::Answers,
) -> (Decision<PatientRecord>, Answered) {
    let sent = Sent {
        instrument,
        answers,
        observed_at: None,
    };
    with_context(&mut 11, now, patient(), |context| {
        answer(record, sent, context).unwrap()
    })
}

fn phq9(item9: u32) -> bedside_protocol::instruments::Answers {
    answers(InstrumentKey::Phq9, &[0, 0, 0, 0, 0, 0, 0, 0, item9])
}

fn told(decision: &Decision<PatientRecord>) -> usize {
    let staff = decision
        .notices
        .iter()
        .filter(|notice| matches!(notice.to.who, Who::Staff(_)));
    staff.count()
}

#[test]
fn the_score_and_its_case_are_one_decision_and_later_answers_join_it() {
    let (first, answered) = sends(&patient_record(), at(NOON), InstrumentKey::Phq9, phq9(3));
    assert_eq!(
        (first.after.course.scores.len(), told(&first), answered.total),
        (1, 1, Some(3))
    );
    assert!(answered.clinic_told);
    let no = answers(InstrumentKey::Safety, &[]);
    let (second, answered) = sends(&first.after, at(NOON), InstrumentKey::Safety, no.clone());
    assert_eq!(
        (
            told(&second),
            second.after.watch.cases.len(),
            answered.clinic_told
        ),
        (0, 1, false)
    );
    assert_eq!(second.after.watch.cases[0].signals.len(), 2);
    let now = answers(InstrumentKey::Safety, &[0, 0, 0, 0, 1]);
    let (third, answered) = sends(
        &second.after,
        at(NOON) + minutes(1),
        InstrumentKey::Safety,
        now.clone(),
    );
    assert_eq!(third.after.watch.cases[0].level, Level::P1);
    assert_eq!((told(&third), answered.clinic_told), (2, true));
    // Taken, a second "right now" starts another round.
    let case = third.after.watch.cases[0].id;
    let (taken, result) = with_context(&mut 5, at(NOON) + minutes(2), nurse(), |context| {
        at_patients_desk(&third.after, context, |desk| {
            desk.take(case, on(OnCallPlace::Nurse), "Nora")
        })
    });
    result.unwrap();
    let (joined, _) = sends(
        &taken.after,
        at(NOON) + minutes(3),
        InstrumentKey::Safety,
        no.clone(),
    );
    assert!(matches!(
        joined.after.watch.cases[0].state,
        CaseState::Acknowledged { .. }
    ));
    let (again, _) = sends(&joined.after, at(NOON) + minutes(3), InstrumentKey::Safety, now);
    assert_eq!(
        (again.after.watch.cases[0].state.clone(), told(&again)),
        (CaseState::Open, 2)
    );
    // With no case open, no to all opens none.
    let (alone, _) = sends(&patient_record(), at(NOON), InstrumentKey::Safety, no);
    assert!(alone.after.watch.cases.is_empty());
    assert_eq!(alone.after.course.scores.len(), 1);
}

#[test]
fn only_what_was_answered_can_be_reviewed() {
    let (decision, answered) = sends(&patient_record(), at(NOON), InstrumentKey::Phq9, phq9(1));
    let record = decision.after;
    let prescriber = on(OnCallPlace::Prescriber);
    let (reviewed, unknown) = with_context(&mut 5, at(NOON), nurse(), |context| {
        (
            review(&record, answered.score, prescriber, "seen", context)
                .unwrap()
                .0,
            review(&record, Uuid::from_u128(1).into(), prescriber, "seen", context).unwrap_err(),
        )
    });
    assert_eq!(code(&unknown), "not-found");
    let review = &reviewed.after.course.score_reviews[0];
    assert_eq!(
        (review.score, review.by, review.at),
        (answered.score, prescriber, at(NOON))
    );
    let later = at(NOON) + minutes(7 * DAY);
    let mut record = reviewed.after;
    record.watch.cases[0].state = CaseState::Resolved {
        by: prescriber,
        at: later,
        outcome: Outcome::ReachedWell,
        note: "well".into(),
    };
    let (known, _) = sends(&record, later, InstrumentKey::Phq9, phq9(1));
    assert_eq!(known.after.watch.cases[1].level, Level::P3);
}

#[test]
fn a_result_from_elsewhere_is_kept_or_refused_whole() {
    let draft = |rated_on: &str| ExternalDraft {
        instrument: "C-SSRS".into(),
        level: Some("low".into()),
        score: None,
        rater: "Dr. Example".into(),
        rated_on: rated_on.parse().unwrap(),
    };
    let recorded = |rated_on: &str| {
        with_context(&mut 5, at(NOON), nurse(), |context| {
            record_external(
                &patient_record(),
                draft(rated_on),
                on(OnCallPlace::Nurse),
                context,
            )
        })
    };
    let (decision, id) = recorded("2026-11-20").unwrap();
    let kept = &decision.after.course.external_results[0];
    assert_eq!(
        (kept.id, &kept.content, kept.by),
        (id, &draft("2026-11-20"), on(OnCallPlace::Nurse))
    );
    assert!(matches!(recorded("2026-11-21"), Err(Refusal::Invalid(_))));
}

#[test]
fn right_now_locks_the_dose_also_one_that_was_unlocked() {
    let mut play = Play::ready();
    play.go_to(play.planned_at());
    play.asked(patient(), preparation::unlock).unwrap();
    let acute = answers(InstrumentKey::Safety, &[0, 0, 0, 0, 1]);
    assert_eq!(acute["q5"], Given::YesNo(true));
    play.record
        .course
        .scores
        .push(score(1, InstrumentKey::Safety, acute, play.now));
    assert_eq!(play.reason_codes(), ["safety-answer"]);
    play.tick();
    assert_eq!(play.state(), "prep_open");
    assert!(matches!(
        play.asked(patient(), preparation::unlock),
        Err(Refusal::Locked(_))
    ));
}
