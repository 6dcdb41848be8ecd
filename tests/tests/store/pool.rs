//! The threads in front of the database: a full queue says so, and a lost connection is found again.

use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use bedside_store::{DecideError, Keys, Scope, Store};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use tokio::task::JoinSet;

use crate::fixture::{Bed, MASTER, settings, silent};

on_both_engines!(a_full_queue_answers_busy_at_once);

async fn a_full_queue_answers_busy_at_once(engine: Database) {
    let bed = Bed::made(engine).await;
    let mut small = settings(&bed.database);
    (small.writers, small.readers, small.queue) = (1, 1, 2);
    let store = Store::open(small, bed.clocks.clone(), Keys::from_master(MASTER))
        .await
        .expect("a store");
    // One rule keeps the only writing thread busy until seven of nine others have been turned away.
    let (begun, has_begun) = mpsc::channel();
    let gate = Arc::new(Barrier::new(2));
    let (held, at) = (store.clone(), (bed.session, Arc::clone(&gate)));
    let holder = tokio::spawn(async move {
        let (session, gate) = at;
        let slow = held.decide_session(Scope::system(), session, None, move |record, _| {
            begun.send(()).expect("somebody waits");
            gate.wait();
            Ok((silent(record.clone()), ()))
        });
        slow.await.map(|_| ())
    });
    tokio::task::spawn_blocking(move || has_begun.recv())
        .await
        .unwrap()
        .expect("the rule begins");
    let mut calls = JoinSet::new();
    for _ in 0..9 {
        let (store, session) = (store.clone(), bed.session);
        calls.spawn(async move {
            let quick = store.decide_session(Scope::system(), session, None, |record, _| {
                Ok((silent(record.clone()), ()))
            });
            quick.await.map(|_| ())
        });
    }
    for _ in 0..7 {
        let turned_away = calls.join_next().await.expect("an answer").unwrap();
        assert!(matches!(turned_away, Err(DecideError::Busy)), "{turned_away:?}");
    }
    tokio::task::spawn_blocking(move || gate.wait()).await.unwrap();
    holder.await.unwrap().expect("the one at work ends it");
    for waited in calls.join_all().await {
        waited.expect("the queue holds two");
    }
    assert!(
        store
            .read_session(Scope::system(), bed.session, |_, _| ())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(sqlite_only, ignore = "BEDSIDE_TEST_SQLITE_ONLY=1")]
async fn connections_that_the_server_closed_are_opened_again() {
    let bed = Bed::made(Database::Postgres).await;
    let cut = "SELECT CAST(pg_terminate_backend(pid) AS TEXT) AS value FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for _ in 0..3 {
        assert!(!bed.sql(cut).is_empty());
        for _ in 0..16 {
            bed.change(|after, _| after.session.wrong_readbacks += 1)
                .await
                .expect("a new connection");
        }
    }
    assert_eq!(bed.record().await.session.wrong_readbacks, 48);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(sqlite_only, ignore = "BEDSIDE_TEST_SQLITE_ONLY=1")]
async fn a_server_that_is_gone_gives_errors_and_nobody_hangs() {
    let bed = Bed::made(Database::Postgres).await;
    let name = bed.database.url().rsplit('/').next().unwrap().to_owned();
    let server = std::env::var("BEDSIDE_TEST_POSTGRES_URL").unwrap();
    let mut raw = bedside_store::raw::Raw::connect(&server).expect("the server");
    raw.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        .expect("a closed door");
    raw.texts(&format!(
        "SELECT CAST(pg_terminate_backend(pid) AS TEXT) AS value FROM pg_stat_activity WHERE datname = '{name}'"
    ))
    .expect("everybody shown out");
    let limit = Duration::from_secs(20);
    for _ in 0..20 {
        let changed =
            tokio::time::timeout(limit, bed.change(|after, _| after.session.wrong_readbacks += 1)).await;
        assert!(matches!(
            changed.expect("an answer"),
            Err(DecideError::Database(_))
        ));
    }
    raw.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        .expect("an open door");
    let back = async {
        while bed
            .change(|after, _| after.session.wrong_readbacks += 1)
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(limit, back)
        .await
        .expect("it comes back by itself");
}
