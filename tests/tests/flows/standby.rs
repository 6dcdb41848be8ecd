//! All workers are gone: an API process prompts and escalates itself, and says that it does.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::play::{Play, SITTER};
use bedside_worker::Standby;
use chrono::Duration;

on_both_engines!(
    a_check_that_is_missed_without_a_worker_is_asked_for_and_escalated_by_a_standby,
    silence_before_the_standby_is_a_gap_and_its_own_watch_is_none,
    a_standby_does_nothing_on_a_schema_that_is_not_its_own,
);

fn pass(clinic: &Clinic, by_s: i64) {
    clinic.clocks.advance_machine(Duration::seconds(by_s));
    clinic.clocks.set_clinical(clinic.now() + Duration::seconds(by_s));
}

async fn dosed(engine: Database) -> Play {
    let mut play = Play::planned(Clinic::open(engine).await).await;
    play.until_dosed().await;
    play.answer_checks(&[(10, "C4", 0)]).await;
    play.clinic.mailbox.fresh();
    play
}

async fn a_check_that_is_missed_without_a_worker_is_asked_for_and_escalated_by_a_standby(engine: Database) {
    let mut play = dosed(engine).await;
    let mut standby = Standby::new(play.clinic.worker_with(|_| {}));
    play.clinic.queue_test_mails(1).await;
    play.clinic
        .execute("UPDATE outbox SET lane = 2 WHERE notice_key = 'test:0'");
    pass(&play.clinic, 59);
    let report = standby.step().await;
    assert!(!report.at_work, "a worker may take a minute: {report:?}");
    assert_eq!(play.clinic.mailbox.fresh().len(), 0);
    let beats = "SELECT CAST(cycles AS TEXT) AS value FROM heartbeats";
    let beats_before = play.clinic.texts(beats);

    // T+11 to T+20, in steps of ten seconds.
    for _ in 0..54 {
        pass(&play.clinic, 10);
        let report = standby.step().await;
        assert!(report.at_work && report.tick.verified, "{report:?}");
    }
    let mails = play.clinic.mailbox.fresh();
    let to = |who: &str| mails.iter().filter(|mail| mail.to == who).count();
    assert!(
        to(SITTER) >= 1,
        "the sitter is asked before the check is missed: {mails:?}"
    );
    assert_eq!(to(&play.clinic.address("nurse")), 1, "{mails:?}");
    assert_eq!(to(&play.clinic.address("backup")), 1, "{mails:?}");
    assert_eq!(to("test-0@clinic.example"), 0, "reminders wait for a worker");
    assert_eq!(play.duty("C5", 0)["state"], "missed");
    assert_eq!(Play::causes(&play.case()), ["missed_check_in"]);

    assert_eq!(play.clinic.texts(beats), beats_before, "no heartbeat");
    assert_eq!(play.clinic.red_parts(), ["worker", "standby"]);
    let silent_for = play.clinic.store.watch_health().await.expect("health").silent_for;
    assert!(silent_for > Some(Duration::minutes(9)), "the dose stays locked");

    // A worker comes back: the standby stops at once and nothing was a gap.
    play.clinic.cycle().await;
    assert!(!standby.step().await.at_work);
    assert_eq!(play.clinic.red_parts(), Vec::<String>::new());
    assert_eq!(
        play.clinic.texts("SELECT id AS value FROM watch_gaps"),
        Vec::<String>::new()
    );
    let mails = play.clinic.mailbox.fresh();
    assert!(
        mails.iter().any(|mail| mail.to == "test-0@clinic.example"),
        "{mails:?}"
    );
    play.clinic.nothing_is_left_to_send().await;
}

async fn silence_before_the_standby_is_a_gap_and_its_own_watch_is_none(engine: Database) {
    let mut play = dosed(engine).await;
    // Nobody at all for twenty minutes; then only the API.
    pass(&play.clinic, 20 * 60);
    let mut standby = Standby::new(play.clinic.worker_with(|_| {}));
    pass(&play.clinic, 60);
    for _ in 0..3 {
        assert!(standby.step().await.at_work);
        pass(&play.clinic, 10);
    }
    play.clinic.log_staff_in();
    assert_eq!(play.duty("C5", 0)["state"], "unknown");
    assert_eq!(Play::causes(&play.case()), ["watch_down"]);
    assert_eq!(play.clinic.texts("SELECT id AS value FROM watch_gaps").len(), 1);
    let nurse = play.clinic.address("nurse");
    let mails = play.clinic.mailbox.fresh();
    assert_eq!(
        mails.iter().filter(|mail| mail.to == nurse).count(),
        1,
        "{mails:?}"
    );
    let version = |play: &Play| {
        play.clinic
            .texts("SELECT CAST(version AS TEXT) AS value FROM sessions")
    };
    let before = version(&play);
    pass(&play.clinic, 1);
    standby.step().await;
    assert_eq!(version(&play), before, "the gap is over and wakes nobody again");
}

async fn a_standby_does_nothing_on_a_schema_that_is_not_its_own(engine: Database) {
    let play = dosed(engine).await;
    let mut standby = Standby::new(play.clinic.worker_with(|_| {}));
    play.clinic
        .execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')");
    pass(&play.clinic, 300);
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let report = standby.step().await;
    assert!(!report.at_work && report.tick.decided == 0, "{report:?}");
}
