//! Scores in the course: answers about death on the patient's desk and at the gate.

use bedside_protocol::case::{CaseState, Level, Outcome};
use bedside_protocol::desk::at_patients_desk;
use bedside_protocol::instruments::answering::{Answered, Sending, Sent, answer, record_external, review};
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
    let (decision, sending) = with_context(&mut 11, now, patient(), |context| {
        answer(record, sent, context).unwrap()
    });
    let Sending::Kept(answered) = sending else {
        panic!("{sending:?}")
    };
    (decision, answered)
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

#[test]
fn a_form_that_is_refused_and_speaks_of_danger_reaches_a_nurse_all_the_same() {
    let without = |mut whole: bedside_protocol::instruments::Answers, left_out: &str| {
        whole.remove(left_out);
        whole
    };
    let effects = |key: &str, value: u32| {
        let mut list = answers(InstrumentKey::SideEffects, &[]);
        let given = match list[key] {
            Given::YesNo(_) => Given::YesNo(value > 0),
            Given::Number(_) => Given::Number(value),
        };
        list.insert(key.to_owned(), given);
        list
    };
    // what is sent with something missing, and whom it reaches
    for (instrument, sent, expected) in [
        (InstrumentKey::Phq9, without(phq9(0), "q1"), None),
        (InstrumentKey::Phq9, without(phq9(1), "q1"), Some(Level::P2)),
        (InstrumentKey::Phq9, without(phq9(3), "q1"), Some(Level::P2)),
        // A number that no answer has is a mistake of the phone and nobody's alarm.
        (InstrumentKey::Phq9, phq9(7), None),
        (
            InstrumentKey::SideEffects,
            without(effects("nausea", 3), "headache"),
            None,
        ),
        (
            InstrumentKey::SideEffects,
            without(effects("fall", 1), "headache"),
            Some(Level::P2),
        ),
        (
            InstrumentKey::SideEffects,
            without(effects("chest_tightness", 1), "headache"),
            Some(Level::P1),
        ),
    ] {
        let record = patient_record();
        let sent = Sent {
            instrument,
            answers: sent,
            observed_at: None,
        };
        let answered = with_context(&mut 3, at(NOON), patient(), |context| {
            answer(&record, sent.clone(), context)
        });
        let Some(level) = expected else {
            assert!(matches!(answered, Err(Refusal::Invalid(_))), "{sent:?}");
            continue;
        };
        let (decision, sending) = answered.unwrap();
        assert!(
            matches!(sending, Sending::RefusedAndTold(Refusal::Invalid(_))),
            "{sent:?}"
        );
        assert!(decision.after.course.scores.is_empty(), "nothing is scored");
        let case = decision.after.watch.open_case().unwrap();
        assert_eq!(
            (case.level, case.signals[0].what.name()),
            (level, "unkept_answer")
        );
        assert!(told(&decision) > 0);
        // Sent again as it was, nobody is told again.
        let again = with_context(&mut 5, at(NOON) + minutes(1), patient(), |context| {
            answer(&decision.after, sent.clone(), context).unwrap().0
        });
        assert_eq!(again.after, decision.after);
    }
}
