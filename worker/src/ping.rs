//! The ping to the outside: somebody who is not this program hears that the watch is alive, and notices when it is not.
//!
//! Guarantees: it follows a verified cycle and nothing else (FAILURES F7), at most once a minute; it runs in a thread of
//! its own with a limit on its time, so a service that hangs delays no cycle and no stop; a failure is logged at
//! most once a minute and changes nothing; the address is a secret and is never shown.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bedside_protocol::time::{Instant, seconds};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, http::Uri};

use crate::cycle::Worker;

/// Between two pings, seconds.
const EVERY_S: i64 = 60;

/// A ping that takes longer has failed.
const TAKES_AT_MOST: Duration = Duration::from_secs(10);

/// Where to ping. Whoever knows it can keep a dead watch looking alive, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PingUrl(String);

impl fmt::Debug for PingUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PingUrl(..)")
    }
}

/// A URL that cannot be pinged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a URL that begins with https:// or http://")]
pub struct BadPingUrl;

impl PingUrl {
    /// Reads a URL of `https` or `http`.
    pub fn parse(text: &str) -> Result<Self, BadPingUrl> {
        let uri: Uri = text.parse().map_err(|_| BadPingUrl)?;
        let known = matches!(uri.scheme_str(), Some("https" | "http"));
        if known && uri.host().is_some_and(|host| !host.is_empty()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadPingUrl)
        }
    }
}

/// When it pinged last, and with what.
pub(crate) struct Pinger {
    agent: OnceLock<Agent>,
    /// The machine clock at the last ping, milliseconds.
    pinged_at_ms: AtomicI64,
    on_its_way: Arc<AtomicBool>,
}

impl Default for Pinger {
    fn default() -> Self {
        Self {
            agent: OnceLock::new(),
            pinged_at_ms: AtomicI64::new(i64::MIN),
            on_its_way: Arc::default(),
        }
    }
}

impl Worker {
    /// Pings, if it is time. After a verified cycle.
    pub(crate) fn ping_if_due(&self) {
        let Some(PingUrl(url)) = self.settings().ping_url.clone() else {
            return;
        };
        let (pinger, now) = (self.pinger(), self.store().clocks().machine_now());
        let pinged_at = Instant::from_timestamp_millis(pinger.pinged_at_ms.load(Ordering::Relaxed));
        // A clock that was set back does not silence it.
        if pinged_at.is_some_and(|at| (now - at).abs() < seconds(EVERY_S))
            || pinger.on_its_way.swap(true, Ordering::AcqRel)
        {
            return;
        }
        pinger
            .pinged_at_ms
            .store(now.timestamp_millis(), Ordering::Relaxed);
        let (agent, on_its_way) = (
            pinger.agent.get_or_init(agent).clone(),
            Arc::clone(&pinger.on_its_way),
        );
        let ping = move || {
            if let Err(error) = agent.get(&url).call() {
                tracing::warn!(why = why(&error), "the ping to the outside failed");
            }
            on_its_way.store(false, Ordering::Release);
        };
        // Not a task of the runtime, which would wait for it at its end.
        if std::thread::Builder::new()
            .name("ping".to_owned())
            .spawn(ping)
            .is_err()
        {
            pinger.on_its_way.store(false, Ordering::Release);
            tracing::warn!("the ping to the outside could not begin");
        }
    }
}

fn agent() -> Agent {
    let machine = rustls_native_certs::load_native_certs().certs;
    let roots: Vec<Certificate<'static>> = machine
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(TAKES_AT_MOST))
        .build()
        .new_agent()
}

/// What failed, in words that do not hold the URL.
fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::StatusCode(code) => format!("status {code}"),
        ureq::Error::Timeout(_) => "it took too long".to_owned(),
        ureq::Error::Io(error) => format!("connection: {}", error.kind()),
        ureq::Error::HostNotFound => "the host was not found".to_owned(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => "TLS".to_owned(),
        _ => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_url_of_http_is_taken_and_it_is_never_shown() {
        for good in ["https://hc.example/uuid-1", "http://127.0.0.1:8000/ping?x=1"] {
            let url = PingUrl::parse(good).unwrap();
            assert_eq!(format!("{url:?}"), "PingUrl(..)");
        }
        for bad in [
            "",
            "hc.example/x",
            "ftp://hc.example/x",
            "https://",
            "file:///etc/passwd",
        ] {
            assert!(PingUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
