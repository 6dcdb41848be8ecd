//! The stream under lettre's connection: ours, so that we know what lettre does not tell.
//!
//! Guarantees
//! - lettre reads complete, well-formed replies only, one for each command; bytes that answer nothing are a fault.
//! - The body is held back until the final dot is ready, so that a mail of usual size leaves in one packet; that the
//!   dot *may have left* is known exactly: when the transport has taken the last byte, not before.
//! - After a refusal nothing more is written until the session begins its next exchange (lettre would send a QUIT of
//!   its own and wait for the answer).
//! - The first fault is kept, for the session to read: lettre's errors do not say enough.
//!
//! The session and lettre share one [`Wire`] behind a mutex that is never held across an await.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};
use tokio_rustls::client::TlsStream;

use super::{
    reply::{Reply, ReplyFramer},
    stages::{Cause, ReplyStatus},
};

/// Body bytes held back before they are written without waiting for the final dot.
const HELD_BYTES: usize = 64 * 1024;

/// Most bytes read at once.
const READ_BYTES: usize = 4 * 1024;

/// A connection, encrypted or not.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }

    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.peer_addr(),
            Self::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

/// What the bytes being written are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Commands: written as they come.
    Command,
    /// The message: held back.
    Body,
    /// The message's end and the final dot.
    Dot { queued: bool, left: bool },
}

/// A connection and the state of the conversation on it.
pub(super) struct Wire {
    transport: Transport,
    framer: ReplyFramer,
    /// Text of a complete reply that lettre has not read yet.
    reply_text: Vec<u8>,
    /// The last complete reply of the exchange that runs.
    reply: Option<ReplyStatus>,
    /// The first reply that lettre read from the server: to its EHLO.
    offers: Vec<u8>,
    outgoing: Vec<u8>,
    phase: Phase,
    fault: Option<Cause>,
    /// Told whenever the transport has taken bytes, so that the session's time limit starts anew.
    progress: Arc<Notify>,
}

impl Wire {
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport,
            framer: ReplyFramer::default(),
            reply_text: Vec::new(),
            reply: None,
            offers: Vec::new(),
            outgoing: Vec::new(),
            phase: Phase::Command,
            fault: None,
            progress: Arc::new(Notify::new()),
        }
    }

    /// Sends `command`, if any, and waits for the one complete reply.
    pub(super) async fn exchange(&mut self, command: Option<&str>) -> Result<Reply, Cause> {
        if let Some(command) = command {
            self.outgoing.extend_from_slice(command.as_bytes());
            std::future::poll_fn(|context| self.poll_send(context))
                .await
                .map_err(|error| self.cause_of(&error))?;
        }
        let reply = std::future::poll_fn(|context| self.poll_reply(context))
            .await
            .map_err(|error| self.cause_of(&error))?;
        if self.framer.is_within_reply() {
            return Err(Cause::UnaskedReply);
        }
        Ok(reply)
    }

    /// Gives lettre a reply to read as if the server had just sent it.
    pub(super) fn replay(&mut self, text: &[u8]) {
        self.reply_text.extend_from_slice(text);
    }

    /// The bare TCP stream, for the handshake. Nothing may lie unread: it came before the encryption and may be an
    /// attacker's (RFC 3207 section 6, CVE-2011-0411); [`Wire::exchange`] has refused it, and what arrives later is
    /// taken for a part of the handshake, which then fails.
    pub(super) fn into_plain(self) -> Result<TcpStream, Cause> {
        match self.transport {
            Transport::Plain(stream) if !self.framer.is_within_reply() => Ok(stream),
            Transport::Plain(_) | Transport::Tls(_) => Err(Cause::UnaskedReply),
        }
    }

    /// Keeps the first fault; the later ones follow from it.
    fn fail(&mut self, cause: Cause) -> io::Error {
        self.fault.get_or_insert(cause);
        io::Error::other(cause)
    }

    fn fail_io(&mut self, error: &io::Error) -> io::Error {
        self.fail(Cause::Connection(error.kind()))
    }

    fn cause_of(&self, error: &io::Error) -> Cause {
        self.fault.unwrap_or(Cause::Connection(error.kind()))
    }

    /// Reads what is there; an end of the stream is a fault.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; READ_BYTES];
        let mut buffer = ReadBuf::new(&mut bytes);
        if let Err(error) = ready!(self.transport.poll_read(context, &mut buffer)) {
            // A TLS stream cut without its closing message.
            let closed = error.kind() == io::ErrorKind::UnexpectedEof;
            return Poll::Ready(Err(if closed {
                self.fail_at_end()
            } else {
                self.fail_io(&error)
            }));
        }
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(self.fail_at_end()));
        }
        self.framer.push(buffer.filled());
        Poll::Ready(Ok(()))
    }

    fn fail_at_end(&mut self) -> io::Error {
        let cause = if self.framer.is_within_reply() {
            Cause::HalfReply
        } else {
            Cause::Closed
        };
        self.fail(cause)
    }

    fn poll_reply(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Reply>> {
        loop {
            match self.framer.next_reply() {
                Ok(Some(reply)) => return Poll::Ready(Ok(reply)),
                Ok(None) => ready!(self.poll_fill(context))?,
                Err(cause) => return Poll::Ready(Err(self.fail(cause))),
            }
        }
    }

    /// Refuses to write while a reply nobody asked for lies there or the connection has ended.
    fn check_nothing_waits(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.framer.is_within_reply() {
            return Err(self.fail(Cause::UnaskedReply));
        }
        match self.poll_fill(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(())) => Err(self.fail(Cause::UnaskedReply)),
            Poll::Ready(Err(error)) => Err(error),
        }
    }

    /// Writes out everything that is held.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let written = match ready!(self.transport.poll_write(context, &self.outgoing)) {
                Ok(0) => return Poll::Ready(Err(self.fail(Cause::Connection(io::ErrorKind::WriteZero)))),
                Ok(written) => written,
                Err(error) => return Poll::Ready(Err(self.fail_io(&error))),
            };
            self.outgoing.drain(..written);
            if let Phase::Dot { queued: true, left } = &mut self.phase {
                *left = self.outgoing.is_empty();
            }
            self.progress.notify_one();
        }
        match ready!(self.transport.poll_flush(context)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(self.fail_io(&error))),
        }
    }

    fn poll_take(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(cause) = self.fault {
            return Poll::Ready(Err(io::Error::other(cause)));
        }
        if self.reply.is_some_and(|reply| reply.code >= 400) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.check_nothing_waits(context)?;
        if self.outgoing.len() >= HELD_BYTES {
            ready!(self.poll_send(context))?;
        }
        self.outgoing.extend_from_slice(bytes);
        if let Phase::Dot { queued, .. } = &mut self.phase {
            *queued = true;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_hand_on(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.reply_text.is_empty() {
            if let Some(cause) = self.fault {
                return Poll::Ready(Err(io::Error::other(cause)));
            }
            let reply = ready!(self.poll_reply(context))?;
            self.reply = Some(reply.status);
            self.reply_text = reply.text;
            if self.offers.is_empty() {
                self.offers.clone_from(&self.reply_text);
            }
        }
        let length = self.reply_text.len().min(buffer.remaining());
        buffer.put_slice(&self.reply_text[..length]);
        self.reply_text.drain(..length);
        Poll::Ready(Ok(()))
    }
}

/// A [`Wire`] shared by the session and by lettre's connection.
#[derive(Clone)]
pub(super) struct SharedWire(Arc<Mutex<Wire>>);

impl SharedWire {
    pub(super) fn new(wire: Wire) -> Self {
        Self(Arc::new(Mutex::new(wire)))
    }

    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an exchange: the reply of the one before is forgotten.
    pub(super) fn begin_exchange(&self) {
        let mut wire = self.lock();
        wire.reply = None;
        wire.phase = Phase::Command;
    }

    /// Whether the server's reply to EHLO lists this keyword.
    pub(super) fn offers(&self, keyword: &str) -> bool {
        offers(&self.lock().offers, keyword)
    }

    /// Writes commands of our own.
    pub(super) async fn say(&self, commands: &str) -> Result<(), Cause> {
        {
            let mut wire = self.lock();
            let checked = wire.check_nothing_waits(&mut Context::from_waker(Waker::noop()));
            checked.map_err(|error| wire.cause_of(&error))?;
            wire.outgoing.extend_from_slice(commands.as_bytes());
        }
        let sent = std::future::poll_fn(|context| self.lock().poll_send(context)).await;
        sent.map_err(|error| self.lock().cause_of(&error))
    }

    /// Waits for one complete reply; others may lie behind it.
    pub(super) async fn hear(&self) -> Result<ReplyStatus, Cause> {
        let heard = std::future::poll_fn(|context| self.lock().poll_reply(context)).await;
        heard
            .map(|reply| reply.status)
            .map_err(|error| self.lock().cause_of(&error))
    }

    /// Nothing more is said on this connection.
    pub(super) fn break_off(&self) {
        let _fault = self.lock().fail(Cause::Closed);
    }

    /// Begins the message: what is written from here is body.
    pub(super) fn begin_body(&self) {
        let mut wire = self.lock();
        wire.reply = None;
        wire.phase = Phase::Body;
    }

    /// The message has been handed over whole: what is written from here ends with the final dot.
    pub(super) fn begin_dot(&self) {
        self.lock().phase = Phase::Dot {
            queued: false,
            left: false,
        };
    }

    /// Whether the final dot's last byte may have left.
    pub(super) fn dot_may_have_left(&self) -> bool {
        matches!(self.lock().phase, Phase::Dot { left: true, .. })
    }

    /// Told whenever the transport has taken bytes.
    pub(super) fn progress(&self) -> Arc<Notify> {
        Arc::clone(&self.lock().progress)
    }

    /// The reply of the exchange that has ended, or what went wrong with the connection. A reply followed by another
    /// is no answer: nobody knows which of the two is meant. Two positive ones after the final dot are one answer said
    /// twice (`repeated_yes`); the connection is out of step all the same, and the next write on it fails.
    pub(super) fn outcome(&self, repeated_yes: bool) -> Result<ReplyStatus, Cause> {
        let wire = self.lock();
        if let Some(cause) = wire.fault {
            return Err(cause);
        }
        let reply = wire.reply.ok_or(Cause::NotAReply)?;
        match wire.framer.first_unread() {
            None => Ok(reply),
            Some(b'2') if repeated_yes && reply.code / 100 == 2 => Ok(reply),
            Some(_) => Err(Cause::UnaskedReply),
        }
    }

    /// Whether the connection is open, in step and silent, as far as can be seen without asking the server.
    pub(super) fn is_quiet(&self) -> bool {
        let mut wire = self.lock();
        wire.fault.is_none()
            && wire
                .check_nothing_waits(&mut Context::from_waker(Waker::noop()))
                .is_ok()
    }
}

/// Whether a reply to EHLO lists a keyword; its first line is the server's name.
pub(super) fn offers(reply: &[u8], keyword: &str) -> bool {
    reply
        .split(|&byte| byte == b'\n')
        .skip(1)
        .filter_map(|line| line.get(4..))
        .any(|offer| offer.trim_ascii().eq_ignore_ascii_case(keyword.as_bytes()))
}

impl fmt::Debug for SharedWire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither what is sent nor what is received may show up in a log.
        formatter.debug_struct("SharedWire").finish_non_exhaustive()
    }
}

impl AsyncRead for SharedWire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.lock().poll_hand_on(context, buffer)
    }
}

impl AsyncWrite for SharedWire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.lock().poll_take(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.lock();
        // lettre flushes after every piece; the body waits for its final dot.
        if wire.phase == Phase::Body && wire.outgoing.len() < HELD_BYTES {
            return Poll::Ready(Ok(()));
        }
        wire.poll_send(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock().transport.poll_shutdown(context)
    }
}

impl AsyncTokioStream for SharedWire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.lock().transport.peer_addr()
    }
}
