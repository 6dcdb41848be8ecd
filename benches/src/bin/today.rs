//! `GET /v1/me/today` against the bare framework that answers the same bytes from memory.
//!
//! `cargo run --release -p bedside-benches --bin today`. Aim: as near to half of the bare rate as honest work gets.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::{Bytes, Data};
use actix_web::{App as BareApp, HttpResponse, HttpServer, get};
use bedside_api::{ApiSettings, App, serve};
use bedside_benches::http_load::{Connection, rate, request};
use bedside_benches::server::with_postgres;
use bedside_benches::{milliseconds, quantile, runtime};
use bedside_protocol::people::Caller;
use bedside_protocol::session;
use bedside_store::Scope;
use bedside_tests::clinic::{Clinic, PASSWORD};
use bedside_tests::database::Database;
use bedside_tests::play::{PATIENT, Play};
use serde_json::json;

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const DIRECT_READS: usize = 2_000;

fn main() -> ExitCode {
    with_postgres(|| runtime().block_on(run()))
}

async fn run() {
    for engine in [Database::Sqlite, Database::Postgres] {
        let mut play = Play::planned(Clinic::open(engine).await).await;
        play.until_ready().await;
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let settings = ApiSettings {
            public_base_url: format!("http://{address}"),
            listen: address,
            workers: cores(),
            mail_folder: None,
            development: true,
            trusted_proxy: false,
        };
        let app = Arc::new(App::new(play.clinic.store.clone(), settings).expect("an app"));
        let api = serve(app, listener).await.expect("a server");
        let credentials = json!({"clinic": "willow", "email": PATIENT, "password": PASSWORD});
        let token = play
            .clinic
            .http
            .post("/v1/login", &credentials)
            .expect(200)
            .json();
        let bearer = format!("Bearer {}", token["access_token"].as_str().expect("a token"));
        let asked = request("GET", "/v1/me/today", &[("authorization", &bearer)], "");
        let first = Connection::open(address).await.call(&asked).await;
        assert_eq!(first.status, 200, "{}", first.head);
        let bare_address = bare(first.body.clone());

        let (mut ours, mut bares) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bares.push(rate(bare_address, &asked, CONNECTIONS, ROUND).await);
            ours.push(rate(address, &asked, CONNECTIONS, ROUND).await);
        }
        let (ours, bare) = (middle(&mut ours), middle(&mut bares));
        println!(
            "today, {engine:?}: {ours:.0} answers a second of {} bytes, bare framework {bare:.0}, share {:.3}, aim 0.5",
            first.body.len(),
            ours / bare
        );
        println!(
            "today, {engine:?}: an answer costs {:.1} us of the machine, a bare one {:.1} us; one read of the store alone {}",
            1e6 / ours,
            1e6 / bare,
            milliseconds(direct_read(&play).await)
        );
        api.stop().await;
    }
}

/// The store's own work, one read after the other.
async fn direct_read(play: &Play) -> Duration {
    let patient: uuid::Uuid = play.patient.parse().expect("an id");
    let person = patient.into();
    let mut times = Vec::with_capacity(DIRECT_READS);
    for _ in 0..DIRECT_READS {
        let start = Instant::now();
        let scope = Scope::of(play.clinic.id_of_clinic(), Caller::Patient { person });
        let read = play.clinic.store.read_today(
            scope,
            person,
            |record, _| session::of_today(&record.sessions),
            |_, session, _| session.is_some(),
        );
        assert_eq!(read.await.expect("a read"), Some(true));
        times.push(start.elapsed());
    }
    quantile(&mut times, 0.5)
}

fn middle(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

#[get("/v1/me/today")]
async fn answer(body: Data<Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("etag", "\"0123456789abcdef\""))
        .body(body.get_ref().clone())
}

/// The framework alone, with the same number of threads.
fn bare(body: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let body = Data::new(Bytes::from(body));
    let server = HttpServer::new(move || BareApp::new().app_data(body.clone()).service(answer))
        .workers(cores())
        .disable_signals()
        .listen(listener)
        .expect("a listener")
        .run();
    tokio::spawn(server);
    address
}
