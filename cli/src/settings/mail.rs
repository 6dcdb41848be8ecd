//! The form of the setting `MAIL`.

use std::net::IpAddr;
use std::path::PathBuf;

use bedside_worker::smtp::Security;

/// Where mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailRoute {
    /// Written as files into a folder.
    Folder(PathBuf),
    /// Handed to a relay.
    Smtp(Relay),
}

/// A relay, as the setting names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Log-in name.
    pub username: Option<String>,
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
}

/// Reads `smtp://USER@HOST:PORT?tls=…` or `folder:PATH`. The error says what is wrong and holds nothing secret.
pub fn parse(text: &str) -> Result<MailRoute, String> {
    if let Some(path) = text.strip_prefix("folder:") {
        return match path {
            "" => Err("names no folder after folder:".to_owned()),
            path => Ok(MailRoute::Folder(PathBuf::from(path))),
        };
    }
    let rest = text
        .strip_prefix("smtp://")
        .ok_or("must begin with smtp:// or folder:")?;
    let (place, query) = rest.split_once('?').unwrap_or((rest, "tls=starttls"));
    // The last @ divides: many log-ins are addresses themselves.
    let (username, host_and_port) = match place.trim_end_matches('/').rsplit_once('@') {
        Some((username, rest)) => (Some(username), rest),
        None => (None, place.trim_end_matches('/')),
    };
    if username.is_some_and(|name| name.contains(':')) {
        return Err("holds a password; put it into SMTP_PASSWORD or SMTP_PASSWORD_FILE".to_owned());
    }
    if username == Some("") {
        return Err("has an empty user before the @".to_owned());
    }
    let security = match query {
        "tls=starttls" => Security::StartTls,
        "tls=implicit" => Security::ImplicitTls,
        "tls=none" => Security::PlainInsecure,
        _ => return Err("must end in ?tls=starttls, ?tls=implicit or ?tls=none".to_owned()),
    };
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (
            host,
            port.parse()
                .map_err(|_| "has a port that is not a number from 1 to 65535")?,
        ),
        _ => (
            host_and_port,
            if security == Security::ImplicitTls {
                465
            } else {
                587
            },
        ),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || port == 0 {
        return Err("names no host, or port 0".to_owned());
    }
    if security == Security::PlainInsecure && !is_loopback(host) {
        return Err("has tls=none to another machine; plain text is for this machine only".to_owned());
    }
    Ok(MailRoute::Smtp(Relay {
        username: username.map(str::to_owned),
        host: host.to_owned(),
        port,
        security,
    }))
}

/// Whether a host is this machine.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(username: Option<&str>, host: &str, port: u16, security: Security) -> MailRoute {
        MailRoute::Smtp(Relay {
            username: username.map(str::to_owned),
            host: host.to_owned(),
            port,
            security,
        })
    }

    #[test]
    fn the_forms_an_operator_writes_are_read() {
        assert_eq!(parse("folder:mails"), Ok(MailRoute::Folder("mails".into())));
        assert_eq!(
            parse("smtp://relay.example.org"),
            Ok(relay(None, "relay.example.org", 587, Security::StartTls))
        );
        assert_eq!(
            parse("smtp://clinic@example.org@relay.example.org:2525?tls=starttls"),
            Ok(relay(
                Some("clinic@example.org"),
                "relay.example.org",
                2525,
                Security::StartTls
            ))
        );
        assert_eq!(
            parse("smtp://a@relay.example.org/?tls=implicit"),
            Ok(relay(Some("a"), "relay.example.org", 465, Security::ImplicitTls))
        );
        assert_eq!(
            parse("smtp://127.0.0.1:25?tls=none"),
            Ok(relay(None, "127.0.0.1", 25, Security::PlainInsecure))
        );
        assert_eq!(
            parse("smtp://[::1]:25?tls=none"),
            Ok(relay(None, "::1", 25, Security::PlainInsecure))
        );
    }

    #[test]
    fn a_wrong_form_is_named_and_a_password_in_it_is_not_repeated() {
        for wrong in [
            "",
            "folder:",
            "imap://x",
            "smtp://",
            "smtp://@relay.example.org",
            "smtp://relay.example.org:0",
            "smtp://relay.example.org:x",
            "smtp://relay.example.org?tls=no",
            "smtp://relay.example.org?tls=none",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let fault = parse("smtp://clinic:sesame@relay.example.org").unwrap_err();
        assert!(
            !fault.contains("sesame") && fault.contains("SMTP_PASSWORD"),
            "{fault}"
        );
    }
}
