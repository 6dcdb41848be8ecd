//! Deciding: what happens when many meet on one record, and when one asks twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bedside_protocol::dosing::{self, DoseReport};
use bedside_protocol::plan::CourseDecision;
use bedside_protocol::record::Decision;
use bedside_protocol::refusal::Refusal;
use bedside_store::{DatabaseError, DecideError, Once, Scope};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;

use crate::fixture::{Bed, open, silent};

on_both_engines!(
    of_two_hundred_changes_at_once_none_is_lost,
    two_processes_on_one_database_lose_nothing,
    a_repeated_request_gets_the_first_answer_and_another_body_is_told_so,
    one_request_sent_many_times_at_once_is_done_once,
    a_refusal_is_not_kept,
    of_two_sessions_planned_at_once_for_one_day_one_is_refused,
    a_rule_that_panics_harms_nobody_else,
    orders_and_sessions_that_change_at_once_wait_for_each_other_and_never_in_a_circle,
    a_rule_about_a_course_that_waited_for_a_session_knows_of_the_dose_that_was_logged_meanwhile,
);

async fn of_two_hundred_changes_at_once_none_is_lost(engine: Database) {
    let bed = Arc::new(Bed::made(engine).await);
    let version = bed.record().await.session.version;
    let changes: Vec<_> = (0..200)
        .map(|_| {
            let bed = Arc::clone(&bed);
            tokio::spawn(async move { bed.change(|after, _| after.session.wrong_readbacks += 1).await })
        })
        .collect();
    for change in changes {
        change.await.unwrap().expect("saved");
    }
    let record = bed.record().await;
    assert_eq!(
        (record.session.wrong_readbacks, record.session.version),
        (200, version + 200)
    );
}

async fn two_processes_on_one_database_lose_nothing(engine: Database) {
    let bed = Bed::made(engine).await;
    let stores = [
        bed.store.clone(),
        open(&bed.database, &bed.clocks).await,
        open(&bed.database, &bed.clocks).await,
    ];
    let session = bed.session;
    let changes: Vec<_> = (0..120)
        .map(|number| {
            let store = stores[number % stores.len()].clone();
            tokio::spawn(async move {
                let changed = store.decide_session(Scope::system(), session, None, |record, _| {
                    let mut after = record.clone();
                    after.session.wrong_readbacks += 1;
                    Ok((silent(after), ()))
                });
                changed.await.map(|_| ())
            })
        })
        .collect();
    for change in changes {
        change.await.unwrap().expect("saved");
    }
    assert_eq!(bed.record().await.session.wrong_readbacks, 120);
}

fn once(key: &str, body: u8) -> Option<Once> {
    Some(Once {
        caller_key: "patient:p".to_owned(),
        key: key.to_owned(),
        request_hash: [body; 32],
    })
}

async fn count(bed: &Bed, once: Option<Once>) -> Result<(u32, bool), DecideError> {
    let counted = bed
        .store
        .decide_session(Scope::system(), bed.session, once, |record, _| {
            let mut after = record.clone();
            after.session.wrong_readbacks += 1;
            let count = after.session.wrong_readbacks;
            Ok((silent(after), count))
        });
    counted.await.map(|done| (done.value, done.replayed))
}

async fn a_repeated_request_gets_the_first_answer_and_another_body_is_told_so(engine: Database) {
    let bed = Bed::made(engine).await;
    assert_eq!(count(&bed, once("a", 1)).await.unwrap(), (1, false));
    assert_eq!(count(&bed, once("b", 1)).await.unwrap(), (2, false));
    assert_eq!(count(&bed, once("a", 1)).await.unwrap(), (1, true));
    assert!(matches!(
        count(&bed, once("a", 2)).await,
        Err(DecideError::KeyReused)
    ));
    assert_eq!(bed.record().await.session.wrong_readbacks, 2);
}

async fn one_request_sent_many_times_at_once_is_done_once(engine: Database) {
    let bed = Arc::new(Bed::made(engine).await);
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let bed = Arc::clone(&bed);
            tokio::spawn(async move { count(&bed, once("same", 1)).await })
        })
        .collect();
    let mut done = 0;
    for request in requests {
        let (value, replayed) = request.await.unwrap().expect("an answer");
        assert_eq!(value, 1);
        done += u32::from(!replayed);
    }
    assert_eq!((done, bed.record().await.session.wrong_readbacks), (1, 1));
}

async fn a_refusal_is_not_kept(engine: Database) {
    let bed = Bed::made(engine).await;
    let refused = bed
        .store
        .decide_session::<(), _>(Scope::system(), bed.session, once("a", 1), |_, _| {
            Err(Refusal::wrong_state("test", "not now"))
        });
    assert!(matches!(
        refused.await,
        Err(DecideError::Refused(Refusal::WrongState { .. }))
    ));
    assert_eq!(count(&bed, once("a", 1)).await.unwrap(), (1, false));
}

async fn of_two_sessions_planned_at_once_for_one_day_one_is_refused(engine: Database) {
    let bed = Bed::made(engine).await;
    let (one, other) = tokio::join!(bed.plan(20), bed.plan(20));
    assert_eq!(
        usize::from(one.is_ok()) + usize::from(other.is_ok()),
        1,
        "{one:?} {other:?}"
    );
    let sessions = bed.store.list_sessions(bed.staff(), bed.patient).await.unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions[0].id, bed.session, "by ordinal");
}

async fn a_rule_that_panics_harms_nobody_else(engine: Database) {
    let bed = Bed::made(engine).await;
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    let panicked = bed
        .store
        .decide_session::<(), _>(Scope::system(), bed.session, None, move |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
            panic!("a rule with a fault")
        });
    assert!(matches!(
        panicked.await,
        Err(DecideError::Database(DatabaseError::Panicked))
    ));
    assert_eq!(tries.load(Ordering::SeqCst), 1);
    // More than there are threads: each of them still lives.
    for number in 1..=20 {
        assert_eq!(count(&bed, None).await.unwrap().0, number);
    }
}

/// A circle would be broken by the database after a second and tried again: slow, and in the end "busy".
async fn orders_and_sessions_that_change_at_once_wait_for_each_other_and_never_in_a_circle(engine: Database) {
    let bed = Arc::new(Bed::made(engine).await);
    for days in [20, 30, 40] {
        bed.plan(days).await.expect("a session");
    }
    let sessions = bed.store.list_sessions(bed.staff(), bed.patient).await.unwrap();
    let work = async {
        let mut all = Vec::new();
        for round in 0..20 {
            let signer = Arc::clone(&bed);
            all.push(tokio::spawn(async move {
                if round % 2 == 0 {
                    signer
                        .sign_order(bedside_protocol::order::AfterHold::Swallow)
                        .await;
                } else {
                    signer.pause_or_resume().await;
                }
            }));
            for session in &sessions {
                let (bed, id) = (Arc::clone(&bed), session.id);
                all.push(tokio::spawn(async move {
                    let said = bed.store.decide_session(Scope::system(), id, None, |record, _| {
                        let mut decision = silent(record.clone());
                        decision.after.session.wrong_readbacks += 1;
                        decision.facts.push(bedside_protocol::record::Fact::new(
                            "test.said",
                            serde_json::json!({}),
                        ));
                        Ok((decision, ()))
                    });
                    said.await.expect("saved");
                }));
            }
        }
        for one in all {
            one.await.expect("no refusal");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), work)
        .await
        .expect("no circle");
    for session in bed.store.list_sessions(bed.staff(), bed.patient).await.unwrap() {
        assert_eq!(session.wrong_readbacks, 20);
    }
    assert_eq!(
        bed.store
            .find_order(bed.staff(), bed.patient)
            .await
            .unwrap()
            .unwrap()
            .version,
        11
    );
    if engine == Database::Postgres {
        let deadlocks = "SELECT CAST(deadlocks AS TEXT) AS value FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(bed.sql(deadlocks), ["0"]);
    }
    bed.audit_is_whole().await;
}

async fn a_rule_about_a_course_that_waited_for_a_session_knows_of_the_dose_that_was_logged_meanwhile(
    engine: Database,
) {
    let bed = Bed::made(engine).await;
    let (session, patient) = (bed.session, bed.record().await.patient.id);
    let (begun, has_begun) = std::sync::mpsc::channel::<()>();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let store = bed.store.clone();
    let dosing = tokio::spawn(async move {
        let logged = store.decide_session(Scope::system(), session, None, move |record, context| {
            let _told = begun.send(());
            let _waited = may_go_on
                .lock()
                .expect("a lock")
                .recv_timeout(Duration::from_secs(5));
            let (decision, _) = dosing::log_dose(record, DoseReport::default(), context);
            Ok((decision, ()))
        });
        logged.await.map(|_| ())
    });
    tokio::task::spawn_blocking(move || has_begun.recv())
        .await
        .unwrap()
        .expect("the dose is being logged");
    let store = bed.store.clone();
    let looking = tokio::spawn(async move {
        let looked = store.decide_course(Scope::system(), patient, None, |record, _, _| {
            let doses = record.around.other_doses.len();
            let running = record
                .sessions
                .iter()
                .filter(|session| session.dose.is_some())
                .count();
            Ok((
                CourseDecision::of_patient(Decision::unchanged(record)),
                (doses, running),
            ))
        });
        looked.await.map(|done| done.value)
    });
    // Long enough for it to have read the patient and to wait for the session.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _sent = go_on.send(());
    dosing.await.unwrap().expect("saved");
    assert_eq!(looking.await.unwrap().expect("looked"), (1, 1));
}
