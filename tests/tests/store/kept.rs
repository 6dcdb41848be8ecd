//! Records that are kept in memory: what is shown from there is what stands in the rows, whoever changed what.
//!
//! Two stores on one database stand for two processes. One looks again and again, the other changes; after every change a
//! third, which was opened just now and has nothing in memory, says what is right.

use bedside_protocol::document::ProtocolDocument;
use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::people::{Caller, OnCallPlace, StaffRole};
use bedside_protocol::record::{PatientRecord, SessionRecord};
use bedside_protocol::roster::{Cover, Roster};
use bedside_protocol::sitting::{self, Invitation};
use bedside_protocol::tick;
use bedside_protocol::versions::NewVersion;
use bedside_store::{CycleStats, Scope, Store};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use chrono::Duration;

use crate::fixture::{Bed, hire, open};

on_both_engines!(
    a_kept_record_is_what_a_store_opened_just_now_reads,
    a_kept_record_exists_for_nobody_else,
);

type Day = (PatientRecord, Option<SessionRecord>);

/// The patient with the first session, by whoever asks.
async fn day(store: &Store, scope: Scope, patient: PersonId) -> Option<Day> {
    let read = store.read_today(
        scope,
        patient,
        |record, _| record.sessions.first().map(|session| session.id),
        |record, session, _| (record.clone(), session.cloned()),
    );
    read.await.expect("a read")
}

/// Looks by the store that keeps, more than once, and by one that was opened just now; all see the same.
async fn look(bed: &Bed, after: &str, before: &mut Option<Day>) {
    let fresh = open(&bed.database, &bed.clocks).await;
    let right = day(&fresh, Scope::system(), bed.patient).await;
    for _ in 0..2 {
        let kept = day(&bed.store, Scope::system(), bed.patient).await;
        assert!(
            kept == right,
            "after {after} the day is not what stands in the rows"
        );
        let session = Some(bed.record().await);
        let right = right.as_ref().and_then(|(_, session)| session.clone());
        assert!(
            session == right,
            "after {after} the session is not what stands in the rows"
        );
    }
    assert!(*before != right, "{after} is no change");
    *before = right;
}

async fn beat(store: &Store) {
    let stats = CycleStats {
        version: "test".to_owned(),
    };
    store.close_cycle("w", stats).await.expect("a heartbeat");
}

async fn a_kept_record_is_what_a_store_opened_just_now_reads(engine: Database) {
    let mut bed = Bed::made(engine).await;
    let keeps = bed.store.clone();
    let other = open(&bed.database, &bed.clocks).await;
    let mut seen = None;

    // The same changes by the process that keeps, and by another one.
    for (round, by) in [keeps.clone(), other].into_iter().enumerate() {
        macro_rules! after {
            ($what:literal, $change:expr) => {{
                bed.store = by.clone();
                $change;
                bed.store = keeps.clone();
                look(&bed, $what, &mut seen).await;
            }};
        }
        let execute = |sql: &str| bed.database.raw().execute(sql).expect("a change by hand");
        if round == 0 {
            look(&bed, "nothing", &mut seen).await;
        }
        after!("a heartbeat", {
            bed.advance(Duration::seconds(10));
            beat(&bed.store).await;
        });
        after!("time", bed.advance(Duration::seconds(30)));
        after!("a second session", {
            bed.plan([8, 30][round]).await.expect("a session");
        });
        after!("a pause", bed.pause_or_resume().await);
        after!(
            "a new order",
            bed.sign_order(bedside_protocol::order::AfterHold::Swallow).await
        );
        if round == 0 {
            after!("an invitation", {
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
                invited.await.expect("an invitation");
            });
            after!("a dose", {
                bed.advance(Duration::days(4) + Duration::hours(1));
                beat(&bed.store).await;
                bed.dose().await;
            });
        }
        after!("the worker's look at what is due", {
            bed.advance(Duration::seconds(90));
            bed.advance(Duration::minutes(20));
            beat(&bed.store).await;
            let ticked = bed
                .store
                .decide_session(Scope::system(), bed.session, None, |record, context| {
                    Ok((tick::session(record, context), ()))
                });
            ticked.await.expect("a tick");
        });
        after!("a change that nothing is said of", {
            let changed = bed.change(|after, _| after.session.wrong_readbacks += 1);
            changed.await.expect("a change");
        });
        after!("a gap of the watch, which wakes", {
            bed.advance(Duration::minutes(10));
            assert!(bed.store.open_cycle("w").await.expect("a cycle").gap.is_some());
        });
        after!("the same gap, grown", {
            bed.advance(Duration::seconds(10));
            assert!(bed.store.open_cycle("w").await.expect("a cycle").gap.is_some());
        });
        after!("the end of the gap", beat(&bed.store).await);
        after!("another on-call list", {
            let nurse = bed.nurse;
            let list = vec![(OnCallPlace::Fallback, nurse), (OnCallPlace::Nurse, nurse)];
            let set = bed.store.set_on_call(Scope::system(), bed.clinic, list);
            set.await.expect("a list");
        });
        after!(
            "a place that was emptied by hand",
            execute("DELETE FROM on_call WHERE place = 'fallback'")
        );
        after!(
            "another place, by hand",
            execute("UPDATE on_call SET place = 'backup'")
        );
        let nurse = bed.nurse;
        for active in ["FALSE", "TRUE"] {
            let set = format!("UPDATE accounts SET active = {active} WHERE id = '{nurse}'");
            after!("an on-call account that closed or opened", execute(&set));
        }
        after!("a member of staff on call who was reached", {
            bed.advance(Duration::seconds(1));
            let noted = bed.store.note_reached(Scope::system(), bed.clinic, bed.nurse);
            noted.await.expect("a note");
        });
        after!("another name of the clinic", {
            execute(&format!("UPDATE clinics SET name = 'Hazel Clinic {round}'"));
        });
        after!(
            "an on-call list that was emptied by hand",
            execute("DELETE FROM on_call")
        );
        after!("another protocol", {
            let mut next: serde_json::Value = serde_json::from_str(ProtocolDocument::shipped_text()).unwrap();
            next["version"] = format!("next-{round}").into();
            bed.advance(Duration::seconds(1));
            bed.store
                .ensure_protocol(&next.to_string())
                .await
                .expect("a document");
        });
        after!("a clinic's own protocol that is drafted, and then signed", {
            let prescriber = Caller::Staff {
                person: bed.nurse,
                roles: vec![StaffRole::Prescriber],
            };
            let (scope, clinic) = (Scope::of(bed.clinic, prescriber), bed.clinic);
            let kept = bed.store.list_protocols(scope.clone(), clinic).await;
            let based_on = kept.expect("versions").in_force;
            let mut document: serde_json::Value =
                serde_json::from_str(ProtocolDocument::shipped_text()).unwrap();
            document["plan"]["min_interval_hours"] = (80 + round).into();
            let new = NewVersion {
                document,
                based_on,
                reason: "after our review".to_owned(),
            };
            let drafted = bed.store.draft_protocol(scope.clone(), clinic, None, new).await;
            let version = drafted.expect("a draft").value.version;
            let signed = bed.store.sign_protocol(scope, clinic, None, version).await;
            assert!(signed.expect("a signature").value.in_force_at.is_some());
        });
        after!("an on-call list that is whole again", {
            let nurse = bed.nurse;
            let places = [OnCallPlace::Nurse, OnCallPlace::Backup, OnCallPlace::Fallback];
            let list = places.into_iter().map(|place| (place, nurse)).collect();
            let set = bed.store.set_on_call(Scope::system(), bed.clinic, list);
            set.await.expect("a list");
        });
        let relief = hire(
            &bed.store,
            bed.clinic,
            &format!("relief{round}@clinic.example"),
            StaffRole::Nurse,
        )
        .await;
        after!("a roster", {
            let (from, until) = (bed.now() + Duration::hours(1), bed.now() + Duration::hours(2));
            let cover = Cover {
                place: OnCallPlace::Nurse,
                instead_of: bed.nurse,
                by: relief,
                from,
                until,
            };
            let edited = bed
                .store
                .edit_roster(Scope::system(), bed.clinic, None, move |_, _| {
                    Ok(Roster {
                        covers: vec![cover],
                        ..Roster::default()
                    })
                });
            edited.await.expect("a roster");
        });
        let on_call = |seen: &Option<Day>| {
            let (record, _) = seen.as_ref().expect("a day");
            let mut nurses = record
                .around
                .on_call
                .iter()
                .filter(|it| it.place == OnCallPlace::Nurse);
            nurses.next().map(|it| it.person)
        };
        assert_eq!(on_call(&seen), Some(bed.nurse));
        after!("a hand-over, by time alone", bed.advance(Duration::minutes(61)));
        assert_eq!(on_call(&seen), Some(relief));
        after!("an account that closed and stands in the roster only", {
            execute(&format!(
                "UPDATE accounts SET active = FALSE WHERE id = '{relief}'"
            ));
        });
        assert_eq!(on_call(&seen), None);
        after!(
            "the end of the cover, by time alone",
            bed.advance(Duration::minutes(61))
        );
        assert_eq!(on_call(&seen), Some(bed.nurse));
        after!("a gap that became old", bed.advance(Duration::days(8)));
    }
}

async fn a_kept_record_exists_for_nobody_else(engine: Database) {
    let bed = Bed::made(engine).await;
    let elsewhere = Scope::of(bed.fresh::<ClinicId>(), Caller::System);
    let somebody = Scope::of(bed.clinic, Caller::Patient { person: bed.fresh() });
    let sitter = Scope::of(
        bed.clinic,
        Caller::Sitter {
            session: bed.fresh(),
            sitter: bed.fresh(),
        },
    );
    for _ in 0..2 {
        for _ in 0..2 {
            assert!(day(&bed.store, bed.staff(), bed.patient).await.is_some());
            assert!(bed.record().await.session.id == bed.session);
        }
        for scope in [&elsewhere, &somebody, &sitter] {
            assert_eq!(day(&bed.store, scope.clone(), bed.patient).await, None);
            let look = bed.store.read_session(scope.clone(), bed.session, |_, _| ());
            assert_eq!(look.await.expect("a read"), None);
        }
    }
}
