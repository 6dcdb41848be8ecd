//! Numbers for Prometheus, on a listener of their own: how things stand, what the program counts, how requests went.
//!
//! Guarantees: nothing here names a person, an address or an id, and every label has few values; a scrape costs a fixed
//! number of small reads, at most once a second however often it comes, and is answered also while the database is not.
//! There is no log-in, so the listener belongs on loopback or in a private network.

mod process;
mod standing;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data};
use actix_web::{App as ActixApp, HttpResponse, HttpServer};
use bedside_protocol::document::{DocumentFault, ProtocolDocument};
use bedside_store::Store;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use self::process::Process;
use self::standing::LastStanding;
use crate::app::{App, ServeError, Serving};

/// What every metric of ours begins with.
const PREFIX: &str = "bedside";

/// The form the answer has; Prometheus reads it since 2.5.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The label of a request that no route knows, or whose handler panicked.
const UNMATCHED: &str = "unmatched";

/// Upper bounds of answer times, seconds. A password takes a quarter of one.
const SECONDS: [f64; 8] = [0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Connections at one time: a few collectors, and a person who looks.
const CONNECTIONS_MAX: usize = 50;

/// How long a collector may take to send its request's head, seconds.
const HEAD_WITHIN_S: u64 = 5;

/// How long an answer that has begun may go on while the server stops, seconds.
const STOP_WITHIN_S: u64 = 1;

type Histograms = Family<[(&'static str, String); 1], Histogram, fn() -> Histogram>;

/// Where requests are counted. A clone counts into the same.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Family<[(&'static str, String); 3], Counter>,
    seconds: Histograms,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
        }
    }
}

impl HttpMetrics {
    /// A request was answered. `route` is the pattern of the table of routes, never a path: a path may hold a token.
    pub(crate) fn answered(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        let route = route.unwrap_or(UNMATCHED);
        // What a client writes as its method is not taken over.
        let known = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
        ];
        let method = known.iter().find(|known| *known == method);
        let labels = [
            ("route", route.to_owned()),
            ("method", method.map_or("other", Method::as_str).to_owned()),
            ("status_class", format!("{}xx", status.as_u16() / 100)),
        ];
        self.requests.get_or_create(&labels).inc();
        self.seconds
            .get_or_create(&[("route", route.to_owned())])
            .observe(took.as_secs_f64());
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Requests answered, by pattern of the route, method and class of the status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http",
            "Time to answer a request, by pattern of the route",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }
}

/// All that one process exports.
pub struct Exporter {
    registry: Registry,
    standing: Arc<LastStanding>,
}

impl Exporter {
    /// What every process with a database exports: how things stand, the store's own numbers, the process.
    pub fn new(store: &Store) -> Result<Self, DocumentFault> {
        let alive_within_s = ProtocolDocument::shipped()?.watch.alive_within_s;
        let standing = Arc::new(LastStanding::new(store.clone(), alive_within_s));
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::started_at(store.clocks().machine_now())));
        let ours = registry.sub_registry_with_prefix(PREFIX);
        ours.register_collector(Box::new(Arc::clone(&standing)));
        store.register_metrics(ours);
        Ok(Self { registry, standing })
    }

    /// Adds the requests of an API.
    pub fn add_api(&mut self, app: &App) {
        app.metrics.register(self.ours());
    }

    /// Where other parts of the process add theirs; their names get our prefix.
    pub fn ours(&mut self) -> &mut Registry {
        self.registry.sub_registry_with_prefix(PREFIX)
    }

    /// Everything as text, read anew if it is a second old.
    async fn text(&self) -> Result<String, std::fmt::Error> {
        self.standing.refresh().await;
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// Serves `GET /metrics` on a listener that is bound already. Called inside a tokio runtime.
pub fn serve(exporter: Exporter, listener: TcpListener) -> Result<Serving, ServeError> {
    let address = listener.local_addr()?;
    let exporter = Data::new(exporter);
    let application = move || {
        ActixApp::new().app_data(exporter.clone()).service(
            web::resource("/metrics")
                .route(web::get().to(scrape))
                .route(web::head().to(scrape)),
        )
    };
    let server = HttpServer::new(application)
        .workers(1)
        .max_connections(CONNECTIONS_MAX)
        .client_request_timeout(Duration::from_secs(HEAD_WITHIN_S))
        .shutdown_timeout(STOP_WITHIN_S)
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(Serving::of(address, server))
}

async fn scrape(exporter: Data<Exporter>) -> HttpResponse {
    match exporter.text().await {
        Ok(page) => HttpResponse::Ok()
            .content_type(CONTENT_TYPE)
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(page),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
