//! Hand-over of open cases (PROTOCOL 4.5, "Shift change"): offered, accepted, declined, withdrawn, run out.

use std::sync::Arc;

use bedside_protocol::case::{CaseState, Level, OfferEnd};
use bedside_protocol::desk::{CaseWorkers, Desk};
use bedside_protocol::helping;
use bedside_protocol::people::OnCallPlace::{self, Administrator, Backup, Nurse, Prescriber};
use bedside_protocol::people::{Contact, StaffRole};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::roster::{Cover, OnCallPlan, Roster, next_on_duty};
use bedside_protocol::time::minutes;

use crate::play::Play;
use crate::support::{STAFF, at, code, nurse, on, person, staff};

/// Missed at T+30 and taken by the nurse at T+34.
fn taken_at_34() -> Play {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(34);
    assert_eq!(play.case().level, Level::P1);
    play.take(Nurse).unwrap();
    play
}

fn acts(
    play: &mut Play,
    place: OnCallPlace,
    act: impl FnOnce(&mut Desk<'_, '_>) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    play.desk(staff(place, StaffRole::Nurse), act)
}

fn offer(play: &mut Play, by: OnCallPlace, to: OnCallPlace) -> Result<(), Refusal> {
    let id = play.case_id();
    acts(play, by, |desk| desk.offer(id, on(by), on(to), &workers()))
}

/// Everybody of the staff but the administrator.
fn workers() -> CaseWorkers {
    let staff = STAFF.iter().map(|(place, _)| *place);
    staff.filter(|place| *place != Administrator).map(on).collect()
}

fn accept(play: &mut Play, by: OnCallPlace) -> Result<(), Refusal> {
    let id = play.case_id();
    acts(play, by, |desk| desk.accept(id, on(by), "Ben"))
}

fn decline(play: &mut Play, by: OnCallPlace) -> Result<(), Refusal> {
    let id = play.case_id();
    acts(play, by, |desk| desk.decline(id, on(by)))
}

fn has_it(play: &Play) -> Option<OnCallPlace> {
    let by = play.case().state.taken()?.by;
    STAFF
        .iter()
        .map(|(place, _)| *place)
        .find(|place| on(*place) == by)
}

fn offer_ended(play: &Play) -> Option<OfferEnd> {
    play.case().state.taken().unwrap().offer.as_ref().unwrap().ended
}

#[test]
fn what_each_answer_to_an_offer_does_and_who_hears_of_it() {
    struct Row {
        name: &'static str,
        answer: fn(&mut Play) -> Result<(), Refusal>,
        holder: OnCallPlace,
        ended: Option<OfferEnd>,
        told: &'static [&'static str],
    }
    let rows = [
        Row {
            name: "accepted",
            answer: |play| accept(play, Backup),
            holder: Backup,
            ended: None,
            told: &["T+34 nurse hand-over accepted"],
        },
        Row {
            name: "declined",
            answer: |play| decline(play, Backup),
            holder: Nurse,
            ended: Some(OfferEnd::Declined),
            told: &["T+34 nurse hand-over declined, yours"],
        },
        Row {
            name: "withdrawn",
            answer: |play| decline(play, Nurse),
            holder: Nurse,
            ended: Some(OfferEnd::Withdrawn),
            told: &["T+34 backup hand-over withdrawn"],
        },
        Row {
            name: "nothing",
            answer: |_| Ok(()),
            holder: Nurse,
            ended: None,
            told: &[],
        },
    ];
    for row in rows {
        let Row {
            name,
            answer,
            holder,
            ended,
            told,
        } = row;
        let mut play = taken_at_34();
        let mark = play.mark();
        offer(&mut play, Nurse, Backup).unwrap();
        assert_eq!(play.case_lines_since(mark), ["T+34 backup P1 offered"], "{name}");
        assert_eq!(has_it(&play), Some(Nurse), "{name}: offered is not handed over");
        let mark = play.mark();
        answer(&mut play).unwrap();
        assert_eq!(has_it(&play), Some(holder), "{name}");
        assert_eq!(play.case_lines_since(mark), told, "{name}");
        if holder == Nurse {
            assert_eq!(offer_ended(&play), ended, "{name}");
        } else {
            assert_eq!(play.case().state.taken().unwrap().offer, None, "{name}");
        }
    }
}

#[test]
fn an_offer_that_nobody_accepts_runs_out_and_both_are_told() {
    let mut play = taken_at_34();
    let id = play.case_id();
    acts(&mut play, Nurse, |desk| desk.contacted(id, on(Nurse))).unwrap();
    let mut protocol = (*play.record.around.protocol).clone();
    protocol.cases.p1.outcome_within_min = 60;
    protocol.roster.hand_over.accept_within_min = 10;
    play.record.around.protocol = Arc::new(protocol);
    play.after(35);
    play.answer("C6", 0, &[]);
    offer(&mut play, Nurse, Backup).unwrap();
    let mark = play.mark();
    play.after(44);
    assert_eq!(offer_ended(&play), None);
    play.after(45);
    assert_eq!(offer_ended(&play), Some(OfferEnd::RanOut));
    assert_eq!(has_it(&play), Some(Nurse));
    let told: Vec<_> = play.case_lines_since(mark);
    assert!(
        told.contains(&"T+45 nurse hand-over ran_out, yours".to_owned()),
        "{told:?}"
    );
    assert!(
        told.contains(&"T+45 backup hand-over ran_out".to_owned()),
        "{told:?}"
    );
    let late = accept(&mut play, Backup).unwrap_err();
    assert_eq!(code(&late), "already-taken");
}

#[test]
fn what_is_owed_keeps_its_times_when_a_case_changes_hands() {
    let mut play = taken_at_34();
    let owed = |play: &Play| {
        ["contact_patient", "record_outcome"].map(|kind| {
            let duty = play.duty(kind);
            (duty.id, duty.due_at, duty.is_open())
        })
    };
    let before = owed(&play);
    play.after(36);
    offer(&mut play, Nurse, Backup).unwrap();
    accept(&mut play, Backup).unwrap();
    assert_eq!(owed(&play), before);
    // Nobody was reached within five minutes of the first taking: it runs out as it would have.
    play.after(39);
    assert_eq!((play.case().round, &play.case().state), (2, &CaseState::Open));
}

#[test]
fn only_who_has_it_offers_and_only_who_is_asked_accepts() {
    let mut play = taken_at_34();
    let rows: [(&str, Result<(), Refusal>, &str); 6] = [
        (
            "the backup offers",
            offer(&mut play, Backup, Prescriber),
            "already-taken",
        ),
        ("to oneself", offer(&mut play, Nurse, Nurse), "invalid"),
        ("accepted unasked", accept(&mut play, Backup), "already-taken"),
        ("declined unasked", decline(&mut play, Backup), "already-taken"),
        (
            "to an administrator",
            offer(&mut play, Nurse, Administrator),
            "invalid",
        ),
        (
            "to a stranger",
            {
                let id = play.case_id();
                acts(&mut play, Nurse, |desk| {
                    desk.offer(id, on(Nurse), person(0x999), &workers())
                })
            },
            "invalid",
        ),
    ];
    for (name, outcome, expected) in rows {
        assert_eq!(code(&outcome.unwrap_err()), expected, "{name}");
    }
    // Keeping what is one's own is no fault.
    decline(&mut play, Nurse).unwrap();
    offer(&mut play, Nurse, Backup).unwrap();
    let (before, mark) = (play.record.clone(), play.mark());
    offer(&mut play, Nurse, Backup).unwrap();
    assert_eq!(
        (&play.record, play.mark()),
        (&before, mark),
        "twice changes nothing"
    );
    let second = offer(&mut play, Nurse, Prescriber).unwrap_err();
    assert_eq!(code(&second), "hand-over-waits");
    assert_eq!(code(&accept(&mut play, Prescriber).unwrap_err()), "already-taken");
    accept(&mut play, Backup).unwrap();
    let (before, mark) = (play.record.clone(), play.mark());
    accept(&mut play, Backup).unwrap();
    assert_eq!(
        (&play.record, play.mark()),
        (&before, mark),
        "twice changes nothing"
    );
    let first = offer(&mut play, Nurse, Prescriber).unwrap_err();
    assert_eq!(code(&first), "already-taken", "it is the backup's now");
}

#[test]
fn no_open_and_no_closed_case_is_handed_over() {
    let mut play = Play::dosed();
    play.all_well_until(27);
    play.after(34);
    for outcome in [
        offer(&mut play, Nurse, Backup),
        accept(&mut play, Backup),
        decline(&mut play, Backup),
    ] {
        assert_eq!(code(&outcome.unwrap_err()), "case-not-taken");
    }
    play.take_and_resolve();
    for outcome in [
        offer(&mut play, Nurse, Backup),
        accept(&mut play, Backup),
        decline(&mut play, Backup),
    ] {
        assert_eq!(code(&outcome.unwrap_err()), "case-closed");
    }
}

#[test]
fn an_urgent_signal_on_an_offered_case_needs_a_new_acknowledgement_and_ends_the_offer() {
    let mut play = taken_at_34();
    offer(&mut play, Nurse, Backup).unwrap();
    let sitter = play.sitter();
    play.asked(sitter, |record, context| {
        helping::help(record, Some("seizure"), None, context)
    })
    .unwrap();
    assert_eq!((play.case().round, &play.case().state), (2, &CaseState::Open));
    assert!(!play.duty("accept_hand_over").is_open());
    assert_eq!(code(&accept(&mut play, Backup).unwrap_err()), "case-not-taken");
}

#[test]
fn who_closes_or_gives_back_an_offered_case_ends_the_offer() {
    let mut play = taken_at_34();
    offer(&mut play, Nurse, Backup).unwrap();
    let mark = play.mark();
    play.resolve();
    assert!(!play.duty("accept_hand_over").is_open());
    assert_eq!(play.case_lines_since(mark), ["T+34 backup closed"]);

    let mut play = taken_at_34();
    offer(&mut play, Nurse, Backup).unwrap();
    let id = play.case_id();
    play.desk(nurse(), |desk| desk.give_back(id, on(Nurse))).unwrap();
    assert!(!play.duty("accept_hand_over").is_open());
}

/// The on-call list under a roster in which the place of the nurse is somebody else's for a while.
fn plan(covers: &[(OnCallPlace, OnCallPlace, &str, &str)]) -> OnCallPlan {
    let contact = |name: &str| Contact {
        name: name.into(),
        email: format!("{name}@elm.example"),
        reached_at: None,
    };
    OnCallPlan {
        zone: bedside_protocol::time::Zone::named("America/New_York").unwrap(),
        list: STAFF.map(|(place, _)| (place, on(place))).to_vec(),
        roster: Arc::new(Roster {
            covers: covers
                .iter()
                .map(|(place, by, from, until)| Cover {
                    place: *place,
                    instead_of: on(*place),
                    by: on(*by),
                    from: at(from),
                    until: at(until),
                })
                .collect(),
            ..Roster::default()
        }),
        staff: STAFF.map(|(place, name)| (on(place), contact(name))).into(),
    }
}

#[test]
fn who_is_next_on_duty_after_somebody() {
    let (noon, one, two) = (
        "2026-11-28T17:00:00Z",
        "2026-11-28T18:00:00Z",
        "2026-11-28T19:00:00Z",
    );
    // The nurse's place is the prescriber's from one to two; then the nurse's again.
    let covered = plan(&[(Nurse, Prescriber, one, two)]);
    // Who, since when they have the case, now, who is next.
    let rows = [
        ("on duty still", Nurse, noon, "2026-11-28T17:59:00Z", None),
        ("the turn is over", Nurse, noon, one, Some(Prescriber)),
        ("on duty again", Nurse, noon, two, None),
        ("the cover's turn is over", Prescriber, one, two, Some(Nurse)),
        ("had no turn since", Prescriber, two, "2026-11-28T19:30:00Z", None),
        ("never has a turn", Administrator, noon, two, None),
    ];
    for (name, who, since, now, expected) in rows {
        let next = next_on_duty(&covered, on(who), at(since), at(now));
        assert_eq!(next, expected.map(on), "{name}");
    }
}

#[test]
fn nobody_gets_a_case_by_an_offer_who_does_not_work_on_cases() {
    let mut play = taken_at_34();
    let t0 = play.record.session.t0();
    let text = |after_min: i64| (t0 + minutes(after_min)).to_rfc3339();
    let (from, until) = (text(36), text(120));
    play.record.around.roster = Some(Arc::new(plan(&[(Nurse, Administrator, &from, &until)])));
    let id = play.case_id();
    play.after(36);
    let offered = play.desk(bedside_protocol::people::Caller::System, |desk| {
        Ok(desk.offer_at_shift_change(id, &workers()))
    });
    assert!(!offered.unwrap(), "the administrator is next, and is passed by");
    // One that was offered before this was asked cannot be accepted; it can be declined.
    let everybody = STAFF.iter().map(|(place, _)| on(*place)).collect();
    acts(&mut play, Nurse, |desk| {
        desk.offer(id, on(Nurse), on(Administrator), &everybody)
    })
    .unwrap();
    let accepted = play.desk(staff(Administrator, StaffRole::Administrator), |desk| {
        desk.accept(id, on(Administrator), "Ada")
    });
    assert_eq!(code(&accepted.unwrap_err()), "not-found");
    assert_eq!(has_it(&play), Some(Nurse));
    play.desk(staff(Administrator, StaffRole::Administrator), |desk| {
        desk.decline(id, on(Administrator))
    })
    .unwrap();
}

#[test]
fn at_a_shift_change_a_taken_case_is_offered_to_the_next_on_duty_once() {
    let mut play = taken_at_34();
    let t0 = play.record.session.t0();
    let text = |after_min: i64| (t0 + minutes(after_min)).to_rfc3339();
    let (from, until) = (text(36), text(120));
    let covered = plan(&[(Nurse, Prescriber, &from, &until)]);
    play.record.around.roster = Some(Arc::new(covered));
    let id = play.case_id();
    let offers = |play: &mut Play| {
        play.desk(bedside_protocol::people::Caller::System, |desk| {
            Ok(desk.offer_at_shift_change(id, &workers()))
        })
        .unwrap()
    };
    play.after(35);
    assert!(!offers(&mut play), "the shift is not over");
    play.after(36);
    let mark = play.mark();
    assert!(offers(&mut play));
    assert_eq!(play.case_lines_since(mark), ["T+36 prescriber P1 offered"]);
    assert!(!offers(&mut play), "it waits for an answer");
    decline(&mut play, Prescriber).unwrap();
    assert!(!offers(&mut play), "they said no");
    assert_eq!(has_it(&play), Some(Nurse));

    // A document without the section offers nothing by itself.
    let mut play = taken_at_34();
    play.record.around.roster = Some(Arc::new(plan(&[(Nurse, Prescriber, &from, &until)])));
    let mut protocol = (*play.record.around.protocol).clone();
    protocol.roster.hand_over = bedside_protocol::document::HandOverRules::default();
    play.record.around.protocol = Arc::new(protocol);
    play.after(36);
    assert!(!offers(&mut play));
}
