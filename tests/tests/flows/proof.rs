//! The auditor: what would have been forgotten is found within a minute, mended, shown and told, and without the auditor
//! there is no heartbeat.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::Play;
use chrono::Duration;
use serde_json::json;

on_both_engines!(
    a_duty_that_lost_its_wake_up_goes_on_and_the_administrator_is_told_once_an_hour,
    a_case_that_lost_its_duty_goes_on_with_its_next_round,
    a_duty_that_no_tick_can_find_is_told_and_stays_red,
    without_a_good_run_of_the_auditor_there_is_no_heartbeat,
    a_new_on_call_list_does_not_disturb_a_case_that_is_taken,
);

/// A case is open, opened by the sitter's call for help.
async fn with_case(engine: Database) -> Play {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.sitter("/help", &json!({})).expect(200);
    play.clinic.cycle().await;
    play.clinic.mailbox.fresh();
    play
}

fn told(play: &mut Play, role: &str, subject: &str) -> usize {
    let to = play.clinic.address(role);
    let mails = play.clinic.mailbox.fresh();
    mails
        .iter()
        .filter(|mail| mail.to == to && mail.subject.contains(subject))
        .count()
}

/// So many minutes later: the worker looks once, which is when the auditor finds, and once more, which is when it is sent.
async fn later(play: &mut Play, by_minutes: i64) {
    let at = play.clinic.now() + Duration::minutes(by_minutes);
    play.clinic.clocks.set_clinical(at);
    play.clinic.cycle().await;
    play.clinic.cycle().await;
}

async fn a_duty_that_lost_its_wake_up_goes_on_and_the_administrator_is_told_once_an_hour(engine: Database) {
    let mut play = with_case(engine).await;
    let forget = "UPDATE duties SET wake_at = NULL WHERE kind = 'take_case' AND state = 'open'";
    play.clinic.execute(forget);
    // Nothing wakes it by itself: the ladder's next step at four minutes would be silent for ever.
    later(&mut play, 5).await;
    assert_eq!(play.clinic.red_parts(), ["duties"]);
    let mails = play.clinic.mailbox.fresh();
    let administrator = play.clinic.address("administrator");
    let to_administrator: Vec<_> = mails.iter().filter(|mail| mail.to == administrator).collect();
    assert_eq!(to_administrator.len(), 1, "{mails:?}");
    assert_eq!(to_administrator[0].subject, "The program needs a look");
    let nurse = play.clinic.address("nurse");
    assert!(
        mails
            .iter()
            .any(|mail| mail.to == nurse && mail.text.contains("/c/")),
        "the ladder goes on: {mails:?}"
    );
    later(&mut play, 1).await;
    assert_eq!(
        play.clinic.red_parts(),
        Vec::<String>::new(),
        "a later look finds nothing"
    );

    // Found again within the hour: mended and not told. After it: told again.
    play.clinic.execute(forget);
    later(&mut play, 2).await;
    assert_eq!(told(&mut play, "administrator", "needs a look"), 0);
    later(&mut play, 60).await;
    play.clinic.execute(forget);
    later(&mut play, 2).await;
    assert_eq!(told(&mut play, "administrator", "needs a look"), 1);
}

async fn a_case_that_lost_its_duty_goes_on_with_its_next_round(engine: Database) {
    let mut play = with_case(engine).await;
    play.clinic.execute("DELETE FROM duties WHERE kind = 'take_case'");
    later(&mut play, 1).await;
    assert_eq!(play.clinic.red_parts(), ["duties"]);
    assert_eq!(told(&mut play, "nurse", "Case"), 1, "the nurse hears of it again");
    later(&mut play, 4).await;
    assert_eq!(told(&mut play, "prescriber", "Case"), 1, "and the ladder climbs");
    assert_eq!(play.clinic.red_parts(), Vec::<String>::new());
    play.clinic.nothing_is_left_to_send().await;
}

async fn a_duty_that_no_tick_can_find_is_told_and_stays_red(engine: Database) {
    let mut play = with_case(engine).await;
    play.clinic
        .execute("UPDATE duties SET subject_kind = 'nonsense', subject_id = 'x' WHERE kind = 'take_case'");
    later(&mut play, 6).await;
    assert_eq!(play.clinic.red_parts(), ["duties"]);
    assert_eq!(told(&mut play, "administrator", "needs a look"), 1);
    later(&mut play, 6).await;
    assert_eq!(play.clinic.red_parts(), ["duties"], "it could not be mended");
}

async fn without_a_good_run_of_the_auditor_there_is_no_heartbeat(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let beats = async || clinic.store.list_heartbeats().await.expect("heartbeats")[0].cycles;
    clinic.clocks.advance_machine(Duration::seconds(60));
    assert!(clinic.worker.cycle().await.verified, "proven now");
    let before = beats().await;
    clinic.execute("ALTER TABLE watch_findings RENAME TO gone");
    clinic.clocks.advance_machine(Duration::seconds(59));
    assert!(clinic.worker.cycle().await.verified, "the last proof is young");
    clinic.clocks.advance_machine(Duration::seconds(1));
    assert!(!clinic.worker.cycle().await.verified);
    assert_eq!(beats().await, before + 1);
    clinic.execute("ALTER TABLE gone RENAME TO watch_findings");
    assert!(
        clinic.worker.cycle().await.verified,
        "it is tried again in every cycle"
    );
}

async fn a_new_on_call_list_does_not_disturb_a_case_that_is_taken(engine: Database) {
    let play = with_case(engine).await;
    let id = play.case()["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/cases/{id}/acknowledge");
    play.clinic.staff("nurse").post(&path, &json!({})).expect(200);
    let places = ["nurse", "backup", "fallback"].map(|place| {
        let role = if place == "fallback" { "manager" } else { place };
        json!({"place": place, "person": play.clinic.id(role)})
    });
    play.clinic
        .staff("administrator")
        .put("/v1/on-call", &json!({ "places": places }))
        .expect(200);
    play.clinic.clocks.advance_machine(Duration::seconds(1));
    let report = play.clinic.worker.cycle().await;
    assert_eq!(report.tick.failed, 0, "{report:?}");
}
