//! A mail server for tests that misbehaves on request, at the stage and as often as a test says.
//!
//! Runs on 127.0.0.1 in a thread of its own, so that neither the test's runtime nor its paused clock touches it, and
//! ends when dropped. Strict where a sloppy server would hide a mistake of ours: commands out of order are refused with
//! 503, and a mail ends at CRLF dot CRLF only.

mod conversation;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{net::TcpListener, sync::Notify};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

/// A point of the conversation: the server's answer to this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The connection itself; the answer is the greeting.
    Greeting,
    /// EHLO.
    Ehlo,
    /// STARTTLS and the handshake.
    StartTls,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    Mail,
    /// RCPT TO.
    Rcpt,
    /// DATA.
    Data,
    /// The whole message has arrived.
    FinalDot,
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
}

/// What the server does instead of answering properly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Resets the connection (RST).
    Reset,
    /// Closes the connection (FIN).
    Close,
    /// Says nothing and keeps the connection.
    Stall,
    /// Answers with this code and text; 421 also closes.
    Reply(u16, String),
    /// Answers with a line that is no reply.
    Garbage,
    /// Sends the first two bytes of the proper answer and closes.
    HalfLine,
    /// Answers properly, this much later.
    LateReply(Duration),
    /// Sends bytes that are no TLS: in the handshake at [`Stage::StartTls`] and, with implicit TLS, at
    /// [`Stage::Greeting`]; within the encrypted conversation elsewhere.
    TlsFailure,
    /// Answers with a NUL in the text.
    Nul,
    /// Answers with a megabyte of continued lines.
    HugeReply,
    /// Sends the proper answer twice in one packet.
    DoubleReply,
    /// Sends the proper answer and an injected reply behind it in one packet.
    ExtraBytesBeforeTls,
}

/// What a test is called at: a moment of a conversation. Everything else the server does waits until the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The client has done this and has no answer yet. At [`Stage::FinalDot`] the mail is kept already.
    Before(Stage),
    /// The first line of a message was read, the rest of it was not.
    InBody,
    /// The answer to this has been written.
    After(Stage),
}

/// What a test calls; false ends the connection there, and nothing more is read from it.
type Hook = Arc<dyn Fn(Moment) -> bool + Send + Sync>;

/// How the server protects the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerTls {
    /// Not at all, and does not offer to.
    #[default]
    None,
    /// Offers STARTTLS and requires it before MAIL FROM.
    StartTls,
    /// From the first byte.
    Implicit,
}

#[derive(Debug, Clone)]
struct PlannedFault {
    fault: Fault,
    /// How often it still happens; `None` is for ever.
    remaining: Option<usize>,
}

/// What the server is and how it misbehaves from the start.
#[derive(Debug, Clone, Default)]
pub struct Script {
    tls: ServerTls,
    log_in: Option<(String, String)>,
    faults: HashMap<Stage, PlannedFault>,
    refused: HashMap<String, (u16, String)>,
    /// Time between two mails that are taken.
    pace: Option<Duration>,
    pipelining: bool,
    takes_data_for_nobody: bool,
}

impl Script {
    /// A server that takes everything, without TLS and log-in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Protects the connection this way.
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = tls;
        self
    }

    /// Requires AUTH PLAIN with this name and password.
    pub fn log_in(mut self, username: &str, password: &str) -> Self {
        self.log_in = Some((username.to_owned(), password.to_owned()));
        self
    }

    /// Takes so many mails a second and no more, over all connections together; the others wait for their turn.
    pub fn per_second(mut self, mails: u32) -> Self {
        self.pace = Some(Duration::from_secs(1) / mails);
        self
    }

    /// Offers PIPELINING.
    pub fn pipelining(mut self) -> Self {
        self.pipelining = true;
        self
    }

    /// Says 354 to DATA even if it refused the recipient; refuses what comes then.
    pub fn takes_data_for_nobody(mut self) -> Self {
        self.takes_data_for_nobody = true;
        self
    }

    /// Misbehaves at `stage`, every time.
    pub fn fault(mut self, stage: Stage, fault: Fault) -> Self {
        self.faults.insert(
            stage,
            PlannedFault {
                fault,
                remaining: None,
            },
        );
        self
    }

    /// Misbehaves at `stage` the first `times` it comes there.
    pub fn fault_first(mut self, times: usize, stage: Stage, fault: Fault) -> Self {
        self.faults.insert(
            stage,
            PlannedFault {
                fault,
                remaining: Some(times),
            },
        );
        self
    }
}

/// A mail the server took.
#[derive(Debug, Clone)]
pub struct ReceivedMail {
    /// Address in MAIL FROM, without brackets.
    pub from: String,
    /// Addresses in RCPT TO, without brackets.
    pub to: Vec<String>,
    /// The message as sent, dots unstuffed, its last CRLF included.
    pub data: Vec<u8>,
    /// When its final dot had arrived; with [`Script::per_second`], when its turn had come.
    pub at: Instant,
}

/// What the conversations share with the test.
#[derive(Debug, Default)]
struct State {
    script: Script,
    received: Vec<ReceivedMail>,
    unacknowledged: Vec<ReceivedMail>,
    /// Mails accepted on each connection, in the order the connections came.
    connections: Vec<usize>,
    /// Commands in the order they came, without arguments.
    commands: Vec<String>,
    hook: HookPlace,
    /// When the next mail is taken.
    next_turn: Option<Instant>,
}

#[derive(Default)]
struct HookPlace(Option<Hook>);

impl std::fmt::Debug for HookPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "a hook" } else { "no hook" })
    }
}

impl State {
    /// How long a mail that has come at `now` waits for its turn.
    fn take_turn(&mut self, now: Instant) -> Option<Duration> {
        let pace = self.script.pace?;
        let turn = self.next_turn.map_or(now, |turn| turn.max(now));
        self.next_turn = Some(turn + pace);
        Some(turn - now)
    }

    fn take_fault(&mut self, stage: Stage) -> Option<Fault> {
        let planned = self.script.faults.get_mut(&stage)?;
        match &mut planned.remaining {
            None => {}
            Some(0) => return None,
            Some(remaining) => *remaining -= 1,
        }
        Some(planned.fault.clone())
    }
}

/// Calls the test. Whether the conversation goes on.
fn reached(state: &SharedState, moment: Moment) -> bool {
    let hook = lock(state).hook.0.clone();
    hook.is_none_or(|hook| hook(moment))
}

type SharedState = Arc<Mutex<State>>;

fn lock(state: &SharedState) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running server.
#[derive(Debug)]
pub struct SmtpServer {
    address: SocketAddr,
    certificate_pem: String,
    state: SharedState,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl SmtpServer {
    /// Starts a server on a free port of 127.0.0.1.
    #[expect(clippy::expect_used, reason = "a test cannot go on without its server")]
    pub fn start(script: Script) -> Self {
        Self::try_start(script).expect("the SMTP server for tests starts")
    }

    fn try_start(script: Script) -> io::Result<Self> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certified = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![certified.cert.der().clone()], key)
            })
            .map_err(io::Error::other)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));

        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            script,
            ..State::default()
        }));
        let stop = Arc::new(Notify::new());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (its_state, its_stop) = (Arc::clone(&state), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("smtp-server".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = its_stop.notified() => {}
                        () = serve(listener, acceptor, its_state) => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            certificate_pem: pem(certified.cert.der()),
            state,
            stop,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its certificate, for the names `localhost` and 127.0.0.1, to be trusted as a root.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Calls `hook` at every moment of every conversation from now on; false ends the connection.
    pub fn at_each(&self, hook: impl Fn(Moment) -> bool + Send + Sync + 'static) {
        lock(&self.state).hook.0 = Some(Arc::new(hook));
    }

    /// Misbehaves at `stage` from now on, every time.
    pub fn set(&self, stage: Stage, fault: Fault) {
        lock(&self.state).script.faults.insert(
            stage,
            PlannedFault {
                fault,
                remaining: None,
            },
        );
    }

    /// Refuses this recipient at RCPT TO from now on.
    pub fn refuse(&self, address: &str, code: u16, text: &str) {
        lock(&self.state)
            .script
            .refused
            .insert(address.to_owned(), (code, text.to_owned()));
    }

    /// Behaves from now on: no faults, nobody refused.
    pub fn behave(&self) {
        let mut state = lock(&self.state);
        state.script.faults.clear();
        state.script.refused.clear();
    }

    /// Mails the server accepted, in the order they came. A reply that comes late is an acceptance all the same.
    pub fn received(&self) -> Vec<ReceivedMail> {
        lock(&self.state).received.clone()
    }

    /// Mails that arrived whole and that the server neither accepted nor refused, because of a fault at
    /// [`Stage::FinalDot`]: a real server may have delivered them.
    pub fn unacknowledged(&self) -> Vec<ReceivedMail> {
        lock(&self.state).unacknowledged.clone()
    }

    /// Mails accepted on each connection, in the order the connections came; its length is their number.
    pub fn mails_per_connection(&self) -> Vec<usize> {
        lock(&self.state).connections.clone()
    }

    /// The commands heard, such as `EHLO` or `RCPT`, in the order they came.
    pub fn commands(&self) -> Vec<String> {
        lock(&self.state).commands.clone()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic in it has shown itself on standard error; the test's own result counts.
            let _ = thread.join();
        }
    }
}

fn pem(certificate: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, state: SharedState) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut state = lock(&state);
            state.connections.push(0);
            state.connections.len() - 1
        };
        let (state, acceptor) = (Arc::clone(&state), acceptor.clone());
        tokio::spawn(async move {
            // An error is a client that went away, which tests provoke.
            let _ = conversation::hold(stream, acceptor, state, number).await;
        });
    }
}
