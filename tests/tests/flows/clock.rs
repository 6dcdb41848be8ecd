//! A machine clock that was set: it is told, reminders wait, escalations do not, and nothing goes twice. And housekeeping
//! goes by what the database says was done.

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_worker::ClockState;
use bedside_worker::housekeeping::Job;
use chrono::Duration;

on_both_engines!(
    a_clock_that_was_set_holds_reminders_until_it_agrees_and_escalations_never,
    a_worker_that_starts_behind_what_was_committed_says_so,
    a_job_that_ran_is_not_run_again_by_a_restart_or_another_worker,
    an_audit_trail_that_does_not_verify_is_red_until_it_does,
);

/// Puts an escalation and a reminder into the outbox; what of them goes out in one cycle.
async fn sent_of_both(clinic: &mut Clinic) -> Vec<String> {
    clinic.execute("DELETE FROM outbox");
    clinic.queue_test_mails(2).await;
    clinic.execute("UPDATE outbox SET lane = 2 WHERE notice_key = 'test:1'");
    clinic.mailbox.fresh();
    clinic.clocks.advance_machine(Duration::seconds(1));
    clinic.worker.cycle().await;
    let mut to: Vec<String> = clinic.mailbox.fresh().into_iter().map(|mail| mail.to).collect();
    to.sort();
    to
}

const ESCALATION: &str = "test-0@clinic.example";
const REMINDER: &str = "test-1@clinic.example";

async fn a_clock_that_was_set_holds_reminders_until_it_agrees_and_escalations_never(engine: Database) {
    let mut clinic = Clinic::open(engine).await;
    assert_eq!(sent_of_both(&mut clinic).await, [ESCALATION, REMINDER]);

    clinic.clocks.jump_machine(Duration::minutes(-2));
    assert_eq!(sent_of_both(&mut clinic).await, [ESCALATION]);
    assert!(matches!(clinic.worker.clock_state(), ClockState::Behind { by_ms } if by_ms > 100_000));
    assert!(clinic.red_parts().contains(&"clock".to_owned()));
    for _ in 0..125 {
        clinic.clocks.advance_machine(Duration::seconds(1));
        clinic.worker.cycle().await;
    }
    assert_eq!(clinic.red_parts(), Vec::<String>::new());
    let late: Vec<String> = clinic.mailbox.fresh().into_iter().map(|mail| mail.to).collect();
    assert_eq!(late, [REMINDER], "it waited and goes once");

    clinic.clocks.jump_machine(Duration::minutes(90));
    assert_eq!(sent_of_both(&mut clinic).await, [ESCALATION]);
    assert!(matches!(
        clinic.worker.clock_state(),
        ClockState::JumpedAhead { .. }
    ));
    assert_eq!(clinic.red_parts(), ["clock"]);
    for _ in 0..61 {
        clinic.clocks.advance_machine(Duration::minutes(1));
        clinic.worker.cycle().await;
    }
    assert!(
        clinic.worker.clock_state().agrees(),
        "an hour later it is believed"
    );
    assert_eq!(sent_of_both(&mut clinic).await, [ESCALATION, REMINDER]);
    assert_eq!(clinic.red_parts(), Vec::<String>::new());
}

async fn a_worker_that_starts_behind_what_was_committed_says_so(engine: Database) {
    let clinic = Clinic::open(engine).await;
    clinic.clocks.jump_machine(Duration::minutes(-5));
    let worker = clinic.worker_with(|_| {});
    worker.cycle().await;
    assert!(matches!(worker.clock_state(), ClockState::Behind { .. }));
    assert!(clinic.red_parts().contains(&"clock".to_owned()));
}

async fn a_job_that_ran_is_not_run_again_by_a_restart_or_another_worker(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let jobs = [
        Job::Optimize,
        Job::Retention,
        Job::RosterGaps,
        Job::FollowPatients,
        Job::ShiftChanges,
        Job::OnCallTests,
        Job::Protocols,
        Job::VerifyAudit,
    ];
    assert_eq!(clinic.worker.keep_house_if_due().await, jobs);
    assert_eq!(clinic.worker.keep_house_if_due().await, [], "a restart");
    let other = clinic.worker_with(|_| {});
    clinic.clocks.advance_machine(Duration::minutes(61));
    let (one, two) = tokio::join!(clinic.worker.keep_house_if_due(), other.keep_house_if_due());
    let mut ran = [one, two].concat();
    ran.sort_by_key(|job| job.name());
    let more_often_than_nightly = [
        Job::FollowPatients,
        Job::OnCallTests,
        Job::Optimize,
        Job::Protocols,
        Job::Retention,
        Job::RosterGaps,
        Job::ShiftChanges,
    ];
    assert_eq!(ran, more_often_than_nightly, "each by one of the two");
}

async fn an_audit_trail_that_does_not_verify_is_red_until_it_does(engine: Database) {
    let clinic = Clinic::open(engine).await;
    clinic.worker.keep_house(Job::VerifyAudit).await.expect("a look");
    assert_eq!(clinic.red_parts(), Vec::<String>::new());
    let (off, on) = match engine {
        Database::Sqlite => ("DROP TRIGGER audit_refuses_update", "SELECT 1"),
        Database::Postgres => (
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "ALTER TABLE audit ENABLE TRIGGER ALL",
        ),
    };
    clinic.execute(off);
    clinic.execute("UPDATE audit SET action = action || '.changed' WHERE seq = 1");
    clinic.worker.keep_house(Job::VerifyAudit).await.expect("a look");
    assert_eq!(clinic.red_parts(), ["audit"]);
    clinic.execute("UPDATE audit SET action = REPLACE(action, '.changed', '') WHERE seq = 1");
    clinic.execute(on);
    clinic.worker.keep_house(Job::VerifyAudit).await.expect("a look");
    assert_eq!(clinic.red_parts(), Vec::<String>::new());
}
