//! Check-ins at 200 a second over HTTP while a worker watches: authorise, decide, save, audit, outbox; durable.
//!
//! `cargo run --release -p bedside-benches --bin check_in`. Aim: p99 under 15 ms on SQLite. A call that has to wait for its
//! turn counts from the moment it was due, not from the moment it was sent.
//!
//! All sessions were dosed at one instant. So the worker owes a decision about each of them in the same moment as the checks
//! come in, which no clinic's day does; the second figure is of checks that come when that is done.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bedside_api::{ApiSettings, App, serve};
use bedside_benches::http_load::{Connection, request};
use bedside_benches::server::with_postgres;
use bedside_benches::worker::worker;
use bedside_benches::world::World;
use bedside_benches::{milliseconds, quantile, runtime};
use bedside_protocol::duty::{DutyKind, Lane};
use bedside_protocol::time::minutes;
use bedside_store::Scope;
use bedside_tests::database::Database;
use bedside_tests::play::answers_to;
use bedside_tests::smtp_server::{Script, SmtpServer};
use serde_json::json;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

const SESSIONS: usize = 1_000;
const A_SECOND: u32 = 200;
const CONNECTIONS: usize = 32;

fn main() -> ExitCode {
    with_postgres(|| runtime().block_on(run()))
}

/// When the checks come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checks {
    /// While the worker prompts every session at once.
    WithAllPrompts,
    /// When the worker has nothing left to do.
    AfterPrompts,
}

async fn run() {
    for engine in [Database::Sqlite, Database::Postgres] {
        for checks in [Checks::WithAllPrompts, Checks::AfterPrompts] {
            measure(engine, checks).await;
        }
    }
}

async fn measure(engine: Database, checks: Checks) {
    let world = World::open(engine).await;
    let dosed_at = world.now();
    let sessions = world.dose_many(SESSIONS, 0).await;
    let address = api(&world).await;
    let sink = SmtpServer::start(Script::new());
    let (stop, stopped) = watch::channel(false);
    let watching = worker(&world, sink.address());
    let watching = tokio::spawn(async move { watching.run(stopped).await });

    // The checks of each session, one after the other; every session's first, then every session's second.
    let mut rounds: BTreeMap<i64, Vec<Vec<u8>>> = BTreeMap::new();
    for dosed in sessions {
        let token = world.store.keys().link_token(dosed.sitter_link);
        let read = world
            .store
            .read_session(Scope::system(), dosed.session, |record, _| record.clone());
        let record = read.await.expect("a read").expect("a session");
        for duty in &record.watch.duties {
            let DutyKind::CheckIn { rule, .. } = &duty.kind else {
                continue;
            };
            let minute = (duty.due_at - dosed_at).num_minutes();
            if minute > 60 {
                continue;
            }
            let mut body = json!({"answers": answers_to(rule, &[])});
            if rule == "C7" {
                body["vitals"] = json!({"sbp": 120, "dbp": 78, "hr": 70});
            }
            let path = format!("/v1/sitting/{token}/check-ins/{}", duty.id);
            rounds
                .entry(minute)
                .or_default()
                .push(request("POST", &path, &[], &body.to_string()));
        }
    }
    let mut times = Vec::new();
    for (minute, requests) in rounds {
        world.clocks.stand_at(dosed_at + minutes(minute));
        if checks == Checks::AfterPrompts {
            settle(&world).await;
        }
        times.extend(paced(address, requests).await);
    }
    let count = times.len();
    let (median, slow, slowest) = (
        quantile(&mut times, 0.5),
        quantile(&mut times, 0.99),
        quantile(&mut times, 1.0),
    );
    println!(
        "check-in, {engine:?}, {checks:?}: {count} at {A_SECOND} a second: median {}, p99 {}, slowest {}{}",
        milliseconds(median),
        milliseconds(slow),
        milliseconds(slowest),
        if engine == Database::Sqlite {
            ", aim p99 15 ms"
        } else {
            ""
        }
    );
    // The worker may have ended by itself already.
    let _ = stop.send(true);
    watching.await.expect("a worker that stops");
}

/// Waits until nothing is due and everything is sent.
async fn settle(world: &World) {
    loop {
        let due = world.store.list_due(1).await.expect("what is due");
        let unsent = world
            .store
            .oldest_unsent(Lane::Session)
            .await
            .expect("what is unsent");
        if due.is_empty() && unsent.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn api(world: &World) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let settings = ApiSettings {
        public_base_url: format!("http://{address}"),
        listen: address,
        workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        mail_folder: None,
        development: true,
        trusted_proxy: true,
    };
    let app = Arc::new(App::new(world.store.clone(), settings).expect("an app"));
    let api = serve(app, listener).await.expect("a server");
    // Serves until the program ends.
    std::mem::forget(api);
    address
}

/// Sends the requests at a fixed pace; the times from when each was due to its answer.
async fn paced(address: SocketAddr, requests: Vec<Vec<u8>>) -> Vec<Duration> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Arc::new(Mutex::new(Connection::open(address).await)));
    }
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for (number, request) in (0_u32..).zip(requests) {
        let due = start + Duration::from_secs(1) * number / A_SECOND;
        tokio::time::sleep_until(due.into()).await;
        let connection = Arc::clone(&connections[number as usize % CONNECTIONS]);
        calls.spawn(async move {
            let reply = connection.lock().await.call(&request).await;
            assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
            due.elapsed()
        });
    }
    let mut times = Vec::new();
    while let Some(joined) = calls.join_next().await {
        times.push(joined.expect("an answer"));
    }
    times
}
