//! One connection to the relay and the mails that go over it, each stage with its own time limit.
//!
//! Guarantees: after a refusal the connection is reset before the next mail; after anything else that went wrong it is
//! not used again; a `send` that is dropped half-way leaves it unusable too.

use std::{borrow::Cow, net::SocketAddr, pin::pin, time::Duration};

use lettre::transport::smtp::{
    authentication::{Credentials, Mechanism},
    client::AsyncSmtpConnection,
    commands::{Data, Mail, Rcpt},
    extension::ClientId,
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{sleep, timeout},
};

use super::{
    Security, SmtpSettings, envelope_address, pipelining,
    stages::{Cause, ReplyStatus, SendFailure, Stage, StageTimeouts},
    tls,
    wire::{self, SharedWire, Transport, Wire},
};

/// Bytes of the message handed to lettre at once.
const PIECE_BYTES: usize = 16 * 1024;

/// Addresses of one name that are tried; they share the limit of the stage.
const MAX_ADDRESSES: usize = 4;

/// A mail the relay has taken responsibility for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Reply code and enhanced status, such as `250 2.0.0`. Not the reply's text: it may echo an address.
    pub reply: String,
    /// The reply code, 250 to 259.
    pub code: u16,
}

/// A connection to the relay, ready for mails one after the other.
pub struct SmtpSession {
    connection: AsyncSmtpConnection,
    wire: SharedWire,
    timeouts: StageTimeouts,
    /// The server takes several commands at once.
    pipelining: bool,
    usable: bool,
    /// A mail was refused: what the server remembers of it must go before the next.
    must_reset: bool,
}

impl SmtpSession {
    /// Opens a connection and brings it to the point where mails can be sent: TCP, TLS as set, EHLO, log-in.
    pub async fn connect(settings: &SmtpSettings) -> Result<Self, SendFailure> {
        let limits = &settings.timeouts;
        let stream = within(Stage::Connect, limits.connect, open(settings, limits.connect)).await?;
        let wire = SharedWire::new(match settings.security {
            Security::ImplicitTls => {
                let mut wire = encrypted(stream, settings).await?;
                greet(&mut wire, limits).await?;
                wire
            }
            Security::PlainInsecure => {
                let mut wire = Wire::new(Transport::Plain(stream));
                greet(&mut wire, limits).await?;
                wire
            }
            Security::StartTls => start_tls(stream, settings).await?,
        });
        let hello_name = ClientId::Domain(settings.hello_name.clone());
        let greeted = AsyncSmtpConnection::connect_with_transport(Box::new(wire.clone()), &hello_name);
        let (connection, _) = exchange(&wire, Stage::Ehlo, limits.ehlo, &[250], greeted).await?;
        let mut session = Self {
            connection,
            pipelining: wire.offers("PIPELINING"),
            wire,
            timeouts: limits.clone(),
            usable: true,
            must_reset: false,
        };
        if let (Some(username), Some(password)) = (&settings.username, &settings.password) {
            session
                .log_in(Credentials::new(username.clone(), password.clone()))
                .await?;
        }
        Ok(session)
    }

    /// Sends one message to one address.
    ///
    /// `envelope_from` takes bounces; empty means that nobody does (`MAIL FROM:<>`). `message` is the whole mail, ASCII;
    /// a bare CR or LF is sent as CRLF, otherwise it arrives byte for byte. A failure tells whether the session can be
    /// used again only through [`SmtpSession::is_usable`].
    pub async fn send(
        &mut self,
        envelope_from: &str,
        to: &str,
        message: &[u8],
    ) -> Result<Accepted, SendFailure> {
        let refused = SendFailure::without_reply;
        let from = match envelope_from {
            "" => None,
            text => Some(envelope_address(text).ok_or(refused(Stage::MailFrom, Cause::SenderAddress))?),
        };
        let to = envelope_address(to).ok_or(refused(Stage::RcptTo, Cause::RecipientAddress))?;
        if message.iter().any(|&byte| byte == 0 || !byte.is_ascii()) {
            return Err(refused(Stage::Body, Cause::NotAscii));
        }
        if !self.usable {
            return Err(refused(Stage::Connect, Cause::Closed));
        }

        // Until this future has run to its end nobody knows what the server expects next.
        self.usable = false;
        let result = self
            .converse(Mail::new(from, vec![]), Rcpt::new(to, vec![]), message)
            .await;
        match &result {
            Ok(_) => self.usable = true,
            Err(failure) if failure.leaves_session_usable() => {
                self.usable = true;
                self.must_reset = true;
            }
            Err(_) => {}
        }
        result.map(|reply| Accepted {
            reply: reply.to_string(),
            code: reply.code,
        })
    }

    /// Whether another mail can be sent over it: in step with the server, not closed by it, nothing waiting unread.
    /// Asks the operating system, not the server, so a connection that died silently shows only at the next stage.
    pub fn is_usable(&self) -> bool {
        self.usable && self.wire.is_quiet()
    }

    /// Whether a send was cut off after its final dot may have left, so that the server may have taken the mail.
    pub fn may_have_been_taken(&self) -> bool {
        !self.usable && self.wire.dot_may_have_left()
    }

    /// Takes leave of the server, briefly; what it answers changes nothing.
    pub async fn close(mut self) {
        if self.is_usable() {
            self.wire.begin_exchange();
            let goodbye = within(Stage::Quit, self.timeouts.quit, async {
                // The mails are done; a server that does not say goodbye has still done its work.
                let _ = self.connection.quit().await;
                Ok(())
            });
            let _ = goodbye.await;
        }
    }

    async fn log_in(&mut self, credentials: Credentials) -> Result<(), SendFailure> {
        let mechanisms = [Mechanism::Plain, Mechanism::Login];
        let info = self.connection.server_info();
        if !mechanisms
            .iter()
            .any(|&mechanism| info.supports_auth_mechanism(mechanism))
        {
            return Err(SendFailure::without_reply(Stage::Auth, Cause::NoAuthMechanism));
        }
        let asked = self.connection.auth(&mechanisms, &credentials);
        exchange(&self.wire, Stage::Auth, self.timeouts.auth, &[235], asked).await?;
        Ok(())
    }

    async fn converse(&mut self, mail: Mail, rcpt: Rcpt, message: &[u8]) -> Result<ReplyStatus, SendFailure> {
        if self.pipelining {
            let reset = std::mem::take(&mut self.must_reset);
            pipelining::envelope(&self.wire, &self.timeouts, reset, &mail, &rcpt).await?;
            return self.transfer(message).await;
        }
        let limits = self.timeouts.clone();
        if self.must_reset {
            self.command(Stage::Rset, limits.mail, &[250], "RSET\r\n").await?;
            self.must_reset = false;
        }
        self.command(Stage::MailFrom, limits.mail, &[250], mail).await?;
        self.command(Stage::RcptTo, limits.rcpt, &[250, 251], rcpt)
            .await?;
        self.command(Stage::Data, limits.data, &[354], Data).await?;
        self.transfer(message).await
    }

    async fn command(
        &mut self,
        stage: Stage,
        limit: Duration,
        wanted: &[u16],
        command: impl std::fmt::Display,
    ) -> Result<(), SendFailure> {
        let asked = self.connection.command(command);
        exchange(&self.wire, stage, limit, wanted, asked).await?;
        Ok(())
    }

    /// The message, the final dot and the reply to it.
    async fn transfer(&mut self, message: &[u8]) -> Result<ReplyStatus, SendFailure> {
        let message = with_crlf(message);
        // lettre writes CRLF before the final dot whether or not the message ends with one.
        let text = message.strip_suffix(b"\r\n").unwrap_or(&message);
        let wire = self.wire.clone();
        let pieces = text
            .chunks(PIECE_BYTES)
            .map(Some)
            .chain([None])
            .map_while(|piece| {
                if piece.is_none() {
                    wire.begin_dot();
                }
                piece
            });

        self.wire.begin_body();
        let progress = self.wire.progress();
        let mut sending = pin!(self.connection.message_iter(pieces));
        let ended_in_time = loop {
            let limit = if self.wire.dot_may_have_left() {
                self.timeouts.final_dot
            } else {
                self.timeouts.body
            };
            tokio::select! {
                biased;
                _ = &mut sending => break true,
                () = progress.notified() => {}
                () = sleep(limit) => break false,
            }
        };
        let outcome = if ended_in_time {
            self.wire.outcome(true)
        } else {
            Err(Cause::TimedOut)
        };
        let stage = if self.wire.dot_may_have_left() {
            Stage::FinalDot
        } else {
            Stage::Body
        };
        match outcome {
            Ok(reply) if reply.code / 10 == 25 && stage == Stage::FinalDot => Ok(reply),
            Ok(reply) => Err(SendFailure::from_reply(stage, reply)),
            Err(cause) => Err(SendFailure::without_reply(stage, cause)),
        }
    }
}

/// Opens the TCP connection; the addresses of a name are tried in turn and share the limit, so that one that swallows
/// packets does not keep us from the next.
async fn open(settings: &SmtpSettings, limit: Duration) -> Result<TcpStream, Cause> {
    let found = lookup_host((settings.host.as_str(), settings.port))
        .await
        .map_err(|_| Cause::NoAddress)?;
    let addresses: Vec<SocketAddr> = found.take(MAX_ADDRESSES).collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut cause = Cause::NoAddress;
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Each stage is one small packet that the server waits for.
                stream
                    .set_nodelay(true)
                    .map_err(|error| Cause::Connection(error.kind()))?;
                return Ok(stream);
            }
            Ok(Err(error)) => cause = Cause::Connection(error.kind()),
            Err(_) => cause = Cause::TimedOut,
        }
    }
    Err(cause)
}

async fn encrypted(stream: TcpStream, settings: &SmtpSettings) -> Result<Wire, SendFailure> {
    let stream = within(
        Stage::Tls,
        settings.timeouts.tls,
        tls::handshake(stream, settings),
    )
    .await?;
    Ok(Wire::new(Transport::Tls(Box::new(stream))))
}

/// Waits for the server's first line and leaves it for lettre to read.
async fn greet(wire: &mut Wire, limits: &StageTimeouts) -> Result<(), SendFailure> {
    let text = plain_exchange(wire, Stage::Greeting, limits.greeting, 220, None).await?;
    wire.replay(&text);
    Ok(())
}

/// Greeting, EHLO and STARTTLS in plain text, then the handshake. What the server said before it does not count:
/// lettre gets a blank greeting and asks EHLO again.
async fn start_tls(stream: TcpStream, settings: &SmtpSettings) -> Result<Wire, SendFailure> {
    let limits = &settings.timeouts;
    let mut wire = Wire::new(Transport::Plain(stream));
    plain_exchange(&mut wire, Stage::Greeting, limits.greeting, 220, None).await?;
    let hello = format!("EHLO {}\r\n", settings.hello_name);
    let offers = plain_exchange(&mut wire, Stage::Ehlo, limits.ehlo, 250, Some(&hello)).await?;
    if !wire::offers(&offers, "STARTTLS") {
        return Err(SendFailure::without_reply(Stage::Tls, Cause::NoStartTls));
    }
    plain_exchange(&mut wire, Stage::Tls, limits.tls, 220, Some("STARTTLS\r\n")).await?;
    let stream = wire
        .into_plain()
        .map_err(|cause| SendFailure::without_reply(Stage::Tls, cause))?;
    let mut wire = encrypted(stream, settings).await?;
    wire.replay(b"220 \r\n");
    Ok(wire)
}

/// One command of ours and its reply, before lettre has the connection. Gives the reply's text.
async fn plain_exchange(
    wire: &mut Wire,
    stage: Stage,
    limit: Duration,
    wanted: u16,
    command: Option<&str>,
) -> Result<Vec<u8>, SendFailure> {
    let reply = within(stage, limit, wire.exchange(command)).await?;
    if reply.status.code == wanted {
        Ok(reply.text)
    } else {
        Err(SendFailure::from_reply(stage, reply.status))
    }
}

/// One exchange by lettre. Which reply came is read from our own stream: lettre takes any positive reply for the one it
/// wants.
async fn exchange<T>(
    wire: &SharedWire,
    stage: Stage,
    limit: Duration,
    wanted: &[u16],
    asked: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
) -> Result<(T, ReplyStatus), SendFailure> {
    wire.begin_exchange();
    let result = within(stage, limit, async { Ok(asked.await) }).await?;
    let reply = wire
        .outcome(false)
        .map_err(|cause| SendFailure::without_reply(stage, cause))?;
    match result {
        Ok(value) if wanted.contains(&reply.code) => Ok((value, reply)),
        // A wanted reply that lettre could not read.
        Err(_) if wanted.contains(&reply.code) => Err(SendFailure::without_reply(stage, Cause::NotAReply)),
        _ => Err(SendFailure::from_reply(stage, reply)),
    }
}

/// `work` within the stage's limit.
pub(super) async fn within<T>(
    stage: Stage,
    limit: Duration,
    work: impl Future<Output = Result<T, Cause>>,
) -> Result<T, SendFailure> {
    timeout(limit, work)
        .await
        .unwrap_or(Err(Cause::TimedOut))
        .map_err(|cause| SendFailure::without_reply(stage, cause))
}

/// The message with CRLF at the end of every line. A bare CR or LF must not go out: servers disagree on whether it ends
/// a line, and with it a dot can end the mail for one and not for the other (SMTP smuggling, CVE-2023-51764).
fn with_crlf(message: &[u8]) -> Cow<'_, [u8]> {
    let bare = |index: usize| match message[index] {
        b'\n' => index == 0 || message[index - 1] != b'\r',
        b'\r' => message.get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    if !(0..message.len()).any(bare) {
        return Cow::Borrowed(message);
    }
    let mut lines = Vec::with_capacity(message.len() + message.len() / 32);
    for (index, &byte) in message.iter().enumerate() {
        if bare(index) {
            lines.extend_from_slice(b"\r\n");
        } else {
            lines.push(byte);
        }
    }
    Cow::Owned(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ends_with_crlf_and_a_proper_message_is_not_touched() {
        assert!(matches!(with_crlf(b"a\r\n\r\nb\r\n"), Cow::Borrowed(_)));
        assert_eq!(
            with_crlf(b"\na\nb\rc\r\r\n\n.\n").as_ref(),
            b"\r\na\r\nb\r\nc\r\n\r\n\r\n.\r\n"
        );
        assert_eq!(with_crlf(b"a\r").as_ref(), b"a\r\n");
    }

    #[test]
    fn starttls_is_found_among_the_offers_and_not_in_the_servers_name() {
        let offers = |reply: &[u8]| wire::offers(reply, "STARTTLS");
        assert!(offers(b"250-relay\r\n250-SIZE 1000\r\n250 starttls\r\n"));
        assert!(!offers(b"250-STARTTLS\r\n250 SIZE 1000\r\n"));
        assert!(!offers(b"250 relay\r\n"));
    }
}
