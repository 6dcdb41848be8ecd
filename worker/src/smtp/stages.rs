//! What can go wrong at which stage of an SMTP conversation, and what it means for the mail.
//!
//! Guarantees: only a complete 5xx reply at RCPT TO or after the final dot ends a mail, everything else leaves it to be
//! tried again; a failure is `ambiguous` only if the final dot may have left and no complete reply came back; and no
//! failure carries an address or the text of a reply, which servers like to fill with addresses.

use std::{fmt, io, time::Duration};

/// How long each stage may take.
///
/// RFC 5321 section 4.5.3.2 names minimum limits made for relays that deliver for days. Here an escalation waits behind
/// the stage, and a mail that has not left can be tried again on a new connection without doubling, so the stages
/// before the final dot are shorter. The wait after the final dot is the RFC's: a shorter one doubles mails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageTimeouts {
    /// Resolving the name and opening the TCP connection, all addresses together: 10 s.
    pub connect: Duration,
    /// The STARTTLS command and the handshake, each: 10 s.
    pub tls: Duration,
    /// The server's first line: 30 s (RFC 5321 section 4.5.3.2.1 allows 300 s).
    pub greeting: Duration,
    /// EHLO: 30 s (the RFC names no limit).
    pub ehlo: Duration,
    /// AUTH, all its steps together: 30 s (RFC 4954 names no limit).
    pub auth: Duration,
    /// MAIL FROM, and RSET before it: 30 s (RFC 5321 section 4.5.3.2.2 allows 300 s).
    pub mail: Duration,
    /// RCPT TO: 30 s (RFC 5321 section 4.5.3.2.3 allows 300 s).
    pub rcpt: Duration,
    /// DATA until its 354: 30 s (RFC 5321 section 4.5.3.2.4 allows 120 s).
    pub data: Duration,
    /// Between two pieces of the body that the connection takes: 120 s (RFC 5321 section 4.5.3.2.5 allows 180 s).
    pub body: Duration,
    /// After the final dot: 600 s (RFC 5321 section 4.5.3.2.6).
    pub final_dot: Duration,
    /// QUIT, which changes nothing: 2 s.
    pub quit: Duration,
}

impl Default for StageTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            tls: Duration::from_secs(10),
            greeting: Duration::from_secs(30),
            ehlo: Duration::from_secs(30),
            auth: Duration::from_secs(30),
            mail: Duration::from_secs(30),
            rcpt: Duration::from_secs(30),
            data: Duration::from_secs(30),
            body: Duration::from_mins(2),
            final_dot: Duration::from_mins(10),
            quit: Duration::from_secs(2),
        }
    }
}

/// A stage of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Resolving the name, opening the TCP connection.
    Connect,
    /// The STARTTLS command and the handshake.
    Tls,
    /// The server's first line.
    Greeting,
    /// EHLO, before or after STARTTLS.
    Ehlo,
    /// AUTH.
    Auth,
    /// MAIL FROM.
    MailFrom,
    /// RCPT TO.
    RcptTo,
    /// DATA until its 354.
    Data,
    /// The message itself, up to the final dot, which has not left.
    Body,
    /// After the final dot may have left.
    FinalDot,
    /// RSET after a refused mail.
    Rset,
    /// QUIT.
    Quit,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connect => "connecting",
            Self::Tls => "TLS",
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::Auth => "AUTH",
            Self::MailFrom => "MAIL FROM",
            Self::RcptTo => "RCPT TO",
            Self::Data => "DATA",
            Self::Body => "message body",
            Self::FinalDot => "final dot",
            Self::Rset => "RSET",
            Self::Quit => "QUIT",
        })
    }
}

/// What a failure means for the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// Try again later.
    Temporary,
    /// This address will not take mail; another contact is needed.
    PermanentAddress,
    /// This message is refused; sending it again changes nothing, the address may be good.
    PermanentMessage,
    /// The server and our settings do not fit: log-in refused, STARTTLS missing, certificate not trusted, sender
    /// refused. For the mail it is temporary (a corrected setting lets it go out), staff are told.
    PermanentServer,
    /// The server does not speak SMTP as we understand it: try again later on a new connection.
    Protocol,
}

impl FailureClass {
    /// Whether trying the same mail to the same address again makes sense.
    pub fn is_retryable(self) -> bool {
        !matches!(self, Self::PermanentAddress | Self::PermanentMessage)
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Temporary => "temporary",
            Self::PermanentAddress => "address refused",
            Self::PermanentMessage => "message refused",
            Self::PermanentServer => "server or settings",
            Self::Protocol => "protocol error",
        })
    }
}

/// An enhanced status code (RFC 3463), such as 5.1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EnhancedStatus {
    /// 2 success, 4 temporary, 5 permanent; agrees with the reply code.
    pub class: u8,
    /// 1 addressing, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// Meaning within the subject.
    pub detail: u16,
}

impl EnhancedStatus {
    /// The status a reply's text starts with, if it has one that agrees with `code` (RFC 2034 section 4).
    pub(super) fn at_start_of(text: &str, code: u16) -> Option<Self> {
        let number = |part: &str| {
            let plain = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            if plain { part.parse::<u16>().ok() } else { None }
        };
        let mut parts = text.split_ascii_whitespace().next()?.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let class = u8::try_from(number(class)?).ok()?;
        if parts.next().is_some() || u16::from(class) != code / 100 || !matches!(class, 2 | 4 | 5) {
            return None;
        }
        Some(Self {
            class,
            subject: number(subject)?,
            detail: number(detail)?,
        })
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Code and enhanced status of a complete reply; its text is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReplyStatus {
    pub(super) code: u16,
    pub(super) enhanced: Option<EnhancedStatus>,
}

impl fmt::Display for ReplyStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.enhanced {
            Some(enhanced) => write!(formatter, "{} {enhanced}", self.code),
            None => write!(formatter, "{}", self.code),
        }
    }
}

/// What happened, in words that hold nothing about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Cause {
    /// The server's own complete reply.
    #[error("the server answered so")]
    Reply,
    /// Nothing came within the stage's limit.
    #[error("no answer in time")]
    TimedOut,
    /// The server closed the connection.
    #[error("connection closed by the server")]
    Closed,
    /// The server closed the connection within a reply.
    #[error("connection closed within a reply")]
    HalfReply,
    /// Any other fault of the connection.
    #[error("connection failed ({0})")]
    Connection(io::ErrorKind),
    /// The name has no address.
    #[error("host name not found")]
    NoAddress,
    /// What came is not an SMTP reply.
    #[error("not an SMTP reply")]
    NotAReply,
    /// A NUL within a reply.
    #[error("NUL within a reply")]
    NulInReply,
    /// A reply or one of its lines is longer than any honest one.
    #[error("reply too long")]
    ReplyTooLong,
    /// Bytes that answer nothing we asked: replies and commands no longer match.
    #[error("a reply nobody asked for")]
    UnaskedReply,
    /// A proper reply that does not belong here, such as 250 to DATA.
    #[error("unexpected reply code")]
    UnexpectedCode,
    /// The handshake failed.
    #[error("TLS handshake failed")]
    Handshake,
    /// The server's certificate is not trusted, expired or for another name.
    #[error("certificate not accepted")]
    Certificate,
    /// No usable root certificates, or the configured ones cannot be read.
    #[error("no usable root certificates")]
    RootCertificates,
    /// The host name cannot stand in a certificate.
    #[error("host name not usable for TLS")]
    ServerName,
    /// The server does not offer STARTTLS.
    #[error("STARTTLS not offered")]
    NoStartTls,
    /// The server offers neither AUTH PLAIN nor AUTH LOGIN.
    #[error("no AUTH mechanism in common")]
    NoAuthMechanism,
    /// Our own sender address is not an ASCII address.
    #[error("sender is not an ASCII mail address")]
    SenderAddress,
    /// The recipient is not an ASCII address.
    #[error("recipient is not an ASCII mail address")]
    RecipientAddress,
    /// The message holds NUL or a byte above 127.
    #[error("message is not plain ASCII")]
    NotAscii,
}

impl Cause {
    /// Everything that is not a reply of the server, by what it means for the mail.
    fn class(self) -> FailureClass {
        match self {
            Self::Reply
            | Self::TimedOut
            | Self::Closed
            | Self::HalfReply
            | Self::Connection(_)
            | Self::NoAddress
            | Self::Handshake => FailureClass::Temporary,
            Self::NotAReply
            | Self::NulInReply
            | Self::ReplyTooLong
            | Self::UnaskedReply
            | Self::UnexpectedCode => FailureClass::Protocol,
            Self::Certificate
            | Self::RootCertificates
            | Self::ServerName
            | Self::NoStartTls
            | Self::NoAuthMechanism
            | Self::SenderAddress => FailureClass::PermanentServer,
            Self::RecipientAddress => FailureClass::PermanentAddress,
            Self::NotAscii => FailureClass::PermanentMessage,
        }
    }
}

/// A mail that was not accepted, or a connection that did not come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("mail not sent at {stage} ({class}{}): {cause}", Figures(*.code, *.enhanced))]
pub struct SendFailure {
    /// Where the conversation ended.
    pub stage: Stage,
    /// What it means for the mail.
    pub class: FailureClass,
    /// The reply code, if a complete reply came.
    pub code: Option<u16>,
    /// The reply's enhanced status code, if it had one.
    pub enhanced: Option<EnhancedStatus>,
    /// What happened.
    pub cause: Cause,
    /// Whether the server may have taken the mail all the same: the final dot may have left and no complete reply came
    /// back.
    pub ambiguous: bool,
}

/// Reply code and enhanced status, as far as there are any, for `Display`.
struct Figures(Option<u16>, Option<EnhancedStatus>);

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |code| {
            write!(
                formatter,
                ", {}",
                ReplyStatus {
                    code,
                    enhanced: self.1
                }
            )
        })
    }
}

impl SendFailure {
    /// A failure without a reply. The stage says whether the final dot may have left.
    pub(super) fn without_reply(stage: Stage, cause: Cause) -> Self {
        let ambiguous = stage == Stage::FinalDot;
        Self {
            stage,
            class: cause.class(),
            code: None,
            enhanced: None,
            cause,
            ambiguous,
        }
    }

    /// A complete reply that is not the one wanted.
    pub(super) fn from_reply(stage: Stage, reply: ReplyStatus) -> Self {
        // Neither yes nor no: replies and commands are out of step, so this is not the reply to our final dot.
        let astray = reply.code < 400;
        Self {
            stage,
            class: class_of_reply(stage, reply),
            code: Some(reply.code),
            enhanced: reply.enhanced,
            cause: if astray {
                Cause::UnexpectedCode
            } else {
                Cause::Reply
            },
            ambiguous: stage == Stage::FinalDot && astray,
        }
    }

    /// Whether the server wants us to come later or slower, whoever the mail is for: it says so with 421, with 4.3.2 or
    /// 4.5.3, or with a temporary policy status (4.7.x; large relays say 450, 451 or 454 with it, one says 454 alone).
    /// Not at log-in: there it speaks of the password's server.
    pub fn is_throttle(&self) -> bool {
        let enhanced = self.enhanced.map(|status| (status.subject, status.detail));
        match (self.code, self.stage) {
            (_, Stage::Auth | Stage::Tls) => false,
            (Some(421), _) => true,
            (Some(454), _) if enhanced.is_none() => true,
            (Some(450..=454), _) => matches!(enhanced, Some((7, _) | (3, 2) | (5, 3))),
            _ => false,
        }
    }

    /// Whether the conversation can go on after it, beginning with RSET: the server refused properly and stays.
    pub(super) fn leaves_session_usable(&self) -> bool {
        self.cause == Cause::Reply && self.code != Some(421) && self.class != FailureClass::Protocol
    }
}

/// What a complete reply other than the one wanted means at a stage.
fn class_of_reply(stage: Stage, reply: ReplyStatus) -> FailureClass {
    let subject = reply.enhanced.map(|enhanced| enhanced.subject);
    match (reply.code, stage) {
        (..400, _) => FailureClass::Protocol,
        // RFC 5321 section 4.5.3.1.10: 552 to RCPT TO is to be read as 452.
        (400..500, _) | (552, Stage::RcptTo) => FailureClass::Temporary,
        _ if is_about_us(stage, reply) => FailureClass::PermanentServer,
        (_, Stage::RcptTo) => FailureClass::PermanentAddress,
        (_, Stage::FinalDot) if matches!(subject, Some(1 | 2)) => FailureClass::PermanentAddress,
        (_, Stage::FinalDot) => FailureClass::PermanentMessage,
        _ => FailureClass::PermanentServer,
    }
}

/// Whether a 5xx reply speaks of us, the relay's client, and not of the recipient or the message. A relay that stops
/// trusting us must not mark every address as bad.
fn is_about_us(stage: Stage, reply: ReplyStatus) -> bool {
    match reply.enhanced.map(|enhanced| (enhanced.subject, enhanced.detail)) {
        // Bad sender, which many relays say only at RCPT TO.
        Some((1, 7 | 8)) => true,
        // Policy, foremost "relay access denied". After the final dot it speaks of the message (spam).
        Some((7, _)) if stage == Stage::RcptTo => true,
        // Command not understood or out of order, log-in required (RFC 4954), parameter not known.
        _ => stage == Stage::RcptTo && matches!(reply.code, 500 | 502..=504 | 530 | 534 | 535 | 538 | 555),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(stage: Stage, code: u16, text: &str) -> FailureClass {
        class_of_reply(
            stage,
            ReplyStatus {
                code,
                enhanced: EnhancedStatus::at_start_of(text, code),
            },
        )
    }

    #[test]
    fn a_reply_ends_a_mail_only_where_it_speaks_of_the_address_or_the_message() {
        use FailureClass::{PermanentAddress, PermanentMessage, PermanentServer, Protocol, Temporary};
        let table = [
            (Stage::RcptTo, 550, "5.1.1 no such user", PermanentAddress),
            (Stage::RcptTo, 550, "no such user", PermanentAddress),
            (Stage::RcptTo, 553, "not a mailbox", PermanentAddress),
            (Stage::RcptTo, 501, "5.1.3 bad address", PermanentAddress),
            (Stage::RcptTo, 554, "5.7.1 relay access denied", PermanentServer),
            (
                Stage::RcptTo,
                550,
                "5.1.8 sender's domain not found",
                PermanentServer,
            ),
            (Stage::RcptTo, 530, "5.7.0 log in first", PermanentServer),
            (Stage::RcptTo, 503, "bad sequence", PermanentServer),
            (Stage::RcptTo, 552, "5.2.2 mailbox full", Temporary),
            (Stage::RcptTo, 450, "4.2.0 greylisted", Temporary),
            (Stage::RcptTo, 421, "bye", Temporary),
            (Stage::RcptTo, 354, "go", Protocol),
            (Stage::FinalDot, 554, "5.7.1 looks like spam", PermanentMessage),
            (Stage::FinalDot, 552, "5.3.4 too big", PermanentMessage),
            (Stage::FinalDot, 550, "5.1.1 no such user", PermanentAddress),
            (Stage::FinalDot, 451, "later", Temporary),
            (Stage::MailFrom, 550, "5.1.8 bad sender", PermanentServer),
            (Stage::MailFrom, 553, "bad sender", PermanentServer),
            (Stage::Data, 554, "no valid recipients", PermanentServer),
            (Stage::Auth, 535, "5.7.8 wrong password", PermanentServer),
            (Stage::Auth, 454, "4.7.0 later", Temporary),
            (Stage::Greeting, 554, "no service", PermanentServer),
            (Stage::Tls, 454, "TLS not available", Temporary),
        ];
        for (stage, code, text, expected) in table {
            assert_eq!(class(stage, code, text), expected, "{code} {text} at {stage}");
        }
    }

    #[test]
    fn a_server_that_wants_us_slower_is_told_from_one_that_speaks_of_the_mail() {
        let throttles = |stage, code, text| {
            let enhanced = EnhancedStatus::at_start_of(text, code);
            SendFailure::from_reply(stage, ReplyStatus { code, enhanced }).is_throttle()
        };
        assert!(throttles(Stage::Greeting, 421, "too many connections"));
        assert!(throttles(Stage::MailFrom, 450, "4.7.1 too much mail"));
        assert!(throttles(
            Stage::FinalDot,
            454,
            "Throttling failure: Maximum sending rate exceeded."
        ));
        assert!(throttles(Stage::RcptTo, 451, "4.7.500 server busy"));
        assert!(throttles(Stage::MailFrom, 452, "4.3.2 not now"));
        assert!(!throttles(Stage::RcptTo, 450, "4.2.0 greylisted"));
        assert!(!throttles(Stage::RcptTo, 452, "4.2.2 mailbox full"));
        assert!(!throttles(Stage::Auth, 454, "4.7.0 later"));
        assert!(!throttles(Stage::RcptTo, 550, "5.7.1 no"));
        assert!(!SendFailure::without_reply(Stage::MailFrom, Cause::Closed).is_throttle());
    }

    #[test]
    fn an_enhanced_status_must_agree_with_the_code_and_be_well_formed() {
        let status = |text, code| EnhancedStatus::at_start_of(text, code).map(|status| status.to_string());
        assert_eq!(status("5.1.1 no", 550).as_deref(), Some("5.1.1"));
        assert_eq!(status("4.1.1 no", 550), None);
        assert_eq!(status("5.1 no", 550), None);
        assert_eq!(status("5.1.1.1 no", 550), None);
        assert_eq!(status("5.x.1 no", 550), None);
        assert_eq!(status("", 550), None);
    }

    #[test]
    fn a_failure_shows_figures_and_no_text_of_the_reply() {
        let reply = ReplyStatus {
            code: 550,
            enhanced: EnhancedStatus::at_start_of("5.1.1 <ana@clinic>", 550),
        };
        assert_eq!(
            SendFailure::from_reply(Stage::RcptTo, reply).to_string(),
            "mail not sent at RCPT TO (address refused, 550 5.1.1): the server answered so"
        );
        assert_eq!(
            SendFailure::without_reply(Stage::FinalDot, Cause::TimedOut).to_string(),
            "mail not sent at final dot (temporary): no answer in time"
        );
    }
}
