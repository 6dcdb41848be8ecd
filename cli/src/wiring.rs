//! From settings to running parts. The only place where API and worker meet.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bedside_api::metrics::Exporter;
use bedside_api::{ApiSettings, App, MessageWords, Serving};
use bedside_protocol::document::ProtocolDocument;
use bedside_store::{Clocks, OpenError, Store, StoreSettings};
use bedside_worker::Worker;
use bedside_worker::folder::MailFolder;
use bedside_worker::mail::MailSettings;
use bedside_worker::smtp::{SmtpSettings, StageTimeouts};
use bedside_worker::transport::Transport;

use crate::keys;
use crate::settings::{Faults, MailRoute, Relay, Settings};

/// What the store needs to know.
pub fn store_settings(settings: &Settings) -> StoreSettings {
    StoreSettings {
        url: settings.database_url.reveal().to_owned(),
        readers: settings.store_readers,
        writers: settings.store_writers,
        queue: settings.store_queue,
        mail_domain: settings.message_id_domain(),
    }
}

/// Opens the database, which must be migrated, and takes in the protocol document that ships with the program.
pub async fn open_store(settings: &Settings, clocks: Arc<dyn Clocks>) -> Result<Store> {
    let keys = keys::master(settings)?;
    let store = Store::open(store_settings(settings), clocks, keys)
        .await
        .map_err(|error| match error {
            OpenError::WrongKey => {
                Faults::one("MASTER_KEY", "is not the one this database was sealed with").into()
            }
            error => anyhow::Error::from(error),
        })?;
    store.ensure_protocol(ProtocolDocument::shipped_text()).await?;
    Ok(store)
}

/// The same after bringing the database up to this program.
pub async fn migrate_and_open_store(settings: &Settings, clocks: Arc<dyn Clocks>) -> Result<Store> {
    Store::migrate(&store_settings(settings)).await?;
    open_store(settings, clocks).await
}

/// Where a process with an API listens.
pub struct Listeners {
    /// `LISTEN`.
    pub api: TcpListener,
    /// `METRICS_LISTEN`, if there is one.
    pub metrics: Option<TcpListener>,
}

/// Binds the addresses of a process with an API.
pub fn bind(settings: &Settings) -> Result<Listeners, Faults> {
    Ok(Listeners {
        api: bind_to("LISTEN", settings.listen)?,
        metrics: bind_metrics(settings)?,
    })
}

/// Binds the address for metrics, where there is to be one.
pub fn bind_metrics(settings: &Settings) -> Result<Option<TcpListener>, Faults> {
    let address = settings.metrics_listen;
    address
        .map(|address| bind_to("METRICS_LISTEN", address))
        .transpose()
}

fn bind_to(setting: &str, address: SocketAddr) -> Result<TcpListener, Faults> {
    TcpListener::bind(address).map_err(|error| {
        let what = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens there already".to_owned(),
            std::io::ErrorKind::PermissionDenied => "this user may not listen there".to_owned(),
            _ => error.to_string(),
        };
        Faults::one(setting, format!("is {address}: {what}"))
    })
}

/// Serves what this process exports, where a listener was asked for: the store's numbers, and those of the parts that run
/// here.
pub fn serve_metrics(
    listener: Option<TcpListener>,
    store: &Store,
    app: Option<&App>,
    worker: Option<&Worker>,
) -> Result<Option<Serving>> {
    let Some(listener) = listener else { return Ok(None) };
    let mut exporter = Exporter::new(store)?;
    if let Some(app) = app {
        exporter.add_api(app);
    }
    if let Some(worker) = worker {
        worker.register_metrics(exporter.ours());
    }
    let serving = bedside_api::metrics::serve(exporter, listener)?;
    let address = serving.address();
    if address.ip().is_unspecified() {
        tracing::warn!("metrics are served without a log-in on every address of this machine");
    }
    tracing::info!(%address, "metrics are served");
    Ok(Some(serving))
}

/// The API's state. `shows_all`: a demo or a developer's machine.
pub fn app(settings: &Settings, store: Store, shows_all: bool) -> Result<Arc<App>> {
    let api = ApiSettings {
        public_base_url: settings.public_base_url.clone().unwrap_or_default(),
        listen: settings.listen,
        workers: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
        mail_folder: mail_folder(settings),
        development: shows_all,
        trusted_proxy: settings.trusted_proxy,
    };
    let app = App::new(store, api)?;
    // A process that sends no mail may have no settings for it; then a dry run has no words.
    Ok(Arc::new(match mail_settings(settings) {
        Ok(mail) => app.with_words(message_words(mail)),
        Err(_) => app,
    }))
}

/// What messages would say.
pub fn message_words(mail: MailSettings) -> MessageWords {
    Arc::new(move |notice| {
        let words = bedside_worker::mail::in_words(notice, &mail).ok()?;
        Some((words.subject, words.text))
    })
}

/// The folder mails are written to, where they are.
pub fn mail_folder(settings: &Settings) -> Option<PathBuf> {
    match &settings.mail {
        Some(MailRoute::Folder(path)) => Some(path.clone()),
        _ => None,
    }
}

/// What all mails have in common.
pub fn mail_settings(settings: &Settings) -> Result<MailSettings> {
    let document = ProtocolDocument::shipped()?;
    let from = settings
        .mail_from
        .as_deref()
        .ok_or_else(|| Faults::one("MAIL_FROM", "is missing"))?;
    let base = settings.public_base_url.as_deref();
    let base = base.ok_or_else(|| Faults::one("PUBLIC_BASE_URL", "is missing"))?;
    let number = &document.words.emergency_number;
    MailSettings::new(
        &settings.mail_from_name,
        from,
        &settings.message_id_domain(),
        base,
        number,
    )
    .context("MAIL_FROM, MAIL_FROM_NAME, MESSAGE_ID_DOMAIN or PUBLIC_BASE_URL cannot be used")
}

/// The way out for mails.
pub fn transport(settings: &Settings) -> Result<Transport> {
    match &settings.mail {
        Some(MailRoute::Folder(path)) => {
            let folder = MailFolder::new(path).map_err(|error| {
                Faults::one(
                    "MAIL",
                    format!("names {}, which cannot be written: {error}", path.display()),
                )
            })?;
            Ok(Transport::folder(Arc::new(folder)))
        }
        Some(MailRoute::Smtp(relay)) => {
            let from = settings
                .mail_from
                .clone()
                .ok_or_else(|| Faults::one("MAIL_FROM", "is missing"))?;
            Ok(Transport::smtp(smtp_settings(settings, relay)?, from))
        }
        None => Err(Faults::one("MAIL", "is missing").into()),
    }
}

fn smtp_settings(settings: &Settings, relay: &Relay) -> Result<SmtpSettings> {
    let certificates = settings.smtp_root_certificates.as_ref().map(|path| {
        std::fs::read_to_string(path).map_err(|error| {
            Faults::one(
                "SMTP_ROOT_CERTIFICATES",
                format!("names {}, which cannot be read: {error}", path.display()),
            )
        })
    });
    let smtp = SmtpSettings {
        host: relay.host.clone(),
        port: relay.port,
        security: relay.security,
        username: relay.username.clone(),
        password: settings
            .smtp_password
            .as_ref()
            .map(|secret| secret.reveal().to_owned()),
        hello_name: settings.hello_name(),
        extra_root_certificates_pem: certificates.transpose()?,
        timeouts: StageTimeouts::default(),
    };
    smtp.check()
        .map_err(|fault| Faults::one("MAIL", format!("cannot be used: {fault}")))?;
    Ok(smtp)
}
