//! The server: its state, its settings, starting and stopping it.
//!
//! [`serve`] runs inside any tokio runtime, several times in one process (tests, a standby). Stopping lets requests that
//! have begun finish.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpServer;
use actix_web::dev::{Server, ServerHandle};
use actix_web::web::Data;
use bedside_protocol::document::{DocumentFault, ProtocolDocument};
use bedside_protocol::notice::Notice;
use bedside_store::Store;
use tokio::task::JoinHandle;

use crate::limits::Limits;
use crate::metrics::HttpMetrics;
use crate::passwords::Passwords;
use crate::tokens::{BadTokenKey, Tokens};

/// How long an idle connection is kept, seconds; longer than a proxy's own, so that the proxy closes first.
const KEEP_ALIVE_S: u64 = 75;

/// How long a client may take to send a request's head, seconds.
const HEAD_WITHIN_S: u64 = 10;

/// How long a client may take to close, seconds.
const DISCONNECT_WITHIN_S: u64 = 5;

/// How long requests that have begun may go on while the server stops, seconds.
const STOP_WITHIN_S: u64 = 15;

/// Connections at one time, for each worker thread.
const CONNECTIONS_MAX: usize = 10_000;

/// How the API is run.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// What links begin with, such as `https://bedside.example`; no slash at the end.
    pub public_base_url: String,
    /// Where it listens; the caller of [`serve`] opens it.
    pub listen: SocketAddr,
    /// Threads that answer requests.
    pub workers: usize,
    /// The folder of mails to list at `/mails`; only with `development`.
    pub mail_folder: Option<PathBuf>,
    /// A demo or a developer's machine: pages that show everything are on.
    pub development: bool,
    /// A reverse proxy stands in front and sets `X-Forwarded-For`.
    pub trusted_proxy: bool,
}

impl ApiSettings {
    /// Whether pages are reached over TLS, so that cookies may insist on it.
    pub fn is_https(&self) -> bool {
        self.public_base_url.starts_with("https://")
    }

    /// The folder of mails, where listing it is allowed.
    pub fn listed_mail_folder(&self) -> Option<&PathBuf> {
        self.mail_folder.as_ref().filter(|_| self.development)
    }
}

/// What a message would say: subject and text. The worker has the words; who starts both hands them in.
pub type MessageWords = Arc<dyn Fn(&Notice) -> Option<(String, String)> + Send + Sync>;

/// All that handlers share.
pub struct App {
    /// The database.
    pub store: Store,
    /// Access tokens.
    pub tokens: Tokens,
    /// Password hashing.
    pub passwords: Passwords,
    /// Limits on tries.
    pub limits: Limits,
    /// How the API is run.
    pub settings: ApiSettings,
    /// The protocol document of the program itself: words for those of whom nothing is known, and how alive the watch
    /// must be. A session goes by its own.
    pub protocol: ProtocolDocument,
    /// Where requests are counted.
    pub metrics: HttpMetrics,
    /// What messages would say, where this process knows.
    pub words: Option<MessageWords>,
}

/// Why the state could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The key for access tokens.
    #[error(transparent)]
    TokenKey(#[from] BadTokenKey),
    /// The protocol document.
    #[error(transparent)]
    Protocol(#[from] DocumentFault),
}

impl App {
    /// The state for a store that is open and migrated.
    pub fn new(store: Store, settings: ApiSettings) -> Result<Self, AppError> {
        let tokens = Tokens::from_seed(&store.keys().access_token_seed())?;
        let passwords = Passwords::new(store.keys().clone());
        let protocol = ProtocolDocument::shipped()?;
        Ok(Self {
            store,
            tokens,
            passwords,
            limits: Limits::default(),
            settings,
            protocol,
            metrics: HttpMetrics::default(),
            words: None,
        })
    }

    /// The same with the words of messages.
    pub fn with_words(mut self, words: MessageWords) -> Self {
        self.words = Some(words);
        self
    }
}

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
#[error("the API cannot listen")]
pub struct ServeError(#[from] io::Error);

/// A running server.
pub struct Serving {
    address: SocketAddr,
    handle: ServerHandle,
    running: JoinHandle<io::Result<()>>,
}

impl Serving {
    /// Runs a server that was bound to `address`.
    pub(crate) fn of(address: SocketAddr, server: Server) -> Self {
        Self {
            address,
            handle: server.handle(),
            running: tokio::spawn(server),
        }
    }

    /// Where it listens; the real port where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops taking requests, lets those that have begun finish, and waits for it.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        // A server that ended with an error has ended too.
        let _ = self.running.await;
    }

    /// Waits until the server ends by itself, which it does only on a fault.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.running).await.map_err(io::Error::other)?
    }
}

/// Starts the server on a listener that is bound already.
pub async fn serve(app: Arc<App>, listener: TcpListener) -> Result<Serving, ServeError> {
    let address = listener.local_addr()?;
    let workers = app.settings.workers.max(1);
    let app = Data::from(app);
    let server = HttpServer::new(move || crate::routes::application(app.clone()))
        .workers(workers)
        .max_connections(CONNECTIONS_MAX)
        .keep_alive(Duration::from_secs(KEEP_ALIVE_S))
        .client_request_timeout(Duration::from_secs(HEAD_WITHIN_S))
        .client_disconnect_timeout(Duration::from_secs(DISCONNECT_WITHIN_S))
        .shutdown_timeout(STOP_WITHIN_S)
        .disable_signals()
        .listen(listener)?
        .run();
    Ok(Serving::of(address, server))
}
