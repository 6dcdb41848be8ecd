//! The way out for finished mails: a relay by SMTP, or a folder for a demo and for development.
//!
//! Guarantees: each lane has places of its own and the most urgent goes first (`places`), so that no number of reminders
//! keeps an escalation waiting; a connection that is stuck gives its place to a new one after ten seconds and is still
//! waited for, as RFC 5321 asks; a connection that lay idle and turns out dead costs a reconnection, not a failed attempt;
//! a relay that says "too fast" gets mails at a pace it takes (`pace`), escalations first.

mod pace;
mod places;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bedside_protocol::duty::Lane;
use bedside_protocol::time::{Instant, seconds};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::places::{Gate, PLACES, Place};
use crate::folder::MailFolder;
use crate::smtp::{Accepted, Cause, FailureClass, SendFailure, SmtpSession, SmtpSettings, Stage};

/// How many stuck connections a lane may hold besides, most urgent first.
const STUCK: [usize; 4] = [64, 40, 32, 16];

/// A send that takes longer gives its place away. Honest relays answer within a few seconds, scanners included.
const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Longest a connection lies idle before it is given up: relays close theirs after minutes, firewalls forget silently.
const IDLE_MAX_S: i64 = 20;

/// A finished mail.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Which share it uses.
    pub lane: Lane,
    /// Its Message-ID, with the angle brackets.
    pub message_id: String,
    /// The address.
    pub to: String,
    /// The whole mail.
    pub bytes: Arc<Vec<u8>>,
    /// The clinical clock, for the name of a file.
    pub at: Instant,
    /// The machine clock, for the age of idle connections.
    pub machine_at: Instant,
    /// Says whether the relay may have taken it although the send was dropped in the middle.
    pub cut: CutMark,
}

/// Whether a send that was dropped in the middle may have reached the relay all the same: its final dot may have left.
#[derive(Debug, Clone, Default)]
pub struct CutMark(Arc<AtomicBool>);

impl CutMark {
    fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the mail may have been accepted.
    pub fn is_ambiguous(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where mails go.
pub enum Transport {
    /// A relay.
    Smtp(Box<SmtpPool>),
    /// A folder of `.eml` files.
    Folder(Arc<MailFolder>),
}

impl Transport {
    /// A relay; bounces go to `envelope_from`.
    pub fn smtp(settings: SmtpSettings, envelope_from: impl Into<String>) -> Self {
        Self::Smtp(Box::new(SmtpPool::new(settings, envelope_from.into())))
    }

    /// A folder.
    pub fn folder(folder: Arc<MailFolder>) -> Self {
        Self::Folder(folder)
    }

    /// How many rows of a lane should be at hand, so that no place waits for a row and no row long for its place.
    pub fn rows_at_hand(&self, lane: Lane) -> usize {
        match self {
            Self::Smtp(pool) => pool.gate.rows_at_hand(place_of(lane)),
            Self::Folder(_) => 2 * PLACES,
        }
    }

    /// How many sends of a lane the relay keeps waiting, which gave their places away.
    pub fn stuck(&self, lane: Lane) -> usize {
        match self {
            Self::Smtp(pool) => pool.stuck_in(place_of(lane)),
            Self::Folder(_) => 0,
        }
    }

    /// Sends one mail. Waits for a place in its lane, then for the relay's word.
    pub async fn send(&self, mail: &Outgoing) -> Result<Accepted, SendFailure> {
        match self {
            Self::Smtp(pool) => pool.send(mail).await,
            Self::Folder(folder) => put_into(folder, mail).await,
        }
    }

    /// How many connections to the relay there are, in use or idle.
    pub fn connections(&self) -> usize {
        match self {
            Self::Smtp(pool) => pool.connections(),
            Self::Folder(_) => 0,
        }
    }

    /// Takes leave of the relay on every idle connection.
    pub async fn close_idle(&self) {
        if let Self::Smtp(pool) = self {
            let idle = std::mem::take(&mut *pool.idle.lock().unwrap_or_else(PoisonError::into_inner));
            futures_util::future::join_all(idle.into_iter().map(|idle| idle.session.close())).await;
        }
    }
}

async fn put_into(folder: &Arc<MailFolder>, mail: &Outgoing) -> Result<Accepted, SendFailure> {
    let (folder, mail) = (Arc::clone(folder), mail.clone());
    let written =
        tokio::task::spawn_blocking(move || folder.deliver(&mail.message_id, mail.at, &mail.bytes)).await;
    match written {
        Ok(Ok(_)) => Ok(Accepted {
            reply: "250".to_owned(),
            code: 250,
        }),
        Ok(Err(error)) => Err(not_written(error.kind())),
        Err(_) => Err(not_written(io::ErrorKind::Other)),
    }
}

/// The same file is written again next time, so a cut is never ambiguous.
fn not_written(kind: io::ErrorKind) -> SendFailure {
    let permanent = kind == io::ErrorKind::InvalidInput;
    SendFailure {
        stage: Stage::Body,
        class: if permanent {
            FailureClass::PermanentMessage
        } else {
            FailureClass::Temporary
        },
        code: None,
        enhanced: None,
        cause: Cause::Connection(kind),
        ambiguous: false,
    }
}

/// Connections to one relay.
pub struct SmtpPool {
    settings: SmtpSettings,
    envelope_from: String,
    gate: Gate,
    stuck: [Arc<Semaphore>; 4],
    idle: Mutex<Vec<Idle>>,
}

/// A mail on a connection. At its end, also when the send is dropped in the middle, it says whether the mail may have been
/// taken without an answer.
struct Speaking<'a> {
    session: &'a mut SmtpSession,
    mail: &'a Outgoing,
}

impl Drop for Speaking<'_> {
    fn drop(&mut self) {
        if self.session.may_have_been_taken() {
            self.mail.cut.mark();
        }
    }
}

struct Idle {
    session: SmtpSession,
    since: Instant,
}

impl SmtpPool {
    fn new(settings: SmtpSettings, envelope_from: String) -> Self {
        Self {
            settings,
            envelope_from,
            gate: Gate::default(),
            stuck: STUCK.map(|places| Arc::new(Semaphore::new(places))),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Each place that is taken has a connection, or is about to.
    fn connections(&self) -> usize {
        let stuck: usize = (0..STUCK.len()).map(|lane| self.stuck_in(lane)).sum();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.gate.in_use() + stuck + idle
    }

    fn stuck_in(&self, lane: usize) -> usize {
        STUCK[lane].saturating_sub(self.stuck[lane].available_permits())
    }

    async fn send(&self, mail: &Outgoing) -> Result<Accepted, SendFailure> {
        let lane = place_of(mail.lane);
        let going = self.gate.enter(lane).await;
        let result = self.send_from_place(mail, going, &self.stuck[lane]).await;
        match &result {
            Ok(_) => self.gate.accepted(),
            Err(failure) if failure.is_throttle() => self.gate.throttled(),
            Err(_) => {}
        }
        result
    }

    async fn send_from_place(
        &self,
        mail: &Outgoing,
        going: Option<Place>,
        stuck: &Arc<Semaphore>,
    ) -> Result<Accepted, SendFailure> {
        let mut sending = std::pin::pin!(self.converse(mail));
        tokio::select! {
            result = &mut sending => return result,
            () = tokio::time::sleep(STUCK_AFTER) => {}
        }
        // Its place is free for a new connection as soon as there is room among the stuck ones.
        let stuck = tokio::select! {
            result = &mut sending => return result,
            stuck = take(stuck) => stuck,
        };
        drop(going);
        let result = sending.await;
        drop(stuck);
        result
    }

    async fn converse(&self, mail: &Outgoing) -> Result<Accepted, SendFailure> {
        if let Some(mut session) = self.idle_session(mail.machine_at) {
            let result = self.speak(&mut session, mail).await;
            match &result {
                Err(failure) if had_died(failure) => {}
                _ => return self.keep(session, mail.machine_at, result),
            }
        }
        let mut session = SmtpSession::connect(&self.settings).await?;
        let result = self.speak(&mut session, mail).await;
        self.keep(session, mail.machine_at, result)
    }

    async fn speak(&self, session: &mut SmtpSession, mail: &Outgoing) -> Result<Accepted, SendFailure> {
        let speaking = Speaking { session, mail };
        let from = &self.envelope_from;
        let result = speaking.session.send(from, &mail.to, &mail.bytes).await;
        if result.is_ok() {
            // The attempt may still be cut before that is written down.
            mail.cut.mark();
        }
        result
    }

    fn keep(
        &self,
        session: SmtpSession,
        since: Instant,
        result: Result<Accepted, SendFailure>,
    ) -> Result<Accepted, SendFailure> {
        if session.is_usable() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < PLACES {
                idle.push(Idle { session, since });
            }
        }
        result
    }

    /// The connection used last, if one can still be used. Older ones are left to close.
    fn idle_session(&self, now: Instant) -> Option<SmtpSession> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        // Either way: a clock that jumps back must not keep a connection for ever.
        idle.retain(|idle| (now - idle.since).abs() <= seconds(IDLE_MAX_S));
        while let Some(idle) = idle.pop() {
            if idle.session.is_usable() {
                return Some(idle.session);
            }
        }
        None
    }
}

/// Whether a reused connection was gone before the mail began, so that a new one can take it at once.
fn had_died(failure: &SendFailure) -> bool {
    failure.code.is_none()
        && matches!(failure.stage, Stage::Connect | Stage::Rset | Stage::MailFrom)
        && matches!(
            failure.cause,
            Cause::Closed | Cause::HalfReply | Cause::UnaskedReply | Cause::Connection(_)
        )
}

/// A place. The semaphores are never closed, so waiting cannot fail.
async fn take(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(places).acquire_owned().await.ok()
}

/// A lane's index: 0 is the most urgent.
pub(crate) fn place_of(lane: Lane) -> usize {
    match lane {
        Lane::Escalation => 0,
        Lane::Session => 1,
        Lane::Reminder => 2,
        Lane::Digest => 3,
    }
}
