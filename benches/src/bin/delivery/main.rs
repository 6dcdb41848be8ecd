//! How fast mails that are all due at one instant leave, each result durable: Bedside, its peers on the same PostgreSQL
//! and the same SMTP sink, and the parts of the way alone. All in one run; compare ratios, not runs.
//!
//! `cargo run --release -p bedside-benches --bin delivery -- [MAILS]`, 20,000 if not said. Needs PostgreSQL's server
//! programs, and Node and npm for the peers (without them Bedside's figures are printed alone).

mod clinic;
mod ours;
mod peers;
mod sink;

use std::time::Duration;

use bedside_benches::server::Server;
use peers::Peers;
use sink::Sink;

/// The sink answers a final dot at once, or after so long.
const DELAYS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(5)];

/// Connections in every program.
const CONNECTIONS: usize = 20;

fn main() {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("--sink") {
        return sink::serve();
    }
    let mails = argument.map_or(20_000, |text| text.parse().expect("the number of mails"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(mails));
}

/// What was measured, for the ratios at the end.
#[derive(Default)]
struct Figures(Vec<(String, f64)>);

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "far fewer mails than 2^52")]
    fn add(&mut self, name: &str, mails: usize, took: Duration) {
        let per_second = mails as f64 / took.as_secs_f64();
        println!("{name:<58}{per_second:>9.0} /s {:>9.2} s", took.as_secs_f64());
        self.0.push((name.to_owned(), per_second));
    }

    fn get(&self, name: &str) -> Option<f64> {
        self.0
            .iter()
            .find(|(it, _)| it == name)
            .map(|(_, per_second)| *per_second)
    }

    fn ratio(&self, what: &str, name: &str, to: &str) {
        if let (Some(one), Some(other)) = (self.get(name), self.get(to)) {
            println!("{what:<58}{:>9.2} x", one / other);
        }
    }
}

fn check(sink: &mut Sink, mails: usize) {
    let count = sink.count();
    assert_eq!(
        (count.mails, count.distinct),
        (mails as u64, mails as u64),
        "mails and Message-IDs at the sink"
    );
}

async fn measure(mails: usize) {
    let mut figures = Figures::default();
    let (server, mut sink) = (Server::start(), Sink::start());
    let files = tempfile::tempdir().expect("a folder");
    println!(
        "{mails} escalations of cases in {} sessions, all due now",
        mails.div_ceil(clinic::MAILS_OF_A_CASE)
    );
    println!("PostgreSQL: fsync=on, synchronous_commit=on; {CONNECTIONS} SMTP connections\n");

    let peers = Peers::install();
    println!(
        "{}",
        peers.as_ref().map_or(
            "no peers: Node, npm or the registry is missing".into(),
            Peers::versions
        )
    );

    let mail =
        "Subject: A case needs you\r\n\r\n".to_owned() + &"Please open the page and take it.\r\n".repeat(60);
    for delay in DELAYS {
        let with = format!("with {} ms a reply", delay.as_millis());
        sink.clear(delay);
        let took = ours::smtp_alone(mails, CONNECTIONS, sink.port, &mail).await;
        figures.add(&format!("SMTP alone, {with}"), mails, took);
        check(&mut sink, mails);

        for workers in [1, 2, 4] {
            let url = server.database(&format!("ours_{}_{workers}", delay.as_millis()));
            clinic::fill(&clinic::open(&url).await, mails).await;
            sink.clear(delay);
            let took = ours::deliver(&url, mails, workers, &mut sink).await;
            figures.add(
                &format!("bedside, {workers} worker, PostgreSQL, {with}"),
                mails,
                took,
            );
            check(&mut sink, mails);
        }
        let url = ours::sqlite_url(files.path(), &format!("{}.sqlite", delay.as_millis()));
        clinic::fill(&clinic::open(&url).await, mails).await;
        sink.clear(delay);
        let took = ours::deliver(&url, mails, 1, &mut sink).await;
        figures.add(&format!("bedside, 1 worker, SQLite, {with}"), mails, took);
        check(&mut sink, mails);

        for name in peers.iter().flat_map(|_| peers::NAMES) {
            let Some(peers) = &peers else { continue };
            sink.clear(delay);
            let url = server.database(&format!("{}_{}", name.replace('-', "_"), delay.as_millis()));
            let took = peers.run(name, &url, mails, Some(sink.port));
            figures.add(&format!("{name} with nodemailer, {with}"), mails, took);
            check(&mut sink, mails);
        }
        println!();
    }

    let url = server.database("ours_alone");
    clinic::fill(&clinic::open(&url).await, mails).await;
    let took = ours::claim_and_complete(&url, mails).await;
    figures.add("bedside, claim and complete alone, PostgreSQL", mails, took);
    let url = ours::sqlite_url(files.path(), "alone.sqlite");
    clinic::fill(&clinic::open(&url).await, mails).await;
    let took = ours::claim_and_complete(&url, mails).await;
    figures.add("bedside, claim and complete alone, SQLite", mails, took);
    if let Some(peers) = &peers {
        for name in peers::NAMES {
            let url = server.database(&format!("{}_alone", name.replace('-', "_")));
            let took = peers.run(name, &url, mails, None);
            figures.add(&format!("{name}, claim and complete alone"), mails, took);
        }
    }
    println!();
    print_ratios(&figures);
}

fn print_ratios(figures: &Figures) {
    for delay in DELAYS {
        let with = format!("with {} ms a reply", delay.as_millis());
        let ours = format!("bedside, 1 worker, PostgreSQL, {with}");
        for name in peers::NAMES {
            figures.ratio(
                &format!("bedside / {name}, {with}"),
                &ours,
                &format!("{name} with nodemailer, {with}"),
            );
        }
        figures.ratio(
            &format!("bedside / SMTP alone, {with}"),
            &ours,
            &format!("SMTP alone, {with}"),
        );
        for workers in [2, 4] {
            let more = format!("bedside, {workers} worker, PostgreSQL, {with}");
            figures.ratio(&format!("{workers} workers / 1 worker, {with}"), &more, &ours);
        }
    }
    for name in peers::NAMES {
        figures.ratio(
            &format!("bedside / {name}, claim and complete"),
            "bedside, claim and complete alone, PostgreSQL",
            &format!("{name}, claim and complete alone"),
        );
    }
}
