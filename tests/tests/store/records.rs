//! Records: whole in, whole out, one version for all of it, and nobody sees what is not theirs.

use bedside_protocol::id::{ClinicId, SessionId, SitterId};
use bedside_protocol::people::{Caller, CommsStatus};
use bedside_protocol::record::{Fact, PatientRecord, SessionRecord};
use bedside_protocol::sitting::{self, Invitation};
use bedside_store::{DatabaseError, DecideError, Scope};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use serde_json::json;

use crate::fixture::{Bed, new_clinic, new_patient, silent};

on_both_engines!(
    a_record_comes_back_as_it_was_decided,
    every_change_moves_the_version_on_and_no_change_does_not,
    another_clinic_sees_nothing,
    a_patient_and_a_sitter_see_their_own_only,
    a_rule_that_drops_a_row_changes_nothing,
    a_new_order_moves_every_live_session_on,
    a_pause_wakes_what_is_owed,
    a_case_code_that_is_taken_is_drawn_again,
);

async fn a_record_comes_back_as_it_was_decided(engine: Database) {
    let bed = Bed::made(engine).await;
    let invited = bed
        .store
        .decide_session(bed.staff(), bed.session, None, |record, context| {
            let invitation = Invitation {
                name: "Sam Oriole".to_owned(),
                email: "sam@example.org".to_owned(),
                phone: "+1 555 0177".to_owned(),
            };
            sitting::invite(record, invitation, context)
        });
    let sitter: SitterId = invited.await.expect("an invitation").value;
    bed.advance(chrono::Duration::days(4) + chrono::Duration::hours(1));
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let kept = seen.clone();
    let dosed = bed
        .store
        .decide_session(Scope::system(), bed.session, None, move |record, context| {
            let (decision, logged) = bedside_protocol::dosing::log_dose(
                record,
                bedside_protocol::dosing::DoseReport::default(),
                context,
            );
            *kept.lock().unwrap() = Some((record.clone(), decision.after.clone()));
            Ok((decision, logged))
        });
    dosed.await.expect("a dose");
    let (before, mut decided) = seen.lock().unwrap().take().unwrap();
    let loaded = bed.record().await;
    assert_eq!(loaded.session.version, before.session.version + 1);
    decided.session.version = loaded.session.version;
    // Read at another moment.
    decided.around.watch_health = loaded.around.watch_health.clone();
    assert_eq!(loaded, decided);
    assert_eq!(loaded.sitters[0].id, sitter);
    assert!(loaded.watch.duties.len() > 15, "the whole timetable");
    assert!(!loaded.watch.cases.is_empty(), "a dose out of the blue is a case");
    assert_eq!(loaded.patient.name, crate::fixture::PATIENT_NAME);
    assert_eq!(loaded.around.on_call.len(), 3);

    let patient = bed
        .store
        .read_patient(Scope::system(), bed.patient, |record, _| record.clone())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(patient.sessions, std::slice::from_ref(&loaded.session));
    assert_eq!(patient.around.other_doses, [loaded.session.t0()]);
    assert_eq!(patient.around.other_open_cases, [loaded.watch.cases[0].level]);
    bed.audit_is_whole().await;
}

async fn every_change_moves_the_version_on_and_no_change_does_not(engine: Database) {
    let bed = Bed::made(engine).await;
    let first = bed.record().await.session.version;
    let lines = bed.sql("SELECT chain AS value FROM audit").len();
    bed.change(|_, _| {}).await.unwrap();
    assert_eq!(bed.record().await.session.version, first);
    assert_eq!(bed.sql("SELECT chain AS value FROM audit").len(), lines);

    bed.change(|after, context| after.watch.duties[0].wake_at = Some(context.now))
        .await
        .unwrap();
    assert_eq!(bed.record().await.session.version, first + 1);
    let said = bed
        .store
        .decide_session(Scope::system(), bed.session, None, |record, _| {
            let mut decision = silent(record.clone());
            decision.facts.push(Fact::new("test.said", json!({})));
            Ok((decision, ()))
        });
    said.await.unwrap();
    assert_eq!(bed.record().await.session.version, first + 2);
}

async fn another_clinic_sees_nothing(engine: Database) {
    let bed = Bed::made(engine).await;
    bed.dose().await;
    let case = bed.record().await.watch.cases[0].id;
    let elsewhere: ClinicId = new_clinic(&bed.store, "alder").await;
    let stranger = || {
        Scope::of(
            elsewhere,
            Caller::Staff {
                person: bed.nurse,
                roles: bedside_protocol::people::StaffRole::ALL.to_vec(),
            },
        )
    };
    let look = |record: &SessionRecord, _| record.clone();
    assert_eq!(
        bed.store
            .read_session(stranger(), bed.session, look)
            .await
            .unwrap(),
        None
    );
    let look = |record: &PatientRecord, _| record.clone();
    assert_eq!(
        bed.store
            .read_patient(stranger(), bed.patient, look)
            .await
            .unwrap(),
        None
    );
    let decided = bed
        .store
        .decide_session(stranger(), bed.session, None, |record, _| {
            Ok((silent(record.clone()), ()))
        });
    assert!(matches!(decided.await, Err(DecideError::NotFound)));
    let decided = bed
        .store
        .decide_patient(stranger(), bed.patient, None, |record, _| {
            Ok((silent(record.clone()), ()))
        });
    assert!(matches!(decided.await, Err(DecideError::NotFound)));
    assert_eq!(bed.store.find_case(stranger(), case).await.unwrap(), None);
    assert_eq!(
        bed.store.find_case(bed.staff(), case).await.unwrap().unwrap(),
        bed.record().await.subject()
    );
    assert_eq!(bed.store.list_open_cases(stranger()).await.unwrap().cases, []);
    assert_eq!(
        bed.store.list_open_cases(bed.staff()).await.unwrap().cases.len(),
        1
    );
    assert_eq!(bed.store.list_patients(stranger()).await.unwrap(), []);
    assert_eq!(bed.store.list_patients(bed.staff()).await.unwrap().len(), 1);
    assert_eq!(
        bed.store.list_sessions(stranger(), bed.patient).await.unwrap(),
        []
    );
    assert_eq!(bed.store.find_order(stranger(), bed.patient).await.unwrap(), None);
    assert_eq!(bed.store.timeline(stranger(), bed.session).await.unwrap(), None);
    assert!(
        bed.store
            .find_account(stranger(), bed.nurse)
            .await
            .unwrap()
            .is_none()
    );
    assert!(!bed.store.set_active(stranger(), bed.nurse, false).await.unwrap());

    let missing = SessionId::from(uuid::Uuid::nil());
    let decided = bed.store.decide_session(bed.staff(), missing, None, |record, _| {
        Ok((silent(record.clone()), ()))
    });
    assert!(matches!(decided.await, Err(DecideError::NotFound)));
}

async fn a_patient_and_a_sitter_see_their_own_only(engine: Database) {
    let bed = Bed::made(engine).await;
    let other = bed
        .store
        .create_patient(Scope::system(), bed.clinic, new_patient("wren@example.org"))
        .await
        .unwrap()
        .id;
    let patient = |person| Scope::of(bed.clinic, Caller::Patient { person });
    let sitter = |session| {
        Scope::of(
            bed.clinic,
            Caller::Sitter {
                session,
                sitter: bed.fresh(),
            },
        )
    };
    let look = |_: &SessionRecord, _| ();
    assert!(
        bed.store
            .read_session(patient(bed.patient), bed.session, look)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        bed.store
            .read_session(patient(other), bed.session, look)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        bed.store
            .read_session(sitter(bed.session), bed.session, look)
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        bed.store
            .read_session(sitter(bed.fresh()), bed.session, look)
            .await
            .unwrap()
            .is_none()
    );
    let look = |_: &PatientRecord, _| ();
    assert!(
        bed.store
            .read_patient(patient(other), bed.patient, look)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        bed.store
            .read_patient(sitter(bed.session), bed.patient, look)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(
        bed.store
            .list_sessions(patient(other), bed.patient)
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        bed.store
            .list_sessions(patient(bed.patient), bed.patient)
            .await
            .unwrap()
            .len(),
        1
    );
    let today = bed.store.read_today(
        patient(bed.patient),
        bed.patient,
        |record, _| record.sessions.first().map(|session| session.id),
        |record, session, _| (record.patient.id, session.map(|session| session.session.id)),
    );
    assert_eq!(today.await.unwrap(), Some((bed.patient, Some(bed.session))));
}

async fn a_rule_that_drops_a_row_changes_nothing(engine: Database) {
    let bed = Bed::made(engine).await;
    let before = bed.record().await;
    let dropped = bed.change(|after, _| {
        after.watch.duties.pop();
        after.session.wrong_readbacks = 9;
    });
    let error = dropped.await.expect_err("a row is gone");
    assert!(
        matches!(
            error,
            DecideError::Database(DatabaseError::Removed { table: "duties" })
        ),
        "{error:?}"
    );
    assert_eq!(bed.record().await, before);
}

async fn a_new_order_moves_every_live_session_on(engine: Database) {
    let bed = Bed::made(engine).await;
    let before = bed.record().await;
    bed.sign_order(bedside_protocol::order::AfterHold::Swallow).await;
    let after = bed.record().await;
    assert_eq!(
        (before.order.unwrap().version, after.order.unwrap().version),
        (1, 2)
    );
    assert_eq!(after.session.version, before.session.version + 1);
    assert_eq!(
        bed.store
            .find_order(bed.staff(), bed.patient)
            .await
            .unwrap()
            .unwrap()
            .version,
        2
    );
    bed.audit_is_whole().await;
}

async fn a_pause_wakes_what_is_owed(engine: Database) {
    let bed = Bed::made(engine).await;
    assert_eq!(bed.store.list_due(10).await.unwrap(), []);
    let version = bed.record().await.session.version;
    let paused = bed
        .store
        .decide_patient(bed.staff(), bed.patient, None, |record, _| {
            let mut after = record.clone();
            after.patient.comms = CommsStatus::Paused;
            Ok((silent(after), ()))
        });
    paused.await.unwrap();
    assert_eq!(
        bed.store.list_due(10).await.unwrap(),
        [bed.record().await.subject()]
    );
    let after = bed.record().await;
    assert_eq!(
        (after.patient.comms, after.session.version),
        (CommsStatus::Paused, version + 1)
    );
}

async fn a_case_code_that_is_taken_is_drawn_again(engine: Database) {
    let bed = Bed::made(engine).await;
    bed.dose().await;
    let mut case = bed.record().await.watch.cases[0].clone();
    case.id = bed.fresh();
    let taken = case.code.clone();
    let tries = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let decided = bed
        .store
        .decide_patient(Scope::system(), bed.patient, None, move |record, _| {
            let number = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            case.code = if number == 0 {
                taken.clone()
            } else {
                format!("TRY{number}")
            };
            let mut after = record.clone();
            after.watch.cases.push(case.clone());
            Ok((silent(after), number))
        });
    assert_eq!(decided.await.expect("another code").value, 1);
}
