//! What a patient owes between sessions: baseline, scores after sessions, the monthly list. They belong to the patient and end
//! without holding a session open.

use std::sync::Arc;

use bedside_protocol::case::{Case, Level};
use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::duty::{Duty, DutyKind, DutyState, Excuse};
use bedside_protocol::instruments::answering::{Sending, Sent, answer};
use bedside_protocol::instruments::{Answers, InstrumentKey};
use bedside_protocol::notice::{Notice, Who};
use bedside_protocol::people::{Caller, CommsStatus};
use bedside_protocol::record::PatientRecord;
use bedside_protocol::session::{Dose, Session, SessionState};
use bedside_protocol::tick;
use bedside_protocol::time::{Instant, minutes};
use bedside_protocol::watch::WatchGap;
use uuid::Uuid;

use crate::forms::answers;
use crate::play::Play;
use crate::support::{at, patient, patient_record, with_context};

const DAY: i64 = 24 * 60;

/// Nine in the morning in New York.
const START: &str = "2026-11-20T14:00:00Z";

/// A patient whom the worker looks at whenever it is time.
struct Follow {
    record: PatientRecord,
    now: Instant,
    seed: u64,
    sent: Vec<(Instant, Notice)>,
}

impl Follow {
    fn new() -> Self {
        let mut follow = Self {
            record: patient_record(),
            now: at(START),
            seed: 13,
            sent: Vec::new(),
        };
        follow.tick();
        follow
    }

    fn tick(&mut self) {
        let record = self.record.clone();
        let decision = with_context(&mut self.seed, self.now, Caller::System, |context| {
            tick::patient(&record, context)
        });
        let now = self.now;
        self.sent
            .extend(decision.notices.into_iter().map(|notice| (now, notice)));
        self.record = decision.after;
    }

    fn go_to(&mut self, to: Instant) {
        loop {
            let wakes = self.record.watch.open_duties().filter_map(|duty| duty.wake_at);
            let Some(next) = wakes.min().filter(|next| *next <= to) else {
                break;
            };
            assert!(next >= self.now, "nothing is left behind");
            self.now = next;
            let before = self.record.clone();
            self.tick();
            assert_ne!(self.record, before, "a look at {next} does something");
        }
        self.now = to;
    }

    fn days(&mut self, days: i64) {
        self.go_to(at(START) + minutes(days * DAY));
    }

    fn dose(&mut self, taken_at: Instant) {
        let mut session: Session = Play::planned().record.session;
        session.id = Uuid::from_u128(0xD0 + self.record.sessions.len() as u128).into();
        session.state = SessionState::Closed { at: taken_at };
        session.dose = Some(Dose {
            taken_at,
            claimed_at: None,
            received_at: taken_at,
            by: patient(),
            instruction: None,
            order_version: None,
            shown_order_version: None,
            not_open_because: Vec::new(),
            corrected_from: Vec::new(),
            also_reported_at: Vec::new(),
        });
        self.record.sessions.push(session);
    }

    fn send(&mut self, instrument: InstrumentKey, answers: Answers) -> Sending {
        let sent = Sent {
            instrument,
            answers,
            observed_at: None,
        };
        let record = self.record.clone();
        let (decision, sending) = with_context(&mut self.seed, self.now, patient(), |context| {
            answer(&record, sent, context).unwrap()
        });
        self.record = decision.after;
        // A score that is kept wakes what is owed.
        self.tick();
        sending
    }

    fn answer_well(&mut self, keys: &[InstrumentKey]) {
        for key in keys {
            let sending = self.send(*key, answers(*key, &[]));
            assert!(matches!(sending, Sending::Kept(_)), "{sending:?}");
        }
    }

    fn duties(&self, kind: &DutyKind) -> Vec<&Duty> {
        let all = self.record.watch.duties.iter();
        all.filter(|duty| duty.kind == *kind).collect()
    }

    fn states(&self, kind: &DutyKind) -> Vec<&'static str> {
        self.duties(kind).iter().map(|duty| duty.state.name()).collect()
    }

    /// Days after the start on which the patient was reminded.
    fn reminded(&self) -> Vec<i64> {
        let to_patient = self
            .sent
            .iter()
            .filter(|(_, notice)| matches!(notice.to.who, Who::Patient(_)));
        to_patient
            .map(|(_, notice)| (notice.not_before - at(START)).num_days())
            .collect()
    }

    fn case(&self) -> Option<&Case> {
        self.record.watch.open_case()
    }
}

const BASELINE: [InstrumentKey; 3] = [InstrumentKey::Phq9, InstrumentKey::Gad7, InstrumentKey::Safety];

#[test]
fn a_baseline_is_asked_for_reminded_of_and_on_the_worklist_when_it_is_late() {
    let mut follow = Follow::new();
    assert_eq!(follow.states(&DutyKind::AnswerBaseline), ["open"]);
    assert_eq!(
        follow.duties(&DutyKind::AnswerBaseline)[0].due_at,
        at(START) + minutes(7 * DAY)
    );
    follow.go_to(at(START) + minutes(7 * DAY + 299));
    assert_eq!(follow.reminded(), [1, 5, 7, 7, 7]);
    assert!(follow.case().is_none());
    follow.go_to(at(START) + minutes(7 * DAY + 300));
    let case = follow.case().unwrap();
    assert_eq!(
        (case.level, case.signals[0].what.name()),
        (Level::P3, "no_answer")
    );
    // Missed, it is asked no second time; the list of the care team has it.
    follow.days(60);
    assert_eq!(follow.states(&DutyKind::AnswerBaseline), ["missed"]);
}

#[test]
fn a_baseline_that_is_answered_is_met_and_asked_again_when_it_is_too_old() {
    let mut follow = Follow::new();
    follow.days(1);
    follow.answer_well(&BASELINE[..2]);
    assert_eq!(follow.states(&DutyKind::AnswerBaseline), ["open"]);
    follow.answer_well(&BASELINE[2..]);
    assert_eq!(follow.states(&DutyKind::AnswerBaseline), ["met"]);
    follow.days(14);
    assert_eq!(follow.states(&DutyKind::AnswerBaseline), ["met"]);
    follow.days(16);
    assert_eq!(follow.states(&DutyKind::AnswerBaseline), ["met", "open"]);
    // With the first dose it is over, unanswered or not.
    follow.dose(at(START) + minutes(16 * DAY));
    follow.days(18);
    assert_eq!(follow.states(&DutyKind::AnswerBaseline), ["met", "excused"]);
    assert!(follow.case().is_none());
}

#[test]
fn a_baseline_is_due_before_a_session_that_is_nearer() {
    let mut follow = Follow::new();
    let mut session = Play::planned().record.session;
    session.planned.at = at(START) + minutes(3 * DAY);
    follow.record.sessions.push(session);
    follow.days(1);
    assert_eq!(
        follow.duties(&DutyKind::AnswerBaseline)[0].due_at,
        at(START) + minutes(3 * DAY)
    );
}

#[test]
fn scores_are_asked_for_after_the_second_the_fourth_and_the_sixth_dose() {
    let mut follow = Follow::new();
    follow.answer_well(&BASELINE);
    let mut asked = Vec::new();
    for number in 1..=7_i64 {
        let taken_at = at(START) + minutes(number * 7 * DAY);
        follow.go_to(taken_at);
        follow.dose(taken_at);
        follow.go_to(taken_at + minutes(2 * DAY));
        asked.push(follow.duties(&DutyKind::AnswerScores).len());
        follow.answer_well(&[InstrumentKey::Phq9, InstrumentKey::Gad7]);
    }
    assert_eq!(asked, [0, 1, 1, 2, 2, 3, 3]);
    assert_eq!(follow.states(&DutyKind::AnswerScores), ["met"; 3]);
}

/// Two doses a week apart, the second on day 14; the scores after it are due on day 21.
fn after_two() -> Follow {
    let mut follow = Follow::new();
    follow.answer_well(&BASELINE);
    for day in [7, 14] {
        follow.days(day);
        follow.dose(at(START) + minutes(day * DAY));
    }
    follow.sent.clear();
    follow
}

#[test]
fn scores_that_do_not_come_are_reminded_of_and_then_on_the_worklist() {
    let mut follow = after_two();
    follow.go_to(at(START) + minutes(21 * DAY + 299));
    assert_eq!(follow.reminded(), [15, 19, 21, 21, 21]);
    assert!(follow.case().is_none());
    follow.days(22);
    assert_eq!(follow.states(&DutyKind::AnswerScores), ["missed"]);
    assert_eq!(follow.case().map(|case| case.level), Some(Level::P3));
}

#[test]
fn only_both_scores_after_the_dose_end_the_question() {
    let mut follow = after_two();
    follow.days(16);
    follow.answer_well(&[InstrumentKey::Phq9]);
    assert_eq!(follow.states(&DutyKind::AnswerScores), ["open"]);
    follow.answer_well(&[InstrumentKey::Gad7]);
    assert_eq!(follow.states(&DutyKind::AnswerScores), ["met"]);
    follow.days(30);
    assert!(follow.case().is_none());
}

#[test]
fn the_monthly_list_comes_every_thirty_days_answered_or_not_and_missed_twice_is_its_own_notice() {
    let mut follow = Follow::new();
    follow.answer_well(&BASELINE);
    follow.dose(at(START));
    follow.days(31);
    assert_eq!(follow.states(&DutyKind::AnswerMonthly), ["open"]);
    follow.answer_well(&[InstrumentKey::Monthly]);
    assert_eq!(follow.states(&DutyKind::AnswerMonthly), ["met"]);
    follow.days(60);
    assert_eq!(follow.states(&DutyKind::AnswerMonthly), ["met"]);
    follow.days(70);
    assert_eq!(follow.states(&DutyKind::AnswerMonthly), ["met", "missed"]);
    follow.days(102);
    assert_eq!(
        follow.states(&DutyKind::AnswerMonthly),
        ["met", "missed", "missed"]
    );
    let signals: Vec<&str> = follow
        .case()
        .unwrap()
        .signals
        .iter()
        .map(|it| it.what.name())
        .collect();
    assert_eq!(signals, ["no_answer", "late_twice"]);
}

#[test]
fn a_patient_who_is_paused_in_hospital_or_gone_is_asked_nothing_and_reported_for_nothing() {
    for comms in [
        CommsStatus::Paused,
        CommsStatus::Hospital,
        CommsStatus::Deceased,
        CommsStatus::Withdrawn,
    ] {
        let mut follow = Follow::new();
        follow.record.patient.comms = comms;
        follow.tick();
        follow.days(40);
        assert_eq!(follow.states(&DutyKind::AnswerBaseline), ["excused"], "{comms:?}");
        assert!(follow.sent.is_empty() && follow.case().is_none());
        follow.record.patient.comms = CommsStatus::Active;
        follow.days(42);
        assert_eq!(
            follow.states(&DutyKind::AnswerBaseline),
            ["excused", "open"],
            "{comms:?}"
        );
    }
}

#[test]
fn what_fell_due_while_nobody_watched_is_unknown_and_still_on_the_worklist() {
    let mut follow = Follow::new();
    let due_at = at(START) + minutes(7 * DAY);
    follow.record.around.watch_health.gaps.push(WatchGap {
        id: Uuid::from_u128(0x91).into(),
        from: due_at - minutes(10),
        to: due_at + minutes(10),
    });
    follow.days(8);
    assert!(matches!(
        follow.duties(&DutyKind::AnswerBaseline)[0].state,
        DutyState::Unknown { .. }
    ));
    let case = follow.case().unwrap();
    assert_eq!(
        (case.level, case.signals[0].what.name()),
        (Level::P3, "watch_down")
    );
}

#[test]
fn a_document_from_before_asks_for_scores_after_sessions_and_for_nothing_else() {
    let mut follow = Follow::new();
    follow.record = patient_record();
    let first = ProtocolDocument::parse(include_str!("../../documents/default-1.json")).unwrap();
    follow.record.around.protocol = Arc::new(first);
    follow.tick();
    for day in [0, 7] {
        follow.dose(at(START) + minutes(day * DAY));
    }
    follow.days(60);
    assert!(follow.duties(&DutyKind::AnswerBaseline).is_empty());
    assert!(follow.duties(&DutyKind::AnswerMonthly).is_empty());
    assert_eq!(follow.states(&DutyKind::AnswerScores), ["missed"]);
}

#[test]
fn looking_twice_changes_nothing() {
    let mut follow = after_two();
    for day in 15..40 {
        follow.days(day);
        follow.tick();
        let (record, sent) = (follow.record.clone(), follow.sent.len());
        follow.tick();
        assert_eq!((&follow.record, follow.sent.len()), (&record, sent), "day {day}");
    }
}

#[test]
fn scores_that_a_session_owes_by_an_older_program_are_excused_and_reach_nobody() {
    for kind in [
        DutyKind::AnswerScores,
        DutyKind::AnswerBaseline,
        DutyKind::AnswerMonthly,
    ] {
        let mut play = Play::dosed();
        let t0 = play.now;
        let like = play
            .record
            .watch
            .duties
            .iter()
            .find(|duty| duty.is_open())
            .unwrap();
        let old = Duty {
            id: Uuid::from_u128(0x0a5c).into(),
            kind: kind.clone(),
            owed_by: bedside_protocol::duty::OwedBy::Patient,
            lane: bedside_protocol::duty::Lane::Reminder,
            opens_at: t0,
            asked_at: t0,
            due_at: t0 + minutes(20),
            missed_after: Some(t0 + minutes(25)),
            wake_at: Some(t0 + minutes(20)),
            ..like.clone()
        };
        let id = old.id;
        play.record.watch.duties.push(old);
        play.all_well_until(27);
        assert!(play.record.watch.cases.is_empty(), "{kind:?}");
        let duty = play.record.watch.duty(id).unwrap();
        assert!(
            matches!(
                duty.state,
                DutyState::Excused {
                    why: Excuse::NotFollowed,
                    ..
                }
            ),
            "{kind:?}: {:?}",
            duty.state
        );
        let about = bedside_protocol::notice::About::Duty { duty: id };
        assert!(play.sent.iter().all(|notice| notice.about != about), "{kind:?}");
    }
}
