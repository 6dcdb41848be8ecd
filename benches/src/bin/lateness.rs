//! How late mails are accepted at 10,000 open sessions in which nobody answers anything.
//!
//! `cargo run --release -p bedside-benches --bin lateness`. The doses lie evenly over a quarter of an hour, so that from the
//! start of the measurement on every second brings prompts, reminders, missed checks and escalations. Aim: p99 under 2 s
//! from the moment a step of a ladder was due to the relay's word.

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use bedside_benches::server::with_postgres;
use bedside_benches::worker::worker;
use bedside_benches::world::World;
use bedside_benches::{quantile, runtime};
use bedside_protocol::duty::{Duty, DutyKind, DutyState, Lane};
use bedside_protocol::time::{Instant, minutes};
use bedside_tests::database::Database;
use bedside_tests::smtp_server::{Script, SmtpServer};
use tokio::sync::watch;

const SESSIONS: usize = 10_000;
/// Doses are given in so many steps over the quarter of an hour.
const STEPS: usize = 900;
const MEASURED_FOR: Duration = Duration::from_secs(90);

fn main() -> ExitCode {
    with_postgres(|| runtime().block_on(run()))
}

async fn run() {
    for engine in [Database::Sqlite, Database::Postgres] {
        let world = World::open(engine).await;
        let first = world.now();
        for step in 0..STEPS {
            let at =
                first + chrono::Duration::milliseconds(900_000 * i64::try_from(step).expect("small") / 900);
            world.clocks.stand_at(at);
            let (from, to) = (SESSIONS * step / STEPS, SESSIONS * (step + 1) / STEPS);
            world.dose_many(to - from, from).await;
        }
        let sink = SmtpServer::start(Script::new());
        let worker = worker(&world, sink.address());
        // Just before the first check is missed. What was due earlier is looked at first and not measured.
        world
            .clocks
            .stand_at(first + minutes(14) - chrono::Duration::seconds(20));
        while worker.cycle().await.tick.decided > 0 {}
        world.clocks.run_from(world.now());
        let start = world.now();
        let (stop, stopped) = watch::channel(false);
        let watching = tokio::spawn(async move { worker.run(stopped).await });
        tokio::time::sleep(MEASURED_FOR).await;
        // The worker may have ended by itself already.
        let _ = stop.send(true);
        watching.await.expect("a worker that stops");
        report(&world, engine, start);
    }
}

fn report(world: &World, engine: Database, start: Instant) {
    let duties = duties(world);
    let mut by_lane: HashMap<i32, Vec<Duration>> = HashMap::new();
    let (mut waiting, mut latest) = (0, 0);
    let rows = world.database().raw().texts(
        "SELECT lane || '|' || state || '|' || coalesce(finished_at, 0) || '|' || subject_id || '|' || notice_key AS value \
         FROM outbox WHERE about_kind IN ('duty', 'case')",
    );
    for row in rows.expect("the outbox") {
        let mut parts = row.splitn(5, '|');
        let mut next = || parts.next().expect("five parts");
        let (lane, state, finished_at, subject, key) = (next(), next(), next(), next(), next());
        let Some(due_at) = due_at(&duties, subject, key).filter(|due_at| *due_at > start) else {
            continue;
        };
        if state != "sent" {
            waiting += 1;
            continue;
        }
        let finished_at: i64 = finished_at.parse().expect("a time");
        let late_ms = finished_at - due_at.timestamp_millis();
        latest = latest.max(late_ms);
        let late = Duration::from_millis(u64::try_from(late_ms).unwrap_or_default());
        by_lane
            .entry(lane.parse().expect("a rank"))
            .or_default()
            .push(late);
    }
    for lane in Lane::ALL {
        let Some(times) = by_lane.get_mut(&lane.rank()) else {
            continue;
        };
        println!(
            "lateness, {engine:?}, {SESSIONS} open sessions, {lane:?}: {} mails, median {:.2} s, p99 {:.2} s, latest {:.2} s, aim p99 2 s",
            times.len(),
            quantile(times, 0.5).as_secs_f64(),
            quantile(times, 0.99).as_secs_f64(),
            quantile(times, 1.0).as_secs_f64(),
        );
    }
    println!("lateness, {engine:?}: {waiting} mails due in the measured time were not sent when it ended");
}

type DutiesOfSession = HashMap<String, Vec<Duty>>;

fn duties(world: &World) -> DutiesOfSession {
    let rows = world
        .database()
        .raw()
        .texts("SELECT subject_id || '|' || doc AS value FROM duties");
    let mut duties = DutiesOfSession::new();
    for row in rows.expect("the duties") {
        let (subject, document) = row.split_once('|').expect("two parts");
        let duty = serde_json::from_str(document).expect("a duty");
        duties.entry(subject.to_owned()).or_default().push(duty);
    }
    duties
}

/// When the step of a ladder was due that a message belongs to. The first message of a case was due when the session's
/// first check was missed; later ones go by the case's own ladder and start from there.
fn due_at(duties: &DutiesOfSession, subject: &str, key: &str) -> Option<Instant> {
    let duties = duties.get(subject)?;
    let parts: Vec<&str> = key.split(':').collect();
    match parts.as_slice() {
        ["duty", id, rung, repeat, _] => {
            let duty = duties.iter().find(|duty| duty.id.to_string() == *id)?;
            duty.ladder
                .told_at(rung.parse().ok()?, repeat.parse().ok()?, duty.due_at)
        }
        ["case", _, "1", "0", "0", _] => duties
            .iter()
            .filter(|duty| matches!(duty.kind, DutyKind::CheckIn { .. }))
            .filter(|duty| matches!(duty.state, DutyState::Missed { .. }))
            .filter_map(|duty| duty.missed_after)
            .min(),
        ["case", _, round, rung, repeat, _] => duties
            .iter()
            .find(|duty| matches!(duty.kind, DutyKind::TakeCase { .. }) && duty.round.to_string() == *round)
            .and_then(|duty| {
                duty.ladder
                    .told_at(rung.parse().ok()?, repeat.parse().ok()?, duty.due_at)
            }),
        _ => None,
    }
}
