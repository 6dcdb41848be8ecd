//! Bedside's own figures: the whole way, the database's part of it alone, and the SMTP part alone.

use std::path::Path;
use std::time::{Duration, Instant};

use bedside_protocol::duty::Lane;
use bedside_store::raw::Raw;
use bedside_store::{Claimed, Completion, CompletionResult, Recorded, Store};
use bedside_worker::smtp::{Security, SmtpSession, SmtpSettings, StageTimeouts};
use bedside_worker::{MailSettings, Transport, Worker, WorkerSettings};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::sink::Sink;

const FROM: &str = "reminders@bedside.example";

/// Rows of one claim when only claiming and recording is measured: what a worker claims for 20 connections.
const CLAIM_ROWS: u32 = 160;

fn smtp(port: u16) -> SmtpSettings {
    SmtpSettings {
        host: "127.0.0.1".to_owned(),
        port,
        security: Security::PlainInsecure,
        username: None,
        password: None,
        hello_name: "bedside.example".to_owned(),
        extra_root_certificates_pem: None,
        timeouts: StageTimeouts::default(),
    }
}

fn worker(store: Store, port: u16, number: usize) -> Worker {
    let mail = MailSettings::new(
        "Reminders",
        FROM,
        "bedside.example",
        "https://bedside.example",
        "911",
    );
    let settings = WorkerSettings::new(mail.expect("mail settings"));
    Worker::new(
        store,
        Transport::smtp(smtp(port), FROM),
        settings,
        format!("worker-{number}"),
    )
}

fn count_sent(url: &str) -> usize {
    Raw::connect(url)
        .expect("a connection")
        .texts("SELECT CAST(COUNT(*) AS TEXT) AS value FROM outbox WHERE state = 'sent'")
        .expect("a count")[0]
        .parse()
        .expect("a number")
}

/// How long `workers` workers take until every result is in the database.
pub async fn deliver(url: &str, mails: usize, workers: usize, sink: &mut Sink) -> Duration {
    let mut stores = Vec::new();
    for _ in 0..workers {
        stores.push(crate::clinic::open(url).await);
    }
    let (stop, stopped) = watch::channel(false);
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for (number, store) in stores.into_iter().enumerate() {
        let (worker, stopped) = (worker(store, sink.port, number), stopped.clone());
        running.spawn(async move { worker.run(stopped).await });
    }
    while sink.count().mails < mails as u64 || count_sent(url) < mails {
        assert!(
            begun.elapsed() < Duration::from_mins(5),
            "the mails do not all leave"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let took = begun.elapsed();
    stop.send(true).expect("workers to stop");
    running.join_all().await;
    took
}

/// How long claiming and recording takes when nothing is sent.
pub async fn claim_and_complete(url: &str, mails: usize) -> Duration {
    let store = crate::clinic::open(url).await;
    let begun = Instant::now();
    let mut lines = JoinSet::new();
    for line in 0..4 {
        let store = store.clone();
        lines.spawn(async move {
            let mut done = 0;
            loop {
                let claimed = store
                    .claim(&format!("w{line}"), &Lane::ALL, CLAIM_ROWS, 8_000)
                    .await;
                let completions: Vec<Completion> = claimed.expect("a claim").iter().map(sent).collect();
                if completions.is_empty() {
                    return done;
                }
                let recorded = store.record(completions).await.expect("a record");
                assert!(
                    recorded.iter().all(|it| *it == Recorded::Recorded),
                    "a lease was lost"
                );
                done += recorded.len();
            }
        });
    }
    let done: usize = lines.join_all().await.into_iter().sum();
    assert_eq!(done, mails);
    begun.elapsed()
}

fn sent(claimed: &Claimed) -> Completion {
    match claimed {
        Claimed::Ready(row) => Completion {
            id: row.row.notice.id,
            fence: row.fence,
            result: CompletionResult::Sent { reply_code: 250 },
        },
        Claimed::Broken { id, .. } => panic!("row {id} is broken"),
    }
}

/// How long the SMTP conversations alone take, on so many connections: `mail` with a Message-ID of its own each time.
pub async fn smtp_alone(mails: usize, connections: usize, port: u16, mail: &str) -> Duration {
    let begun = Instant::now();
    let mut lines = JoinSet::new();
    for line in 0..connections {
        let mail = mail.to_owned();
        lines.spawn(async move {
            let mut session = SmtpSession::connect(&smtp(port)).await.expect("a connection");
            for number in (line..mails).step_by(connections) {
                let mail = format!("Message-ID: <{number}@bedside.example>\r\n{mail}");
                let sent = session.send(FROM, "nurse@clinic.example", mail.as_bytes()).await;
                sent.expect("an accepted mail");
            }
        });
    }
    lines.join_all().await;
    begun.elapsed()
}

/// A SQLite file's URL in `folder`.
pub fn sqlite_url(folder: &Path, name: &str) -> String {
    format!("sqlite:{}", folder.join(name).display())
}
