//! PostgreSQL servers of a test's own, to be killed, restarted and promoted.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::system::{Process, eventually, free_port, is_root, succeed};

/// How a server is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// `-m fast`: clients are cut off, open transactions rolled back, what was committed is written out.
    Fast,
    /// `-m immediate`: everything is dropped; the next start recovers from the write-ahead log.
    Immediate,
}

/// A server with its data in a folder of its own.
pub struct Server {
    folder: TempDir,
    port: u16,
    postmaster: Option<Process>,
}

impl Server {
    /// A new server, running.
    pub fn new() -> Self {
        let server = Self::without_data();
        succeed(server.program("initdb").args([
            "-D",
            "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
        ]));
        server.started()
    }

    /// A running copy that follows this server and calls itself `standby`.
    pub fn standby(&self) -> Self {
        let standby = Self::without_data();
        let primary = format!(
            "host=127.0.0.1 port={} user=postgres application_name=standby",
            self.port
        );
        succeed(
            standby
                .program("pg_basebackup")
                .args(["-D", "data", "-R", "-X", "stream", "-c", "fast", "-d", &primary]),
        );
        let standby = standby.started();
        let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        eventually(Duration::from_secs(30), "the standby follows", || {
            self.sql(streaming) == "1"
        });
        standby
    }

    fn without_data() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(user) = server_user() {
            succeed(Command::new("chown").arg(user).arg(folder.path()));
        }
        Self {
            folder,
            port: free_port(),
            postmaster: None,
        }
    }

    fn started(mut self) -> Self {
        self.start();
        self
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again.
    pub fn start(&mut self) {
        let folder = self.folder.path().display().to_string();
        let log = self.folder.path().join("server.log");
        let postmaster = Process::start(
            "PostgreSQL",
            self.program("postgres")
                .args(["-D", "data", "-p", &self.port.to_string(), "-k", &folder])
                .args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=100"]),
            &log,
        );
        self.postmaster = Some(postmaster);
        eventually(Duration::from_mins(1), "PostgreSQL answers", || {
            self.psql("SELECT 1")
                .output()
                .is_ok_and(|said| said.status.success())
        });
    }

    /// Stops it and waits for its end.
    pub fn stop(&mut self, how: Stop) {
        let signal = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        };
        if let Some(mut postmaster) = self.postmaster.take() {
            postmaster.signal(signal);
            postmaster.wait();
        }
    }

    /// Kills the postmaster, as the kernel does when memory is short; its children notice and end.
    pub fn kill(&mut self) {
        let Some(mut postmaster) = self.postmaster.take() else {
            return;
        };
        postmaster.signal("KILL");
        postmaster.wait();
        self.remove_shared_memory();
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        succeed(self.program("pg_ctl").args(["promote", "-w", "-D", "data"]));
    }

    /// The first column of a statement's first row, as text.
    #[track_caller]
    pub fn sql(&self, statement: &str) -> String {
        succeed(&mut self.psql(statement)).trim().to_owned()
    }

    fn psql(&self, statement: &str) -> Command {
        let mut psql = self.program("psql");
        psql.args(["-X", "-q", "-A", "-t", "-h", "127.0.0.1", "-U", "postgres"])
            .args(["-p", &self.port.to_string(), "-c", statement, "postgres"]);
        psql
    }

    fn program(&self, name: &str) -> Command {
        let path = programs().join(name);
        let mut command = match server_user() {
            None => Command::new(path),
            // PostgreSQL refuses to run as root.
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={user}"), &format!("--regid={user}")]);
                command.arg("--clear-groups").arg(path);
                command
            }
        };
        command.current_dir(self.folder.path());
        command
    }

    /// What a killed postmaster left in the kernel; a start would reuse it, nobody else takes it away.
    fn remove_shared_memory(&self) {
        let pid_file = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid"));
        let line = pid_file.unwrap_or_default();
        let id = line
            .lines()
            .nth(6)
            .and_then(|keys| keys.split_whitespace().nth(1).map(ToOwned::to_owned));
        if let Some(id) = id {
            // Gone already if the last child removed it.
            let _ = Command::new("ipcrm").args(["-m", &id]).output();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(15).collect();
            eprintln!("PostgreSQL on port {}, last lines first: {tail:#?}", self.port);
        }
        if let Some(postmaster) = &mut self.postmaster {
            postmaster.signal("QUIT");
            postmaster.wait();
        }
    }
}

/// The user that the server runs as when the tests run as root.
fn server_user() -> Option<String> {
    is_root().then(|| "postgres".to_owned())
}

/// The folder of the newest server programs.
fn programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = debian
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.parse::<u32>().ok())
        .max();
    match newest {
        Some(version) => Path::new("/usr/lib/postgresql")
            .join(version.to_string())
            .join("bin"),
        None => PathBuf::from(succeed(Command::new("pg_config").arg("--bindir")).trim()),
    }
}
