//! `GET /v1/me/today` against the bare framework that answers the same bytes from memory.
//!
//! `cargo run --release -p bedside-benches --bin today`. Aim: as near to half of the bare rate as honest work gets. What takes
//! the rest is measured in the same run, each part under the same load as the whole: checking the token, a look of the
//! store that shows nothing, the same with the view, the same with the body's bytes and their tag; and, for
//! comparison, a look at a record that changed.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::test::TestRequest;
use actix_web::web::{Bytes, Data};
use actix_web::{App as BareApp, HttpResponse, HttpServer, get};
use bedside_api::answer::tagged;
use bedside_api::views::TodayView;
use bedside_api::{ApiSettings, App, serve};
use bedside_benches::http_load::{Connection, rate, request};
use bedside_benches::server::with_postgres;
use bedside_benches::{milliseconds, quantile, runtime};
use bedside_protocol::id::PersonId;
use bedside_protocol::people::Caller;
use bedside_protocol::record::{PatientRecord, SessionRecord};
use bedside_protocol::session;
use bedside_protocol::time::Instant as Moment;
use bedside_store::{Scope, Store};
use bedside_tests::clinic::{Clinic, PASSWORD};
use bedside_tests::database::Database;
use bedside_tests::play::{PATIENT, Play};
use serde_json::json;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 32;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(4);
const PART: Duration = Duration::from_secs(2);
const TOKENS: u32 = 20_000;
const COLD_LOOKS: u32 = 200;

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
        let api = serve(Arc::clone(&app), listener).await.expect("a server");
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
        let whole = 1e6 / ours;
        let bare = 1e6 / bare;
        let token_text = token["access_token"].as_str().expect("a token");
        let token = token_check(&app, token_text) / f64::from(u32::try_from(cores()).expect("few cores"));
        let look = looks(&play, |_, _, _| ()).await;
        let view = looks(&play, |patient, session, now| {
            std::hint::black_box(TodayView::of(patient, session, now));
        })
        .await;
        let bytes = looks(&play, |patient, session, now| {
            let view = TodayView::of(patient, session, now);
            let request = TestRequest::get().to_http_request();
            std::hint::black_box(tagged(&request, &view).expect("an answer"));
        })
        .await;
        println!(
            "today, {engine:?}: of the machine's time an answer takes {whole:.1} us: the bare framework {bare:.1}, the token \
             {token:.1}, the look {look:.1}, the view {:.1}, bytes and tag {:.1}, the rest (limits, log, headers, waiting) {:.1}",
            view - look,
            bytes - view,
            whole - bare - token - bytes
        );
        println!(
            "today, {engine:?}: a look at a record that changed, which is loaded and opened anew: {}",
            milliseconds(cold_look(&play).await)
        );
        api.stop().await;
    }
}

/// The patient's day, through the store, seen by `view`.
async fn day<F>(store: Store, scope: Scope, person: PersonId, view: F)
where
    F: FnOnce(&PatientRecord, Option<&SessionRecord>, Moment) + Send + 'static,
{
    let choose = |record: &PatientRecord, _| session::of_today(&record.sessions);
    let read = store.read_today(scope, person, choose, view).await;
    read.expect("a read").expect("a patient");
}

fn patient_of(play: &Play) -> (Scope, PersonId) {
    let patient: uuid::Uuid = play.patient.parse().expect("an id");
    let person = PersonId::from(patient);
    let caller = Caller::Patient { person };
    (Scope::of(play.clinic.id_of_clinic(), caller), person)
}

/// Microseconds of the machine for one look, under the same load as the whole.
async fn looks<F>(play: &Play, view: F) -> f64
where
    F: Fn(&PatientRecord, Option<&SessionRecord>, Moment) + Copy + Send + 'static,
{
    let (scope, person) = patient_of(play);
    let start = Instant::now();
    let mut lookers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (store, scope) = (play.clinic.store.clone(), scope.clone());
        lookers.spawn(async move {
            let mut done = 0_u32;
            while start.elapsed() < PART {
                day(store.clone(), scope.clone(), person, view).await;
                done += 1;
            }
            done
        });
    }
    let mut done = 0;
    while let Some(looked) = lookers.join_next().await {
        done += looked.expect("a looker");
    }
    1e6 * start.elapsed().as_secs_f64() / f64::from(done)
}

/// A look that has to load and open everything: the patient's version moved on before each.
async fn cold_look(play: &Play) -> Duration {
    let (scope, person) = patient_of(play);
    let mut times = Vec::new();
    for _ in 0..COLD_LOOKS {
        play.clinic.execute("UPDATE patients SET version = version + 1");
        let start = Instant::now();
        day(play.clinic.store.clone(), scope.clone(), person, |_, _, _| ()).await;
        times.push(start.elapsed());
    }
    quantile(&mut times, 0.5)
}

/// Microseconds of one core to check the token of a request.
fn token_check(app: &App, token: &str) -> f64 {
    let start = Instant::now();
    for _ in 0..TOKENS {
        let now = app.store.clocks().machine_now();
        std::hint::black_box(app.tokens.open(token, now).expect("a good token"));
    }
    1e6 * start.elapsed().as_secs_f64() / f64::from(TOKENS)
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
