//! The program as a team runs it when its workers have died: `bedside api` alone prompts, escalates and says so, until a
//! worker is back.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is how a test ends, in its helpers too"
)]

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bedside_protocol::time::{Instant, minutes, seconds};
use bedside_store::{Clocks as _, Keys, SystemClocks};
use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::http::Client;
use bedside_tests::mails::{Mail, Mailbox};
use bedside_tests::play::Play;
use chrono::Timelike as _;
use serde_json::json;

/// Ends with the test, also with one that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn real_now() -> Instant {
    SystemClocks.machine_now()
}

/// What `look` finds within so many seconds.
#[track_caller]
fn within<T>(limit_s: u32, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..limit_s * 20 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within {limit_s} s: {what}");
}

/// A running session, dosed so long ago that its first check, which nobody answers, is missed `missed_in_s` from now. Its
/// patient lives where it is about noon: doses are taken by day.
async fn session_with_a_check_that_will_be_missed(master: [u8; 32], missed_in_s: i64) -> Play {
    let east_h = 12 - i64::from(real_now().hour());
    let start = real_now() - minutes(4 * 24 * 60);
    let mut clinic = Clinic::open_with(Database::Sqlite, start, master).await;
    clinic.patients_zone = match east_h {
        0 => "Etc/GMT".to_owned(),
        // POSIX counts to the west.
        east_h => format!("Etc/GMT{:+}", -east_h),
    };
    // The machine clock is the real one from here on; a little behind, because each cycle moves it a second.
    clinic.clocks.advance_machine(real_now() - start - seconds(100));
    clinic.cycle().await;
    clinic.log_staff_in();
    let mut play = Play::without_session(clinic).await;
    let local = real_now() - minutes(14) + minutes(60 * east_h);
    play.plan(
        &local.format("%Y-%m-%d").to_string(),
        &local.format("%H:%M:00").to_string(),
    );
    play.until_ready().await;
    // Due at T+10, missed at T+14.
    let dose_at = real_now() + seconds(missed_in_s) - minutes(14);
    play.planned_at = dose_at.max(play.planned_at);
    play.dose().await;
    play.clinic.advance_to(real_now()).await;
    play
}

fn start(command: &str, folder: &Path, clinic: &Clinic, master: [u8; 32], listen: &str) -> Running {
    let log = File::create(folder.join(format!("{command}.log"))).expect("a log");
    let child = Command::new(env!("CARGO_BIN_EXE_bedside"))
        .current_dir(folder)
        .env_clear()
        .env("BEDSIDE_DATA_DIR", folder)
        .env("BEDSIDE_DATABASE_URL", clinic.database_url())
        .env("BEDSIDE_MASTER_KEY", STANDARD.encode(master))
        .env(
            "BEDSIDE_MAIL",
            format!("folder:{}", folder.join("mails").display()),
        )
        .env("BEDSIDE_LISTEN", listen)
        .env("BEDSIDE_STANDBY_AFTER_S", "1")
        .env("BEDSIDE_CYCLE_MS", "100")
        .args([command, "--development"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    Running(child.expect("the program starts"))
}

fn said(folder: &Path, command: &str) -> String {
    std::fs::read_to_string(folder.join(format!("{command}.log"))).expect("a log")
}

fn part_is_well(http: &Client, name: &str) -> Option<bool> {
    let parts = http.get("/health/ready").json()["parts"].clone();
    let part = parts
        .as_array()?
        .iter()
        .find(|part| part["name"] == name)?
        .clone();
    part["ok"].as_bool()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_alone_escalates_a_missed_check_and_stops_when_a_worker_is_back() {
    let master = Keys::generate();
    let play = session_with_a_check_that_will_be_missed(master, 6).await;
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = free.local_addr().expect("an address").to_string();
    drop(free);
    let _api = start("api", folder, &play.clinic, master, &listen);
    let http = Client::new(&format!("http://{listen}"));
    let mails = Mailbox::of(&folder.join("mails"));
    let nurse = play.clinic.address("nurse");
    let escalation = within(60, "the escalation", || {
        mails.all().into_iter().find(|mail: &Mail| mail.to == nurse)
    });
    assert!(escalation.text.contains("/c/"), "{}", escalation.text);
    assert!(said(folder, "api").contains("this process sends escalations itself"));
    assert_eq!(http.get("/health/ready").status, 503);
    assert_eq!(part_is_well(&http, "standby"), Some(false));
    let causes = play.case()["signals"].clone();
    assert!(causes.to_string().contains("missed_check_in"), "{causes}");

    let _worker = start("worker", folder, &play.clinic, master, &listen);
    within(60, "the standby stops", || {
        said(folder, "api")
            .contains("a worker watches again")
            .then_some(())
    });
    within(60, "readiness is green", || {
        (http.get("/health/ready").status == 200).then_some(())
    });
    let to_nurse = mails.all().into_iter().filter(|mail| mail.to == nurse).count();
    assert_eq!(to_nurse, 1, "one mail, whoever sent it");
    assert_eq!(play.state(), json!("monitoring"));
}
