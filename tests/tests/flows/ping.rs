//! The ping to the outside: after a verified cycle, at most once a minute, and never in anybody's way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bedside_tests::clinic::Clinic;
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use bedside_worker::{PingUrl, Worker};

on_both_engines!(
    a_verified_cycle_pings_at_most_once_a_minute_and_an_unverified_one_never,
    a_service_that_hangs_or_fails_delays_nothing,
);

/// A service that counts its visitors and answers each with `answer`; with none, it never answers.
struct Service {
    address: SocketAddr,
    visits: Arc<AtomicUsize>,
}

impl Service {
    fn start(answer: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visits);
        std::thread::spawn(move || {
            let mut kept = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.expect("a visitor");
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).expect("a request");
                assert_eq!(line, "GET /ping/secret-part HTTP/1.1\r\n");
                counted.fetch_add(1, Ordering::SeqCst);
                match answer {
                    Some(answer) => write!(
                        stream,
                        "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    )
                    .expect("an answer"),
                    None => kept.push(stream),
                }
            }
        });
        Self { address, visits }
    }

    fn worker(&self, clinic: &Clinic) -> Worker {
        let url = format!("http://{}/ping/secret-part", self.address);
        clinic.worker_with(|settings| settings.ping_url = Some(PingUrl::parse(&url).expect("a URL")))
    }

    /// Waits until so many came, and a little for one too many.
    async fn visited(&self, times: usize) {
        for _ in 0..250 {
            if self.visits.load(Ordering::SeqCst) >= times {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(self.visits.load(Ordering::SeqCst), times);
    }
}

async fn a_verified_cycle_pings_at_most_once_a_minute_and_an_unverified_one_never(engine: Database) {
    let clinic = Clinic::open(engine).await;
    let service = Service::start(Some("200 OK"));
    let worker = service.worker(&clinic);
    assert!(worker.cycle().await.verified);
    service.visited(1).await;
    for _ in 0..59 {
        clinic.clocks.advance_machine(chrono::Duration::seconds(1));
        assert!(worker.cycle().await.verified);
    }
    service.visited(1).await;
    clinic.execute("ALTER TABLE postponements RENAME TO gone");
    clinic.clocks.advance_machine(chrono::Duration::seconds(1));
    assert!(!worker.cycle().await.verified);
    service.visited(1).await;
    clinic.execute("ALTER TABLE gone RENAME TO postponements");
    assert!(worker.cycle().await.verified);
    service.visited(2).await;
}

async fn a_service_that_hangs_or_fails_delays_nothing(engine: Database) {
    let clinic = Clinic::open(engine).await;
    for answer in [None, Some("500 Internal Server Error")] {
        let service = Service::start(answer);
        let worker = service.worker(&clinic);
        for _ in 0..3 {
            clinic.clocks.advance_machine(chrono::Duration::seconds(61));
            let cycle = tokio::time::timeout(Duration::from_secs(5), worker.cycle());
            assert!(cycle.await.expect("no wait for the service").verified);
        }
        // One that hangs is waited for before it is asked again; one that fails is asked every minute.
        if answer.is_none() {
            service.visited(1).await;
        }
    }
    // Nobody listens there any more.
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x", nobody.local_addr().expect("an address"));
    drop(nobody);
    let worker =
        clinic.worker_with(|settings| settings.ping_url = Some(PingUrl::parse(&url).expect("a URL")));
    clinic.clocks.advance_machine(chrono::Duration::seconds(61));
    assert!(worker.cycle().await.verified);
}
