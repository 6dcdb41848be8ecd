//! One connection of the test server, from its greeting to its end.

use std::{
    io,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
        ReadBuf,
    },
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Fault, Moment, ReceivedMail, ServerTls, SharedState, Stage, lock, reached};

/// Bytes that no TLS implementation takes for a record.
const NOT_TLS: &[u8] = b"this is not TLS at all, it is a line of text\r\n";

enum Line {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Line {
    fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// Whether the answer given was the proper one; `Break` ends the conversation.
type Answered = ControlFlow<(), bool>;

struct Conversation {
    line: BufReader<Line>,
    state: SharedState,
    tls: ServerTls,
    log_in: Option<(String, String)>,
    logged_in: bool,
    from: Option<String>,
    to: Vec<String>,
    /// Which connection this is.
    number: usize,
}

/// Talks to one client until either side ends it.
pub(super) async fn hold(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    state: SharedState,
    number: usize,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (tls, log_in) = {
        let state = lock(&state);
        (state.script.tls, state.script.log_in.clone())
    };
    let mut line = Line::Plain(stream);
    let mut greeting_fault = lock(&state).take_fault(Stage::Greeting);
    if tls == ServerTls::Implicit {
        if greeting_fault == Some(Fault::TlsFailure) {
            return refuse_handshake(line).await;
        }
        line = shake_hands(line, &acceptor).await?;
    }
    let mut conversation = Conversation {
        line: BufReader::new(line),
        state,
        tls,
        log_in,
        logged_in: false,
        from: None,
        to: Vec::new(),
        number,
    };
    if conversation
        .answer_at(Stage::Greeting, greeting_fault.take(), "220 test server ready")
        .await?
        .is_break()
    {
        return Ok(());
    }
    loop {
        let mut command = Vec::new();
        if conversation.line.read_until(b'\n', &mut command).await? == 0 {
            return Ok(());
        }
        let command = String::from_utf8_lossy(&command).trim_end().to_owned();
        let verb = command
            .split([' ', ':'])
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        lock(&conversation.state).commands.push(verb.clone());
        if verb == "STARTTLS" {
            let Some(encrypted) = conversation.start_tls(&acceptor).await? else {
                return Ok(());
            };
            conversation = encrypted;
        } else if conversation.obey(&verb, &command).await?.is_break() {
            return Ok(());
        }
    }
}

async fn shake_hands(line: Line, acceptor: &TlsAcceptor) -> io::Result<Line> {
    match line {
        Line::Plain(stream) => Ok(Line::Tls(Box::new(acceptor.accept(stream).await?))),
        Line::Tls(_) => Err(io::ErrorKind::InvalidInput.into()),
    }
}

async fn refuse_handshake(mut line: Line) -> io::Result<()> {
    // Only the answer to the client's own first bytes belongs to the handshake.
    let _ = line.read_u8().await?;
    line.write_all(NOT_TLS).await?;
    drain(&mut line).await
}

/// Reads until the client goes, so that closing does not reset the connection and swallow what was sent.
async fn drain(line: &mut Line) -> io::Result<()> {
    let mut bytes = [0; 1024];
    while line.read(&mut bytes).await? > 0 {}
    Ok(())
}

impl Conversation {
    async fn obey(&mut self, verb: &str, command: &str) -> io::Result<Answered> {
        let encrypted = matches!(self.line.get_ref(), Line::Tls(_));
        match verb {
            "EHLO" => {
                let offers = self.offers(encrypted);
                self.answer(Stage::Ehlo, &offers).await
            }
            "AUTH" => {
                let right = self.is_right_log_in(command);
                let proper = if right {
                    "235 2.7.0 welcome"
                } else {
                    "535 5.7.8 wrong name or password"
                };
                let answered = self.answer(Stage::Auth, proper).await?;
                self.logged_in = right && answered == ControlFlow::Continue(true);
                Ok(answered)
            }
            "MAIL" if self.from.is_some() => self.say("503 5.5.1 a mail has begun already").await,
            "MAIL" if self.tls == ServerTls::StartTls && !encrypted => {
                self.say("530 5.7.0 STARTTLS first").await
            }
            "MAIL" if self.log_in.is_some() && !self.logged_in => self.say("530 5.7.0 log in first").await,
            "MAIL" => {
                let answered = self.answer(Stage::Mail, "250 2.1.0 ok").await?;
                if answered == ControlFlow::Continue(true) {
                    self.from = Some(address_in(command));
                }
                Ok(answered)
            }
            "RCPT" if self.from.is_none() => self.say("503 5.5.1 MAIL first").await,
            "RCPT" => {
                let address = address_in(command);
                let refused = lock(&self.state).script.refused.get(&address).cloned();
                if let Some((code, text)) = refused {
                    return self.say(&format!("{code} {text}")).await;
                }
                let answered = self.answer(Stage::Rcpt, "250 2.1.5 ok").await?;
                if answered == ControlFlow::Continue(true) {
                    self.to.push(address);
                }
                Ok(answered)
            }
            "DATA" if self.to.is_empty() && lock(&self.state).script.takes_data_for_nobody => {
                self.write(b"354 go ahead\r\n").await?;
                let mut line = Vec::new();
                while line != b".\r\n" {
                    line.clear();
                    if self.line.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(ControlFlow::Break(()));
                    }
                    let heard = if line == b".\r\n" { "(dot)" } else { "(text)" };
                    lock(&self.state).commands.push(heard.to_owned());
                }
                self.say("554 5.5.1 no valid recipients").await
            }
            "DATA" if self.to.is_empty() => self.say("503 5.5.1 RCPT first").await,
            "DATA" => match self.answer(Stage::Data, "354 go ahead").await? {
                ControlFlow::Continue(true) => self.take_mail().await,
                answered => Ok(answered),
            },
            "RSET" => {
                self.forget_mail();
                self.answer(Stage::Rset, "250 2.0.0 ok").await
            }
            "NOOP" => self.say("250 2.0.0 ok").await,
            "QUIT" => {
                let _ = self.answer(Stage::Quit, "221 2.0.0 bye").await?;
                Ok(ControlFlow::Break(()))
            }
            _ => self.say("500 5.5.1 what?").await,
        }
    }

    fn offers(&self, encrypted: bool) -> String {
        let mut offers = vec!["test server at your service", "8BITMIME", "ENHANCEDSTATUSCODES"];
        if self.tls == ServerTls::StartTls && !encrypted {
            offers.push("STARTTLS");
        }
        if self.log_in.is_some() {
            offers.push("AUTH PLAIN");
        }
        if lock(&self.state).script.pipelining {
            offers.push("PIPELINING");
        }
        let last = offers.len() - 1;
        let lines: Vec<String> = offers
            .iter()
            .enumerate()
            .map(|(index, offer)| format!("250{}{offer}", if index == last { ' ' } else { '-' }))
            .collect();
        lines.join("\r\n")
    }

    fn is_right_log_in(&self, command: &str) -> bool {
        let given = command
            .strip_prefix("AUTH PLAIN ")
            .and_then(|text| BASE64_STANDARD.decode(text).ok());
        self.log_in.as_ref().is_some_and(|(username, password)| {
            given == Some(format!("\0{username}\0{password}").into_bytes())
        })
    }

    fn forget_mail(&mut self) {
        self.from = None;
        self.to.clear();
    }

    /// Reads the message, keeps it and answers the final dot.
    async fn take_mail(&mut self) -> io::Result<Answered> {
        let mut data = Vec::new();
        loop {
            let start = data.len();
            if self.line.read_until(b'\n', &mut data).await? == 0 {
                return Ok(ControlFlow::Break(()));
            }
            if start == 0 && !reached(&self.state, Moment::InBody) {
                return Ok(ControlFlow::Break(()));
            }
            let begins_line = start == 0 || data[..start].ends_with(b"\r\n");
            if begins_line && data[start] == b'.' {
                if &data[start..] == b".\r\n" {
                    data.truncate(start);
                    break;
                }
                data.remove(start);
            }
        }
        let turn = lock(&self.state).take_turn(now());
        if let Some(wait) = turn {
            sleep(wait).await;
        }
        let at = now();
        let mail = ReceivedMail {
            from: self.from.clone().unwrap_or_default(),
            to: std::mem::take(&mut self.to),
            data,
            at,
        };
        self.forget_mail();

        // Kept before it is answered: a test looks as soon as it has the answer.
        let fault = {
            let mut state = lock(&self.state);
            let fault = state.take_fault(Stage::FinalDot);
            match &fault {
                Some(Fault::Reply(400.., _)) => {}
                None
                | Some(
                    Fault::Reply(..) | Fault::LateReply(_) | Fault::DoubleReply | Fault::ExtraBytesBeforeTls,
                ) => {
                    state.received.push(mail);
                    state.connections[self.number] += 1;
                }
                Some(_) => state.unacknowledged.push(mail),
            }
            fault
        };
        self.answer_at(Stage::FinalDot, fault, "250 2.0.0 taken").await
    }

    /// STARTTLS; `None` ends the conversation.
    async fn start_tls(mut self, acceptor: &TlsAcceptor) -> io::Result<Option<Self>> {
        if self.tls != ServerTls::StartTls || matches!(self.line.get_ref(), Line::Tls(_)) {
            return Ok(self
                .say("502 5.5.1 not here")
                .await?
                .is_continue()
                .then_some(self));
        }
        let fault = lock(&self.state).take_fault(Stage::StartTls);
        if fault == Some(Fault::TlsFailure) {
            self.write(b"220 2.0.0 go ahead\r\n").await?;
            refuse_handshake(self.line.into_inner()).await?;
            return Ok(None);
        }
        match self.answer_with(fault, "220 2.0.0 go ahead").await? {
            ControlFlow::Break(()) => Ok(None),
            ControlFlow::Continue(false) => Ok(Some(self)),
            ControlFlow::Continue(true) => {
                let line = shake_hands(self.line.into_inner(), acceptor).await?;
                Ok(Some(Self {
                    line: BufReader::new(line),
                    ..self
                }))
            }
        }
    }

    async fn answer(&mut self, stage: Stage, proper: &str) -> io::Result<Answered> {
        let fault = lock(&self.state).take_fault(stage);
        self.answer_at(stage, fault, proper).await
    }

    /// Answers, and calls the test before and after it.
    async fn answer_at(&mut self, stage: Stage, fault: Option<Fault>, proper: &str) -> io::Result<Answered> {
        if !reached(&self.state, Moment::Before(stage)) {
            return Ok(ControlFlow::Break(()));
        }
        let answered = self.answer_with(fault, proper).await;
        if !reached(&self.state, Moment::After(stage)) {
            return Ok(ControlFlow::Break(()));
        }
        answered
    }

    async fn say(&mut self, reply: &str) -> io::Result<Answered> {
        self.write(format!("{reply}\r\n").as_bytes()).await?;
        Ok(ControlFlow::Continue(false))
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.line.write_all(bytes).await?;
        self.line.flush().await
    }

    async fn answer_with(&mut self, fault: Option<Fault>, proper: &str) -> io::Result<Answered> {
        let full = format!("{proper}\r\n");
        let ended = Ok(ControlFlow::Break(()));
        match fault {
            None => self.write(full.as_bytes()).await?,
            Some(Fault::LateReply(delay)) => {
                sleep(delay).await;
                self.write(full.as_bytes()).await?;
            }
            Some(Fault::DoubleReply) => self.write(full.repeat(2).as_bytes()).await?,
            Some(Fault::ExtraBytesBeforeTls) => {
                self.write(format!("{full}250 injected\r\n").as_bytes()).await?;
            }
            Some(Fault::Reply(code, text)) => {
                self.write(format!("{code} {text}\r\n").as_bytes()).await?;
                if code == 421 {
                    return ended;
                }
                return Ok(ControlFlow::Continue(false));
            }
            Some(Fault::Reset) => {
                self.line.get_mut().tcp().set_zero_linger()?;
                return ended;
            }
            Some(Fault::Close) => return ended,
            Some(Fault::HalfLine) => {
                self.write(&full.as_bytes()[..2]).await?;
                return ended;
            }
            Some(Fault::Stall) => {
                drain(self.line.get_mut()).await?;
                return ended;
            }
            Some(Fault::Garbage) => {
                self.write(b"<html>hello?</html>\r\n").await?;
                drain(self.line.get_mut()).await?;
                return ended;
            }
            Some(Fault::Nul) => {
                self.write(b"250 o\0k\r\n").await?;
                drain(self.line.get_mut()).await?;
                return ended;
            }
            Some(Fault::HugeReply) => {
                let line = format!("{}-{}\r\n", &full[..3], "x".repeat(500));
                self.write(line.repeat(2000).as_bytes()).await?;
                drain(self.line.get_mut()).await?;
                return ended;
            }
            Some(Fault::TlsFailure) => {
                self.line.get_mut().tcp().write_all(NOT_TLS).await?;
                drain(self.line.get_mut()).await?;
                return ended;
            }
        }
        Ok(ControlFlow::Continue(proper.starts_with(['2', '3'])))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "when a real mail really came; no rule depends on it"
)]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

/// The address between the angle brackets of MAIL FROM or RCPT TO.
fn address_in(command: &str) -> String {
    let inner = command.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(address, _)| address.to_owned())
}
