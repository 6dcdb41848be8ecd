//! `kill -9` of a worker in the middle of its work (FAILURES F1).
//!
//! Half of the kills are at a named moment around the send, which the mail server of the test sees and acts on; the other
//! half at a random one. A second worker, there already or started afterwards, has a mail server of its own, so that it
//! is known who sent what.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_tests::program::{Program, now};
use bedside_tests::site::{Site, within};
use bedside_tests::smtp_server::{Fault, Moment, ReceivedMail, Script, SmtpServer, Stage};
use tokio::task::JoinSet;

use crate::{PROGRAM, long};

on_both_engines!(a_killed_worker_loses_no_mail_and_doubles_only_what_was_past_its_final_dot);

/// Kills of one run in `./test`, and in `./test --long`.
const KILLS: usize = 20;
const KILLS_LONG: usize = 1_000;

/// Cases at once. Each waits for a lease most of its time.
const AT_ONCE: usize = 10;

/// Mails of one case: more than one worker claims at once.
const MAILS: usize = 24;

/// From the kill to the acceptance of what the dead worker held.
const SENT_AGAIN_WITHIN: Duration = Duration::from_secs(10);

/// Moments at which the mail server kills the worker.
const POINTS: [Moment; 7] = [
    // Claimed, nothing sent.
    Moment::Before(Stage::Greeting),
    Moment::After(Stage::Mail),
    Moment::After(Stage::Rcpt),
    Moment::After(Stage::Data),
    Moment::InBody,
    // Taken by the server, not answered.
    Moment::Before(Stage::FinalDot),
    // Answered, not recorded: the outbox is locked meanwhile.
    Moment::After(Stage::FinalDot),
];

#[derive(Debug, Clone, Copy)]
enum When {
    /// The first time the conversation comes there.
    At(Moment),
    /// So long after the first connection.
    After(Duration),
}

#[derive(Debug, Clone, Copy)]
struct Case {
    when: When,
    /// Whether the second worker runs before the first is killed.
    second_is_there: bool,
}

/// What the test knows of the moment of the kill.
struct Kill {
    at: Instant,
    /// By address: what the row said, `leased`, and whose it was.
    rows: HashMap<String, (String, String)>,
}

/// Bounds: no mail lost; one extra copy at most of each mail that was past its final dot and not recorded, byte for byte
/// the same, and of no other; what the dead worker held is accepted within 10 s of the kill; every row ends; the audit
/// trail holds.
async fn a_killed_worker_loses_no_mail_and_doubles_only_what_was_past_its_final_dot(engine: Database) {
    let count = if long() { KILLS_LONG } else { KILLS };
    let seed = seed();
    println!("{engine:?}: {count} kills, seed {seed}; BEDSIDE_SEED={seed} repeats them");
    let mut random = Random(seed);
    let mut cases = (0..count).map(|number| Case {
        when: if number % 2 == 0 {
            When::At(POINTS[number / 2 % POINTS.len()])
        } else {
            When::After(Duration::from_millis(random.below(250)))
        },
        second_is_there: number / 2 % 2 == 0,
    });
    let mut running = JoinSet::new();
    let (mut worst, mut doubles) = (Duration::ZERO, 0);
    loop {
        while running.len() < AT_ONCE
            && let Some(case) = cases.next()
        {
            running.spawn(async move { (case, tokio::spawn(one_kill(engine, case)).await) });
        }
        let Some(ended) = running.join_next().await else {
            break;
        };
        let (case, outcome) = ended.expect("a case");
        let (sent_again, doubled) =
            outcome.unwrap_or_else(|error| panic!("{engine:?}, seed {seed}, {case:?}: {error}"));
        worst = worst.max(sent_again);
        doubles += doubled;
    }
    println!("{engine:?}: sent again after {worst:?} at worst; {doubles} extra copies in {count} kills");
}

/// The longest time from the kill to an acceptance, and the number of extra copies.
async fn one_kill(engine: Database, case: Case) -> (Duration, usize) {
    let site = Arc::new(Site::open(engine).await);
    let addresses = site.queue_escalations("mail", MAILS).await;
    // Slow enough that a random moment meets mails at every stage.
    let mut script = Script::new();
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data, Stage::FinalDot] {
        script = script.fault(stage, Fault::LateReply(Duration::from_millis(10)));
    }
    let first_server = SmtpServer::start(script);
    let second_server = SmtpServer::start(Script::new());
    let surroundings = site.surroundings(PROGRAM);
    let first_worker = Arc::new(Mutex::new(None::<Program>));
    let second_worker = Arc::new(Mutex::new(None::<Program>));
    let kill = Arc::new(Mutex::new(None::<Kill>));

    let strike = {
        let (site, first, second, kill) = (
            Arc::clone(&site),
            Arc::clone(&first_worker),
            Arc::clone(&second_worker),
            Arc::clone(&kill),
        );
        let second_surroundings = surroundings.mailing(second_server.address());
        Arc::new(move |lock_outbox: bool| {
            if case.second_is_there {
                *lock(&second) = Some(site.start_worker(&second_surroundings));
            }
            let held = lock_outbox.then(|| lock_writers(&site, engine));
            let site = Arc::clone(&site);
            let (first, kill) = (Arc::clone(&first), Arc::clone(&kill));
            move || {
                let first = lock(&first);
                let worker = first.as_ref().expect("a worker");
                worker.kill();
                let at = now();
                let rows = rows_at_the_kill(&site, worker.pid);
                drop(held);
                *lock(&kill) = Some(Kill { at, rows });
            }
        })
    };
    if let When::At(point) = case.when {
        let (strike, prepared) = (Arc::clone(&strike), Mutex::new(None));
        let struck = Mutex::new(false);
        first_server.at_each(move |moment| {
            if *lock(&struck) {
                return true;
            }
            let answered = point == Moment::After(Stage::FinalDot);
            if answered && moment == Moment::Before(Stage::FinalDot) && lock(&prepared).is_none() {
                *lock(&prepared) = Some(strike(true));
            } else if moment == point {
                let blow = lock(&prepared).take();
                if answered {
                    // The worker reads the answer and would record it.
                    std::thread::sleep(Duration::from_millis(50));
                }
                let blow = blow.unwrap_or_else(|| strike(false));
                blow();
                *lock(&struck) = true;
            }
            // What was read of the body so far is all that arrived.
            moment != Moment::InBody || point != Moment::InBody
        });
    }
    *lock(&first_worker) = Some(surroundings.mailing(first_server.address()).start("worker"));
    if let When::After(delay) = case.when {
        within(Duration::from_secs(20), "the first connection", || {
            (!first_server.mails_per_connection().is_empty()).then_some(())
        });
        tokio::time::sleep(delay).await;
        strike(false)();
    }
    let limit = Duration::from_secs(40);
    within(limit, "the kill", || lock(&kill).is_some().then_some(()));
    let kill = lock(&kill).take().expect("a kill");
    lock(&second_worker)
        .get_or_insert_with(|| site.start_worker(&surroundings.mailing(second_server.address())));
    within(limit, "an empty outbox", || {
        let sql = "SELECT id AS value FROM outbox WHERE state IN ('pending', 'leased')";
        site.raw().texts(sql).expect("rows").is_empty().then_some(())
    });
    let second = lock(&second_worker).take().expect("a worker");
    second.stops_within(Duration::from_secs(12));

    let first = arrivals(&first_server);
    let second = arrivals(&second_server);
    let (mut slowest, mut doubled) = (Duration::ZERO, 0);
    for address in &addresses {
        let (before, after) = (of(&first, address), of(&second, address));
        let (state, owner) = &kill.rows[address];
        let context = format!("{case:?} {address}: {state} at the kill");
        assert!(!before.is_empty() || !after.is_empty(), "{context}: lost");
        assert!(
            before.len() <= 1 && after.len() <= 1,
            "{context}: sent twice by one worker"
        );
        if let (Some(one), Some(other)) = (before.first(), after.first()) {
            assert_eq!(
                (state.as_str(), owner.as_str()),
                ("leased", "first"),
                "{context}: doubled"
            );
            assert!(
                one.data == other.data,
                "{context}: the second copy is another mail"
            );
            assert!(
                one.data.windows(12).any(|bytes| bytes == b"Message-ID: "),
                "{context}"
            );
            doubled += 1;
        }
        if owner == "first" && state == "leased" {
            let again = after
                .first()
                .unwrap_or_else(|| panic!("{context}: not sent again"));
            let waited = again.at.saturating_duration_since(kill.at);
            assert!(
                waited <= SENT_AGAIN_WITHIN,
                "{context}: sent again after {waited:?}"
            );
            slowest = slowest.max(waited);
        }
    }
    if matches!(
        case.when,
        When::At(Moment::Before(Stage::FinalDot) | Moment::After(Stage::FinalDot))
    ) {
        assert!(doubled > 0, "{case:?}: the moment was not reached");
    }
    let sent = site.states();
    assert_eq!(sent, [format!("sent {MAILS}")], "{case:?}");
    site.all_has_ended().await;
    (slowest, doubled)
}

/// Keeps every process from recording anything until the value is dropped.
fn lock_writers(site: &Site, engine: Database) -> bedside_store::raw::Raw {
    let mut raw = site.raw();
    let sql = match engine {
        Database::Sqlite => "BEGIN IMMEDIATE",
        Database::Postgres => "BEGIN; LOCK TABLE outbox IN EXCLUSIVE MODE",
    };
    raw.execute(sql).expect("a lock");
    raw
}

/// State and owner of every row, by address.
fn rows_at_the_kill(site: &Site, killed: u32) -> HashMap<String, (String, String)> {
    let sql = "SELECT notice_key || ' ' || state || ' ' || COALESCE(lease_owner, '-') AS value FROM outbox";
    let rows = site.raw().texts(sql).expect("rows");
    let read = |row: &String| {
        let mut words = row.split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (key, state, owner) = (word(), word(), word());
        let address = format!("{}@clinic.example", key.trim_start_matches("test:"));
        let is_first = owner.ends_with(&format!("-{killed}"));
        (
            address,
            (state, if is_first { "first" } else { "other" }.to_owned()),
        )
    };
    rows.iter().map(read).collect()
}

/// Whatever arrived whole: a real server may have delivered it.
fn arrivals(server: &SmtpServer) -> Vec<ReceivedMail> {
    let mut mails = server.received();
    mails.extend(server.unacknowledged());
    mails
}

fn of<'m>(mails: &'m [ReceivedMail], address: &str) -> Vec<&'m ReceivedMail> {
    mails.iter().filter(|mail| mail.to == [address]).collect()
}

fn lock<T>(place: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Random enough for moments of a kill, and the same again from the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        // The constants of Knuth's MMIX.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn seed() -> u64 {
    let given = std::env::var("BEDSIDE_SEED").ok();
    given.map_or_else(
        || {
            let mut bytes = [0; 2];
            bedside_store::Keys::from_master(bedside_store::Keys::generate()).random(&mut bytes);
            u16::from_le_bytes(bytes).into()
        },
        |seed| seed.parse().expect("BEDSIDE_SEED is a number"),
    )
}
