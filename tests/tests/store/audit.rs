//! The audit trail: append-only, chained, and a change is found.

use bedside_store::{Scope, TimelineEvent};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;

use crate::fixture::Bed;

on_both_engines!(
    the_chain_holds_and_a_changed_row_is_found,
    the_database_refuses_to_change_the_trail,
    a_look_by_staff_is_kept_and_one_by_the_program_is_not,
    the_time_line_tells_what_happened_and_what_was_sent,
);

async fn the_chain_holds_and_a_changed_row_is_found(engine: Database) {
    let bed = Bed::made(engine).await;
    bed.dose().await;
    let report = bed.store.verify_audit(None).await.unwrap();
    assert_eq!(report.faults, []);
    assert!(report.rows >= 8, "{report:?}");
    assert_eq!(
        report.heads.len(),
        2,
        "one chain of the clinic, one of the patient"
    );
    assert_eq!(bed.store.verify_audit(Some(bed.clinic)).await.unwrap(), report);
    assert_eq!(bed.store.verify_audit(Some(bed.fresh())).await.unwrap().rows, 0);

    let mut raw = bed.database.raw();
    let without_guards = match engine {
        Database::Sqlite => "DROP TRIGGER audit_refuses_update; DROP TRIGGER audit_refuses_delete",
        Database::Postgres => "DROP TRIGGER audit_refuses_change ON audit",
    };
    raw.execute(without_guards).expect("no guards");
    let chain = format!("patient:{}", bed.patient);
    raw.execute(&format!(
        "UPDATE audit SET at = at - 60000 WHERE chain = '{chain}' AND seq = 2"
    ))
    .expect("tampering");
    let report = bed.store.verify_audit(None).await.unwrap();
    assert_eq!(report.faults.len(), 1, "{report:?}");
    assert_eq!(
        (report.faults[0].chain.as_str(), report.faults[0].seq),
        (chain.as_str(), 2)
    );

    raw.execute(&format!("DELETE FROM audit WHERE chain = '{chain}' AND seq = 2"))
        .expect("tampering");
    let report = bed.store.verify_audit(None).await.unwrap();
    assert_eq!((report.faults.len(), report.faults[0].seq), (1, 3), "{report:?}");
}

async fn the_database_refuses_to_change_the_trail(engine: Database) {
    let bed = Bed::made(engine).await;
    let mut raw = bed.database.raw();
    for statement in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"] {
        raw.execute(statement).expect_err(statement);
    }
    if engine == Database::Postgres {
        raw.execute("TRUNCATE audit").expect_err("TRUNCATE");
    }
    bed.audit_is_whole().await;
}

async fn a_look_by_staff_is_kept_and_one_by_the_program_is_not(engine: Database) {
    let bed = Bed::made(engine).await;
    let looks =
        || bed.sql("SELECT actor AS value FROM audit WHERE action IN ('session.read', 'patient.read')");
    bed.store
        .read_session(Scope::system(), bed.session, |_, _| ())
        .await
        .unwrap();
    assert_eq!(looks(), [""; 0]);
    bed.store
        .read_session(bed.staff(), bed.session, |_, _| ())
        .await
        .unwrap();
    bed.store
        .read_patient(bed.staff().with_request("request-1"), bed.patient, |_, _| ())
        .await
        .unwrap();
    assert_eq!(
        looks(),
        [format!("staff:{}", bed.nurse), format!("staff:{}", bed.nurse)]
    );
    assert_eq!(
        bed.sql("SELECT request AS value FROM audit WHERE action = 'patient.read'"),
        ["request-1"]
    );
    bed.audit_is_whole().await;
}

async fn the_time_line_tells_what_happened_and_what_was_sent(engine: Database) {
    let bed = Bed::made(engine).await;
    bed.advance(chrono::Duration::minutes(1));
    bed.dose().await;
    bed.store
        .read_session(bed.staff(), bed.session, |_, _| ())
        .await
        .unwrap();
    let entries = bed
        .store
        .timeline(bed.staff(), bed.session)
        .await
        .unwrap()
        .expect("a session");
    assert!(entries.is_sorted_by_key(|entry| entry.at));
    let actions: Vec<&str> = entries
        .iter()
        .filter_map(|entry| match &entry.event {
            TimelineEvent::Fact { action, .. } => Some(action.as_str()),
            TimelineEvent::Message { .. } => None,
        })
        .collect();
    assert_eq!(actions[0], "session.planned");
    assert!(actions.contains(&"dose.logged"), "{actions:?}");
    assert!(!actions.contains(&"session.read"), "{actions:?}");
    assert!(
        entries
            .iter()
            .any(|entry| matches!(&entry.event, TimelineEvent::Message { state, .. } if state == "pending"))
    );
}
