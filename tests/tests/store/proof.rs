//! The proof of the watch stays cheap however much is owed.

use std::time::Duration;

use bedside_store::Wrong;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;

use crate::fixture::Bed;

on_both_engines!(the_proof_over_a_hundred_thousand_open_duties_finds_what_is_wrong_in_milliseconds);

/// The fastest of ten looks.
#[expect(clippy::disallowed_methods, reason = "measures how long a look takes")]
async fn fastest_look(bed: &Bed, found: usize) -> Duration {
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let begun = std::time::Instant::now();
        assert_eq!(bed.store.list_unwatched().await.expect("a look").len(), found);
        fastest = fastest.min(begun.elapsed());
    }
    fastest
}

async fn the_proof_over_a_hundred_thousand_open_duties_finds_what_is_wrong_in_milliseconds(engine: Database) {
    let bed = Bed::made(engine).await;
    let (clinic, later) = (bed.clinic, bed.now().timestamp_millis() + 60_000);
    let mut raw = bed.database.raw();
    raw.execute(&format!(
        "INSERT INTO duties WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) \
         SELECT 'duty-' || i, '{clinic}', 'session', 'session-' || (i / 20), i, 'check_in', 1, 'open', \
            {later} + i, {later} + i, '{{}}' FROM n; ANALYZE"
    ))
    .expect("duties");
    let whole = fastest_look(&bed, 0).await;
    let limit = Duration::from_millis(20);
    assert!(whole < limit, "{whole:?}");
    let past = bed.now().timestamp_millis() - 61_000;
    raw.execute(&format!(
        "UPDATE duties SET wake_at = NULL WHERE id = 'duty-500'; \
         UPDATE duties SET wake_at = {past} WHERE id = 'duty-90000'"
    ))
    .expect("two faults");
    let found = bed.store.list_unwatched().await.expect("a look");
    let wrong: Vec<(Wrong, &str)> = found.iter().map(|it| (it.wrong, it.id.as_str())).collect();
    assert_eq!(
        wrong,
        [(Wrong::NoWakeUp, "duty-500"), (Wrong::Overdue, "duty-90000")]
    );
    let faulty = fastest_look(&bed, 2).await;
    println!("{engine:?}: {whole:?} when all is well, {faulty:?} with two faults");
    assert!(faulty < limit, "{faulty:?}");
}
