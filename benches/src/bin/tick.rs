//! How long a look at what is due takes when nothing is: with 100,000 and with 1,000,000 open duties.
//!
//! `cargo run --release -p bedside-benches --bin tick`. Aim: under 5 ms, and no slower with ten times as many.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bedside_benches::server::with_postgres;
use bedside_benches::worker::worker;
use bedside_benches::world::World;
use bedside_benches::{milliseconds, quantile, runtime};
use bedside_tests::database::Database;
use bedside_tests::smtp_server::{Script, SmtpServer};

const LOOKS: usize = 200;

fn main() -> ExitCode {
    with_postgres(|| runtime().block_on(run()))
}

async fn run() {
    for engine in [Database::Sqlite, Database::Postgres] {
        let world = World::open(engine).await;
        let sink = SmtpServer::start(Script::new());
        let worker = worker(&world, sink.address());
        let mut medians = Vec::new();
        let mut there = 0_usize;
        for count in [100_000_usize, 1_000_000] {
            add_duties(&world, there, count);
            there = count;
            let mut looks = Vec::with_capacity(LOOKS);
            for _ in 0..LOOKS {
                let start = Instant::now();
                let report = worker.tick().await;
                looks.push(start.elapsed());
                assert!(report.verified && report.decided == 0, "{report:?}");
            }
            let (median, slow) = (quantile(&mut looks, 0.5), quantile(&mut looks, 0.99));
            println!(
                "tick, {engine:?}, {count} open duties, none due: median {}, p99 {}, aim 5 ms",
                milliseconds(median),
                milliseconds(slow)
            );
            medians.push(median);
        }
        println!(
            "tick, {engine:?}: ten times as many take {:.2} times as long",
            ratio(medians[1], medians[0])
        );
    }
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64()
}

/// Open duties that are to be looked at in an hour, of a thousand subjects; never loaded, so their documents are empty.
fn add_duties(world: &World, from: usize, to: usize) {
    let clinic = world.clinic;
    let wake_at = world.now().timestamp_millis() + 3_600_000;
    let last = to - 1;
    let (numbers, digits) = match world.database().engine() {
        Database::Sqlite => (
            format!(
                "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {last}) \
                 INSERT INTO duties SELECT"
            ),
            "printf('%012d', i)",
        ),
        Database::Postgres => (
            format!(
                "WITH n AS (SELECT i FROM generate_series({from}, {last}) AS i) INSERT INTO duties SELECT"
            ),
            "lpad(i::text, 12, '0')",
        ),
    };
    let sql = format!(
        "{numbers} '01935b5c-0000-7000-8000-' || {digits}, '{clinic}', 'session', 'subject-' || (i % 1000), i, \
         'check_in', 1, 'open', {wake_at} + i, {wake_at} + i, '{{}}' FROM n"
    );
    let mut raw = world.database().raw();
    raw.execute(&sql).expect("duties");
    raw.execute("ANALYZE").expect("statistics");
}
