//! A clinic's own versions of the protocol: every fault at once, what differs, who signs, who is second, which session takes it.

use std::sync::Arc;

use bedside_protocol::document::{ProtocolDocument, read};
use bedside_protocol::duty::{DutyKind, DutyState, Excuse};
use bedside_protocol::id::PersonId;
use bedside_protocol::people::{OnCallPlace, StaffRole};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::time::{Instant, minutes};
use bedside_protocol::versions::{
    self, ClinicVersion, InForce, NewVersion, Signer, as_read, differences, draft, sign,
};
use serde_json::{Value, json};

use crate::play::Play;
use crate::support::{at, code, on};

fn shipped() -> Value {
    serde_json::from_str(ProtocolDocument::shipped_text()).unwrap()
}

/// The shipped document with the values at some JSON pointers changed.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut document = shipped();
    for (pointer, value) in changes {
        let (parent, last) = pointer.rsplit_once('/').unwrap();
        match document
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("no {pointer}"))
        {
            Value::Object(fields) => drop(fields.insert(last.into(), value.clone())),
            list => list[last.parse::<usize>().unwrap()] = value.clone(),
        }
    }
    document
}

fn paths(document: &Value) -> Vec<String> {
    let faults = read(document).err().unwrap_or_default();
    faults.into_iter().map(|fault| fault.path).collect()
}

fn now() -> Instant {
    at("2026-11-24T14:00:00Z")
}

const PRESCRIBER: &[StaffRole] = &[StaffRole::Prescriber];
const NURSE: &[StaffRole] = &[StaffRole::Nurse];

fn by(person: PersonId, roles: &[StaffRole]) -> Signer<'_> {
    Signer {
        person,
        roles,
        now: now(),
    }
}

fn pat() -> PersonId {
    on(OnCallPlace::Prescriber)
}

fn nora() -> PersonId {
    on(OnCallPlace::Nurse)
}

fn bert() -> PersonId {
    on(OnCallPlace::Backup)
}

fn shipped_in_force() -> InForce {
    InForce {
        document: shipped(),
        own: None,
    }
}

fn drafted(document: Value) -> Result<(ClinicVersion, ProtocolDocument), Refusal> {
    let new = NewVersion {
        document,
        based_on: "default-2".into(),
        reason: "after the review in November".into(),
    };
    draft(
        &new,
        "riverside.1",
        1,
        &shipped_in_force(),
        None,
        by(pat(), PRESCRIBER),
    )
}

#[test]
fn the_shipped_document_has_no_fault_and_reads_as_itself() {
    assert_eq!(read(&shipped()).unwrap(), ProtocolDocument::shipped().unwrap());
}

#[test]
fn every_fault_is_listed_with_its_path_whether_it_cannot_be_read_or_is_no_good() {
    let document = with(&[
        ("/plan/min_interval_hours", json!("72")),
        ("/plan/surprise", json!(1)),
        ("/checklist/3/actors/0", json!("ghost")),
        ("/timetable/checks/2/miss_level", json!("P0")),
        ("/timetable/checks/1/grace_s", json!(241)),
        ("/cases/p1/ladder/0/after_due_s", json!(61)),
        ("/sitter/wrong_codes_max", json!(0)),
        ("/course/recommended_interval_days", json!(0)),
        ("/course/relapse_gap_days", json!(0)),
        ("/roster/staffed_from_before_min", json!(-1)),
        ("/instruments/monthly_every_days", json!(0)),
        ("/instruments/item9_always_from", json!(3)),
    ]);
    let mut found = paths(&document);
    found.sort();
    assert_eq!(
        found,
        [
            "cases.p1.ladder[0]",
            "checklist[3].actors[0]",
            "course.recommended_interval_days",
            "course.relapse_gap_days",
            "instruments.item9_always_from",
            "instruments.monthly_every_days",
            "plan.min_interval_hours",
            "plan.surprise",
            "roster.staffed_from_before_min",
            "sitter.wrong_codes_max",
            "timetable.checks[1].grace_s",
            "timetable.checks[2].miss_level",
        ]
    );
}

#[test]
fn a_field_that_is_missing_hides_no_other_fault() {
    let mut document = with(&[("/sitter/code_block_min", json!("ten"))]);
    document["plan"]
        .as_object_mut()
        .unwrap()
        .remove("unlock_before_min");
    document.as_object_mut().unwrap().remove("words");
    document["cases"]["p3"]["ladder"] = json!([]);
    let faults = read(&document).unwrap_err();
    let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 4, "{said:#?}");
    for part in [
        "`unlock_before_min`",
        "`words`",
        "sitter.code_block_min",
        "cases.p3.ladder",
    ] {
        assert!(
            said.iter().any(|fault| fault.contains(part)),
            "{part} in {said:#?}"
        );
    }
}

#[test]
fn what_is_no_document_at_all_is_refused_and_reading_it_ends() {
    for nonsense in [
        json!(null),
        json!([]),
        json!("x"),
        json!({}),
        json!({"plan": [1, 2]}),
        json!(7),
    ] {
        assert!(read(&nonsense).is_err(), "{nonsense}");
    }
    let list_of_nonsense = with(&[("/checklist", json!([1, "x", null, {}, []]))]);
    let found = paths(&list_of_nonsense);
    // And what of the document names an item that is not there now.
    let (of_list, others): (Vec<String>, Vec<String>) =
        found.into_iter().partition(|path| path.starts_with("checklist"));
    assert!(of_list.len() >= 3, "{of_list:?}");
    assert!(
        others.iter().all(|path| path.starts_with("preparation.")),
        "{others:?}"
    );
}

#[test]
fn no_edit_crosses_a_floor_by_a_way_around_it() {
    for (pointer, value, path) in [
        // A miss that only the worklist hears of.
        (
            "/timetable/checks/1/miss_level",
            json!("P3"),
            "timetable.checks[1].miss_level",
        ),
        (
            "/timetable/checks/4/second_miss_level",
            json!("info"),
            "timetable.checks[4].second_miss_level",
        ),
        // A check of the session that calls itself follow-up.
        (
            "/timetable/checks/1/follow_up",
            json!(true),
            "timetable.checks[1].follow_up",
        ),
        (
            "/timetable/checks/0/follow_up",
            json!(true),
            "timetable.checks[0].follow_up",
        ),
        // A reading that was asked for and is waited for too long.
        (
            "/vitals/during/recheck_grace_min",
            json!(5),
            "vitals.during.recheck_grace_min",
        ),
        // Ranges of a patient's own limits that leave the clinic's out.
        (
            "/vitals/patient_ranges/sbp_max",
            json!({"min": 141, "max": 160}),
            "vitals.patient_ranges.sbp_max",
        ),
    ] {
        assert_eq!(paths(&with(&[(pointer, value)])), [path], "{pointer}");
    }
}

#[test]
fn what_differs_is_a_list_of_paths_with_before_and_after() {
    let mut after = with(&[
        ("/version", json!("other")),
        ("/plan/min_interval_hours", json!(96)),
        ("/cases/p1/ladder/1/tell", json!(["all_on_call"])),
    ]);
    let list = after["checklist"].as_array_mut().unwrap();
    let renamed_path = format!("checklist[key={}].text", list[0]["key"].as_str().unwrap());
    let text = std::mem::replace(&mut list[0]["text"], json!("Still on?"));
    let gone = list.remove(1);
    let mut moved = list.remove(1);
    moved["blocks"] = json!("never");
    let moved_key = moved["key"].as_str().unwrap().to_owned();
    list.push(moved);
    let changes = differences(&shipped(), &after);
    let said: Vec<(&str, &Value, &Value)> = changes
        .iter()
        .map(|change| (change.field.as_str(), &change.was, &change.is))
        .collect();
    let gone_path = format!("checklist[key={}]", gone["key"].as_str().unwrap());
    let moved_path = format!("checklist[key={moved_key}].blocks");
    assert_eq!(said.len(), 6, "{said:#?}");
    assert!(said.contains(&("plan.min_interval_hours", &json!(72), &json!(96))));
    assert!(said.contains(&("cases.p1.ladder[1].tell[1]", &json!("prescriber"), &Value::Null)));
    assert!(said.contains(&(renamed_path.as_str(), &text, &json!("Still on?"))));
    assert!(said.contains(&(gone_path.as_str(), &gone, &Value::Null)));
    assert!(said.contains(&(moved_path.as_str(), &json!("always"), &json!("never"))));
    assert!(
        said.iter().any(|(path, _, _)| *path == "checklist[order]"),
        "{said:#?}"
    );
    assert!(differences(&after, &after).is_empty());
}

#[test]
fn a_default_that_is_left_out_is_no_change() {
    let mut short = shipped();
    for section in ["ledger", "course", "instruments"] {
        short.as_object_mut().unwrap().remove(section);
    }
    assert!(differences(&as_read(&shipped()), &as_read(&short)).is_empty());
    let Err(Refusal::Invalid(faults)) = drafted(short) else {
        panic!("a version that changes nothing was drafted")
    };
    assert_eq!(faults.0[0].field, "document");
}

#[test]
fn a_draft_gets_the_clinics_next_name_and_says_every_fault_and_why_it_was_written() {
    let (version, document) = drafted(with(&[("/plan/min_interval_hours", json!(96))])).unwrap();
    assert_eq!(document.version, "riverside.1");
    assert_eq!((version.version.as_str(), version.number), ("riverside.1", 1));
    assert_eq!((version.author, version.needs_second), (pat(), false));
    assert_eq!(version.in_force_at, None);
    let Err(Refusal::Invalid(faults)) = drafted(with(&[
        ("/plan/min_interval_hours", json!(0)),
        ("/cases/p1/ladder", json!([])),
    ])) else {
        panic!("a bad document was drafted")
    };
    let fields: Vec<&str> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(
        fields,
        ["document.plan.min_interval_hours", "document.cases.p1.ladder"]
    );
    let new = NewVersion {
        document: with(&[("/plan/min_interval_hours", json!(96))]),
        based_on: "default-2".into(),
        reason: "  ".into(),
    };
    let refused = draft(
        &new,
        "riverside.1",
        1,
        &shipped_in_force(),
        None,
        by(pat(), PRESCRIBER),
    );
    assert_eq!(code(&refused.unwrap_err()), "invalid");
}

#[test]
fn what_decides_who_is_told_and_when_needs_a_second_clinician() {
    for (pointer, value, second) in [
        ("/plan/min_interval_hours", json!(96), false),
        ("/checklist/1/text", json!("Anything new?"), false),
        ("/words/emergency_number", json!("112"), false),
        ("/vitals/pre_dose/sbp_max", json!(135), false),
        ("/cases/p1/ladder/1/after_due_s", json!(200), true),
        ("/cases/p2/ack_within_min", json!(20), true),
        ("/timetable/ladders/in_session/0/after_due_s", json!(-60), true),
        ("/timetable/checks/1/ladder", json!("in_session_patient"), true),
        ("/timetable/checks/1/grace_s", json!(200), true),
        ("/timetable/checks/4/miss_level", json!("P1"), true),
        ("/timetable/checks/1/questions/2/bad_level", json!("P1"), true),
        ("/timetable/release/nurse_level", json!("P1"), true),
        ("/red_flags/9/level", json!("P2"), true),
        ("/instruments/reminders/0/after_due_s", json!(-500_000), true),
        ("/ledger/lost_level", json!("P1"), true),
        ("/vitals/pre_dose/hold_level", json!("P1"), true),
    ] {
        let (version, _) =
            drafted(with(&[(pointer, value)])).unwrap_or_else(|refusal| panic!("{pointer}: {refusal}"));
        assert_eq!(version.needs_second, second, "{pointer}");
    }
    let mut without = shipped();
    without["timetable"]["checks"].as_array_mut().unwrap().remove(2);
    assert!(drafted(without).unwrap().0.needs_second, "a check that is gone");
    let mut without = shipped();
    without["red_flags"].as_array_mut().unwrap().remove(2);
    assert!(
        drafted(without).unwrap().0.needs_second,
        "a red flag that is gone"
    );
}

#[test]
fn a_prescriber_alone_brings_a_version_into_force_that_changes_no_ladder() {
    let (version, _) = drafted(with(&[("/plan/min_interval_hours", json!(96))])).unwrap();
    let in_force = shipped_in_force();
    let nurse = sign(&version, &in_force, None, by(nora(), NURSE)).unwrap_err();
    assert_eq!(code(&nurse), "prescriber-signs");
    for roles in [&[StaffRole::Administrator][..], &[StaffRole::Coordinator], &[]] {
        let refused = sign(&version, &in_force, None, by(bert(), roles)).unwrap_err();
        assert_eq!(refused, Refusal::NotFound);
    }
    let signed = sign(&version, &in_force, None, by(pat(), PRESCRIBER)).unwrap();
    assert_eq!(signed.in_force_at, Some(now()));
    let again = sign(&signed, &in_force, None, by(bert(), PRESCRIBER)).unwrap_err();
    assert_eq!(code(&again), "protocol-signed");
}

#[test]
fn two_clinicians_of_whom_one_prescribes_bring_a_change_of_a_ladder_into_force() {
    let (version, _) = drafted(with(&[("/cases/p1/ladder/1/after_due_s", json!(200))])).unwrap();
    let in_force = shipped_in_force();
    let signed = |version: &ClinicVersion, who, roles| sign(version, &in_force, None, by(who, roles));
    // Prescriber, then nurse.
    let one = signed(&version, pat(), PRESCRIBER).unwrap();
    assert_eq!(one.in_force_at, None);
    let twice = signed(&one, pat(), PRESCRIBER).unwrap_err();
    assert_eq!(code(&twice), "second-signature-needed");
    assert!(signed(&one, nora(), NURSE).unwrap().in_force_at.is_some());
    // Nurse, nurse, then prescriber: two nurses are not enough.
    let one = signed(&version, nora(), NURSE).unwrap();
    let two = signed(&one, bert(), NURSE).unwrap();
    assert_eq!((one.in_force_at, two.in_force_at), (None, None));
    assert!(signed(&two, pat(), PRESCRIBER).unwrap().in_force_at.is_some());
}

#[test]
fn the_second_of_two_editors_hears_what_is_different_by_now() {
    let first = with(&[
        ("/version", json!("riverside.1")),
        ("/plan/min_interval_hours", json!(96)),
    ]);
    let (own, _) = drafted(first.clone()).unwrap();
    let in_force = InForce {
        document: first,
        own: Some(ClinicVersion {
            in_force_at: Some(now()),
            ..own
        }),
    };
    let new = NewVersion {
        document: with(&[("/plan/unlock_before_min", json!(20))]),
        based_on: "default-2".into(),
        reason: "mine".into(),
    };
    let read_then = shipped();
    let refused = draft(
        &new,
        "riverside.2",
        2,
        &in_force,
        Some(&read_then),
        by(nora(), NURSE),
    );
    let Err(Refusal::Outdated {
        version,
        by: author,
        changes,
        ..
    }) = refused
    else {
        panic!("{refused:?}")
    };
    assert_eq!((version, author), (1, pat()));
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].field, "plan.min_interval_hours");
    assert_eq!((&changes[0].was, &changes[0].is), (&json!(72), &json!(96)));
    // A draft that was written before the other came into force cannot be signed any more either.
    let (late, _) = drafted(with(&[("/plan/unlock_before_min", json!(20))])).unwrap();
    let refused = sign(&late, &in_force, Some(&read_then), by(pat(), PRESCRIBER)).unwrap_err();
    assert_eq!(code(&refused), "outdated");
    // Nobody has a version of their own, and what was read is no version at all.
    let new = NewVersion {
        based_on: "default-9".into(),
        ..new
    };
    let refused = draft(
        &new,
        "riverside.1",
        1,
        &shipped_in_force(),
        None,
        by(nora(), NURSE),
    );
    assert_eq!(code(&refused.unwrap_err()), "invalid");
}

fn changed(changes: &[(&str, Value)]) -> Arc<ProtocolDocument> {
    let mut document = with(changes);
    document["version"] = json!("riverside.1");
    Arc::new(read(&document).unwrap())
}

#[test]
fn a_planned_session_takes_the_version_in_force_and_what_is_owed_is_made_anew() {
    let mut play = Play::planned();
    let document = changed(&[("/timetable/confirm_plan/asked_before_min", json!(1500))]);
    let confirm = |play: &Play| play.duty("confirm_plan").clone();
    let before = confirm(&play);
    let decision = play.with(bedside_protocol::people::Caller::System, |record, context| {
        versions::take(record, &document, context)
    });
    play.apply(decision);
    assert_eq!(play.record.session.protocol_version, "riverside.1");
    let after = confirm(&play);
    assert_ne!(before.id, after.id);
    assert_eq!(play.planned_at() - after.opens_at, minutes(1500));
    let why = |state: &DutyState| {
        matches!(
            state,
            DutyState::Excused {
                why: Excuse::ProtocolChanged,
                ..
            }
        )
    };
    assert!(why(&play.record.watch.duty(before.id).unwrap().state));
    for kind in [
        DutyKind::HeadsUp,
        DutyKind::ConfirmPlan,
        DutyKind::PrepareDay,
        DutyKind::Start,
    ] {
        let open = play.record.watch.open_duties().filter(|duty| duty.kind == kind);
        assert_eq!(open.count(), 1, "{kind:?}");
    }
    let again = play.with(bedside_protocol::people::Caller::System, |record, context| {
        versions::take(record, &document, context)
    });
    assert_eq!(again.after, play.record);
    assert!(again.facts.is_empty());
}

#[test]
fn a_sitter_who_was_asked_stays_asked() {
    let mut play = Play::planned();
    play.invite("sam@example.org").unwrap();
    let document = changed(&[("/plan/min_interval_hours", json!(96))]);
    let decision = play.with(bedside_protocol::people::Caller::System, |record, context| {
        versions::take(record, &document, context)
    });
    play.apply(decision);
    let mut open = play.record.watch.open_duties();
    assert!(open.any(|duty| duty.kind == DutyKind::AnswerInvitation));
}

#[test]
fn a_session_whose_preparation_has_opened_or_that_runs_keeps_its_own() {
    let document = changed(&[("/plan/min_interval_hours", json!(96))]);
    let mut opened = Play::planned();
    opened.before(25 * 60);
    let mut about_to = Play::planned();
    about_to.before(26 * 60 + 1);
    let longer = changed(&[("/plan/prep_opens_before_min", json!(1600))]);
    for (what, play, document) in [
        ("opened", opened, &document),
        ("would have opened", about_to, &longer),
        ("dosed", Play::dosed(), &document),
    ] {
        let mut play = play;
        let decision = play.with(bedside_protocol::people::Caller::System, |record, context| {
            versions::take(record, document, context)
        });
        assert_eq!(decision.after, play.record, "{what}");
        assert!(decision.facts.is_empty() && decision.notices.is_empty(), "{what}");
    }
}
