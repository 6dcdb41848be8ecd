//! Log-ins, tokens, links and the on-call list.

use bedside_protocol::duty::Lane;
use bedside_protocol::notice::Message;
use bedside_protocol::people::{Caller, OnCallPlace, StaffRole};
use bedside_protocol::record::{LinkTarget, NewLink};
use bedside_store::{
    AccountKind, Claimed, CreateAccountError, CreateClinicError, LinkUse, Lock, NewClinic, NewRefresh,
    Rotation, Scope, SetActiveError, SetOnCallError,
};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use chrono::Duration;

use crate::fixture::{Bed, PATIENT_EMAIL, PATIENT_NAME, hire, new_clinic, new_patient};

on_both_engines!(
    an_address_is_one_account_in_a_clinic_whatever_its_case,
    failures_are_counted_also_when_they_come_at_once,
    an_on_call_list_has_a_fallback_and_holds_no_strangers,
    an_account_is_closed_with_its_log_ins_and_the_only_fallback_is_not,
    a_refresh_token_that_comes_back_ends_its_family,
    a_link_that_is_good_once_is_used_once,
    an_invitation_to_an_account_is_a_link_and_a_mail,
    a_short_name_is_one_clinic,
);

async fn an_address_is_one_account_in_a_clinic_whatever_its_case(engine: Database) {
    let bed = Bed::made(engine).await;
    let again = bed
        .store
        .create_patient(Scope::system(), bed.clinic, new_patient(" ROBIN@Example.ORG "))
        .await;
    assert!(matches!(again, Err(CreateAccountError::EmailTaken)));
    let elsewhere = new_clinic(&bed.store, "alder").await;
    let twin = bed
        .store
        .create_patient(Scope::system(), elsewhere, new_patient(PATIENT_EMAIL))
        .await
        .expect("a twin");
    assert_ne!(twin.id, bed.patient);
    let found = bed
        .store
        .find_login(bed.clinic, "Robin@example.org")
        .await
        .unwrap()
        .expect("a log-in");
    assert_eq!(
        (found.id, found.kind, found.name.as_str()),
        (bed.patient, AccountKind::Patient, PATIENT_NAME)
    );
    assert_eq!((found.email.as_str(), found.password_hash), (PATIENT_EMAIL, None));
    assert!(
        bed.store
            .find_login(bed.clinic, "nobody@example.org")
            .await
            .unwrap()
            .is_none()
    );
    let outside = Scope::of(elsewhere, Caller::System);
    let refused = bed
        .store
        .create_patient(outside, bed.clinic, new_patient("new@example.org"))
        .await;
    assert!(matches!(refused, Err(CreateAccountError::NoClinic)));

    assert!(
        bed.store
            .set_password_hash(bed.staff(), bed.patient, "$argon2id$x".to_owned())
            .await
            .unwrap()
    );
    let found = bed
        .store
        .find_account(bed.staff(), bed.patient)
        .await
        .unwrap()
        .expect("an account");
    assert_eq!(found.password_hash.as_deref(), Some("$argon2id$x"));
    assert_eq!(bed.store.list_staff(bed.clinic).await.unwrap().len(), 2);
}

async fn failures_are_counted_also_when_they_come_at_once(engine: Database) {
    let bed = Bed::made(engine).await;
    let failures: Vec<_> = (0..10)
        .map(|_| {
            let (store, nurse) = (bed.store.clone(), bed.nurse);
            tokio::spawn(async move {
                store
                    .record_pin_failure(nurse, 10, Duration::minutes(15))
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut locks = 0;
    for failure in failures {
        locks += usize::from(failure.await.unwrap().locked_until.is_some());
    }
    assert_eq!(locks, 1, "the tenth");
    let account = bed
        .store
        .find_account(bed.staff(), bed.nurse)
        .await
        .unwrap()
        .unwrap();
    let until = bed.store.clocks().machine_now() + Duration::minutes(15);
    assert_eq!(
        account.pin,
        Lock {
            failures: 10,
            locked_until: Some(until)
        }
    );
    assert_eq!(account.login, Lock::default());
    bed.store.record_pin_success(bed.nurse).await.unwrap();
    let account = bed
        .store
        .find_account(bed.staff(), bed.nurse)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(account.pin, Lock::default());
}

async fn an_on_call_list_has_a_fallback_and_holds_no_strangers(engine: Database) {
    let bed = Bed::made(engine).await;
    let nurse = (OnCallPlace::Nurse, bed.nurse);
    let set = |list| bed.store.set_on_call(bed.staff(), bed.clinic, list);
    assert!(matches!(set(vec![nurse]).await, Err(SetOnCallError::NoFallback)));
    let fallback = (OnCallPlace::Fallback, bed.nurse);
    let patient = (OnCallPlace::Rota, bed.patient);
    assert!(matches!(
        set(vec![nurse, fallback, patient]).await,
        Err(SetOnCallError::NotStaff(_))
    ));
    let elsewhere = new_clinic(&bed.store, "alder").await;
    let stranger = (
        OnCallPlace::Rota,
        hire(&bed.store, elsewhere, "x@y.example", StaffRole::Nurse).await,
    );
    assert!(matches!(
        set(vec![nurse, fallback, stranger]).await,
        Err(SetOnCallError::NotStaff(_))
    ));
    assert_eq!(
        bed.store.list_on_call(bed.clinic).await.unwrap().len(),
        3,
        "nothing was changed"
    );

    let (one, two) = (
        hire(&bed.store, bed.clinic, "one@clinic.example", StaffRole::Nurse).await,
        hire(&bed.store, bed.clinic, "two@clinic.example", StaffRole::Nurse).await,
    );
    set(vec![
        fallback,
        (OnCallPlace::Rota, two),
        (OnCallPlace::Rota, one),
        nurse,
    ])
    .await
    .expect("a list");
    let list = bed.store.list_on_call(bed.clinic).await.unwrap();
    let people: Vec<_> = list.iter().map(|person| (person.place, person.person)).collect();
    assert_eq!(
        people,
        [
            nurse,
            (OnCallPlace::Rota, two),
            (OnCallPlace::Rota, one),
            fallback
        ]
    );
    assert!(bed.store.set_active(bed.staff(), two, false).await.unwrap());
    assert_eq!(
        bed.store.list_on_call(bed.clinic).await.unwrap().len(),
        3,
        "a closed account is on no list"
    );
}

async fn an_account_is_closed_with_its_log_ins_and_the_only_fallback_is_not(engine: Database) {
    let bed = Bed::made(engine).await;
    let other = hire(&bed.store, bed.clinic, "one@clinic.example", StaffRole::Nurse).await;
    let set = |list| bed.store.set_on_call(bed.staff(), bed.clinic, list);
    set(vec![
        (OnCallPlace::Nurse, bed.nurse),
        (OnCallPlace::Fallback, bed.nurse),
        (OnCallPlace::Fallback, other),
    ])
    .await
    .expect("a list");
    let until = bed.store.clocks().machine_now() + Duration::days(30);
    for (account, token) in [(bed.nurse, 1), (other, 2)] {
        let new = NewRefresh {
            clinic: bed.clinic,
            account,
            token_hash: vec![token],
            family: format!("family {token}"),
            expires_at: until,
        };
        bed.store.insert_refresh(new).await.unwrap();
    }

    // Of the two fallbacks, closed at once, one stays.
    let (one, two) = tokio::join!(
        bed.store.set_active(bed.staff(), bed.nurse, false),
        bed.store.set_active(bed.staff(), other, false)
    );
    let (closed, token, kept) = match (&one, &two) {
        (Ok(true), Err(SetActiveError::OnlyFallback)) => (bed.nurse, 1, other),
        (Err(SetActiveError::OnlyFallback), Ok(true)) => (other, 2, bed.nurse),
        _ => panic!("{one:?} {two:?}"),
    };
    let list = bed.store.list_on_call(bed.clinic).await.unwrap();
    assert!(
        !list.is_empty() && list.iter().all(|it| it.person == kept),
        "{list:?}"
    );
    assert!(bed.store.set_active(bed.staff(), closed, true).await.unwrap());
    assert!(bed.store.set_active(bed.staff(), kept, false).await.unwrap());
    assert_eq!(
        bed.store
            .rotate_refresh(vec![token], vec![9], until)
            .await
            .unwrap(),
        Rotation::Unknown,
        "being opened again brings no log-in back"
    );
    bed.audit_is_whole().await;
}

async fn a_refresh_token_that_comes_back_ends_its_family(engine: Database) {
    let bed = Bed::made(engine).await;
    let until = bed.store.clocks().machine_now() + Duration::days(30);
    let new = NewRefresh {
        clinic: bed.clinic,
        account: bed.nurse,
        token_hash: vec![1],
        family: "family".to_owned(),
        expires_at: until,
    };
    bed.store.insert_refresh(new).await.unwrap();
    let rotated = Rotation::Rotated {
        account: bed.nurse,
        clinic: bed.clinic,
    };
    assert_eq!(
        bed.store.rotate_refresh(vec![9], vec![2], until).await.unwrap(),
        Rotation::Unknown
    );
    assert_eq!(
        bed.store.rotate_refresh(vec![1], vec![2], until).await.unwrap(),
        rotated
    );
    assert_eq!(
        bed.store.rotate_refresh(vec![2], vec![3], until).await.unwrap(),
        rotated
    );
    assert_eq!(
        bed.store.rotate_refresh(vec![1], vec![4], until).await.unwrap(),
        Rotation::Reused
    );
    assert_eq!(
        bed.store.rotate_refresh(vec![3], vec![5], until).await.unwrap(),
        Rotation::Unknown,
        "the thief's end"
    );

    let new = NewRefresh {
        clinic: bed.clinic,
        account: bed.nurse,
        token_hash: vec![11],
        family: "second".to_owned(),
        expires_at: bed.store.clocks().machine_now() + Duration::minutes(1),
    };
    bed.store.insert_refresh(new).await.unwrap();
    let (one, other) = tokio::join!(
        bed.store.rotate_refresh(vec![11], vec![12], until),
        bed.store.rotate_refresh(vec![11], vec![13], until)
    );
    let outcomes = [one.unwrap(), other.unwrap()];
    assert!(
        outcomes.contains(&rotated) && outcomes.contains(&Rotation::Reused),
        "{outcomes:?}"
    );
    let new = NewRefresh {
        clinic: bed.clinic,
        account: bed.nurse,
        token_hash: vec![21],
        family: "third".to_owned(),
        expires_at: bed.store.clocks().machine_now() + Duration::minutes(1),
    };
    bed.store.insert_refresh(new).await.unwrap();
    bed.advance(Duration::minutes(1));
    assert_eq!(
        bed.store.rotate_refresh(vec![21], vec![22], until).await.unwrap(),
        Rotation::Expired
    );
    bed.advance(Duration::seconds(1));
    assert_eq!(
        bed.store.move_finished(bed.now()).await.unwrap().tokens,
        2,
        "the expired ones go"
    );
}

async fn a_link_that_is_good_once_is_used_once(engine: Database) {
    let bed = Bed::made(engine).await;
    let target = LinkTarget::Account { person: bed.nurse };
    let link = NewLink {
        id: bed.fresh(),
        target,
        expires_at: bed.now() + Duration::hours(1),
    };
    bed.store
        .insert_link(Scope::system(), bed.clinic, link)
        .await
        .unwrap();
    let token = bed.store.keys().link_token(link.id);
    let found = bed
        .store
        .find_link(bed.store.keys().open_link_token(&token).unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (found.clinic, found.target, found.expires_at),
        (bed.clinic, target, link.expires_at)
    );
    assert_eq!((found.revoked_at, found.used_at), (None, None));
    let (one, other) = tokio::join!(bed.store.mark_used(link.id), bed.store.mark_used(link.id));
    let mut uses = [one.unwrap(), other.unwrap()];
    uses.sort_by_key(|used| *used == LinkUse::Dead);
    assert_eq!(uses, [LinkUse::Used, LinkUse::Dead]);
    assert!(
        bed.store
            .find_link(link.id)
            .await
            .unwrap()
            .unwrap()
            .used_at
            .is_some()
    );

    let second = NewLink {
        id: bed.fresh(),
        ..link
    };
    bed.store
        .insert_link(Scope::system(), bed.clinic, second)
        .await
        .unwrap();
    bed.store.revoke(second.id).await.unwrap();
    assert_eq!(bed.store.mark_used(second.id).await.unwrap(), LinkUse::Dead);
    assert!(
        bed.store
            .find_link(second.id)
            .await
            .unwrap()
            .unwrap()
            .revoked_at
            .is_some()
    );
    assert!(bed.store.find_link(bed.fresh()).await.unwrap().is_none());
}

async fn an_invitation_to_an_account_is_a_link_and_a_mail(engine: Database) {
    let bed = Bed::made(engine).await;
    let link = bed
        .store
        .invite_to_account(bed.staff(), bed.patient)
        .await
        .unwrap()
        .expect("a link");
    let claimed = bed.store.claim("w", &[Lane::Session], 10, 8_000).await.unwrap();
    let Claimed::Ready(row) = &claimed[0] else {
        panic!("{claimed:?}")
    };
    assert!(matches!(row.row.notice.message, Message::AccountLink { link: sent, .. } if sent == link));
    assert_eq!(
        (row.row.notice.to.email.as_str(), row.subject),
        (PATIENT_EMAIL, None)
    );
    let kept = bed.store.find_link(link).await.unwrap().expect("a link");
    assert_eq!(kept.target, LinkTarget::Account { person: bed.patient });
    let outside = Scope::of(new_clinic(&bed.store, "alder").await, Caller::System);
    assert_eq!(
        bed.store.invite_to_account(outside, bed.patient).await.unwrap(),
        None
    );
}

async fn a_short_name_is_one_clinic(engine: Database) {
    let bed = Bed::made(engine).await;
    let clinic = bed
        .store
        .find_clinic_by_slug("willow")
        .await
        .unwrap()
        .expect("a clinic");
    assert_eq!(clinic.id, bed.clinic);
    let again = NewClinic {
        slug: clinic.slug,
        name: clinic.name,
        zone: clinic.zone,
        phone: clinic.phone,
    };
    let refused = bed.store.create_clinic(Scope::system(), again).await;
    assert!(matches!(refused, Err(CreateClinicError::SlugTaken)));
    assert_eq!(bed.store.find_clinic_by_slug("alder").await.unwrap(), None);
    assert_eq!(bed.store.list_clinics().await.unwrap().len(), 1);
}
