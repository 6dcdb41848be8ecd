//! Start to ready, and the memory of each process when it is idle.
//!
//! `cargo build --release -p bedside && cargo run --release -p bedside-benches --bin footprint`. Aim: under 200 ms, under 40 MB.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use bedside_benches::server::with_postgres;
use bedside_benches::{milliseconds, quantile, runtime};
use bedside_store::raw::Raw;
use bedside_tests::database::{Database, TestDatabase, empty};

const STARTS: usize = 9;
const IDLE_FOR: Duration = Duration::from_secs(5);
const READY_WITHIN: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    with_postgres(|| runtime().block_on(run()))
}

async fn run() {
    for engine in [Database::Sqlite, Database::Postgres] {
        let database = empty(engine);
        let folder = tempfile::tempdir().expect("a folder");
        let status = bedside(&database, folder.path(), 0, &["migrate"]).status();
        assert!(status.expect("the program").success());
        for part in ["api", "worker"] {
            let mut starts = Vec::new();
            let mut memory_kb = 0;
            for number in 0..STARTS {
                let (mut process, ready_after) = start(part, &database, folder.path());
                starts.push(ready_after);
                if number == 0 {
                    tokio::time::sleep(IDLE_FOR).await;
                    memory_kb = resident_kb(process.id());
                }
                process.kill().expect("a process to end");
                process.wait().expect("an ended process");
            }
            println!(
                "footprint, {engine:?}, {part}: ready after {} (median of {STARTS}), aim 200 ms; resident {:.1} MB, aim 40 MB",
                milliseconds(quantile(&mut starts, 0.5)),
                f64::from(memory_kb) / 1024.0
            );
        }
    }
}

/// Starts a part; the time until it does its work: the API answers, the worker has completed a cycle.
fn start(part: &str, database: &TestDatabase, folder: &Path) -> (Child, Duration) {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let mut raw = database.raw();
    let before = cycles(&mut raw);
    let start = Instant::now();
    let mut process = bedside(database, folder, port, &[part, "--development"])
        .spawn()
        .expect("the program");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let live = format!("http://127.0.0.1:{port}/health/live");
    while start.elapsed() < READY_WITHIN {
        let ready = match part {
            "api" => agent.get(&live).call().is_ok_and(|answer| answer.status() == 200),
            _ => cycles(&mut raw) > before,
        };
        if ready {
            return (process, start.elapsed());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    process.kill().expect("a process to end");
    process.wait().expect("an ended process");
    panic!("{part} was not ready within {READY_WITHIN:?}");
}

/// Cycles that any worker has verified.
fn cycles(raw: &mut Raw) -> u64 {
    let rows = raw.texts("SELECT CAST(coalesce(sum(cycles), 0) AS TEXT) AS value FROM heartbeats");
    rows.expect("heartbeats")
        .first()
        .and_then(|count| count.parse().ok())
        .unwrap_or_default()
}

fn bedside(database: &TestDatabase, folder: &Path, port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .env("BEDSIDE_DATABASE_URL", database.url())
        .env("BEDSIDE_DATA_DIR", folder)
        .env("BEDSIDE_LISTEN", format!("127.0.0.1:{port}"))
        .env("BEDSIDE_LOG", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

fn program() -> PathBuf {
    let this = std::env::current_exe().expect("this program");
    let program = this.with_file_name("bedside");
    assert!(program.exists(), "build {} first", program.display());
    program
}

fn resident_kb(process: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a living process");
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .trim_end_matches(" kB")
                .trim()
                .parse()
                .ok()
        })
        .expect("a resident size")
}
