//! The peers: Node's graphile-worker and pg-boss, each sending by nodemailer, installed from npm into a temporary folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Their names, as `benches/peers/NAME.mjs`.
pub const NAMES: [&str; 2] = ["graphile-worker", "pg-boss"];

/// The peers' programs with their packages.
pub struct Peers {
    folder: TempDir,
}

impl Peers {
    /// Installs them; `None` without Node or without the registry.
    pub fn install() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        let status = Command::new("bash")
            .arg(sources.join("install.sh"))
            .arg(folder.path())
            .stdout(Stdio::null())
            .status();
        status
            .is_ok_and(|status| status.success())
            .then_some(Self { folder })
    }

    /// The versions that were installed.
    pub fn versions(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("versions")).unwrap_or_default()
    }

    /// Queues `mails` jobs in the database and has them done; how long that took without the queueing. Without a port
    /// the jobs do nothing.
    pub fn run(&self, name: &str, url: &str, mails: usize, port: Option<u16>) -> Duration {
        let program: PathBuf = self.folder.path().join(format!("{name}.mjs"));
        let output = Command::new("node")
            .arg(program)
            .env("DATABASE_URL", url)
            .env("JOBS", mails.to_string())
            .env("SMTP_PORT", port.map(|port| port.to_string()).unwrap_or_default())
            .env("NODE_ENV", "production")
            .stderr(Stdio::inherit())
            .output()
            .expect("node");
        let text = String::from_utf8_lossy(&output.stdout);
        let ms = text.lines().find_map(|line| line.strip_prefix("took_ms "));
        let ms: f64 = ms
            .unwrap_or_else(|| panic!("{name} said {text}"))
            .parse()
            .expect("milliseconds");
        Duration::from_secs_f64(ms / 1000.0)
    }
}
