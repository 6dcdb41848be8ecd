//! What a claim says of the sources of its messages, and which of several about one round of a case is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{CaseId, DutyId, PersonId, SitterId};
use bedside_protocol::notice::{About, DroppedBecause, Notice, Who, still_wanted};
use bedside_protocol::sitting::{self, Invitation};
use bedside_protocol::watch::Subject;
use bedside_store::{Claimed, ClaimedRow, CompletionResult, Recorded, Scope};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use chrono::Duration;

use super::{LEASE_MS, claim, claim_with, sent};
use crate::fixture::Bed;

on_both_engines!(
    each_message_is_told_how_its_own_source_stands,
    of_several_to_one_person_about_one_round_only_the_newest_goes,
    an_older_message_goes_when_the_newest_cannot_be_read,
    an_older_message_goes_when_the_kept_mail_of_the_newest_cannot_be_read,
    an_older_message_goes_when_no_mail_can_be_made_of_the_newest,
    an_older_message_goes_when_the_newest_is_stale,
    who_was_told_after_a_message_was_due_is_not_told_by_it,
    a_row_whose_very_id_cannot_be_read_ends,
);

/// A session with a case that nobody has taken, and an empty outbox.
pub async fn with_case(engine: Database) -> (Bed, CaseId) {
    let bed = Bed::made(engine).await;
    bed.dose().await;
    clear(&bed);
    let case = bed.record().await.watch.cases[0].clone();
    assert_eq!(case.round, 1);
    (bed, case.id)
}

fn clear(bed: &Bed) {
    bed.database
        .raw()
        .execute("DELETE FROM outbox")
        .expect("an empty outbox");
}

fn about(bed: &Bed, key: &str, about: About) -> Notice {
    Notice {
        about,
        ..bed.notice(key, Lane::Escalation)
    }
}

/// A message about the first round of a case that was due so many minutes ago.
fn of_case(bed: &Bed, key: &str, case: CaseId, due_min_ago: i64) -> Notice {
    Notice {
        not_before: bed.now() - Duration::minutes(due_min_ago),
        ..about(bed, key, About::Case { case, round: 1 })
    }
}

async fn queue_of(bed: &Bed, subject: Subject, notices: Vec<Notice>) {
    let queued = bed
        .store
        .insert_notices(Scope::system(), bed.clinic, Some(subject), notices, Vec::new());
    queued.await.expect("queued notices");
}

pub async fn queue(bed: &Bed, notices: Vec<Notice>) {
    queue_of(bed, Subject::Session(bed.session), notices).await;
}

/// By key: why each message of a claim is not sent, if it is not.
fn unwanted(rows: &[ClaimedRow]) -> BTreeMap<&str, Option<DroppedBecause>> {
    rows.iter()
        .map(|row| {
            let notice = &row.row.notice;
            (notice.key.as_str(), still_wanted(notice, &row.at_sending).err())
        })
        .collect()
}

const SUPERSEDED: Option<DroppedBecause> = Some(DroppedBecause::Superseded);

pub async fn invite(bed: &Bed) -> SitterId {
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
    invited.await.expect("an invitation").value
}

/// Open duty, untaken case, open invitation, active patient.
fn at_sending(rows: Vec<ClaimedRow>) -> BTreeMap<String, [bool; 4]> {
    rows.into_iter()
        .map(|row| {
            let known = row.at_sending;
            assert!(!known.told_since);
            let known = [
                known.duty_open,
                known.case_untaken,
                known.invitation_open,
                known.comms_active,
            ];
            (row.row.notice.key, known)
        })
        .collect()
}

async fn each_message_is_told_how_its_own_source_stands(engine: Database) {
    let bed = Bed::made(engine).await;
    let sitter = invite(&bed).await;
    bed.dose().await;
    let record = bed.record().await;
    let case = record.watch.cases[0].id;
    let mut duties = record.watch.duties.iter();
    let duty: DutyId = duties.find(|duty| duty.is_open()).expect("an open duty").id;
    let strange_case = About::Case {
        case: bed.fresh(),
        round: 1,
    };
    let notices = |of: &str| {
        let named = |name: &str, what| about(&bed, &format!("{of}:{name}"), what);
        vec![
            named("duty", About::Duty { duty }),
            named("no duty", About::Duty { duty: bed.fresh() }),
            named("case", About::Case { case, round: 1 }),
            named("next round", About::Case { case, round: 2 }),
            named("no case", strange_case.clone()),
            named("invitation", About::Invitation { sitter }),
            named("no invitation", About::Invitation { sitter: bed.fresh() }),
            named("information", About::Information),
        ]
    };
    let expected = |of: &str, active| -> BTreeMap<String, [bool; 4]> {
        let named = |name, duty, case, invitation| (format!("{of}:{name}"), [duty, case, invitation, active]);
        BTreeMap::from([
            named("duty", true, false, false),
            named("no duty", false, false, false),
            named("case", false, true, false),
            named("next round", false, false, false),
            named("no case", false, false, false),
            named("invitation", false, false, true),
            named("no invitation", false, false, false),
            named("information", false, false, false),
        ])
    };
    let (session, patient) = (Subject::Session(bed.session), Subject::Patient(bed.patient));
    for (paused, of, subject) in [
        (false, "session", Some(session)),
        (false, "patient", Some(patient)),
        (true, "session", Some(session)),
        (true, "patient", Some(patient)),
        (true, "nobody", None),
    ] {
        if paused {
            bed.pause_or_resume().await;
        }
        clear(&bed);
        match subject {
            Some(subject) => queue_of(&bed, subject, notices(of)).await,
            None => bed.queue(notices(of)).await,
        }
        let rows = claim(&bed, "w", 20).await;
        assert!(rows.iter().all(|row| row.subject == subject));
        assert_eq!(
            at_sending(rows),
            expected(of, !paused || subject.is_none()),
            "{of}"
        );
        if paused {
            bed.pause_or_resume().await;
        }
    }

    // One at a time: what one kind says is not the work of another.
    for notice in notices("alone") {
        clear(&bed);
        queue(&bed, vec![notice.clone()]).await;
        let alone = at_sending(claim(&bed, "w", 20).await);
        assert_eq!(alone[&notice.key], expected("alone", true)[&notice.key]);
    }
}

async fn of_several_to_one_person_about_one_round_only_the_newest_goes(engine: Database) {
    let (bed, case) = with_case(engine).await;
    let mut to_another = of_case(&bed, "another person", case, 9);
    to_another.to.who = Who::Staff(bed.fresh::<PersonId>());
    let mut next_round = of_case(&bed, "next round", case, 0);
    next_round.about = About::Case { case, round: 2 };
    let mut no_case = of_case(&bed, "information", case, 8);
    no_case.about = About::Information;
    queue(
        &bed,
        vec![
            of_case(&bed, "middle", case, 5),
            of_case(&bed, "newest", case, 1),
            of_case(&bed, "oldest", case, 10),
            of_case(&bed, "another case", bed.fresh(), 7),
            to_another,
            next_round,
            no_case,
        ],
    )
    .await;
    let rows = claim_with(&bed, "w", b"the mail").await;
    let keys: Vec<&str> = rows.iter().map(|row| row.row.notice.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "oldest",
            "another person",
            "information",
            "another case",
            "middle",
            "newest",
            "next round"
        ],
        "handed out by age all the same"
    );
    let taken = Some(DroppedBecause::CaseTaken);
    let expected = [
        ("oldest", SUPERSEDED),
        ("middle", SUPERSEDED),
        ("newest", None),
        ("another case", taken),
        ("another person", None),
        ("next round", taken),
        ("information", None),
    ];
    assert_eq!(unwanted(&rows), BTreeMap::from(expected));

    // Of two that were due in the same moment one goes.
    clear(&bed);
    let twins = vec![
        of_case(&bed, "one", case, 1),
        of_case(&bed, "two", case, 1),
        of_case(&bed, "three", case, 1),
    ];
    queue(&bed, twins).await;
    let rows = claim_with(&bed, "w", b"the mail").await;
    let going = unwanted(&rows).values().filter(|why| why.is_none()).count();
    assert_eq!((rows.len(), going), (3, 1));
}

async fn an_older_message_goes_when_the_newest_cannot_be_read(engine: Database) {
    let (bed, case) = with_case(engine).await;
    let newest = of_case(&bed, "newest", case, 1);
    let broken = newest.id;
    queue(
        &bed,
        vec![
            of_case(&bed, "oldest", case, 3),
            of_case(&bed, "middle", case, 2),
            newest,
        ],
    )
    .await;
    let garbage = bed.database.some_bytes();
    let damage = format!("UPDATE outbox SET doc_sealed = {garbage} WHERE notice_key = 'newest'");
    bed.database.raw().execute(&damage).expect("a damaged row");
    one_goes_of_two_beside(&bed, broken).await;
}

/// A claim that hands out the row as broken, `middle` to be sent and `oldest` not.
async fn one_goes_of_two_beside(bed: &Bed, broken: bedside_protocol::id::NoticeId) {
    let make = |row: &ClaimedRow| ((), row.row.rendered.is_none().then(|| Arc::new(b"mail".to_vec())));
    let claimed = bed
        .store
        .claim_and_make("w", &Lane::ALL, 10, LEASE_MS, make)
        .await;
    let (mut rows, mut unread) = (Vec::new(), Vec::new());
    for (claimed, _) in claimed.expect("a claim") {
        match claimed {
            Claimed::Ready(row) => rows.push(*row),
            Claimed::Broken { id, .. } => unread.push(id),
        }
    }
    assert_eq!(unread, [broken]);
    let expected = [("oldest", SUPERSEDED), ("middle", None)];
    assert_eq!(unwanted(&rows), BTreeMap::from(expected));
}

async fn an_older_message_goes_when_the_kept_mail_of_the_newest_cannot_be_read(engine: Database) {
    let (bed, case) = with_case(engine).await;
    queue(&bed, vec![of_case(&bed, "newest", case, 1)]).await;
    let newest = claim_with(&bed, "w", b"the mail").await.remove(0);
    record(&bed, &newest, try_at_once(&bed)).await;
    let garbage = bed.database.some_bytes();
    let damage = format!("UPDATE outbox SET rendered_sealed = {garbage}");
    bed.database.raw().execute(&damage).expect("a damaged row");
    queue(
        &bed,
        vec![of_case(&bed, "oldest", case, 3), of_case(&bed, "middle", case, 2)],
    )
    .await;
    one_goes_of_two_beside(&bed, newest.row.notice.id).await;
}

fn try_at_once(bed: &Bed) -> CompletionResult {
    CompletionResult::Retry {
        at_machine: bed.now(),
        class: "temporary".to_owned(),
        reply_code: None,
    }
}

async fn record(bed: &Bed, row: &ClaimedRow, result: CompletionResult) {
    let completion = bedside_store::Completion {
        result,
        ..sent(row.row.notice.id, row.fence)
    };
    assert_eq!(
        bed.store.record(vec![completion]).await.unwrap(),
        [Recorded::Recorded]
    );
}

async fn an_older_message_goes_when_no_mail_can_be_made_of_the_newest(engine: Database) {
    let (bed, case) = with_case(engine).await;
    queue(
        &bed,
        vec![
            of_case(&bed, "oldest", case, 3),
            of_case(&bed, "middle", case, 2),
            of_case(&bed, "newest", case, 1),
        ],
    )
    .await;
    let make = |row: &ClaimedRow| {
        let made = row.row.notice.key != "newest";
        ((), made.then(|| Arc::new(b"the mail".to_vec())))
    };
    let claimed = bed
        .store
        .claim_and_make("w", &Lane::ALL, 10, LEASE_MS, make)
        .await;
    let rows = super::ready(claimed.unwrap().into_iter().map(|(claimed, _)| claimed).collect());
    let expected = [("oldest", SUPERSEDED), ("middle", None), ("newest", None)];
    assert_eq!(unwanted(&rows), BTreeMap::from(expected));

    // A mail that an earlier claim kept counts as made.
    for row in &rows {
        record(&bed, row, try_at_once(&bed)).await;
    }
    let rows = claim(&bed, "w", 10).await;
    assert_eq!(unwanted(&rows), BTreeMap::from(expected));
}

async fn an_older_message_goes_when_the_newest_is_stale(engine: Database) {
    let (bed, case) = with_case(engine).await;
    let mut newest = of_case(&bed, "newest", case, 1);
    newest.stale_after = Some(bed.now() - Duration::milliseconds(1));
    queue(
        &bed,
        vec![
            of_case(&bed, "oldest", case, 3),
            of_case(&bed, "middle", case, 2),
            newest,
        ],
    )
    .await;
    let rows = claim_with(&bed, "w", b"the mail").await;
    let stale = Some(DroppedBecause::Stale);
    let expected = [("oldest", SUPERSEDED), ("middle", None), ("newest", stale)];
    assert_eq!(unwanted(&rows), BTreeMap::from(expected));
}

async fn who_was_told_after_a_message_was_due_is_not_told_by_it(engine: Database) {
    let (bed, case) = with_case(engine).await;
    // Each is the only one of its claim: what counts is the acceptance five minutes ago.
    let accepted_min_ago = 5;
    queue(&bed, vec![of_case(&bed, "accepted", case, accepted_min_ago + 1)]).await;
    let row = claim_with(&bed, "w", b"the mail").await.remove(0);
    record(&bed, &row, CompletionResult::Sent { reply_code: 250 }).await;
    bed.advance(Duration::minutes(accepted_min_ago));
    let answer = async |bed: &Bed, notice: Notice| {
        let key = notice.key.clone();
        queue(bed, vec![notice]).await;
        let rows = claim_with(bed, "w", b"the mail").await;
        let why = unwanted(&rows)[key.as_str()];
        record(bed, &rows[0], CompletionResult::Dropped(DroppedBecause::Stale)).await;
        why
    };
    let before = of_case(&bed, "before", case, 6);
    assert_eq!(answer(&bed, before).await, SUPERSEDED);
    let mut at_once = of_case(&bed, "in that moment", case, 5);
    assert_eq!(answer(&bed, at_once.clone()).await, None);
    at_once.not_before -= Duration::milliseconds(1);
    (at_once.key, at_once.id) = ("a moment before".to_owned(), bed.fresh());
    assert_eq!(answer(&bed, at_once).await, SUPERSEDED);
    let after = of_case(&bed, "after", case, 4);
    assert_eq!(answer(&bed, after).await, None);
    let mut to_another = of_case(&bed, "to another", case, 6);
    to_another.to.who = Who::Staff(bed.fresh::<PersonId>());
    assert_eq!(answer(&bed, to_another).await, None);

    // A clock that was ahead wrote an acceptance in the future.
    let accepted_at = |at: i64| {
        let sql = format!("UPDATE outbox SET finished_at = {at} WHERE notice_key = 'accepted'");
        bed.database.raw().execute(&sql).expect("another time");
    };
    accepted_at(bed.now().timestamp_millis());
    assert_eq!(answer(&bed, of_case(&bed, "just now", case, 6)).await, SUPERSEDED);
    accepted_at(bed.now().timestamp_millis() + 1);
    assert_eq!(answer(&bed, of_case(&bed, "in future", case, 6)).await, None);
}

async fn a_row_whose_very_id_cannot_be_read_ends(engine: Database) {
    let bed = Bed::made(engine).await;
    bed.queue(vec![
        bed.notice("nameless", Lane::Session),
        bed.notice("other", Lane::Session),
    ])
    .await;
    // Claimed before, so that its fence is not that of a fresh row.
    let rows = claim(&bed, "w", 10).await;
    for row in &rows {
        record(&bed, row, try_at_once(&bed)).await;
    }
    let damage = "UPDATE outbox SET id = 'no id' WHERE notice_key = 'nameless'";
    bed.database.raw().execute(damage).expect("a damaged row");
    let rows = claim(&bed, "w", 10).await;
    assert_eq!(unwanted(&rows), BTreeMap::from([("other", None)]));
    assert_eq!(
        bed.sql("SELECT state || ' ' || why AS value FROM outbox WHERE id = 'no id'"),
        ["failed broken"]
    );
    assert_eq!(
        bed.sql("SELECT state AS value FROM outbox WHERE notice_key = 'other'"),
        ["leased"]
    );
    bed.advance(Duration::minutes(1));
    assert_eq!(claim(&bed, "w", 10).await.len(), 1);
}
