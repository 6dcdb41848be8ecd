//! How fast mails that are all due at one instant leave, each result durable: Bedside, its peers on the same PostgreSQL
//! and the same SMTP sink, and the parts of the way alone. All in one run; compare ratios, not runs.
//!
//! `cargo run --release -p bedside-benches --bin delivery -- [MAILS [FIGURES]]`: 20,000 mails if not said, and of the figures
//! only those in whose name the second word stands (`bedside`, `0 ms`, `complete`). Needs PostgreSQL's server programs, and
//! Node and npm for the peers (without them Bedside's figures are printed alone).

mod clinic;
mod costs;
mod ours;
mod peers;
mod sink;

use std::path::Path;
use std::time::Duration;

use bedside_benches::server::Server;
use costs::Costs;
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
    let only = std::env::args().nth(2).unwrap_or_default();
    runtime.block_on(measure(mails, only));
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

/// The server, the sink, and which figures are wanted.
struct Bench {
    server: Server,
    sink: Sink,
    only: String,
    figures: Figures,
}

impl Bench {
    fn wants(&self, name: &str) -> bool {
        name.contains(&self.only)
    }

    fn add(&mut self, name: &str, mails: usize, took: Duration, before: Costs) {
        self.figures.add(name, mails, took);
        before.print_each(mails, &self.server, &self.sink);
    }

    fn costs(&self) -> Costs {
        Costs::now(&self.server, &self.sink)
    }

    /// Everything on its way to the sink, which answers after `delay`.
    async fn deliver(&mut self, mails: usize, delay: Duration, files: &Path, peers: Option<&Peers>) {
        let with = format!("with {} ms a reply", delay.as_millis());
        let name = format!("SMTP alone, {with}");
        if self.wants(&name) {
            self.sink.clear(delay);
            let before = self.costs();
            let took = ours::smtp_alone(mails, CONNECTIONS, self.sink.port, &plain_mail()).await;
            self.add(&name, mails, took, before);
            check(&mut self.sink, mails);
        }
        for workers in [1, 2, 4] {
            let name = format!("bedside, {workers} worker, PostgreSQL, {with}");
            if self.wants(&name) {
                let url = self
                    .server
                    .database(&format!("ours_{}_{workers}", delay.as_millis()));
                self.deliver_ours(&name, &url, mails, workers, delay).await;
            }
        }
        let name = format!("bedside, 1 worker, SQLite, {with}");
        if self.wants(&name) {
            let url = ours::sqlite_url(files, &format!("{}.sqlite", delay.as_millis()));
            self.deliver_ours(&name, &url, mails, 1, delay).await;
        }
        let Some(peers) = peers else { return };
        for peer in peers::NAMES {
            let name = format!("{peer} with nodemailer, {with}");
            if self.wants(&name) {
                self.sink.clear(delay);
                let url = self
                    .server
                    .database(&format!("{}_{}", peer.replace('-', "_"), delay.as_millis()));
                let took = peers.run(peer, &url, mails, Some(self.sink.port));
                self.figures.add(&name, mails, took);
                check(&mut self.sink, mails);
            }
        }
    }

    async fn deliver_ours(&mut self, name: &str, url: &str, mails: usize, workers: usize, delay: Duration) {
        clinic::fill(&clinic::open(url).await, mails).await;
        self.sink.clear(delay);
        let before = self.costs();
        let took = ours::deliver(url, mails, workers, &mut self.sink).await;
        self.add(name, mails, took, before);
        check(&mut self.sink, mails);
    }

    async fn claim_and_complete(&mut self, mails: usize, files: &Path, peers: Option<&Peers>) {
        for engine in ["PostgreSQL", "SQLite"] {
            let name = format!("bedside, claim and complete alone, {engine}");
            if self.wants(&name) {
                let url = if engine == "SQLite" {
                    ours::sqlite_url(files, "alone.sqlite")
                } else {
                    self.server.database("ours_alone")
                };
                clinic::fill(&clinic::open(&url).await, mails).await;
                let before = self.costs();
                let took = ours::claim_and_complete(&url, mails).await;
                self.add(&name, mails, took, before);
            }
        }
        let Some(peers) = peers else { return };
        for peer in peers::NAMES {
            let name = format!("{peer}, claim and complete alone");
            if self.wants(&name) {
                let url = self.server.database(&format!("{}_alone", peer.replace('-', "_")));
                let took = peers.run(peer, &url, mails, None);
                self.figures.add(&name, mails, took);
            }
        }
    }
}

/// About what a mail of ours is.
fn plain_mail() -> String {
    "Subject: A case needs you\r\n\r\n".to_owned() + &"Please open the page and take it.\r\n".repeat(60)
}

async fn measure(mails: usize, only: String) {
    println!(
        "{mails} escalations of cases in {} sessions, all due now",
        mails.div_ceil(clinic::MAILS_OF_A_CASE)
    );
    println!("PostgreSQL: fsync=on, synchronous_commit=on; {CONNECTIONS} SMTP connections");
    let peers = if only.contains("bedside") {
        None
    } else {
        Peers::install()
    };
    println!(
        "{}\n",
        peers.as_ref().map_or(
            "no peers: not asked for, or Node, npm or the registry is missing".into(),
            Peers::versions
        )
    );
    let files = tempfile::tempdir().expect("a folder");
    let mut bench = Bench {
        server: Server::start(),
        sink: Sink::start(),
        only,
        figures: Figures::default(),
    };
    for delay in DELAYS {
        bench.deliver(mails, delay, files.path(), peers.as_ref()).await;
        println!();
    }
    bench
        .claim_and_complete(mails, files.path(), peers.as_ref())
        .await;
    println!();
    print_ratios(&bench.figures);
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
