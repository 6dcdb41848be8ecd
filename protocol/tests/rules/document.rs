//! The protocol document: read whole, and a fault names the path inside it.

use bedside_protocol::document::{ProtocolDocument, RosterRules};
use serde_json::{Value, json};

fn shipped() -> Value {
    serde_json::from_str(ProtocolDocument::shipped_text()).unwrap()
}

/// The path at fault when the value at a JSON pointer is another.
fn fault(pointer: &str, value: Value) -> String {
    let mut document = shipped();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match document
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("no {pointer}"))
    {
        Value::Object(fields) => drop(fields.insert(last.into(), value)),
        list => list[last.parse::<usize>().unwrap()] = value,
    }
    match ProtocolDocument::parse(&document.to_string()) {
        Ok(_) => "accepted".into(),
        Err(fault) => fault.path,
    }
}

/// The roster's section with one number changed.
fn roster(field: &str, value: Value) -> Value {
    let mut section = serde_json::to_value(RosterRules::default()).unwrap();
    section[field] = value;
    section
}

#[test]
fn the_shipped_document_is_good_and_reads_back_as_itself() {
    let document = ProtocolDocument::shipped().unwrap();
    assert_eq!(document.version, "default-2");
    let again = ProtocolDocument::parse(&serde_json::to_string(&document).unwrap()).unwrap();
    assert_eq!(again, document);
}

#[test]
fn a_document_that_databases_hold_under_its_version_is_read_by_every_later_program() {
    let first = include_str!("../../documents/default-1.json");
    assert_eq!(
        first.len(),
        22_603,
        "its text is what databases hold; a change is a new version"
    );
    assert_eq!(ProtocolDocument::parse(first).unwrap().version, "default-1");
}

#[test]
fn a_bad_value_is_named_by_its_path() {
    for (pointer, value, path) in [
        // So large that no time could be reckoned with it.
        (
            "/cases/p1/ack_within_min",
            json!(i64::MAX),
            "cases.p1.ack_within_min",
        ),
        (
            "/timetable/checks/4/repeats/until_min",
            json!(4321),
            "timetable.checks[4].repeats.until_min",
        ),
        // Not of the kind that is read.
        ("/version", json!(1), "version"),
        ("/plan/min_interval_hours", json!("72"), "plan.min_interval_hours"),
        ("/checklist/3/actors/0", json!("ghost"), "checklist[3].actors[0]"),
        ("/checklist/3/asks/type", json!("song"), "checklist[3].asks.type"),
        (
            "/timetable/checks/2/due",
            json!({"after_lunch": 1}),
            "timetable.checks[2].due",
        ),
        (
            "/timetable/checks/2/miss_level",
            json!("P0"),
            "timetable.checks[2].miss_level",
        ),
        ("/quiet_hours/from", json!("25:00:00"), "quiet_hours.from"),
        // Of the right kind and not good.
        ("/version", json!(""), "version"),
        ("/plan/min_interval_hours", json!(0), "plan.min_interval_hours"),
        (
            "/plan/dosing_hours_local/from",
            json!("16:00:00"),
            "plan.dosing_hours_local",
        ),
        ("/plan/unlocked_for_min", json!(20), "plan.unlocked_for_min"),
        (
            "/order_limits/hold_minutes",
            json!({"min": 9, "max": 5}),
            "order_limits.hold_minutes",
        ),
        (
            "/order_limits/second_signature_factor",
            json!(1.0),
            "order_limits.second_signature_factor",
        ),
        ("/checklist/3/key", json!("still_on"), "checklist[3].key"),
        ("/checklist/1/actors", json!([]), "checklist[1].actors"),
        ("/checklist/0/actors", json!(["patient"]), "checklist[0].actors"),
        (
            "/checklist/2/asks",
            json!({"type": "number", "unit": " ", "least": 0, "most": 9, "other": "hold"}),
            "checklist[2].asks.unit",
        ),
        (
            "/checklist/2/asks",
            json!({"type": "number", "unit": "hours", "least": 9, "most": 8, "other": "hold"}),
            "checklist[2].asks.most",
        ),
        (
            "/checklist/2/asks",
            json!({"type": "number", "unit": "hours", "least": 0, "most": 9, "good_from": 5, "good_to": 4,
                "other": "hold"}),
            "checklist[2].asks.good_to",
        ),
        (
            "/checklist/2/asks",
            json!({"type": "number", "unit": "hours", "least": 0, "most": 9, "good_from": 5, "other": "hold"}),
            "accepted",
        ),
        (
            "/preparation/never_overridden/0",
            json!("x"),
            "preparation.never_overridden[0]",
        ),
        ("/preparation/never_overridden", json!([]), "accepted"),
        (
            "/preparation/override_max_min",
            json!(-1),
            "preparation.override_max_min",
        ),
        (
            "/preparation/week_opens_before_min",
            json!(1560),
            "preparation.week_opens_before_min",
        ),
        (
            "/preparation/sitter_calls_item",
            json!("kit"),
            "preparation.sitter_calls_item",
        ),
        (
            "/sitter/cut_off_before_min",
            json!(-1),
            "sitter.cut_off_before_min",
        ),
        ("/training/questions", json!([]), "checklist[1].asks"),
        (
            "/training/questions/2/right",
            json!("never"),
            "training.questions[2].right",
        ),
        (
            "/training/questions/2/part",
            json!("never"),
            "training.questions[2].part",
        ),
        (
            "/training/questions/1/key",
            json!("red_flags"),
            "training.questions[1].key",
        ),
        (
            "/training/questions/1/options/1/key",
            json!("wait"),
            "training.questions[1].options[1].key",
        ),
        ("/training/page/1/key", json!("role"), "training.page[1].key"),
        (
            "/timetable/confirm_plan/items/0",
            json!("x"),
            "timetable.confirm_plan.items[0]",
        ),
        (
            "/timetable/confirm_plan/ladder",
            json!("x"),
            "timetable.confirm_plan.ladder",
        ),
        (
            "/timetable/log_dose/missed_after_min",
            json!(15),
            "timetable.log_dose.missed_after_min",
        ),
        ("/timetable/checks/1/key", json!("C4"), "timetable.checks[1].key"),
        (
            "/timetable/checks/1/ladder",
            json!("x"),
            "timetable.checks[1].ladder",
        ),
        (
            "/timetable/checks/1/questions",
            json!([]),
            "timetable.checks[1].questions",
        ),
        (
            "/timetable/checks/4/repeats/every_min",
            json!(0),
            "timetable.checks[4].repeats.every_min",
        ),
        (
            "/timetable/release/clinician_after_min",
            json!(180),
            "timetable.release.clinician_after_min",
        ),
        (
            "/timetable/release/again_every_min",
            json!(0),
            "timetable.release.again_every_min",
        ),
        ("/red_flags/2/key", json!(""), "red_flags[2].key"),
        ("/sitter/wrong_codes_max", json!(0), "sitter.wrong_codes_max"),
        ("/vitals/pre_dose/tries", json!(0), "vitals.pre_dose.tries"),
        (
            "/vitals/input_sanity/sbp",
            json!({"min": 300, "max": 260}),
            "vitals.input_sanity.sbp",
        ),
        ("/watch/alive_within_s", json!(0), "watch.alive_within_s"),
        (
            "/quiet_hours",
            json!({"from": "01:00:00", "to": "06:00:00"}),
            "quiet_hours",
        ),
        (
            "/roster",
            roster("staffed_from_before_min", json!(-1)),
            "roster.staffed_from_before_min",
        ),
        (
            "/roster",
            roster("staffed_until_after_min", json!(0)),
            "roster.staffed_until_after_min",
        ),
        (
            "/roster",
            roster("urgent_until_after_min", json!(359)),
            "roster.urgent_until_after_min",
        ),
        (
            "/roster",
            roster("urgent_until_after_min", json!(10_081)),
            "roster.urgent_until_after_min",
        ),
        (
            "/roster",
            roster("look_ahead_days", json!(0)),
            "roster.look_ahead_days",
        ),
        (
            "/roster",
            roster("look_ahead_days", json!(93)),
            "roster.look_ahead_days",
        ),
        (
            "/roster",
            roster("gap_told_before_h", json!([])),
            "roster.gap_told_before_h",
        ),
        (
            "/roster",
            roster("gap_told_before_h", json!([337])),
            "roster.gap_told_before_h[0]",
        ),
        (
            "/roster",
            roster("gap_told_before_h", json!([24, 24])),
            "roster.gap_told_before_h[1]",
        ),
        (
            "/roster",
            roster("gap_told_before_h", json!([24, 1, 0])),
            "roster.gap_told_before_h[2]",
        ),
        (
            "/roster",
            roster("gap_told_before_h", json!([336, 1])),
            "accepted",
        ),
        ("/roster", roster("surprise", json!(1)), "roster.surprise"),
        (
            "/roster",
            roster(
                "tested",
                json!({"before_turn_min": 60, "good_for_h": 24, "again_after_h": 25, "answer_within_min": 30}),
            ),
            "roster.tested.again_after_h",
        ),
        (
            "/roster",
            roster(
                "hand_over",
                json!({"accept_within_min": 0, "at_shift_change": true}),
            ),
            "roster.hand_over.accept_within_min",
        ),
    ] {
        assert_eq!(fault(pointer, value.clone()), path, "{pointer} = {value}");
    }
}

#[test]
fn no_time_that_a_sessions_safety_hangs_on_is_longer_than_is_of_use() {
    // What may be set, the most that is taken, and the path of the fault above it.
    let rows = [
        ("/cases/p1/ack_within_min", 10, "cases.p1.ack_within_min"),
        (
            "/cases/p1/contacted_within_min",
            15,
            "cases.p1.contacted_within_min",
        ),
        ("/cases/p1/outcome_within_min", 60, "cases.p1.outcome_within_min"),
        (
            "/cases/p1/ladder/2/repeat_every_s",
            600,
            "cases.p1.ladder[2].repeat_every_s",
        ),
        (
            "/cases/p2_in_session/ack_within_min",
            10,
            "cases.p2_in_session.ack_within_min",
        ),
        (
            "/cases/p2_in_session/contacted_within_min",
            30,
            "cases.p2_in_session.contacted_within_min",
        ),
        (
            "/cases/p2_in_session/outcome_within_min",
            120,
            "cases.p2_in_session.outcome_within_min",
        ),
        ("/cases/p2/ack_within_min", 60, "cases.p2.ack_within_min"),
        ("/cases/p2/outcome_within_min", 480, "cases.p2.outcome_within_min"),
        (
            "/cases/p2/ladder/3/after_due_s",
            10_800,
            "cases.p2.ladder[3].after_due_s",
        ),
        (
            "/cases/p2/ladder/3/repeat_every_s",
            3600,
            "cases.p2.ladder[3].repeat_every_s",
        ),
        ("/cases/p3/ack_within_min", 1440, "cases.p3.ack_within_min"),
        (
            "/cases/p3/outcome_within_min",
            4320,
            "cases.p3.outcome_within_min",
        ),
        (
            "/cases/p3/ladder/2/after_due_s",
            172_800,
            "cases.p3.ladder[2].after_due_s",
        ),
        (
            "/cases/p3/ladder/2/repeat_every_s",
            86_400,
            "cases.p3.ladder[2].repeat_every_s",
        ),
        (
            "/timetable/log_dose/missed_after_min",
            59,
            "plan.unlocked_for_min",
        ),
        (
            "/timetable/log_dose/ask_after_min",
            29,
            "timetable.log_dose.missed_after_min",
        ),
        ("/plan/unlocked_for_min", 120, "plan.unlocked_for_min"),
        (
            "/timetable/start/no_show_after_min",
            1440,
            "timetable.start.no_show_after_min",
        ),
        (
            "/timetable/release/nurse_after_min",
            239,
            "timetable.release.clinician_after_min",
        ),
        (
            "/timetable/release/clinician_after_min",
            360,
            "timetable.release.clinician_after_min",
        ),
        (
            "/timetable/release/again_every_min",
            60,
            "timetable.release.again_every_min",
        ),
        (
            "/timetable/vitals_follow_within_min",
            30,
            "timetable.vitals_follow_within_min",
        ),
        (
            "/vitals/during/recheck_after_min",
            15,
            "vitals.during.recheck_after_min",
        ),
        ("/watch/alive_within_s", 300, "watch.alive_within_s"),
        (
            "/timetable/checks/1/opens_before_s",
            900,
            "timetable.checks[1].opens_before_s",
        ),
        ("/timetable/checks/1/grace_s", 240, "timetable.checks[1].grace_s"),
        (
            "/timetable/checks/9/repeats/every_min",
            30,
            "timetable.checks[9].repeats.every_min",
        ),
        (
            "/timetable/checks/11/grace_s",
            172_800,
            "timetable.checks[11].grace_s",
        ),
        (
            "/timetable/ladders/in_session/1/after_due_s",
            900,
            "timetable.ladders.in_session[1].after_due_s",
        ),
        (
            "/timetable/ladders/log_dose/0/after_due_s",
            900,
            "timetable.ladders.log_dose[0].after_due_s",
        ),
    ];
    for (pointer, most, path) in rows {
        assert_eq!(fault(pointer, json!(most)), "accepted", "{pointer} = {most}");
        assert_eq!(fault(pointer, json!(most + 1)), path, "{pointer} = {most} + 1");
    }
    // Far before its time is as useless as far after it.
    for (after_due_s, path) in [
        (-900, "accepted"),
        (-901, "timetable.ladders.in_session[0].after_due_s"),
        (i64::MIN, "timetable.ladders.in_session[0].after_due_s"),
    ] {
        let pointer = "/timetable/ladders/in_session/0/after_due_s";
        assert_eq!(fault(pointer, json!(after_due_s)), path, "{after_due_s}");
    }
}

#[test]
fn the_sitter_is_asked_early_and_no_half_hour_passes_without_a_question() {
    let due = |index: usize, after_min: i64| {
        let pointer = format!("/timetable/checks/{index}/due");
        fault(&pointer, json!({ "after_minutes": after_min }))
    };
    let rows = [
        ("the first within a quarter of an hour", due(1, 15), "accepted"),
        ("the first a minute later", due(1, 16), "timetable.checks[1].due"),
        ("none at fifteen minutes", due(1, 30), "timetable.checks[1].due"),
        ("from 15 to 45", due(2, 45), "accepted"),
        ("at no time before the dose", due(2, 0), "timetable.checks[2].due"),
        (
            "from 15 to 46",
            {
                let mut document = shipped();
                document["timetable"]["checks"][2]["due"] = json!({"after_minutes": 46});
                document["timetable"]["checks"][3]["due"] = json!({"after_minutes": 46});
                ProtocolDocument::parse(&document.to_string()).unwrap_err().path
            },
            "timetable.checks[2].due",
        ),
        (
            "nothing in the last half hour and more",
            {
                let mut document = shipped();
                for index in [5, 6] {
                    document["timetable"]["checks"][index]["due"] = json!({"after_minutes": 80});
                }
                document["timetable"]["checks"][7]["due"] = json!({"after_minutes": 121});
                document["timetable"]["checks"][8]["due"] = json!({"after_minutes": 121});
                ProtocolDocument::parse(&document.to_string()).unwrap_err().path
            },
            "timetable.checks",
        ),
    ];
    for (name, found, expected) in rows {
        assert_eq!(found, expected, "{name}");
    }
    // A number that would be counted to for ever is a fault like any other.
    let endless = json!({"every_min": 1, "until_min": i64::MAX});
    assert_eq!(
        fault("/timetable/checks/4/repeats", endless.clone()),
        "timetable.checks[4].repeats.until_min"
    );
}

#[test]
fn an_unknown_field_or_a_missing_one_is_refused() {
    let mut document = shipped();
    document["plan"]["surprise"] = json!(1);
    let fault = ProtocolDocument::parse(&document.to_string()).unwrap_err();
    assert!(fault.path.starts_with("plan"), "{fault}");
    let mut document = shipped();
    document["plan"]
        .as_object_mut()
        .unwrap()
        .remove("unlock_before_min");
    let fault = ProtocolDocument::parse(&document.to_string()).unwrap_err();
    assert!(fault.to_string().contains("unlock_before_min"), "{fault}");
    assert!(ProtocolDocument::parse("{").is_err());
    let twice = format!("{} {{}}", ProtocolDocument::shipped_text());
    assert!(ProtocolDocument::parse(&twice).is_err());
}

#[test]
fn no_edit_crosses_the_floors_of_a_session() {
    for (pointer, value, path) in [
        // The care team hears of a missed check within five minutes of its time …
        (
            "/timetable/checks/1/grace_s",
            json!(241),
            "timetable.checks[1].grace_s",
        ),
        ("/timetable/checks/1/grace_s", json!(59), "timetable.checks[1]"),
        ("/cases/p1/ladder/0/after_due_s", json!(61), "cases.p1.ladder[0]"),
        ("/cases/p1/ladder/0/tell", json!([]), "cases.p1.ladder[0]"),
        // … the rota within ten, everybody within thirteen …
        ("/cases/p1/ladder/1/after_due_s", json!(361), "cases.p1.ladder"),
        (
            "/cases/p2_in_session/ladder/2/after_due_s",
            json!(541),
            "cases.p2_in_session.ladder[2]",
        ),
        // … and a case's ladder never ends, in silence or in nobody.
        ("/cases/p1/ladder", json!([]), "cases.p1.ladder"),
        (
            "/cases/p1/ladder/2/repeat_every_s",
            json!(null),
            "cases.p1.ladder[2].repeat_every_s",
        ),
        (
            "/cases/p3/ladder/2/repeat_every_s",
            json!(0),
            "cases.p3.ladder[2].repeat_every_s",
        ),
        (
            "/cases/p2/ladder/3/tell",
            json!(["manager"]),
            "cases.p2.ladder[3].tell",
        ),
        (
            "/cases/p1/ladder/0/repeat_every_s",
            json!(60),
            "cases.p1.ladder[0].repeat_every_s",
        ),
        (
            "/cases/p1/ladder/1/after_due_s",
            json!(0),
            "cases.p1.ladder[1].after_due_s",
        ),
        (
            "/cases/p1/ladder/0/tell",
            json!(["sitter"]),
            "cases.p1.ladder[0].tell",
        ),
        (
            "/cases/p1/contacted_within_min",
            json!(0),
            "cases.p1.contacted_within_min",
        ),
        // Reminders are for those at home.
        (
            "/timetable/ladders/start/0/tell",
            json!(["manager"]),
            "timetable.ladders.start[0].tell",
        ),
        // Nothing releases before the release is possible.
        (
            "/timetable/release/not_before_min",
            json!(121),
            "timetable.checks[7].due",
        ),
    ] {
        assert_eq!(fault(pointer, value.clone()), path, "{pointer} = {value}");
    }
}

#[test]
fn without_a_check_that_releases_there_is_no_document() {
    let mut document = shipped();
    for check in document["timetable"]["checks"].as_array_mut().unwrap() {
        check.as_object_mut().unwrap().remove("releases");
    }
    let fault = ProtocolDocument::parse(&document.to_string()).unwrap_err();
    assert_eq!(fault.path, "timetable.checks");
}

#[test]
fn no_text_for_a_mail_to_staff_or_patient_is_in_the_document() {
    // Mails have their own templates; what stands here is for pages behind a link or a log-in.
    let document = ProtocolDocument::shipped().unwrap();
    let words = serde_json::to_value(&document.words).unwrap();
    assert!(
        words
            .as_object()
            .unwrap()
            .keys()
            .all(|key| !key.contains("mail") && !key.contains("subject"))
    );
    assert!(
        document
            .words
            .not_watched
            .contains(&document.words.emergency_number)
    );
    assert!(document.words.not_watched.contains(&document.words.crisis_number));
}

#[test]
fn a_document_from_before_courses_has_the_usual_rules_and_another_says_its_own() {
    let usual = ProtocolDocument::shipped().unwrap().course;
    assert_eq!(
        (usual.induction_sessions_default, usual.recommended_interval_days),
        (6, 7)
    );
    let with = |field: &str, value: Value| {
        let mut course = serde_json::to_value(&usual).unwrap();
        course[field] = value;
        fault("/course", course)
    };
    for (field, value, path) in [
        ("induction_sessions_default", json!(4), "accepted"),
        (
            "induction_sessions_default",
            json!(9),
            "course.induction_sessions_default",
        ),
        (
            "induction_sessions",
            json!({"min": 0, "max": 8}),
            "course.induction_sessions",
        ),
        (
            "induction_sessions",
            json!({"min": 7, "max": 6}),
            "course.induction_sessions",
        ),
        (
            "recommended_interval_days",
            json!(0),
            "course.recommended_interval_days",
        ),
        (
            "review_after_sessions",
            json!([2, 2]),
            "course.review_after_sessions",
        ),
        (
            "review_after_sessions",
            json!([0]),
            "course.review_after_sessions",
        ),
        ("review_after_sessions", json!([]), "accepted"),
        (
            "maintenance_interval_days",
            json!({"min": 9, "max": 7}),
            "course.maintenance_interval_days",
        ),
        ("relapse_gap_days", json!(0), "course.relapse_gap_days"),
        ("move_cut_off_hours", json!(0), "course.move_cut_off_hours"),
        ("dose_mg", json!(1), "course.dose_mg"),
    ] {
        assert_eq!(with(field, value.clone()), path, "{field} {value}");
    }
}
