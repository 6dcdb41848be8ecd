//! Debian's Postfix in a folder and on ports of its own: STARTTLS, TLS from the first byte, log-in by SASL, greylisting by
//! a policy service of the test, and mailboxes that can be looked into. The system's own Postfix, if any, is not touched.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::site::Mail;
use crate::system::{eventually, free_port, is_root, succeed};

/// The log-in the program uses.
const USER: &str = "bedside";
/// Its password.
const PASSWORD: &str = "open sesame";

/// A greylisted recipient is let in so long after the first try.
const GREY_FOR: Duration = Duration::from_secs(2);

/// A mail server with mailboxes for some of `clinic.example`.
pub struct Postfix {
    folder: TempDir,
    start_tls: u16,
    implicit_tls: u16,
    small: u16,
    greylist: Greylist,
}

impl Postfix {
    /// A server with these mailboxes; every other address is refused with 550 5.1.1. Of the mailboxes, `greylisted` ones
    /// are deferred at the first try.
    pub fn start(mailboxes: &[&str], greylisted: &[&str]) -> Self {
        assert!(
            is_root(),
            "Postfix starts as root only: run ./test --long postfix as root"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("an open folder");
        let server = Self {
            folder,
            start_tls: free_port(),
            implicit_tls: free_port(),
            small: free_port(),
            greylist: Greylist::start(greylisted),
        };
        for name in ["etc", "etc/sasl", "queue", "data", "mail"] {
            std::fs::create_dir(server.path(name)).expect("a folder");
        }
        succeed(Command::new("chown").arg("postfix").arg(server.path("data")));
        succeed(Command::new("chown").arg("nobody").arg(server.path("mail")));
        server.make_certificates();
        server.make_log_in();
        let mut maps = String::new();
        for name in mailboxes {
            writeln!(maps, "{name}@clinic.example {name}/").expect("text");
        }
        server.write("etc/mailboxes", &maps);
        server.write("etc/main.cf", &server.main_cf());
        server.write("etc/master.cf", &server.master_cf());
        succeed(&mut server.postfix("start"));
        eventually(Duration::from_secs(30), "Postfix answers", || {
            [server.start_tls, server.implicit_tls, server.small]
                .iter()
                .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
        server
    }

    /// STARTTLS with the right certificate and log-in.
    pub fn by_start_tls(&self) -> Mail {
        self.mail(self.start_tls, "starttls")
    }

    /// TLS from the first byte, with the right certificate and log-in.
    pub fn by_implicit_tls(&self) -> Mail {
        self.mail(self.implicit_tls, "implicit")
    }

    /// A listener that takes mails of 1,000 bytes at most.
    pub fn by_small_mails_only(&self) -> Mail {
        self.mail(self.small, "starttls")
    }

    fn mail(&self, port: u16, tls: &str) -> Mail {
        Mail {
            relay: format!("smtp://{USER}@localhost:{port}?tls={tls}"),
            password: Some(PASSWORD.to_owned()),
            root_certificates: Some(self.path("etc/authority.pem")),
        }
    }

    /// The mails in a mailbox, as they lie there.
    pub fn mailbox(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(&format!("mail/{name}/new")));
        entries
            .into_iter()
            .flatten()
            .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
            .collect()
    }

    /// The server's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("mail.log")).unwrap_or_default()
    }

    /// How often greylisting deferred a recipient.
    pub fn deferrals(&self) -> usize {
        self.greylist.deferrals()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file");
    }

    fn postfix(&self, what: &str) -> Command {
        let mut command = Command::new("postfix");
        command.arg("-c").arg(self.path("etc")).arg(what);
        command
    }

    /// An authority of our own, and a certificate by it for `localhost`.
    fn make_certificates(&self) {
        let authority_key = KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_itself = authority.self_signed(&authority_key).expect("an authority");
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().expect("a key");
        let server = CertificateParams::new(vec!["localhost".to_owned()]).expect("names");
        let server = server.signed_by(&key, &issuer).expect("a certificate");
        self.write("etc/authority.pem", &pem("CERTIFICATE", authority_itself.der()));
        self.write("etc/server.pem", &pem("CERTIFICATE", server.der()));
        self.write("etc/server.key", &pem("PRIVATE KEY", &key.serialize_der()));
    }

    fn make_log_in(&self) {
        let passwords = self.path("etc/sasldb2");
        self.write(
            "etc/sasl/smtpd.conf",
            &format!(
                "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\nsasldb_path: {}\n",
                passwords.display()
            ),
        );
        let mut making = Command::new("saslpasswd2")
            .args(["-p", "-c", "-u", "relay.clinic.example", "-f"])
            .arg(&passwords)
            .arg(USER)
            .stdin(Stdio::piped())
            .spawn()
            .expect("saslpasswd2");
        let mut password = making.stdin.take().expect("a pipe");
        password.write_all(PASSWORD.as_bytes()).expect("a password");
        drop(password);
        assert!(making.wait().expect("saslpasswd2").success());
        succeed(Command::new("chown").arg("postfix").arg(passwords));
    }

    fn main_cf(&self) -> String {
        let folder = self.folder.path().display();
        let policy = self.greylist.port;
        let nobody = succeed(Command::new("id").args(["-u", "nobody"]));
        let nobody = nobody.trim();
        format!(
            "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.clinic.example
mydestination =
local_recipient_maps =
alias_maps =
virtual_mailbox_domains = clinic.example
virtual_mailbox_maps = texthash:{folder}/etc/mailboxes
virtual_mailbox_base = {folder}/mail
virtual_mailbox_limit = 0
virtual_uid_maps = static:{nobody}
virtual_gid_maps = static:{nobody}
smtpd_tls_cert_file = {folder}/etc/server.pem
smtpd_tls_key_file = {folder}/etc/server.key
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_loglevel = 1
smtpd_tls_received_header = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_authenticated_header = yes
smtpd_sasl_local_domain = relay.clinic.example
cyrus_sasl_config_path = {folder}/etc/sasl
smtpd_recipient_restrictions = reject_unlisted_recipient, check_policy_service inet:127.0.0.1:{policy}, \
permit_sasl_authenticated, reject
"
        )
    }

    fn master_cf(&self) -> String {
        let (start_tls, implicit_tls, small) = (self.start_tls, self.implicit_tls, self.small);
        format!(
            "127.0.0.1:{start_tls} inet n - n - - smtpd
127.0.0.1:{implicit_tls} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
127.0.0.1:{small} inet n - n - - smtpd
  -o message_size_limit=1000
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"
        )
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(25).collect();
            eprintln!("Postfix, last lines first: {tail:#?}");
        }
        // Waits until all its processes are gone.
        let _ = self.postfix("stop").output();
    }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let text = STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..text.len().div_ceil(64))
        .map(|line| &text[line * 64..(line * 64 + 64).min(text.len())])
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// A policy service of Postfix: defers an address at its first try, and until [`GREY_FOR`] has passed.
struct Greylist {
    port: u16,
    seen: Arc<Mutex<BTreeMap<String, Seen>>>,
}

#[derive(Default)]
struct Seen {
    first: Option<Instant>,
    deferred: usize,
}

impl Greylist {
    fn start(addresses: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen = addresses
            .iter()
            .map(|name| (format!("{name}@clinic.example"), Seen::default()));
        let seen = Arc::new(Mutex::new(seen.collect()));
        let shared = Arc::clone(&seen);
        // Both kinds of threads end with the test's process: Postfix, which holds the connections, ends before.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || answer(&stream, &shared));
            }
        });
        Self { port, seen }
    }

    fn deferrals(&self) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.values().map(|seen| seen.deferred).sum()
    }
}

/// Answers requests (lines `name=value`, ended by an empty one) until Postfix closes.
fn answer(stream: &TcpStream, seen: &Mutex<BTreeMap<String, Seen>>) {
    let mut recipient = String::new();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if let Some(address) = line.strip_prefix("recipient=") {
            address.clone_into(&mut recipient);
        }
        if !line.is_empty() {
            continue;
        }
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let action = match seen.get_mut(&recipient) {
            Some(known) => {
                let first = *known.first.get_or_insert_with(Instant::now);
                if first.elapsed() < GREY_FOR {
                    known.deferred += 1;
                    "defer_if_permit 4.2.0 Greylisted, please try again"
                } else {
                    "dunno"
                }
            }
            None => "dunno",
        };
        let mut stream = stream;
        if write!(stream, "action={action}\n\n").is_err() {
            return;
        }
    }
}

/// Whether Postfix and its helpers are installed.
pub fn is_installed() -> bool {
    ["/usr/sbin/postfix", "/usr/sbin/saslpasswd2"]
        .iter()
        .all(|path| Path::new(path).exists())
}
