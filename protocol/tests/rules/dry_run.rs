//! The dry run: the same rules as in life, on an invented record, every duty and every message listed.

use std::collections::BTreeSet;
use std::sync::Arc;

use bedside_protocol::document::{ProtocolDocument, read};
use bedside_protocol::dry_run::{Answers, DryRun, Entry, Part, Plan, Scene, To, What, run};
use bedside_protocol::notice::Message;
use bedside_protocol::people::OnCallPlace;
use bedside_protocol::time::{Zone, minutes};
use serde_json::{Value, json};

fn shipped() -> Arc<ProtocolDocument> {
    Arc::new(ProtocolDocument::shipped().unwrap())
}

fn plan(document: &ProtocolDocument) -> Plan {
    let zone = Zone::named("America/New_York").unwrap();
    Plan::usual(document, zone, "2026-11-28".parse().unwrap())
}

fn played(document: &Arc<ProtocolDocument>, answers: Answers) -> DryRun {
    run(document, plan(document), answers)
}

fn part(run: &DryRun, scene: Scene) -> &Part {
    run.parts.iter().find(|part| part.scene == scene).unwrap()
}

fn case_mails(part: &Part) -> impl Iterator<Item = (&Entry, To)> {
    part.entries.iter().filter_map(|entry| match &entry.what {
        What::Message { to, notice, .. } if matches!(notice.message, Message::CaseNeedsYou { .. }) => {
            Some((entry, *to))
        }
        _ => None,
    })
}

/// The duties of a kind or row, each with what became of it.
fn duties<'p>(part: &'p Part, name: &str) -> Vec<(&'p Entry, &'static str)> {
    let found = part.entries.iter().filter_map(|entry| match &entry.what {
        What::Duty {
            kind, row, ends_as, ..
        } if *kind == name || row.as_deref() == Some(name) => Some((entry, *ends_as)),
        _ => None,
    });
    found.collect()
}

#[test]
fn when_everybody_answers_the_patient_is_released_and_nobody_of_the_staff_hears_anything() {
    let run = played(&shipped(), Answers::All);
    assert_eq!(run.parts.len(), 1);
    let part = &run.parts[0];
    assert_eq!(part.not_open_because, Vec::<String>::new());
    assert!(
        ["follow_up", "closed"].contains(&part.ends_as),
        "{}",
        part.ends_as
    );
    assert_eq!(case_mails(part).count(), 0);
    for (entry, ends_as) in duties(part, "check_in") {
        assert!(["met", "excused", "open"].contains(&ends_as), "{entry:?}");
    }
    assert_eq!(duties(part, "C5")[0].0.minute, 15);
    assert_eq!(duties(part, "C7")[0].1, "met");
}

#[test]
fn when_nobody_answers_after_the_dose_the_ladder_is_climbed_by_the_minute() {
    let document = shipped();
    let run = played(&document, Answers::None);
    let part = part(&run, Scene::NobodyAnswersAfterTheDose);
    assert_eq!(part.not_open_because, Vec::<String>::new());
    let hold = i64::from(document.order_limits.hold_minutes.min);
    let at = |minute: i64| -> BTreeSet<&'static str> {
        let mails = case_mails(part).filter(|(entry, _)| entry.minute == minute);
        mails.map(|(_, to)| to.name()).collect()
    };
    // C4 is due when the hold is over: nurse and backup 4 minutes later, the rota after 8, everybody after 13.
    assert_eq!(at(hold + 3), BTreeSet::new());
    assert_eq!(at(hold + 4), BTreeSet::from(["nurse", "backup"]));
    assert_eq!(
        at(hold + 8),
        BTreeSet::from(["nurse", "backup", "rota", "prescriber"])
    );
    assert_eq!(
        at(hold + 13),
        BTreeSet::from([
            "nurse",
            "backup",
            "rota",
            "prescriber",
            "manager",
            "administrator",
            "fallback"
        ])
    );
    // It goes on to the end of the run, and is one line each.
    let again = part.entries.iter().filter_map(|entry| match &entry.what {
        What::Message {
            to: To::Staff(OnCallPlace::Fallback),
            again,
            ..
        } => *again,
        _ => None,
    });
    let again: Vec<_> = again.collect();
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0].times > 60, "{again:?}");
    assert!(run.plan.t0() + minutes(355) <= again[0].last_at);
    assert!(duties(part, "C5").iter().all(|(_, ends_as)| *ends_as == "missed"));
}

#[test]
fn when_nobody_prepares_the_session_is_held_and_no_dose_is_in_the_list() {
    let run = played(&shipped(), Answers::None);
    let part = part(&run, Scene::NobodyPrepares);
    // Held two hours before, and called off when its time has passed.
    assert_eq!(part.ends_as, "cancelled");
    assert_eq!(duties(part, "check_in").len(), 0);
    assert_eq!(duties(part, "confirm_plan")[0].1, "missed");
    let to_patient = |entry: &&Entry| matches!(entry.what, What::Message { to: To::Patient, .. });
    assert!(part.entries.iter().filter(to_patient).count() >= 2);
}

#[test]
fn when_the_patient_is_silent_after_the_release_the_nurse_hears_an_hour_after_the_evening_check() {
    let run = played(&shipped(), Answers::None);
    let part = part(&run, Scene::NobodyAnswersAfterTheRelease);
    let evening = duties(part, "C11")[0].0;
    let nurse = case_mails(part)
        .find(|(_, to)| *to == To::Staff(OnCallPlace::Nurse))
        .unwrap()
        .0;
    assert_eq!(nurse.at - evening.at, minutes(60));
    assert!(
        part.entries.iter().all(|entry| entry.minute >= 120),
        "only what is after the release"
    );
}

#[test]
fn the_same_plan_gives_the_same_list_and_another_timetable_another() {
    let document = shipped();
    for answers in [Answers::None, Answers::All] {
        assert_eq!(played(&document, answers), played(&document, answers));
    }
    let mut other: Value = serde_json::from_str(ProtocolDocument::shipped_text()).unwrap();
    other["timetable"]["checks"][1]["due"] = json!({"after_minutes": 12});
    other["cases"]["p1"]["ladder"][1]["after_due_s"] = json!(180);
    let other = Arc::new(read(&other).unwrap());
    let run = played(&other, Answers::None);
    let part = part(&run, Scene::NobodyAnswersAfterTheDose);
    assert_eq!(duties(part, "C5")[0].0.minute, 12);
    let hold = i64::from(other.order_limits.hold_minutes.min);
    let rota = case_mails(part)
        .find(|(_, to)| *to == To::Staff(OnCallPlace::Rota))
        .unwrap()
        .0;
    assert_eq!(rota.minute, hold + 7);
}

#[test]
fn a_version_by_which_nobody_can_be_ready_says_so() {
    let mut document: Value = serde_json::from_str(ProtocolDocument::shipped_text()).unwrap();
    let list = document["checklist"].as_array_mut().unwrap();
    let here = list
        .iter_mut()
        .find(|item| item["asks"]["type"] == "presence")
        .unwrap();
    here["valid_for_min"] = json!(0);
    let document = Arc::new(read(&document).unwrap());
    let run = played(&document, Answers::All);
    assert_ne!(run.parts[0].not_open_because, Vec::<String>::new());
    // The dose is recorded all the same, as in life, and the care team hears of it.
    assert!(case_mails(&run.parts[0]).count() > 0);
}

#[test]
fn lines_stand_in_the_order_of_time_on_every_day_of_the_year_and_in_any_zone() {
    let document = shipped();
    for (zone, on) in [
        ("America/New_York", "2026-03-08"),
        ("America/New_York", "2026-11-01"),
        ("Australia/Lord_Howe", "2026-10-04"),
        ("Pacific/Apia", "2026-12-31"),
    ] {
        let zone = Zone::named(zone).unwrap();
        let plan = Plan::usual(&document, zone, on.parse().unwrap());
        for part in run(&document, plan, Answers::None).parts {
            assert!(
                part.entries.is_sorted_by_key(|entry| entry.at),
                "{on} {:?}",
                part.scene
            );
            assert!(!part.entries.is_empty());
        }
    }
}
