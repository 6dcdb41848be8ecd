//! The outbox: at most one row per key, at most one holder per row, and a result only from its holder.

mod bundling;
mod sources;

use std::collections::HashSet;
use std::sync::Arc;

use bedside_protocol::duty::{DutyState, Excuse, Lane};
use bedside_protocol::id::NoticeId;
use bedside_protocol::notice::{About, DroppedBecause, still_wanted};
use bedside_store::{Claimed, ClaimedRow, Completion, CompletionResult, Recorded, Scope};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use chrono::Duration;

use crate::fixture::{Bed, silent};

on_both_engines!(
    a_key_is_taken_once_even_after_its_message_left_the_hot_table,
    two_workers_never_hold_one_row,
    a_lease_that_ran_out_passes_to_another_and_the_first_records_nothing,
    one_broken_row_of_a_hundred_stops_nobody,
    urgent_lanes_come_first_and_nothing_comes_early,
    a_message_is_looked_at_again_when_it_is_sent,
    every_result_is_kept,
    what_is_stale_is_dropped_at_once_but_for_cases_and_what_somebody_holds,
);

const LEASE_MS: u32 = 8_000;

fn ready(claimed: Vec<Claimed>) -> Vec<ClaimedRow> {
    claimed
        .into_iter()
        .map(|claimed| match claimed {
            Claimed::Ready(row) => *row,
            Claimed::Broken { id, .. } => panic!("{id} is broken"),
        })
        .collect()
}

async fn claim(bed: &Bed, worker: &str, limit: u32) -> Vec<ClaimedRow> {
    ready(
        bed.store
            .claim(worker, &Lane::ALL, limit, LEASE_MS)
            .await
            .expect("a claim"),
    )
}

/// A claim that makes this mail of each row that has none.
async fn claim_with(bed: &Bed, worker: &str, mail: &'static [u8]) -> Vec<ClaimedRow> {
    let make = move |row: &ClaimedRow| {
        let made = row.row.rendered.is_none();
        ((), made.then(|| Arc::new(mail.to_vec())))
    };
    let claimed = bed
        .store
        .claim_and_make(worker, &Lane::ALL, 10, LEASE_MS, make)
        .await;
    ready(
        claimed
            .expect("a claim")
            .into_iter()
            .map(|(claimed, _)| claimed)
            .collect(),
    )
}

fn sent(id: NoticeId, fence: i64) -> Completion {
    Completion {
        id,
        fence,
        result: CompletionResult::Sent { reply_code: 250 },
    }
}

async fn queue(bed: &Bed, count: usize) {
    bed.queue(
        (0..count)
            .map(|number| bed.notice(&format!("test:{number}"), Lane::Session))
            .collect(),
    )
    .await;
}

async fn a_key_is_taken_once_even_after_its_message_left_the_hot_table(engine: Database) {
    let bed = Bed::made(engine).await;
    let (first, second) = (
        bed.notice("same", Lane::Session),
        bed.notice("same", Lane::Session),
    );
    bed.queue(vec![first.clone(), second.clone()]).await;
    bed.queue(vec![second.clone()]).await;
    let held = claim(&bed, "w", 10).await;
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].row.notice, first);
    assert_eq!(held[0].row.message_id, format!("<{}@bedside.test>", first.id));
    assert_eq!(
        bed.store
            .record(vec![sent(first.id, held[0].fence)])
            .await
            .unwrap(),
        [Recorded::Recorded]
    );
    assert_eq!(bed.store.move_finished(bed.now()).await.unwrap().messages, 0);
    bed.advance(Duration::seconds(1));
    assert_eq!(bed.store.move_finished(bed.now()).await.unwrap().messages, 1);
    assert_eq!(bed.sql("SELECT id AS value FROM outbox"), [""; 0]);
    bed.queue(vec![second]).await;
    assert_eq!(claim(&bed, "w", 10).await, []);
}

async fn two_workers_never_hold_one_row(engine: Database) {
    let bed = Arc::new(Bed::made(engine).await);
    queue(&bed, 300).await;
    let workers: Vec<_> = (0..6)
        .map(|number| {
            let bed = Arc::clone(&bed);
            tokio::spawn(async move {
                let mut held = Vec::new();
                loop {
                    let some = claim(&bed, &format!("w{number}"), 7).await;
                    if some.is_empty() {
                        return held;
                    }
                    held.extend(some.into_iter().map(|row| row.row.notice.id));
                }
            })
        })
        .collect();
    let mut held = Vec::new();
    for worker in workers {
        held.extend(worker.await.unwrap());
    }
    assert_eq!(held.len(), 300);
    assert_eq!(held.iter().collect::<HashSet<_>>().len(), 300);
}

async fn a_lease_that_ran_out_passes_to_another_and_the_first_records_nothing(engine: Database) {
    let bed = Bed::made(engine).await;
    queue(&bed, 1).await;
    let first = claim_with(&bed, "first", b"the mail").await.remove(0);
    let id = first.row.notice.id;
    assert_eq!((first.row.attempts, first.lease_ran_out), (1, false));
    bed.advance(Duration::seconds(7));
    assert_eq!(claim(&bed, "second", 10).await, []);
    assert_eq!(
        bed.store.renew(vec![(id, first.fence)], LEASE_MS).await.unwrap(),
        [id]
    );
    bed.advance(Duration::seconds(7));
    assert_eq!(claim(&bed, "second", 10).await, [], "the lease was renewed");
    bed.advance(Duration::seconds(1));

    let second = claim(&bed, "second", 10).await.remove(0);
    assert!(second.fence > first.fence);
    assert_eq!((second.row.attempts, second.lease_ran_out), (2, true));
    assert_eq!(
        second.row.rendered.as_deref().map(Vec::as_slice),
        Some(b"the mail".as_slice()),
        "the second mail is the same mail"
    );
    assert_eq!(
        bed.store.renew(vec![(id, first.fence)], LEASE_MS).await.unwrap(),
        []
    );
    assert_eq!(
        bed.store.record(vec![sent(id, first.fence)]).await.unwrap(),
        [Recorded::LeaseLost]
    );
    assert_eq!(
        bed.store.record(vec![sent(id, second.fence)]).await.unwrap(),
        [Recorded::Recorded]
    );
    assert_eq!(
        bed.store.record(vec![sent(id, second.fence)]).await.unwrap(),
        [Recorded::LeaseLost]
    );
    bed.advance(Duration::hours(1));
    assert_eq!(claim(&bed, "third", 10).await, []);
}

async fn one_broken_row_of_a_hundred_stops_nobody(engine: Database) {
    let bed = Bed::made(engine).await;
    queue(&bed, 100).await;
    let garbage = bed.database.some_bytes();
    let damage = format!("UPDATE outbox SET doc_sealed = {garbage} WHERE notice_key = 'test:42'");
    bed.database.raw().execute(&damage).expect("a damaged row");
    let claimed = bed.store.claim("w", &Lane::ALL, 100, LEASE_MS).await.unwrap();
    let broken: Vec<_> = claimed
        .iter()
        .filter_map(|claimed| match claimed {
            Claimed::Broken { id, fence } => Some((*id, *fence)),
            Claimed::Ready(_) => None,
        })
        .collect();
    assert_eq!((claimed.len(), broken.len()), (100, 1));
    let results = claimed
        .iter()
        .map(|claimed| match claimed {
            Claimed::Ready(row) => sent(row.row.notice.id, row.fence),
            Claimed::Broken { id, fence } => Completion {
                id: *id,
                fence: *fence,
                result: CompletionResult::Failed {
                    class: "broken".to_owned(),
                    reply_code: None,
                },
            },
        })
        .collect();
    let recorded = bed.store.record(results).await.unwrap();
    assert!(recorded.iter().all(|recorded| *recorded == Recorded::Recorded));
    assert_eq!(bed.store.count_waiting().await.unwrap(), 0);
    assert_eq!(
        bed.sql("SELECT why AS value FROM outbox WHERE state = 'failed'"),
        ["broken"]
    );
}

async fn urgent_lanes_come_first_and_nothing_comes_early(engine: Database) {
    let bed = Bed::made(engine).await;
    let mut later = bed.notice("later", Lane::Escalation);
    later.not_before = bed.now() + Duration::minutes(10);
    let reminder = bed.notice("reminder", Lane::Reminder);
    bed.queue(vec![reminder, later, bed.notice("session", Lane::Session)])
        .await;
    assert_eq!(bed.store.oldest_unsent(Lane::Escalation).await.unwrap(), None);
    bed.advance(Duration::seconds(1));
    bed.queue(vec![bed.notice("escalation", Lane::Escalation)]).await;
    let only = bed.store.claim("w", &[Lane::Digest], 10, LEASE_MS).await.unwrap();
    assert_eq!(only, []);
    let keys = |rows: Vec<ClaimedRow>| rows.into_iter().map(|row| row.row.notice.key).collect::<Vec<_>>();
    assert_eq!(bed.store.count_waiting().await.unwrap(), 3);
    assert_eq!(keys(claim(&bed, "w", 2).await), ["escalation", "session"]);
    assert_eq!(keys(claim(&bed, "w", 10).await), ["reminder"]);
    bed.advance(Duration::minutes(11));
    assert_eq!(
        bed.store.oldest_unsent(Lane::Escalation).await.unwrap(),
        Some(Duration::minutes(11))
    );
    assert!(keys(claim(&bed, "w", 10).await).contains(&"later".to_owned()));
}

async fn a_message_is_looked_at_again_when_it_is_sent(engine: Database) {
    let bed = Bed::made(engine).await;
    let mut reminder = bed.notice("duty", Lane::Session);
    let duty = bed.record().await.watch.duties[0].id;
    reminder.about = About::Duty { duty };
    let decided = bed
        .store
        .decide_session(Scope::system(), bed.session, None, move |record, _| {
            let mut decision = silent(record.clone());
            decision.notices.push(reminder.clone());
            Ok((decision, ()))
        });
    decided.await.unwrap();
    let row = claim(&bed, "w", 10).await.remove(0);
    assert_eq!(row.subject, Some(bed.record().await.subject()));
    assert!(row.at_sending.duty_open && row.at_sending.comms_active);
    assert_eq!(still_wanted(&row.row.notice, &row.at_sending), Ok(()));
    let retry = CompletionResult::Retry {
        at_machine: bed.now(),
        class: "temporary".to_owned(),
        reply_code: Some(451),
    };
    bed.store
        .record(vec![Completion {
            id: row.row.notice.id,
            fence: row.fence,
            result: retry,
        }])
        .await
        .unwrap();

    bed.change(|after, context| {
        after.watch.duties[0].end(DutyState::Excused {
            why: Excuse::SessionOver,
            at: context.now,
        });
    })
    .await
    .unwrap();
    let row = claim(&bed, "w", 10).await.remove(0);
    assert_eq!(
        still_wanted(&row.row.notice, &row.at_sending),
        Err(DroppedBecause::DutyOver)
    );
    assert_eq!(row.row.last_class.as_deref(), Some("temporary"));
    let result = CompletionResult::Dropped(DroppedBecause::DutyOver);
    bed.store
        .record(vec![Completion {
            id: row.row.notice.id,
            fence: row.fence,
            result,
        }])
        .await
        .unwrap();
    assert_eq!(
        bed.sql("SELECT state || ' ' || why AS value FROM outbox"),
        ["dropped duty_over"]
    );
}

async fn every_result_is_kept(engine: Database) {
    let bed = Bed::made(engine).await;
    queue(&bed, 5).await;
    let rows = claim(&bed, "w", 10).await;
    let results = [
        CompletionResult::Sent { reply_code: 250 },
        CompletionResult::Retry {
            at_machine: bed.now() + Duration::seconds(30),
            class: "temporary".to_owned(),
            reply_code: Some(451),
        },
        CompletionResult::Failed {
            class: "address".to_owned(),
            reply_code: Some(550),
        },
        CompletionResult::Ambiguous {
            retry_at_machine: Some(bed.now() + Duration::seconds(30)),
            class: "after_dot".to_owned(),
        },
        CompletionResult::Ambiguous {
            retry_at_machine: None,
            class: "after_dot".to_owned(),
        },
    ];
    let completions = rows
        .iter()
        .zip(results)
        .map(|(row, result)| Completion {
            id: row.row.notice.id,
            fence: row.fence,
            result,
        })
        .collect();
    bed.store.record(completions).await.unwrap();
    let mut kept = Vec::new();
    for row in &rows {
        kept.extend(bed.sql(&format!(
            "SELECT state || ' ' || COALESCE(last_class, '-') || ' ' || COALESCE(CAST(last_code AS TEXT), '-') || ' ' || \
             CASE WHEN ambiguous THEN 'ambiguous' ELSE 'clear' END AS value FROM outbox WHERE id = '{}'",
            row.row.notice.id
        )));
    }
    let expected = [
        "sent - 250 clear",
        "pending temporary 451 clear",
        "failed address 550 clear",
        "pending after_dot - ambiguous",
        "failed after_dot - ambiguous",
    ];
    assert_eq!(kept, expected);
    bed.advance(Duration::seconds(29));
    assert_eq!(claim(&bed, "w", 10).await, [], "not before its time");
    bed.advance(Duration::seconds(1));
    assert_eq!(claim(&bed, "w", 10).await.len(), 2);
}

async fn what_is_stale_is_dropped_at_once_but_for_cases_and_what_somebody_holds(engine: Database) {
    let bed = Bed::made(engine).await;
    let notice = |key: String, stale_in_min: Option<i64>| {
        let mut notice = bed.notice(&key, Lane::Reminder);
        notice.stale_after = stale_in_min.map(|minutes| bed.now() + Duration::minutes(minutes));
        notice
    };
    let mut escalation = notice("escalation".to_owned(), Some(5));
    escalation.lane = Lane::Escalation;
    escalation.about = About::Case {
        case: bed.fresh(),
        round: 1,
    };
    bed.queue(vec![notice("held".to_owned(), Some(5))]).await;
    let held = claim(&bed, "w", 10).await.remove(0);
    bed.queue(vec![
        escalation,
        notice("fresh".to_owned(), Some(7)),
        notice("for ever".to_owned(), None),
    ])
    .await;
    bed.queue(
        (0..25)
            .map(|number| notice(format!("old:{number}"), Some(5)))
            .collect(),
    )
    .await;
    bed.advance(Duration::minutes(5));
    assert_eq!(
        bed.store.drop_stale(10).await.unwrap(),
        0,
        "its last moment is not over"
    );
    bed.advance(Duration::seconds(1));
    for dropped in [10, 10, 5, 0] {
        assert_eq!(bed.store.drop_stale(10).await.unwrap(), dropped);
    }
    let left = "SELECT notice_key AS value FROM outbox WHERE state <> 'dropped' ORDER BY notice_key";
    assert_eq!(bed.sql(left), ["escalation", "for ever", "fresh", "held"]);
    let why = "SELECT DISTINCT state || ' ' || why || ' ' || (finished_at IS NOT NULL) AS value FROM outbox \
               WHERE state = 'dropped'";
    let why = bed.sql(why);
    assert!(
        matches!(why[0].as_str(), "dropped stale 1" | "dropped stale true"),
        "{why:?}"
    );
    assert_eq!(
        bed.store
            .record(vec![sent(held.row.notice.id, held.fence)])
            .await
            .unwrap(),
        [Recorded::Recorded]
    );
}
