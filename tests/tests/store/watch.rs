//! The watch: what is due, and what happens when nobody was looking.

use std::sync::Arc;

use bedside_protocol::duty::DutyKind;
use bedside_protocol::watch::Subject;
use bedside_store::CycleStats;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use chrono::Duration;

use crate::fixture::Bed;

on_both_engines!(
    silence_becomes_a_gap_and_wakes_the_release_of_running_sessions,
    two_workers_that_come_back_at_once_keep_one_gap,
    due_subjects_come_by_lane_and_one_that_fails_is_left_alone,
    a_heartbeat_ahead_of_the_clock_tells_nothing,
);

async fn beat(bed: &Bed, worker: &str) {
    bed.store
        .close_cycle(
            worker,
            CycleStats {
                version: "test".to_owned(),
            },
        )
        .await
        .expect("a heartbeat");
}

async fn silence_becomes_a_gap_and_wakes_the_release_of_running_sessions(engine: Database) {
    let bed = Bed::made(engine).await;
    assert_eq!(bed.store.watch_health().await.unwrap().silent_for, None);
    assert_eq!(
        bed.store.open_cycle("w").await.unwrap().gap,
        None,
        "nobody ever watched"
    );
    beat(&bed, "w").await;
    bed.dose().await;
    let last = bed.now();
    bed.advance(Duration::seconds(120));
    assert_eq!(
        bed.store.open_cycle("w").await.unwrap().gap,
        None,
        "two minutes are not too long"
    );

    bed.advance(Duration::minutes(10));
    let version = bed.record().await.session.version;
    let gap = bed.store.open_cycle("w").await.unwrap().gap.expect("a gap");
    assert_eq!((gap.from, gap.to), (last, bed.now()));
    let record = bed.record().await;
    let release = record
        .watch
        .duties
        .iter()
        .find(|duty| duty.kind == DutyKind::Release)
        .expect("a release duty");
    assert_eq!(release.wake_at, Some(bed.now()));
    assert_eq!(
        record.session.version,
        version + 1,
        "every change of a record moves its version on"
    );
    assert_eq!(record.around.watch_health.gaps, [gap]);
    assert_eq!(record.around.watch_health.silent_for, Some(Duration::minutes(12)));

    bed.advance(Duration::seconds(10));
    let grown = bed
        .store
        .open_cycle("w")
        .await
        .unwrap()
        .gap
        .expect("the same gap");
    assert_eq!(
        (grown.id, grown.to),
        (gap.id, bed.now()),
        "it lasts until a cycle is verified"
    );
    beat(&bed, "w").await;
    assert_eq!(bed.store.open_cycle("w").await.unwrap().gap, None);
    let health = bed.store.watch_health().await.unwrap();
    assert_eq!(
        (health.silent_for, health.gaps),
        (Some(Duration::zero()), vec![grown])
    );
    assert_eq!(bed.store.list_heartbeats().await.unwrap()[0].cycles, 2);
    bed.advance(Duration::days(8));
    assert_eq!(bed.store.watch_health().await.unwrap().gaps, []);
}

async fn two_workers_that_come_back_at_once_keep_one_gap(engine: Database) {
    let bed = Arc::new(Bed::made(engine).await);
    beat(&bed, "w").await;
    bed.dose().await;
    bed.advance(Duration::minutes(5));
    let cycles: Vec<_> = (0..4)
        .map(|number| {
            let bed = Arc::clone(&bed);
            tokio::spawn(async move {
                bed.store
                    .open_cycle(&format!("w{number}"))
                    .await
                    .expect("a cycle")
                    .gap
            })
        })
        .collect();
    let mut ids = Vec::new();
    for cycle in cycles {
        ids.push(cycle.await.unwrap().expect("a gap").id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(bed.sql("SELECT id AS value FROM watch_gaps").len(), 1);
}

async fn due_subjects_come_by_lane_and_one_that_fails_is_left_alone(engine: Database) {
    let bed = Bed::made(engine).await;
    let other = bed.plan(30).await.expect("a second session");
    let (first, second) = (Subject::Session(bed.session), Subject::Session(other));
    assert_eq!(bed.store.list_due(10).await.unwrap(), []);
    assert!(
        bed.store
            .next_wake_at()
            .await
            .unwrap()
            .is_some_and(|at| at > bed.now())
    );
    bed.advance(Duration::days(40));
    let due = bed.store.list_due(10).await.unwrap();
    assert_eq!(due.iter().collect::<std::collections::HashSet<_>>().len(), 2);
    assert_eq!(due.len(), 2, "each once, however many of its duties are due");
    assert_eq!(bed.store.list_due(1).await.unwrap().len(), 1);
    let oldest = bed.store.next_wake_at().await.unwrap().expect("something is due");
    assert!(oldest < bed.now());

    let later = bed.store.clocks().machine_now() + Duration::minutes(1);
    assert_eq!(bed.store.postpone(first, later).await.unwrap(), 1);
    assert_eq!(bed.store.list_due(10).await.unwrap(), [second]);
    assert_eq!(
        bed.store.count_failing_subjects().await.unwrap(),
        0,
        "once is no fault"
    );
    assert_eq!(bed.store.postpone(first, later).await.unwrap(), 2);
    assert_eq!(bed.store.count_failing_subjects().await.unwrap(), 1);
    bed.advance(Duration::minutes(1));
    assert_eq!(bed.store.list_due(10).await.unwrap().len(), 2);
    assert_eq!(bed.store.count_postponed().await.unwrap(), 1);
    bed.store.forget_postponed(first).await.unwrap();
    assert_eq!(bed.store.count_failing_subjects().await.unwrap(), 0);
    assert_eq!(bed.store.count_postponed().await.unwrap(), 0);
}

async fn a_heartbeat_ahead_of_the_clock_tells_nothing(engine: Database) {
    let bed = Bed::made(engine).await;
    beat(&bed, "w").await;
    bed.advance(Duration::seconds(-10));
    let silent_for = bed.store.watch_health().await.unwrap().silent_for;
    assert_eq!(
        silent_for,
        Some(Duration::zero()),
        "two hosts' clocks differ a little"
    );
    bed.advance(Duration::seconds(-1));
    assert_eq!(bed.store.watch_health().await.unwrap().silent_for, None);
    beat(&bed, "w").await;
    let silent_for = bed.store.watch_health().await.unwrap().silent_for;
    assert_eq!(
        silent_for,
        Some(Duration::zero()),
        "a new cycle is a sign of life"
    );
}
