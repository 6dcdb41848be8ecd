//! The program's settings: from the environment and one TOML file, checked whole at start.
//!
//! A wrong or unknown setting is refused by its name, all of them at once, and no message repeats a secret.

mod mail;
mod sources;
pub mod table;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use bedside_worker::{PingUrl, Timetable};
pub use mail::{MailRoute, Relay};
use sources::Sources;

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What is wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} {problem}")]
pub struct Fault {
    /// The setting, as the operator wrote it or would write it.
    pub setting: String,
    /// What is wrong, as the rest of a sentence.
    pub problem: String,
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, fault) in self.0.iter().enumerate() {
            let line = if position == 0 { "" } else { "\n" };
            write!(f, "{line}{fault}")?;
        }
        Ok(())
    }
}

impl Faults {
    /// One fault about a setting of the table.
    pub fn one(name: &str, problem: impl Into<String>) -> Self {
        Self(vec![fault(name, problem)])
    }
}

/// How strict the start of a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `api` and `worker`: everything that patients depend on must be set.
    Production,
    /// `--development`: what is missing is made up for this machine.
    Development,
    /// `up`: like development where only this machine reaches it, else like production; keys are made on first start.
    Up,
}

impl Mode {
    /// The mode in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
            Self::Up => "`bedside up`",
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// All settings, parsed. What is optional here is demanded by the commands that need it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `DATA_DIR`.
    pub data_dir: PathBuf,
    /// `DATABASE_URL`. May hold a password: never shown.
    pub database_url: Secret,
    /// `LISTEN`.
    pub listen: SocketAddr,
    /// `METRICS_LISTEN`.
    pub metrics_listen: Option<SocketAddr>,
    /// `PUBLIC_BASE_URL`, without a slash at the end.
    pub public_base_url: Option<String>,
    /// `MASTER_KEY`.
    pub master_key: Option<Secret>,
    /// `MAIL`.
    pub mail: Option<MailRoute>,
    /// `SMTP_PASSWORD`.
    pub smtp_password: Option<Secret>,
    /// `SMTP_HELLO_NAME`.
    pub smtp_hello_name: Option<String>,
    /// `SMTP_ROOT_CERTIFICATES`.
    pub smtp_root_certificates: Option<PathBuf>,
    /// `MAIL_FROM`.
    pub mail_from: Option<String>,
    /// `MAIL_FROM_NAME`.
    pub mail_from_name: String,
    /// `MESSAGE_ID_DOMAIN`.
    pub message_id_domain: Option<String>,
    /// `TRUSTED_PROXY`.
    pub trusted_proxy: bool,
    /// `LOG`.
    pub log: String,
    /// `LOG_FORMAT`.
    pub log_format: LogFormat,
    /// `CYCLE_MS`.
    pub cycle_ms: u64,
    /// `STANDBY`.
    pub standby: bool,
    /// `STANDBY_AFTER_S`.
    pub standby_after_s: u64,
    /// `DRILL`; `None` for never.
    pub drill: Option<Timetable>,
    /// `PING_URL`. Whoever knows it can keep a dead watch looking alive.
    pub ping_url: Option<PingUrl>,
    /// `STORE_READERS`.
    pub store_readers: usize,
    /// `STORE_WRITERS`.
    pub store_writers: usize,
    /// `STORE_QUEUE`.
    pub store_queue: usize,
}

impl Settings {
    /// The settings of this process: its environment and the file that `--config` or `BEDSIDE_CONFIG` names.
    pub fn load(config: Option<&Path>) -> Result<Self, Faults> {
        Self::parse(Sources::gather(config, std::env::vars())?).map(|(settings, _)| settings)
    }

    /// Settings from these variables alone.
    pub fn of_values<const N: usize>(variables: [(&str, String); N]) -> Result<Self, Faults> {
        let variables = variables
            .into_iter()
            .map(|(variable, text)| (variable.to_owned(), text));
        Self::parse(Sources::gather(None, variables)?).map(|(settings, _)| settings)
    }

    /// The settings, and the names of those that were looked at.
    fn parse(sources: Sources) -> Result<(Self, Vec<&'static str>), Faults> {
        let mut reader = Reader {
            sources,
            asked: Vec::new(),
            faults: Vec::new(),
        };
        let data_dir = PathBuf::from(reader.text("DATA_DIR").unwrap_or_else(|| "data".to_owned()));
        let default_database = format!("sqlite:{}", data_dir.join("bedside.sqlite").display());
        let settings = Self {
            database_url: reader.database_url(&data_dir).unwrap_or(Secret(default_database)),
            listen: reader
                .read("LISTEN", listen)
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080))),
            metrics_listen: reader.read("METRICS_LISTEN", private_listen),
            public_base_url: reader.read("PUBLIC_BASE_URL", base_url),
            master_key: reader.secret("MASTER_KEY", &data_dir),
            mail: reader.read("MAIL", mail::parse),
            smtp_password: reader.secret("SMTP_PASSWORD", &data_dir),
            smtp_hello_name: reader.read("SMTP_HELLO_NAME", host_name),
            smtp_root_certificates: reader.text("SMTP_ROOT_CERTIFICATES").map(PathBuf::from),
            mail_from: reader.read("MAIL_FROM", address),
            mail_from_name: reader
                .read("MAIL_FROM_NAME", sender_name)
                .unwrap_or_else(|| "Reminders".to_owned()),
            message_id_domain: reader.read("MESSAGE_ID_DOMAIN", host_name),
            trusted_proxy: reader.read("TRUSTED_PROXY", yes_no).unwrap_or(false),
            log: reader
                .read("LOG", log_filter)
                .unwrap_or_else(|| "info,actix_server=warn".to_owned()),
            log_format: reader.read("LOG_FORMAT", log_format).unwrap_or(LogFormat::Text),
            cycle_ms: reader.number("CYCLE_MS", 10, 1_000).unwrap_or(500),
            standby: reader.read("STANDBY", yes_no).unwrap_or(true),
            standby_after_s: reader.number("STANDBY_AFTER_S", 1, 600).unwrap_or(60),
            drill: reader
                .read("DRILL", drill)
                .unwrap_or_else(|| Timetable::parse("0 11 13 * * *").ok()),
            ping_url: reader.ping_url(&data_dir),
            store_readers: reader.size("STORE_READERS", 64).unwrap_or(4),
            store_writers: reader.size("STORE_WRITERS", 64).unwrap_or(8),
            store_queue: reader.size("STORE_QUEUE", 100_000).unwrap_or(256),
            data_dir,
        };
        if reader.faults.is_empty() {
            Ok((settings, reader.asked))
        } else {
            Err(Faults(reader.faults))
        }
    }

    /// Whether the API is reachable from this machine only.
    pub fn listens_on_loopback(&self) -> bool {
        self.listen.ip().is_loopback()
    }

    /// Whether nothing says that anybody reaches the program from another machine. A proxy that does TLS forwards to
    /// loopback, so where we listen does not tell it alone.
    pub fn serves_this_machine_only(&self) -> bool {
        let here = |url: &str| host_of(url).is_some_and(|host| is_loopback(&host));
        self.listens_on_loopback() && !self.trusted_proxy && self.public_base_url.as_deref().is_none_or(here)
    }

    /// What a service needs beyond being well formed: in production everything is demanded, else it is filled in for
    /// this machine. The key is seen to where it is read (`keys.rs`).
    pub fn for_service(self, mode: Mode) -> Result<Self, Faults> {
        self.for_part(mode, true)
    }

    /// The same for the API by itself, which needs a way out for mail only if it may have to stand in for the workers.
    pub fn for_api(self, mode: Mode) -> Result<Self, Faults> {
        let sends_mail = self.standby;
        self.for_part(mode, sends_mail)
    }

    fn for_part(mut self, mode: Mode, sends_mail: bool) -> Result<Self, Faults> {
        let strict = match mode {
            Mode::Production => true,
            Mode::Development => false,
            Mode::Up => !self.serves_this_machine_only(),
        };
        let mut faults = Vec::new();
        if strict {
            match &self.public_base_url {
                None => faults.push(fault(
                    "PUBLIC_BASE_URL",
                    "is missing: the links in mails begin with it",
                )),
                Some(url) if !url.starts_with("https://") => {
                    faults.push(fault("PUBLIC_BASE_URL", "must begin with https:// in production"));
                }
                Some(_) => {}
            }
            match &self.mail {
                _ if !sends_mail => {}
                None => faults.push(fault(
                    "MAIL",
                    "is missing: nobody could be told of a missed check-in",
                )),
                Some(MailRoute::Folder(_)) => {
                    faults.push(fault(
                        "MAIL",
                        "names a folder, which reaches nobody; production needs smtp://",
                    ));
                }
                Some(MailRoute::Smtp(_)) => {}
            }
            if self.mail_from.is_none() {
                faults.push(fault("MAIL_FROM", "is missing: every mail needs a sender"));
            }
        }
        if let Some(MailRoute::Smtp(relay)) = &self.mail
            && relay.username.is_some() != self.smtp_password.is_some()
        {
            faults.push(fault(
                "SMTP_PASSWORD",
                "and the user in MAIL go together: give both or neither",
            ));
        }
        if !faults.is_empty() {
            return Err(Faults(faults));
        }
        let (listen, data_dir) = (self.listen, self.data_dir.clone());
        self.public_base_url
            .get_or_insert_with(|| format!("http://{listen}"));
        self.mail
            .get_or_insert_with(|| MailRoute::Folder(data_dir.join("mails")));
        self.mail_from
            .get_or_insert_with(|| "bedside@localhost.localdomain".to_owned());
        Ok(self)
    }

    /// The right side of Message-IDs.
    pub fn message_id_domain(&self) -> String {
        let from_sender = || {
            self.mail_from
                .as_deref()
                .and_then(|it| it.rsplit_once('@'))
                .map(|it| it.1.to_owned())
        };
        self.message_id_domain
            .clone()
            .or_else(from_sender)
            .unwrap_or_else(|| "localhost.localdomain".to_owned())
    }

    /// The name for EHLO.
    pub fn hello_name(&self) -> String {
        let from_url = || self.public_base_url.as_deref().and_then(host_of);
        self.smtp_hello_name
            .clone()
            .or_else(from_url)
            .unwrap_or_else(|| "localhost".to_owned())
    }
}

fn fault(name: &str, problem: impl Into<String>) -> Fault {
    let setting = table::find(name).map_or_else(|| name.to_owned(), table::Setting::variable);
    Fault {
        setting,
        problem: problem.into(),
    }
}

/// Reads one setting after the other and gathers what is wrong.
struct Reader {
    sources: Sources,
    asked: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Reader {
    fn text(&mut self, name: &'static str) -> Option<String> {
        self.read(name, |text| Ok(text.to_owned()))
    }

    fn read<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.asked.push(name);
        let given = self.sources.find(name)?;
        match parse(&given.text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.faults.push(Fault {
                    setting: given.from.clone(),
                    problem,
                });
                None
            }
        }
    }

    fn number(&mut self, name: &'static str, least: u64, most: u64) -> Option<u64> {
        self.read(name, |text| {
            let number = text.parse().ok().filter(|number| (least..=most).contains(number));
            number.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
        })
    }

    fn size(&mut self, name: &'static str, most: u64) -> Option<usize> {
        self.number(name, 1, most)
            .and_then(|number| usize::try_from(number).ok())
    }

    /// Where the database is; a secret, because it may hold a password.
    fn database_url(&mut self, data_dir: &Path) -> Option<Secret> {
        let secret = self.secret("DATABASE_URL", data_dir)?;
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if known.iter().any(|scheme| secret.reveal().starts_with(scheme)) {
            return Some(secret);
        }
        let given = self
            .sources
            .find("DATABASE_URL")
            .or_else(|| self.sources.find_file("DATABASE_URL"));
        let setting = given.map_or_else(|| fault("DATABASE_URL", "").setting, |given| given.from.clone());
        let problem = "must begin with sqlite: or postgres://".to_owned();
        self.faults.push(Fault { setting, problem });
        None
    }

    /// Where to ping; a secret.
    fn ping_url(&mut self, data_dir: &Path) -> Option<PingUrl> {
        let secret = self.secret("PING_URL", data_dir)?;
        match PingUrl::parse(secret.reveal()) {
            Ok(url) => Some(url),
            Err(bad) => {
                self.faults.push(fault("PING_URL", bad.to_string()));
                None
            }
        }
    }

    /// A secret: given outright, in the file that is named, or in the data folder where `up` put it.
    fn secret(&mut self, name: &'static str, data_dir: &Path) -> Option<Secret> {
        if let Some(text) = self.text(name) {
            return Some(Secret(text));
        }
        let named = self.sources.find_file(name);
        let named = named.map(|given| (PathBuf::from(&given.text), given.from.clone()));
        let made = || crate::keys::made_key_path(data_dir, name).filter(|path| path.exists());
        let (path, from) = named.or_else(|| Some((made()?, fault(name, "").setting)))?;
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(Secret(text.trim().to_owned())),
            Err(error) => {
                let problem = format!("names the file {}, which cannot be read: {error}", path.display());
                self.faults.push(Fault {
                    setting: from,
                    problem,
                });
                None
            }
        }
    }
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "must be an address and a port, such as 127.0.0.1:8080".to_owned())
}

/// An address that the internet does not reach, or all addresses of a container.
fn private_listen(text: &str) -> Result<SocketAddr, String> {
    let address = listen(text)?;
    let private = match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_unspecified()
        }
    };
    if private {
        Ok(address)
    } else {
        Err("must be a loopback or private address, such as 127.0.0.1:9464: there is no log-in".to_owned())
    }
}

fn base_url(text: &str) -> Result<String, String> {
    let wrong = || "must be a URL such as https://bedside.example.org, without query".to_owned();
    let uri: ureq::http::Uri = text.parse().map_err(|_| wrong())?;
    let scheme = uri
        .scheme_str()
        .is_some_and(|scheme| scheme == "https" || scheme == "http");
    let plain = uri.query().is_none() && !text.contains(['#', '@', '"', '<', '>', ' ']);
    if !scheme || !plain || uri.host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// The host of a URL that [`base_url`] let pass.
fn host_of(url: &str) -> Option<String> {
    let uri: ureq::http::Uri = url.parse().ok()?;
    uri.host().map(str::to_owned)
}

/// Whether a URL's host is this machine. A name that merely resolves to it is not: elsewhere it may not.
fn is_loopback(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|it| it.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn host_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-[]:".contains(&byte);
    if text.len() <= 253 && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("must be the name of a host".to_owned())
    }
}

fn address(text: &str) -> Result<String, String> {
    let wrong = || "must be an e-mail address, such as reminders@example.org".to_owned();
    let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
    let plain = text.len() <= 254
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>\",;".contains(&byte));
    if plain && !local.is_empty() && !domain.is_empty() && !local.contains('@') {
        Ok(text.to_owned())
    } else {
        Err(wrong())
    }
}

fn sender_name(text: &str) -> Result<String, String> {
    if text.len() > 60 || !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        Err("must be a name of at most 60 plain ASCII characters".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

fn yes_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("must be yes or no".to_owned()),
    }
}

fn drill(text: &str) -> Result<Option<Timetable>, String> {
    match text {
        "off" => Ok(None),
        text => Timetable::parse(text).map(Some).map_err(|bad| bad.to_string()),
    }
}

fn log_filter(text: &str) -> Result<String, String> {
    match tracing_subscriber::EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            Err("must be a level such as info, or a filter such as info,bedside_worker=debug".to_owned())
        }
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("must be text or json".to_owned()),
    }
}

#[cfg(test)]
mod tests;
