//! Sends mails by SMTP and says exactly what became of each.
//!
//! Guarantees
//! - A mail is `Accepted` only after a complete 2xx reply to its final dot; it has failed for good only after a complete
//!   5xx reply that speaks of the address or the message; everything else can be tried again, and
//!   [`SendFailure::ambiguous`] says whether trying again may double it.
//! - Every stage has its own time limit ([`StageTimeouts`]); no server can hold a send for longer than the sum of them.
//! - With TLS asked for, nothing is said in plain text but EHLO and STARTTLS, and nothing heard in plain text counts.
//! - No failure and no log line holds an address, a message or the text of a reply. (lettre's feature `tracing` logs
//!   the whole conversation and stays off for this reason.)
//!
//! lettre speaks SMTP (`connection`) over a stream of ours (`wire`), because by itself it says neither at which
//! stage an error happened nor whether the final dot had left. The envelope goes out in one write where the server
//! offers that (`pipelining`).

mod connection;
mod pipelining;
mod reply;
mod stages;
mod tls;
mod wire;

use std::fmt;

use lettre::Address;
use tokio_rustls::rustls::pki_types::ServerName;

pub use connection::{Accepted, SmtpSession};
pub use stages::{Cause, EnhancedStatus, FailureClass, SendFailure, Stage, StageTimeouts};

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314, usually port 465).
    ImplicitTls,
    /// Plain text until STARTTLS, which is required (RFC 3207, usually port 587).
    StartTls,
    /// No encryption at all: a test or a relay on this very machine.
    PlainInsecure,
}

/// The relay we hand our mail to.
#[derive(Clone)]
pub struct SmtpSettings {
    /// Name or address of the relay; with TLS, the name in its certificate.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Log-in name; without one there is no log-in.
    pub username: Option<String>,
    /// Password for the log-in name.
    pub password: Option<String>,
    /// What we call ourselves in EHLO: our fully qualified name, or an address literal such as `[192.0.2.1]`.
    pub hello_name: String,
    /// Certificates (PEM) trusted beside the machine's own, for a relay with a private authority.
    pub extra_root_certificates_pem: Option<String>,
    /// Limit of each stage.
    pub timeouts: StageTimeouts,
}

impl fmt::Debug for SmtpSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The log-in stays out of logs.
        formatter
            .debug_struct("SmtpSettings")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("security", &self.security)
            .field("hello_name", &self.hello_name)
            .finish_non_exhaustive()
    }
}

/// A setting that no server could make work, for a refusal at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingsFault {
    /// `host` is neither a DNS name nor an IP address.
    #[error("the mail server's host is neither a DNS name nor an IP address")]
    Host,
    /// `hello_name` is empty or holds what EHLO cannot say.
    #[error("the name for EHLO must be a DNS name or an address literal such as [192.0.2.1]")]
    HelloName,
    /// Only one of user name and password is given.
    #[error("the mail server's user name and password go together")]
    LogIn,
    /// The extra certificates are not PEM.
    #[error("the extra root certificates are not readable PEM")]
    RootCertificates,
}

impl SmtpSettings {
    /// Refuses what no server could make work, without talking to one.
    pub fn check(&self) -> Result<(), SettingsFault> {
        ServerName::try_from(self.host.as_str()).map_err(|_| SettingsFault::Host)?;
        if self.hello_name.is_empty() || !self.hello_name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsFault::HelloName);
        }
        if self.username.is_some() != self.password.is_some() {
            return Err(SettingsFault::LogIn);
        }
        tls::extra_roots(self)
            .map(|_| ())
            .map_err(|_| SettingsFault::RootCertificates)
    }
}

/// `text` as an address that can stand in MAIL FROM or RCPT TO: ASCII only, since we send no SMTPUTF8, and at most 254
/// bytes (RFC 5321 section 4.5.3.1.3: a path has 256 with its brackets).
fn envelope_address(text: &str) -> Option<Address> {
    let plain = text.len() <= 254
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>".contains(&byte));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> SmtpSettings {
        SmtpSettings {
            host: "relay.example.org".into(),
            port: 465,
            security: Security::ImplicitTls,
            username: Some("clinic".into()),
            password: Some("open sesame".into()),
            hello_name: "bedside.example.org".into(),
            extra_root_certificates_pem: None,
            timeouts: StageTimeouts::default(),
        }
    }

    #[test]
    fn settings_no_server_could_make_work_are_refused_at_start() {
        assert_eq!(settings().check(), Ok(()));
        let fault = |change: fn(&mut SmtpSettings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.check().unwrap_err()
        };
        assert_eq!(
            fault(|settings| settings.host = "no such host".into()),
            SettingsFault::Host
        );
        assert_eq!(
            fault(|settings| settings.hello_name = "a\r\nb".into()),
            SettingsFault::HelloName
        );
        assert_eq!(fault(|settings| settings.password = None), SettingsFault::LogIn);
        assert_eq!(
            fault(|settings| settings.extra_root_certificates_pem = Some("not PEM".into())),
            SettingsFault::RootCertificates
        );
    }

    #[test]
    fn the_log_in_does_not_show_in_debug_output() {
        let shown = format!("{:?}", settings());
        assert!(!shown.contains("sesame") && !shown.contains("clinic"), "{shown}");
    }

    #[test]
    fn an_envelope_takes_plain_ascii_addresses_only() {
        assert!(envelope_address("ana.o'neill+night@clinic.example").is_some());
        for text in [
            "",
            "ana",
            "ana@cl\u{ed}nica.example",
            "ma\u{f1}ana@clinic.example",
            "ana@clinic.example\r\nRCPT TO:<eve@clinic.example>",
            "<ana@clinic.example>",
            "\"a b\"@clinic.example",
        ] {
            assert!(envelope_address(text).is_none(), "{text:?}");
        }
    }
}
