//! Enrolment: every item, how it is settled, what reopens it, and what waits for it.

use std::sync::Arc;

use bedside_protocol::case::{Cause, Level};
use bedside_protocol::document::{EnrolmentAsks, EnrolmentBlocks, ProtocolDocument};
use bedside_protocol::enrolment::{
    self, ConsentSent, ContactsSent, EmergencyRoom, ItemState, ScreeningFinding, ScreeningSent, standings,
};
use bedside_protocol::gate;
use bedside_protocol::ledger::{LedgerKind, Storage};
use bedside_protocol::people::{Caller, EmergencyContact, OnCallPlace};
use bedside_protocol::plan;
use bedside_protocol::planning;
use bedside_protocol::preparation;
use bedside_protocol::record::{PatientRecord, RuleContext};
use bedside_protocol::refusal::Refusal;
use bedside_protocol::session::{Session, SessionState};
use bedside_protocol::time::{Instant, Zone, minutes};

use crate::course::draft;
use crate::play::Play;
use crate::support::{at, code, enrolled, nurse, on, patient, patient_record, reading, with_context};

const NOW: &str = "2026-11-24T14:00:00Z";
const DAY: i64 = 24 * 60;

const KEYS: [&str; 8] = [
    "screening_signed",
    "consent_treatment",
    "consent_messages",
    "safety_sharing",
    "baseline_scores",
    "cuff_ready",
    "contacts",
    "lozenges_received",
];

fn good() -> PatientRecord {
    enrolled(patient_record(), at(NOW))
}

fn days_after(days: i64) -> Instant {
    at(NOW) + minutes(days * DAY)
}

/// `key state` for each item that is not done.
fn not_done(record: &PatientRecord, now: Instant) -> Vec<String> {
    let standings = standings(record, now);
    let open = standings
        .iter()
        .filter(|it| !matches!(it.state, ItemState::Done { .. }));
    open.map(|it| format!("{} {}", it.item.key, it.state.name()))
        .collect()
}

fn blocked(record: &PatientRecord, now: Instant) -> Vec<String> {
    let faults = enrolment::planning_faults(record, now);
    faults.into_iter().map(|fault| fault.field).collect()
}

fn by<T>(caller: Caller, rule: impl FnOnce(&mut RuleContext<'_>) -> T) -> T {
    with_context(&mut 5, at(NOW), caller, rule)
}

fn answers(
    record: &PatientRecord,
    caller: Caller,
    text: &str,
    version: u32,
    agreed: bool,
) -> Result<(PatientRecord, Vec<Cause>), Refusal> {
    let sent = ConsentSent {
        text: text.into(),
        version,
        agreed,
    };
    let decision = by(caller, |context| enrolment::answer_text(record, &sent, context))?;
    let signals = decision.after.watch.cases.iter().flat_map(|case| &case.signals);
    let causes = signals.map(|signal| signal.what.clone()).collect();
    Ok((decision.after, causes))
}

#[test]
fn a_new_patient_owes_every_item_and_a_document_without_the_section_asks_nothing() {
    let record = patient_record();
    assert_eq!(not_done(&record, at(NOW)), KEYS.map(|key| format!("{key} open")));
    assert_eq!(
        blocked(&record, at(NOW)),
        KEYS.map(|key| format!("enrolment.{key}"))
    );
    let owners: Vec<&str> = standings(&record, at(NOW))
        .iter()
        .map(|it| it.owed_by.name())
        .collect();
    assert_eq!(owners[0], "clinician");
    assert!(owners[1..].iter().all(|owner| *owner == "patient"), "{owners:?}");

    let mut before = patient_record();
    let text = include_str!("../../documents/default-1.json");
    before.around.protocol = Arc::new(ProtocolDocument::parse(text).unwrap());
    assert!(standings(&before, at(NOW)).is_empty());
    assert!(blocked(&before, at(NOW)).is_empty());
}

#[test]
fn a_patient_of_whom_all_is_known_may_be_planned() {
    assert!(not_done(&good(), at(NOW)).is_empty());
    assert!(blocked(&good(), at(NOW)).is_empty());
}

/// A change of what is known, and what is not done after it.
type Row = (&'static str, fn(&mut PatientRecord), &'static [&'static str]);

#[test]
fn each_item_is_open_for_its_own_reason() {
    #[rustfmt::skip]
    let table: &[Row] = &[
        ("no screening",        |it| it.course.screenings.clear(),                               &["screening_signed open"]),
        ("not cleared",         |it| it.course.screenings[0].cleared = false,                    &["screening_signed open"]),
        ("declined",            |it| it.course.consents[0].agreed = false,                       &["consent_treatment open"]),
        ("no answer",           |it| { it.course.consents.remove(1); },                          &["consent_messages open"]),
        ("an older text",       |it| it.course.consents[1].version = 0,                          &["consent_messages open"]),
        ("a newer text",        |it| it.course.consents[1].version = 2,                          &[]),
        ("sharing: a no",       |it| it.course.consents[2].agreed = false,                       &[]),
        ("sharing: no answer",  |it| { it.course.consents.remove(2); },                          &["safety_sharing open"]),
        ("sharing: older text", |it| it.course.consents[2].version = 0,                          &["safety_sharing open"]),
        ("no GAD-7",            |it| { it.course.scores.remove(1); },                            &["baseline_scores open"]),
        ("no scores",           |it| it.course.scores.clear(),                                   &["baseline_scores open"]),
        ("no trial reading",    |it| it.course.trial_readings.clear(),                           &["cuff_ready open"]),
        ("no contacts",         |it| it.course.contacts.clear(),                                 &["contacts open"]),
        ("no package",          |it| it.course.ledger.clear(),                                   &["lozenges_received open"]),
        ("lost, not received",  |it| it.course.ledger[0].kind = LedgerKind::Lost { count: 1 },   &["lozenges_received open"]),
        ("nothing said of it",  |it| it.course.ledger[0].storage = None,                         &["lozenges_received open"]),
        ("not sealed",          |it| storage(it, false, true),                                   &["lozenges_received open"]),
        ("not locked",          |it| storage(it, true, false),                                   &["lozenges_received open"]),
    ];
    for (name, change, expected) in table {
        let mut record = good();
        change(&mut record);
        assert_eq!(not_done(&record, at(NOW)), *expected, "{name}");
        let paths: Vec<String> = expected
            .iter()
            .map(|line| format!("enrolment.{}", line.split(' ').next().unwrap()))
            .collect();
        assert_eq!(blocked(&record, at(NOW)), paths, "{name}");
    }
}

fn storage(record: &mut PatientRecord, sealed: bool, locked: bool) {
    record.course.ledger[0].storage = Some(Storage { sealed, locked });
}

#[test]
fn a_refill_is_looked_at_like_the_first_package() {
    let mut record = good();
    let mut refill = record.course.ledger[0].clone();
    refill.storage = None;
    record.course.ledger.push(refill);
    assert_eq!(not_done(&record, at(NOW)), ["lozenges_received open"]);
}

#[test]
fn what_was_settled_expires_at_its_time_and_not_before() {
    // Scores were answered ten days before.
    #[rustfmt::skip]
    let table: &[(i64, i64, &[&str])] = &[
        // days, seconds more
        (3,  86_399, &[]),
        (4,  0,      &["baseline_scores expired"]),
        (83, 86_399, &["baseline_scores expired"]),
        (84, 0,      &["screening_signed expired", "baseline_scores expired"]),
        (89, 86_399, &["screening_signed expired", "baseline_scores expired"]),
        (90, 0,      &["screening_signed expired", "baseline_scores expired", "contacts expired"]),
    ];
    for (days, seconds, expected) in table {
        let now = days_after(*days) + bedside_protocol::time::seconds(*seconds);
        assert_eq!(not_done(&good(), now), *expected, "{days} days");
    }
}

#[test]
fn a_screening_is_good_from_dose_to_dose_until_a_long_gap() {
    #[rustfmt::skip]
    let table: &[(&[i64], i64, bool)] = &[
        // doses on days, looked at on day, good
        (&[],                83,  true),
        (&[],                84,  false),
        (&[80],              84,  true),
        (&[80],              163, true),
        (&[80],              164, false),
        (&[7, 14, 21],       104, true),
        (&[7, 14, 21],       105, false),
        // A dose after the gap does not bring it back.
        (&[7, 100],          101, false),
        (&[-5],              83,  true),
        // A dose to come is none.
        (&[80],              79,  true),
    ];
    for (doses, day, good_then) in table {
        let mut record = good();
        record.around.other_doses = doses.iter().map(|day| days_after(*day)).collect();
        let open = not_done(&record, days_after(*day));
        assert_eq!(
            !open.contains(&"screening_signed expired".to_owned()),
            *good_then,
            "{doses:?} {day}"
        );
    }
    let mut signed_again = good();
    let mut second = signed_again.course.screenings[0].clone();
    second.signed_at = days_after(120);
    signed_again.course.screenings.push(second);
    assert!(!not_done(&signed_again, days_after(121)).contains(&"screening_signed expired".to_owned()));
}

#[test]
fn a_baseline_and_a_cuff_are_asked_for_before_the_first_dose_only() {
    let mut record = good();
    record.around.other_doses = vec![days_after(-3)];
    assert!(not_done(&record, days_after(60)).is_empty());
    record.course.scores.clear();
    record.course.trial_readings.clear();
    assert_eq!(
        not_done(&record, at(NOW)),
        ["baseline_scores open", "cuff_ready open"]
    );
    assert!(blocked(&record, at(NOW)).is_empty());
}

#[test]
fn a_new_version_of_a_text_opens_the_consent_again() {
    let mut record = good();
    let mut document = ProtocolDocument::shipped().unwrap();
    let item = &mut document.enrolment.items[1];
    let EnrolmentAsks::Consent { version, .. } = &mut item.asks else {
        panic!("{item:?}");
    };
    *version = 2;
    record.around.protocol = Arc::new(document);
    assert_eq!(not_done(&record, at(NOW)), ["consent_treatment open"]);
    let read = answers(&record, patient(), "consent_treatment", 1, true);
    assert_eq!(code(&read.unwrap_err()), "text-changed");
    let (record, _) = answers(&record, patient(), "consent_treatment", 2, true).unwrap();
    assert!(not_done(&record, at(NOW)).is_empty());
}

#[test]
fn a_consent_is_the_patients_own_and_what_is_taken_back_is_told() {
    let record = good();
    for stranger in [nurse(), Caller::System, Caller::Unverified { link: None }] {
        let refused = answers(&record, stranger, "consent_messages", 1, false);
        assert_eq!(code(&refused.unwrap_err()), "not-found");
    }
    let unknown = answers(&record, patient(), "cuff_ready", 1, true);
    assert_eq!(code(&unknown.unwrap_err()), "not-found");
    for text in ["consent_treatment", "consent_messages"] {
        let (after, causes) = answers(&record, patient(), text, 1, false).unwrap();
        assert_eq!(causes, [Cause::ConsentWithdrawn { text: text.into() }]);
        assert_eq!(after.watch.cases[0].level, Level::P3);
        assert_eq!(after.patient.mail_declined, text == "consent_messages");
        assert_eq!(blocked(&after, at(NOW)), [format!("enrolment.{text}")]);
        // Given again, it is given.
        let (again, _) = answers(&after, patient(), text, 1, true).unwrap();
        assert!(!again.patient.mail_declined);
        assert!(blocked(&again, at(NOW)).is_empty());
        assert_eq!(again.course.consents.len(), record.course.consents.len() + 2);
    }
    let (_, causes) = answers(&record, patient(), "safety_sharing", 1, false).unwrap();
    assert!(causes.is_empty(), "a no to a question is an answer");
    let (_, causes) = answers(&patient_record(), patient(), "consent_treatment", 1, false).unwrap();
    assert!(causes.is_empty(), "nothing was given that could be taken back");
}

#[test]
fn nothing_is_consented_to_between_the_dose_and_the_release() {
    let play = Play::dosed();
    let mut record = good();
    record.sessions = vec![Session {
        state: SessionState::Monitoring,
        ..play.record.session.clone()
    }];
    for agreed in [true, false] {
        let refused = answers(&record, patient(), "consent_messages", 1, agreed);
        assert_eq!(code(&refused.unwrap_err()), "session-running");
    }
}

fn screened(
    findings: Vec<ScreeningFinding>,
    cleared: bool,
    caller: Caller,
) -> Result<PatientRecord, Refusal> {
    let sent = ScreeningSent {
        findings,
        cleared,
        note: None,
    };
    let mut record = good();
    record.course.screenings.clear();
    let signed = by(caller, |context| {
        enrolment::sign_screening(&record, &sent, context)
    });
    signed.map(|(decision, _)| decision.after)
}

fn all_absent() -> Vec<ScreeningFinding> {
    good().course.screenings.remove(0).findings
}

#[test]
fn a_screening_names_every_point_once_and_is_signed_by_staff() {
    let fields = |findings| match screened(findings, true, nurse()) {
        Ok(_) => Vec::new(),
        Err(Refusal::Invalid(faults)) => faults.0.into_iter().map(|fault| fault.field).collect(),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(fields(all_absent()), Vec::<String>::new());
    let change = |change: fn(&mut Vec<ScreeningFinding>)| {
        let mut findings = all_absent();
        change(&mut findings);
        findings
    };
    let first = all_absent()[0].point.clone();
    assert_eq!(
        fields(change(|it| {
            it.remove(0);
        })),
        [format!("findings.{first}")]
    );
    assert_eq!(
        fields(change(|it| it[0].point = "luck".into())),
        ["findings[0].point".to_owned(), format!("findings.{first}")]
    );
    assert_eq!(
        fields(change(|it| {
            let twice = it[0].clone();
            it.push(twice);
        })),
        ["findings[16].point"]
    );
    assert_eq!(fields(change(|it| it[3].present = true)), ["findings[3].note"]);
    assert_eq!(
        fields(change(|it| it[3].note = Some("x".repeat(501)))),
        ["findings[3].note"]
    );
    assert_eq!(
        code(&screened(all_absent(), true, patient()).unwrap_err()),
        "not-found"
    );

    let present = change(|it| {
        it[3].present = true;
        it[3].note = Some("long ago, under treatment".into());
    });
    let cleared = screened(present.clone(), true, nurse()).unwrap();
    assert!(not_done(&cleared, at(NOW)).is_empty());
    let not_cleared = screened(present, false, nurse()).unwrap();
    assert_eq!(not_done(&not_cleared, at(NOW)), ["screening_signed open"]);
}

fn tries(sbp: u32, dbp: u32, hr: u32) -> Result<Vec<(Level, Vec<String>)>, Refusal> {
    let decision = by(patient(), |context| {
        enrolment::try_cuff(&patient_record(), reading(sbp, dbp, hr), context)
    })?;
    assert_eq!(decision.after.course.trial_readings.len(), 1);
    let signals = decision.after.watch.cases.iter().flat_map(|case| &case.signals);
    let over = signals.map(|signal| match &signal.what {
        Cause::Vitals { over, .. } => (signal.level, over.clone()),
        other => panic!("{other:?}"),
    });
    Ok(over.collect())
}

/// Systolic, diastolic, pulse, and what is told.
type Trial = (u32, u32, u32, Option<(Level, &'static str)>);

#[test]
fn a_trial_reading_is_checked_like_any_other() {
    #[rustfmt::skip]
    let table: &[Trial] = &[
        (120, 78,  70, None),
        (140, 90,  100, None),
        (141, 90,  70, Some((Level::P3, "sbp_max"))),
        (179, 85,  70, Some((Level::P3, "sbp_max"))),
        (180, 85,  70, Some((Level::P2, "sbp_max"))),
        (120, 78,  49, Some((Level::P3, "hr_min"))),
    ];
    for (sbp, dbp, hr, expected) in table {
        let expected: Vec<(Level, Vec<String>)> = expected
            .iter()
            .map(|(level, limit)| (*level, vec![(*limit).to_owned()]))
            .collect();
        assert_eq!(tries(*sbp, *dbp, *hr).unwrap(), expected, "{sbp}/{dbp} {hr}");
    }
    assert_eq!(code(&tries(12, 78, 70).unwrap_err()), "measure-again");
    for (at_hours, field) in [(1, "observed_at"), (-25, "observed_at")] {
        let mut new = reading(120, 78, 70);
        new.observed_at = Some(at(NOW) + minutes(at_hours * 60));
        let refused = by(patient(), |context| {
            enrolment::try_cuff(&patient_record(), new, context)
        });
        let Err(Refusal::Invalid(faults)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(faults.0[0].field, field);
    }
}

fn new_contacts(zone: &str) -> ContactsSent {
    ContactsSent {
        phone: "+1 555 0200".into(),
        address: "9 Oak Street".into(),
        region: "US-AZ".into(),
        zone: Zone::named(zone).unwrap(),
        language: "es".into(),
        emergency_contact: EmergencyContact {
            name: "Cy".into(),
            phone: "+1 555 0201".into(),
        },
        emergency_room: EmergencyRoom {
            name: "Desert Hospital".into(),
            address: "10 Oak Street".into(),
            phone: Some("+1 555 0202".into()),
        },
    }
}

#[test]
fn confirmed_contacts_are_what_the_care_team_calls() {
    let record = patient_record();
    let decision = by(patient(), |context| {
        enrolment::confirm_contacts(&record, &[], new_contacts("America/New_York"), context)
    });
    let after = decision.patient.after;
    assert_eq!(after.patient.phone, "+1 555 0200");
    assert_eq!(after.patient.address, "9 Oak Street");
    assert_eq!(after.patient.emergency_contact.name, "Cy");
    assert!(after.watch.cases.is_empty());
    assert!(!not_done(&after, at(NOW)).contains(&"contacts open".to_owned()));
    let moved = by(nurse(), |context| {
        enrolment::confirm_contacts(&record, &[], new_contacts("America/Phoenix"), context)
    });
    let after = moved.patient.after;
    assert_eq!(after.patient.zone.name(), "America/Phoenix");
    assert!(matches!(
        after.watch.cases[0].signals[0].what,
        Cause::ZoneChanged { .. }
    ));
}

#[test]
fn nothing_is_planned_while_an_item_is_open_and_every_one_is_named() {
    let mut record = good();
    record.course.consents.clear();
    record.course.screenings.clear();
    let expected = [
        "enrolment.screening_signed",
        "enrolment.consent_treatment",
        "enrolment.consent_messages",
        "enrolment.safety_sharing",
    ];
    let planned = by(nurse(), |context| {
        let (date, time) = ("2026-11-28".parse().unwrap(), "10:00:00".parse().unwrap());
        planning::plan(&record, date, time, on(OnCallPlace::Nurse), context)
    });
    let Err(Refusal::Invalid(faults)) = planned else {
        panic!("{planned:?}");
    };
    let fields: Vec<&str> = faults.0.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, expected);
    let laid_out = plan::lay_out(&record, &[], &draft(|_| {}), at("2026-11-20T15:00:00Z"));
    let fields: Vec<&str> = laid_out
        .faults
        .0
        .iter()
        .map(|fault| fault.field.as_str())
        .collect();
    assert_eq!(fields, expected);
}

fn waits_for(play: &Play, now: Instant) -> Vec<String> {
    let reasons = gate::reasons(&play.record, now);
    reasons
        .iter()
        .filter(|reason| reason.code.name().starts_with("enrolment"))
        .map(|reason| format!("{} {}", reason.code.name(), reason.item.as_deref().unwrap_or("-")))
        .collect()
}

#[test]
fn a_dose_waits_for_consent_and_screening_and_for_nothing_else_of_the_enrolment() {
    let mut play = Play::ready();
    assert!(waits_for(&play, play.now).is_empty());
    play.record.course.contacts.clear();
    play.record.course.scores.clear();
    play.record.course.ledger.clear();
    play.record.course.trial_readings.clear();
    assert!(waits_for(&play, play.now).is_empty());
    play.record.course.consents[1].agreed = false;
    play.record.course.screenings[0].signed_at = play.now - minutes(84 * DAY);
    assert_eq!(
        waits_for(&play, play.now),
        [
            "enrolment-expired screening_signed",
            "enrolment-open consent_messages"
        ]
    );
    let unlocked = play.asked(patient(), preparation::unlock);
    assert_eq!(code(&unlocked.unwrap_err()), "locked");
    play.record.course = bedside_protocol::course::Course {
        unreadable: true,
        ..Default::default()
    };
    assert!(waits_for(&play, play.now).is_empty(), "course-held says it");
    let held = gate::reasons(&play.record, play.now);
    assert!(held.iter().any(|reason| reason.code.name() == "course-held"));
}

#[test]
fn an_open_dose_screen_locks_when_a_consent_is_taken_back_and_not_when_a_screening_grows_old() {
    let mut play = Play::ready();
    play.go_to(play.planned_at());
    play.asked(patient(), preparation::unlock).unwrap();
    let unlocked_at = play.now;
    play.record.course.screenings[0].signed_at = unlocked_at - minutes(84 * DAY);
    assert!(!gate::something_was_taken_back(&play.record, unlocked_at));
    play.record.course.consents[0].agreed = false;
    assert!(gate::something_was_taken_back(&play.record, unlocked_at));
}

#[test]
fn a_faulty_section_is_refused_by_its_path() {
    let shipped: serde_json::Value = serde_json::from_str(ProtocolDocument::shipped_text()).unwrap();
    #[rustfmt::skip]
    let table: &[(&str, serde_json::Value, &str)] = &[
        ("/enrolment/items/0/key", "".into(), "enrolment.items[0].key"),
        ("/enrolment/items/1/key", "screening_signed".into(), "enrolment.items[1].key"),
        ("/enrolment/items/1/text", " ".into(), "enrolment.items[1].text"),
        ("/enrolment/items/1/asks/version", 0.into(), "enrolment.items[1].asks.version"),
        ("/enrolment/items/1/asks/words", "".into(), "enrolment.items[1].asks.words"),
        ("/enrolment/items/4/asks/instruments", serde_json::json!([]), "enrolment.items[4].asks.instruments"),
        ("/enrolment/items/6/asks/valid_days", 0.into(), "enrolment.items[6].asks.valid_days"),
        ("/enrolment/items/7/asks", serde_json::json!({"type": "trial_reading"}), "enrolment.items[7].asks.type"),
        ("/enrolment/items/0/asks/list", serde_json::json!([]), "enrolment.items[0].asks.list"),
        ("/enrolment/items/0/asks/list/1/key", "psychosis".into(), "enrolment.items[0].asks.list[3].key"),
    ];
    for (pointer, value, path) in table {
        let mut document = shipped.clone();
        *document.pointer_mut(pointer).unwrap() = value.clone();
        let fault = ProtocolDocument::parse(&document.to_string()).unwrap_err();
        assert_eq!(fault.path, *path, "{pointer}");
    }
}

#[test]
fn names_are_those_of_the_json() {
    for blocks in [
        EnrolmentBlocks::Nothing,
        EnrolmentBlocks::PlanningOfFirst,
        EnrolmentBlocks::Planning,
        EnrolmentBlocks::PlanningAndDose,
    ] {
        assert_eq!(serde_json::to_value(blocks).unwrap(), blocks.name());
    }
    for state in [
        SessionState::Dosed,
        SessionState::Monitoring,
        SessionState::Emergency { since: at(NOW) },
    ] {
        assert!(SessionState::RUNNING.contains(&state.name()) && state.is_running());
    }
}
