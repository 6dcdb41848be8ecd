//! The TLS handshake on our own TCP stream: rustls with aws-lc-rs, the machine's root certificates and the ones set.
//!
//! Guarantees that a certificate which does not verify for the relay's name ends the connection, and that this is told
//! apart from a handshake that merely broke: the first needs a person, the second another try.

use std::{
    io,
    sync::{Arc, OnceLock},
};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use super::{SmtpSettings, stages::Cause};

/// Shakes hands on `stream`. The caller limits the time.
pub(super) async fn handshake(
    stream: TcpStream,
    settings: &SmtpSettings,
) -> Result<TlsStream<TcpStream>, Cause> {
    let name = ServerName::try_from(settings.host.clone()).map_err(|_| Cause::ServerName)?;
    let connector = TlsConnector::from(Arc::new(client_config(settings)?));
    connector
        .connect(name, stream)
        .await
        .map_err(|error| cause_of(&error))
}

/// The certificates trusted beside the machine's own.
pub(super) fn extra_roots(settings: &SmtpSettings) -> Result<Vec<CertificateDer<'static>>, Cause> {
    let Some(pem) = &settings.extra_root_certificates_pem else {
        return Ok(Vec::new());
    };
    let roots: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_| Cause::RootCertificates)?;
    if roots.is_empty() {
        Err(Cause::RootCertificates)
    } else {
        Ok(roots)
    }
}

fn client_config(settings: &SmtpSettings) -> Result<ClientConfig, Cause> {
    let mut roots = machine_roots().clone();
    for certificate in extra_roots(settings)? {
        roots.add(certificate).map_err(|_| Cause::RootCertificates)?;
    }
    if roots.is_empty() {
        return Err(Cause::RootCertificates);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| Cause::Handshake)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

/// The machine's root certificates, read once: a hundred files' worth of parsing on every connection would be felt.
/// New ones need a restart.
fn machine_roots() -> &'static RootCertStore {
    static ROOTS: OnceLock<RootCertStore> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // Machines carry a few certificates that do not parse; the others are as good without them.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots
    })
}

fn cause_of(error: &io::Error) -> Cause {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Cause::Certificate
        }
        _ => Cause::Handshake,
    }
}
