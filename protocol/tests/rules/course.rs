//! Signing a plan, changing it, moving to another zone, moving and leaving out one session: as tables.

use bedside_protocol::document::LocalHours;
use bedside_protocol::duty::{DutyKind, DutyState, Excuse};
use bedside_protocol::people::{Caller, OnCallPlace, StaffRole};
use bedside_protocol::plan::{
    self, CourseDecision, Maintenance, PlanDraft, PlanTerms, SignedPlan, SlotChange,
};
use bedside_protocol::planning;
use bedside_protocol::record::{Decision, PatientRecord, RuleContext, SessionRecord};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::{Dose, SessionState};
use bedside_protocol::time::Instant;
use chrono::{NaiveTime, Weekday};

use crate::support::{at, code, enrolled, nurse, on, patient_record, staff, with_context};

/// A patient whose course is planned, and the clock.
pub struct CoursePlay {
    pub record: PatientRecord,
    pub sessions: Vec<SessionRecord>,
    pub now: Instant,
    pub seed: u64,
}

pub fn time(text: &str) -> NaiveTime {
    text.parse().unwrap()
}

/// Six sessions a week apart, from Monday 30 November 2026 at ten; twelve lozenges are six sessions.
pub fn terms() -> PlanTerms {
    PlanTerms {
        induction_sessions: 6,
        interval_days: 7,
        first_on: "2026-11-30".parse().unwrap(),
        time: time("10:00:00"),
        hours: LocalHours {
            from: time("09:00:00"),
            to: time("14:00:00"),
        },
        weekdays: Vec::new(),
        min_interval_hours: 72,
        max_doses_rolling_7d: 2,
        review_after_sessions: vec![1, 2, 4, 6],
        maintenance: None,
        dispensed_lozenges: 12,
    }
}

pub fn draft(change: impl FnOnce(&mut PlanTerms)) -> PlanDraft {
    let mut terms = terms();
    change(&mut terms);
    PlanDraft {
        terms,
        reason: "first course".to_owned(),
        changes: None,
    }
}

pub fn prescriber() -> Caller {
    staff(OnCallPlace::Prescriber, StaffRole::Prescriber)
}

impl CoursePlay {
    /// Friday 20 November 2026, nothing planned.
    pub fn new() -> Self {
        let now = at("2026-11-20T15:00:00Z");
        Self {
            record: enrolled(patient_record(), now),
            sessions: Vec::new(),
            now,
            seed: 3,
        }
    }

    pub fn signed() -> Self {
        let mut play = Self::new();
        play.sign(&draft(|_| {})).unwrap();
        play
    }

    pub fn with<T>(&mut self, caller: Caller, rule: impl FnOnce(&Self, &mut RuleContext<'_>) -> T) -> T {
        let mut seed = self.seed;
        let value = with_context(&mut seed, self.now, caller, |context| rule(self, context));
        self.seed = seed;
        value
    }

    pub fn sign(&mut self, draft: &PlanDraft) -> Result<SignedPlan, Refusal> {
        self.record = enrolled(self.record.clone(), self.now);
        let (decision, plan) = self.with(prescriber(), |play, context| {
            plan::sign(
                &play.record,
                &play.sessions,
                draft,
                on(OnCallPlace::Prescriber),
                context,
            )
        })?;
        self.apply(decision);
        Ok(plan)
    }

    pub fn change(
        &mut self,
        version: u32,
        change: impl FnOnce(&mut PlanTerms),
    ) -> Result<SignedPlan, Refusal> {
        let mut draft = draft(change);
        draft.changes = Some(version);
        self.sign(&draft)
    }

    pub fn apply(&mut self, decision: CourseDecision) {
        for changed in decision.changed {
            self.keep(changed);
        }
        for new in decision.new {
            self.sessions.push(new.after);
        }
        self.record = decision.patient.after;
        self.share();
    }

    pub fn keep(&mut self, decision: Decision<SessionRecord>) {
        let id = decision.after.session.id;
        *self.sessions.iter_mut().find(|it| it.session.id == id).unwrap() = decision.after;
        self.share();
    }

    /// What the store does: sessions know the patient's documents, and the patient the sessions.
    pub fn share(&mut self) {
        for it in &mut self.sessions {
            it.patient = self.record.patient.clone();
            it.course = self.record.course.clone();
        }
        self.record.sessions = self.sessions.iter().map(|it| it.session.clone()).collect();
        self.record.sessions.sort_by_key(|session| session.ordinal);
        let doses = self.sessions.iter().filter_map(|it| it.session.dose.as_ref());
        self.record.around.other_doses = doses.map(|dose| dose.taken_at).collect();
        for index in 0..self.sessions.len() {
            let others = self
                .sessions
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != index);
            let doses = others.filter_map(|(_, it)| it.session.dose.as_ref());
            let doses: Vec<Instant> = doses.map(|dose| dose.taken_at).collect();
            self.sessions[index].around.other_doses = doses;
        }
    }

    /// The patient took this session's dose at its time and it is all over.
    pub fn take(&mut self, index: usize) {
        let it = &mut self.sessions[index];
        let taken_at = it.session.planned.at;
        it.session.dose = Some(Dose {
            taken_at,
            claimed_at: None,
            received_at: taken_at,
            by: nurse(),
            instruction: None,
            order_version: Some(1),
            shown_order_version: None,
            not_open_because: Vec::new(),
            corrected_from: Vec::new(),
            also_reported_at: Vec::new(),
        });
        it.session.state = SessionState::Closed { at: taken_at };
        self.now = self.now.max(taken_at);
        self.share();
    }

    /// Local dates and times, and the states, by ordinal of the plan.
    pub fn lines(&self) -> Vec<String> {
        let mut sessions: Vec<_> = self.sessions.iter().map(|it| &it.session).collect();
        sessions.sort_by_key(|session| session.slot.map(|slot| slot.ordinal));
        sessions
            .iter()
            .map(|it| {
                let slot = it.slot.map_or(0, |slot| slot.ordinal);
                format!(
                    "{slot} {} {} {}",
                    it.planned.on,
                    it.planned.time.format("%H:%M"),
                    it.state.name()
                )
            })
            .collect()
    }
}

/// The fields at fault, or the code of another refusal.
pub fn fields(refused: Result<impl std::fmt::Debug, Refusal>) -> Vec<String> {
    match refused {
        Err(Refusal::Invalid(faults)) => faults.0.into_iter().map(|fault| fault.field).collect(),
        Err(other) => vec![code(&other).to_owned()],
        Ok(_) => Vec::new(),
    }
}

#[test]
fn a_signed_plan_is_its_sessions_with_all_that_prepares_them() {
    let play = CoursePlay::signed();
    assert_eq!(
        play.lines(),
        [
            "1 2026-11-30 10:00 scheduled",
            "2 2026-12-07 10:00 scheduled",
            "3 2026-12-14 10:00 scheduled",
            "4 2026-12-21 10:00 scheduled",
            "5 2026-12-28 10:00 scheduled",
            "6 2027-01-04 10:00 scheduled",
        ]
    );
    for it in &play.sessions {
        let owed: Vec<_> = it.watch.open_duties().map(|duty| duty.kind.clone()).collect();
        assert_eq!(
            owed,
            [
                DutyKind::HeadsUp,
                DutyKind::ConfirmPlan,
                DutyKind::PrepareDay,
                DutyKind::Start
            ]
        );
        assert!(it.watch.open_duties().all(|duty| duty.wake_at.is_some()));
    }
    assert_eq!(play.record.course.plans[0].version, 1);
    assert_eq!(play.record.course.plans[0].ordinals, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_plan_lies_within_what_the_clinic_allows_and_every_fault_is_told_at_once() {
    type Change = fn(&mut PlanTerms);
    let cases: [(&[&str], Change); 22] = [
        (&[], |_| {}),
        (&["induction_sessions"], |it| it.induction_sessions = 3),
        (&["induction_sessions", "dispensed_lozenges"], |it| {
            it.induction_sessions = 9;
        }),
        (&["dispensed_lozenges"], |it| it.dispensed_lozenges = 11),
        (&["interval_days", "first_on"], |it| it.interval_days = 2),
        (&["min_interval_hours"], |it| it.min_interval_hours = 71),
        (&["interval_days"], |it| it.min_interval_hours = 169),
        (&["max_doses_rolling_7d"], |it| it.max_doses_rolling_7d = 3),
        (&["max_doses_rolling_7d", "first_on"], |it| {
            (it.max_doses_rolling_7d, it.interval_days) = (0, 4);
        }),
        // Every third day is three in a week.
        (&["first_on"], |it| it.interval_days = 3),
        (&[], |it| it.interval_days = 4),
        (&["time"], |it| it.time = time("15:00:00")),
        (&["hours"], |it| it.hours.from = time("08:59:00")),
        (&["hours", "time"], |it| it.hours.to = time("08:00:00")),
        (&["first_on"], |it| it.first_on = "2026-11-19".parse().unwrap()),
        (&["first_on"], |it| it.weekdays = vec![Weekday::Tue]),
        (&[], |it| it.weekdays = vec![Weekday::Mon, Weekday::Fri]),
        (&["review_after_sessions"], |it| {
            it.review_after_sessions = vec![2, 1];
        }),
        (&["review_after_sessions"], |it| {
            it.review_after_sessions = vec![0];
        }),
        (&["maintenance.interval_days", "dispensed_lozenges"], |it| {
            it.maintenance = Some(Maintenance {
                interval_days: 61,
                sessions: Some(1),
            });
        }),
        // The order is good until the end of April.
        (&["sessions[5]", "sessions[6]"], |it| it.interval_days = 40),
        (
            &[
                "induction_sessions",
                "min_interval_hours",
                "interval_days",
                "time",
                "induction_sessions",
            ],
            |it| {
                it.induction_sessions = 0;
                it.min_interval_hours = 1;
                it.interval_days = 0;
                it.time = time("23:00:00");
                it.dispensed_lozenges = u32::MAX;
            },
        ),
    ];
    for (expected, change) in cases {
        let draft = draft(change);
        let found = fields(CoursePlay::new().sign(&draft));
        assert_eq!(found, expected, "{:?}", draft.terms);
    }
}

#[test]
fn what_the_patient_and_the_clinic_lack_is_told_with_the_rest() {
    let mut play = CoursePlay::new();
    play.record.order = None;
    play.record.around.on_call.clear();
    let mut without_reason = draft(|it| it.induction_sessions = 3);
    without_reason.reason = " ".to_owned();
    assert_eq!(
        fields(play.sign(&without_reason)),
        ["induction_sessions", "order", "reason", "on_call", "on_call"]
    );
}

#[test]
fn a_plan_keeps_its_distance_from_what_stands_already() {
    let mut play = CoursePlay::new();
    let single = play.with(nurse(), |play, context| {
        let (date, time) = ("2026-12-05".parse().unwrap(), time("10:00:00"));
        planning::plan(&play.record, date, time, on(OnCallPlace::Nurse), context).unwrap()
    });
    play.sessions.push(single.after);
    play.share();
    assert_eq!(fields(play.sign(&draft(|_| {}))), ["sessions[2]"]);
    assert_eq!(
        fields(play.sign(&draft(|it| it.first_on = "2026-12-01".parse().unwrap()))),
        [""; 0]
    );
}

#[test]
fn a_patient_has_one_plan_at_a_time() {
    let mut play = CoursePlay::signed();
    let second = draft(|it| it.first_on = "2027-02-01".parse().unwrap());
    assert!(fields(play.sign(&second)).contains(&"plan".to_owned()));
    assert_eq!(fields(CoursePlay::new().change(1, |_| {})), ["plan"]);
    for index in 0..6 {
        play.take(index);
    }
    play.now += chrono::Duration::hours(1);
    assert_eq!(fields(play.sign(&second)), [""; 0], "the first plan is over");
    assert_ne!(play.record.course.plans[0].plan, play.record.course.plans[1].plan);
}

#[test]
fn who_changes_a_version_that_is_no_longer_in_force_hears_what_is_different() {
    let mut play = CoursePlay::signed();
    play.change(1, |it| it.time = time("11:00:00")).unwrap();
    let refused = play.change(1, |it| it.interval_days = 14).unwrap_err();
    let Refusal::Outdated {
        version, by, changes, ..
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!((version, by), (2, on(OnCallPlace::Prescriber)));
    assert_eq!(changes.len(), 1);
    assert_eq!(
        (changes[0].field.as_str(), &changes[0].was, &changes[0].is),
        (
            "time",
            &serde_json::json!("10:00:00"),
            &serde_json::json!("11:00:00")
        )
    );
}

#[test]
fn a_change_moves_what_has_not_begun_and_leaves_the_rest() {
    let mut play = CoursePlay::signed();
    play.take(0);
    // The second is being prepared: a day before it.
    play.now = at("2026-12-06T15:00:00Z");
    let before = play.sessions[1].clone();
    play.change(1, |it| {
        it.induction_sessions = 5;
        it.first_on = "2026-12-15".parse().unwrap();
        it.time = time("12:00:00");
    })
    .unwrap();
    assert_eq!(
        play.lines(),
        [
            // Its place in the plan is free again.
            "0 2027-01-04 10:00 cancelled",
            "1 2026-11-30 10:00 closed",
            "2 2026-12-07 10:00 scheduled",
            "3 2026-12-15 12:00 scheduled",
            "4 2026-12-22 12:00 scheduled",
            "5 2026-12-29 12:00 scheduled",
        ]
    );
    assert_eq!(
        play.sessions[1],
        SessionRecord {
            course: play.record.course.clone(),
            ..before
        }
    );
    let moved = &play.sessions[2];
    let excused = |kind: &DutyKind| {
        moved.watch.duties.iter().any(|duty| {
            duty.kind == *kind
                && matches!(
                    duty.state,
                    DutyState::Excused {
                        why: Excuse::SessionMoved,
                        ..
                    }
                )
        })
    };
    assert!(excused(&DutyKind::HeadsUp) && excused(&DutyKind::Start));
    let start = moved
        .watch
        .open_duties()
        .find(|duty| duty.kind == DutyKind::Start)
        .unwrap();
    assert_eq!(start.due_at, at("2026-12-15T17:00:00Z"));
}

#[test]
fn a_session_that_took_place_or_was_called_off_keeps_its_number() {
    let mut play = CoursePlay::signed();
    play.take(0);
    let skipped = play.with(nurse(), |play, context| {
        plan::skip(&play.sessions[1], "on holiday", context).unwrap()
    });
    play.keep(skipped);
    assert!(play.sessions[1].session.slot.unwrap().skipped);
    let layout = plan::lay_out(
        &play.record,
        &play.record.course.plans,
        &PlanDraft {
            changes: Some(1),
            ..draft(|it| it.first_on = "2026-12-14".parse().unwrap())
        },
        play.now,
    );
    let changes: Vec<_> = layout
        .slots
        .iter()
        .map(|slot| (slot.ordinal, slot.change.name()))
        .collect();
    assert_eq!(
        changes,
        [
            (1, "left"),
            (2, "left"),
            (3, "same"),
            (4, "same"),
            (5, "same"),
            (6, "same")
        ]
    );
    assert_eq!(layout.faults.0, []);
}

#[test]
fn maintenance_goes_on_until_the_lozenges_end_or_the_order_does() {
    let maintenance = |sessions| {
        Some(Maintenance {
            interval_days: 30,
            sessions,
        })
    };
    let cases = [
        // lozenges, maintenance sessions, sessions of the plan, last date
        (16, None, 8, "2027-03-05"),
        (20, None, 9, "2027-04-04"),
        (12, None, 6, "2027-01-04"),
        (16, Some(2), 8, "2027-03-05"),
    ];
    for (dispensed, sessions, expected, last) in cases {
        let mut play = CoursePlay::new();
        let signed = play.sign(&draft(|it| {
            it.maintenance = maintenance(sessions);
            it.dispensed_lozenges = dispensed;
        }));
        let dates = signed.unwrap().dates(play.record.patient.zone);
        assert_eq!(dates.len(), expected, "{dispensed} lozenges");
        assert_eq!(dates.last().unwrap().planned.on.to_string(), last);
    }
    let too_many = draft(|it| {
        it.maintenance = maintenance(Some(3));
        it.dispensed_lozenges = 16;
    });
    assert_eq!(fields(CoursePlay::new().sign(&too_many)), ["dispensed_lozenges"]);
}

#[test]
fn every_session_of_a_plan_that_nobody_prepares_ends() {
    let play = CoursePlay::signed();
    for it in play.sessions.clone() {
        let mut one = crate::play::Play::begin(it.clone(), Decision::unchanged(&it), play.now, 5);
        one.go_to(it.session.planned.at + chrono::Duration::days(2));
        assert!(one.record.session.state.is_over(), "{}", one.state());
        assert!(
            one.record
                .watch
                .open_duties()
                .all(|duty| duty.kind.case().is_some())
        );
    }
}

#[test]
fn signing_the_same_again_moves_nothing() {
    let mut play = CoursePlay::signed();
    let before = play.lines();
    play.change(1, |_| {}).unwrap();
    assert_eq!(play.lines(), before);
    let layout = plan::lay_out(
        &play.record,
        &play.record.course.plans,
        &PlanDraft {
            changes: Some(2),
            ..draft(|_| {})
        },
        play.now,
    );
    assert!(layout.slots.iter().all(|slot| slot.change == SlotChange::Same));
    assert_eq!(play.sessions.len(), 6);
}
