//! PostgreSQL restarted, and failed over to a standby, while patients press help all the time.
//!
//! What the API said yes to must reach the care team: each press is a case, its mails are accepted by a relay, and no
//! mail more than twice, byte for byte the same (invariants I1 and I2). Workers and API are told nothing and go on by
//! themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bedside_tests::smtp_server::{Fault, Script, SmtpServer, Stage};
use serde_json::json;

use crate::postgres_server::{Server, Stop};
use crate::site::{Mail, Patient, Site};
use crate::system::eventually;

/// Time between two presses of help.
const PRESS_EVERY: Duration = Duration::from_millis(150);

/// How long the relay takes for a mail: some are on their way whenever the database goes.
const RELAY_TAKES: Duration = Duration::from_millis(50);

/// Patients; more than can press in the longest test.
const PATIENTS: usize = 260;

/// From the moment a database takes writes again, so long may the first press and the first mail take: the longest pause
/// between two tries to connect is 5 s.
const BACK_WITHIN: Duration = Duration::from_secs(20);

/// A press that the API said yes to.
struct Press {
    patient: Patient,
    at: Instant,
}

/// Presses help, one patient after the other, until stopped; each until the API says yes.
struct Pressing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<Press>, BTreeMap<u16, usize>)>,
}

impl Pressing {
    fn start(patients: Vec<Patient>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut said_yes, mut statuses) = (Vec::new(), BTreeMap::new());
            for patient in patients {
                let client = patient.client.with("idempotency-key", &patient.id.to_string());
                loop {
                    if stopped.load(Ordering::Relaxed) {
                        return (said_yes, statuses);
                    }
                    std::thread::sleep(PRESS_EVERY);
                    let status = client.post("/v1/me/help", &json!({})).status;
                    *statuses.entry(status).or_insert(0) += 1;
                    if status < 300 {
                        break;
                    }
                }
                let at = Instant::now();
                said_yes.push(Press { patient, at });
            }
            panic!("there were not enough patients");
        });
        Self { stop, thread }
    }

    fn stop(self) -> (Vec<Press>, BTreeMap<u16, usize>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the presses")
    }
}

/// What was found after the storm.
struct Found {
    presses: usize,
    /// Presses that left no case.
    without_case: Vec<Press>,
    /// Presses of which no mail of theirs was accepted.
    unheard: usize,
    copies_too_many: usize,
}

struct Storm {
    site: Site,
    relay: SmtpServer,
    pressing: Pressing,
}

impl Storm {
    /// Two workers, an API and a relay on the database at `url`, and presses of help that have begun to be mailed.
    async fn begin(url: &str) -> Self {
        let relay = SmtpServer::start(Script::new());
        relay.set(Stage::FinalDot, Fault::LateReply(RELAY_TAKES));
        let mail = Mail {
            relay: format!("smtp://{}?tls=none", relay.address()),
            ..Mail::default()
        };
        let site = Site::open(url, mail, 2).await;
        let pressing = Pressing::start(site.patients(PATIENTS).await);
        eventually(Duration::from_mins(1), "mails go out", || {
            relay.received().len() >= 40
        });
        Self {
            site,
            relay,
            pressing,
        }
    }

    /// Waits until presses are answered and mails are accepted again after `since`; stops the presses and looks at what
    /// became of every one.
    async fn end(mut self, name: &str, since: Instant) -> Found {
        let accepted_then = self.relay.received().len();
        eventually(BACK_WITHIN, "workers send again by themselves", || {
            self.relay.received().len() >= accepted_then + 2
        });
        let mails_again = since.elapsed();
        std::thread::sleep(Duration::from_secs(4));
        let (presses, statuses) = self.pressing.stop();
        let press_again = presses
            .iter()
            .find(|press| press.at > since)
            .map(|press| press.at - since)
            .expect("a press after it");
        assert!(
            press_again < BACK_WITHIN,
            "{name}: presses again after {press_again:?}"
        );
        let ready_again = self.site.wait_until_ready(Duration::from_mins(1));
        let mut waiting = 1;
        for _ in 0..300 {
            waiting = self.site.store.count_waiting().await.unwrap_or(1);
            if waiting == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(waiting, 0, "{name}: mails are left to send");
        assert!(self.site.all_live(), "{name}: a process ended");
        let allowed = BTreeSet::from([200, 503]);
        assert!(
            statuses.keys().all(|status| allowed.contains(status)),
            "{name}: {statuses:?}"
        );
        let found = look(presses, &self.site, &self.relay);
        println!(
            "{name}: {} presses said yes to, answers by status {statuses:?}; first press {press_again:.1?} and first mail \
             {mails_again:.1?} after the database takes writes, ready {ready_again:.1?} after the last press; {} mails \
             accepted, {} of them second copies; {} presses without a case, {} unheard",
            found.presses,
            self.relay.received().len(),
            found.copies_too_many,
            found.without_case.len(),
            found.unheard,
        );
        let audit = self.site.store.verify_audit(None).await.expect("a report");
        assert!(audit.faults.is_empty(), "{name}: {audit:?}");
        found
    }
}

/// Holds what the relay accepted against what was pressed.
fn look(presses: Vec<Press>, site: &Site, relay: &SmtpServer) -> Found {
    let mut accepted: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for mail in relay.received() {
        let id = message_id(&mail.data);
        accepted.entry(id).or_default().push(mail.data);
    }
    for (id, copies) in &accepted {
        assert!(copies.len() <= 2, "{} copies of {id}", copies.len());
        assert!(
            copies.iter().all(|copy| *copy == copies[0]),
            "{id} differs from copy to copy"
        );
    }
    let rows = site.escalations();
    let (presses_count, mut without_case, mut unheard) = (presses.len(), Vec::new(), 0);
    for press in presses {
        let patient = press.patient.id.to_string();
        let mut mails = rows.iter().filter(|row| row.subject == patient).peekable();
        if mails.peek().is_none() {
            without_case.push(press);
            continue;
        }
        let all_heard = mails.all(|row| row.state == "sent" && accepted.contains_key(&row.message_id));
        if !all_heard {
            unheard += 1;
        }
    }
    Found {
        presses: presses_count,
        without_case,
        unheard,
        copies_too_many: accepted.values().map(|copies| copies.len() - 1).sum(),
    }
}

/// The Message-ID of a mail, with its brackets.
fn message_id(mail: &[u8]) -> String {
    let text = String::from_utf8_lossy(mail);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Message-ID: "))
        .expect("a Message-ID");
    line.trim().to_owned()
}

async fn restart_under_load(name: &str, how: Stop) {
    let mut server = Server::new();
    server.sql("CREATE DATABASE bedside");
    let url = format!("postgres://postgres@127.0.0.1:{}/bedside", server.port());
    let storm = Storm::begin(&url).await;
    server.stop(how);
    std::thread::sleep(Duration::from_secs(2));
    server.start();
    let found = storm.end(name, Instant::now()).await;
    assert_eq!((found.without_case.len(), found.unheard), (0, 0), "{name}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(long), ignore = "BEDSIDE_LONG=1, by ./test --long")]
async fn a_fast_restart_of_postgresql_under_load_loses_no_escalation() {
    restart_under_load("restart -m fast", Stop::Fast).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(long), ignore = "BEDSIDE_LONG=1, by ./test --long")]
async fn an_immediate_restart_of_postgresql_under_load_loses_no_escalation() {
    restart_under_load("restart -m immediate", Stop::Immediate).await;
}

/// A primary and its standby, and the URL that finds whichever of them takes writes.
fn pair() -> (Server, Server, String) {
    let primary = Server::new();
    primary.sql("CREATE DATABASE bedside");
    let standby = primary.standby();
    let url = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/bedside?target_session_attrs=read-write",
        primary.port(),
        standby.port()
    );
    (primary, standby, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(long), ignore = "BEDSIDE_LONG=1, by ./test --long")]
async fn a_failover_to_a_synchronous_standby_under_load_loses_no_escalation() {
    let (mut primary, standby, url) = pair();
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    primary.sql("SELECT pg_reload_conf()");
    eventually(Duration::from_secs(20), "the standby is synchronous", || {
        primary.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"
    });
    let storm = Storm::begin(&url).await;
    primary.kill();
    std::thread::sleep(Duration::from_secs(2));
    standby.promote();
    let found = storm.end("fail-over, synchronous", Instant::now()).await;
    assert_eq!((found.without_case.len(), found.unheard), (0, 0));
}

/// What an operator risks without `synchronous_standby_names`: what was committed while the standby was behind is gone.
/// It also shows that the test above can fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(long), ignore = "BEDSIDE_LONG=1, by ./test --long")]
async fn a_failover_to_a_standby_that_is_behind_loses_what_it_had_not_received() {
    let (mut primary, standby, url) = pair();
    let storm = Storm::begin(&url).await;
    standby.sql("ALTER SYSTEM SET primary_conninfo = ''");
    standby.sql("SELECT pg_reload_conf()");
    std::thread::sleep(Duration::from_secs(3));
    primary.kill();
    standby.promote();
    let found = storm
        .end("fail-over, asynchronous and 3 s behind", Instant::now())
        .await;
    assert!(!found.without_case.is_empty(), "the standby was not behind");
    assert_eq!(found.unheard, 0, "what the standby had is mailed");
}
