//! Names that stand in the database, in JSON and in addresses of pages: the same in every place, and for good.

use bedside_protocol::case::{CaseState, Cause, Level, Outcome, Taken};
use bedside_protocol::duty::{DutyKind, DutyState, Excuse, Lane, OwedBy};
use bedside_protocol::notice::{DroppedBecause, Who};
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::plan::{ClockEffect, Phase};
use bedside_protocol::roster::{Needed, Weekday};
use bedside_protocol::session::MoveCause;
use bedside_protocol::watch::Subject;
use serde::Serialize;
use uuid::Uuid;

use crate::support::{at, person};

const NOON: &str = "2026-11-20T17:00:00Z";

/// What JSON calls it: the text itself, or the value of its tag.
fn in_json(value: &impl Serialize, tag: &str) -> String {
    let json = serde_json::to_value(value).unwrap();
    let name = json.as_str().or_else(|| json[tag].as_str());
    name.unwrap().to_owned()
}

#[test]
fn what_has_a_name_has_the_same_in_json() {
    for place in OnCallPlace::ALL {
        assert_eq!(in_json(&place, ""), place.name());
    }
    assert!(OnCallPlace::ALL.is_sorted());
    let week = chrono::NaiveDate::default().iter_days().take(7);
    for day in week.map(Weekday::of) {
        assert_eq!(in_json(&day, ""), day.name());
    }
    for needed in Needed::ALL {
        assert_eq!(in_json(&needed, ""), needed.name());
    }
    for outcome in Outcome::ALL {
        assert_eq!(in_json(&outcome, ""), outcome.name());
    }
    for level in [Level::Info, Level::P3, Level::P2, Level::P1] {
        assert_eq!(in_json(&level, ""), level.name());
    }
    for owed_by in [OwedBy::Patient, OwedBy::Sitter, OwedBy::OnCall] {
        assert_eq!(in_json(&owed_by, ""), owed_by.name());
    }
    for phase in [Phase::Induction, Phase::Maintenance] {
        assert_eq!(in_json(&phase, ""), phase.name());
    }
    for cause in [MoveCause::Asked, MoveCause::SitterDroppedOut, MoveCause::Clinical] {
        assert_eq!(in_json(&cause, ""), cause.name());
    }
    let skipped = ClockEffect::MovedTo {
        on: "2027-03-14".parse().unwrap(),
        time: "03:00:00".parse().unwrap(),
    };
    for effect in [ClockEffect::Unchanged, skipped, ClockEffect::FirstOfTwo] {
        assert_eq!(in_json(&effect, "effect"), effect.name());
    }
    for because in [
        DroppedBecause::DutyOver,
        DroppedBecause::CaseTaken,
        DroppedBecause::InvitationOver,
        DroppedBecause::Muted,
        DroppedBecause::Stale,
    ] {
        assert_eq!(in_json(&because, ""), because.name());
    }
    let who = [
        Who::Patient(person(1)),
        Who::Sitter(Uuid::from_u128(2).into()),
        Who::Staff(person(3)),
    ];
    for (who, id) in who.into_iter().zip(1_u128..) {
        assert_eq!(in_json(&who, "who"), who.kind());
        assert_eq!(who.id(), Uuid::from_u128(id).to_string());
    }
    let subjects = [
        Subject::Session(Uuid::from_u128(1).into()),
        Subject::Patient(person(2)),
    ];
    for (subject, id) in subjects.into_iter().zip(1_u128..) {
        assert_eq!(in_json(&subject, "subject"), subject.kind());
        assert_eq!(subject.id(), Uuid::from_u128(id).to_string());
    }
}

#[test]
fn every_state_and_kind_has_the_name_of_its_tag() {
    let (at, case) = (at(NOON), Uuid::from_u128(4).into());
    let states = [
        DutyState::Open,
        DutyState::Met {
            observed_at: at,
            received_at: at,
        },
        DutyState::Excused {
            why: Excuse::Informed,
            at,
        },
        DutyState::Missed { at, answered: None },
        DutyState::Unknown {
            gap: Uuid::from_u128(5).into(),
            at,
            answered: None,
        },
    ];
    for state in states {
        assert_eq!(in_json(&state, "state"), state.name());
    }
    let taken = || Taken {
        by: person(1),
        by_name: "Nora".into(),
        at,
        offer: None,
    };
    let states = [
        CaseState::Open,
        CaseState::Acknowledged { taken: taken() },
        CaseState::Contacted { taken: taken(), at },
        CaseState::Resolved {
            by: person(1),
            at,
            outcome: Outcome::FalseAlarm,
            note: String::new(),
        },
    ];
    for state in states {
        assert_eq!(in_json(&state, "state"), state.name());
    }
    let kinds = [
        DutyKind::HeadsUp,
        DutyKind::AnswerInvitation,
        DutyKind::ConfirmPlan,
        DutyKind::PrepareDay,
        DutyKind::Start,
        DutyKind::LogDose,
        DutyKind::Release,
        DutyKind::AnswerScores,
        DutyKind::AnswerBaseline,
        DutyKind::AnswerMonthly,
        DutyKind::FollowCourse,
        DutyKind::TakeCase { case },
        DutyKind::ContactPatient { case },
        DutyKind::RecordOutcome { case },
        DutyKind::AcceptHandOver { case },
    ];
    for kind in kinds {
        assert_eq!(in_json(&kind, "kind"), kind.name());
    }
    for cause in [
        Cause::Help,
        Cause::SitterLeft,
        Cause::SitterGone,
        Cause::TakenAndNotLogged,
        Cause::SitterOnPatientsDevice,
        Cause::ReviewDue,
        Cause::ConsentWithdrawn { text: String::new() },
        Cause::CourseHeld,
        Cause::ZoneChanged {
            left: Vec::new(),
            too_near: Vec::new(),
            unstaffed: Vec::new(),
        },
    ] {
        assert_eq!(in_json(&cause, "cause"), cause.name());
    }
}

#[test]
fn the_most_urgent_lane_has_the_least_rank() {
    assert_eq!(Lane::ALL.map(Lane::rank), [0, 1, 2, 3]);
    assert!(Lane::ALL.is_sorted());
}
