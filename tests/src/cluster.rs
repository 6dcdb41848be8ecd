//! A PostgreSQL server of a test's own, to be killed and started again.

use std::net::SocketAddr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bedside_store::raw::Raw;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::site::within;

/// A server in a folder of its own; gone with this value.
pub struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    server: Option<Child>,
}

impl Cluster {
    /// Makes a server and starts it.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        if let Some((user, group)) = unprivileged() {
            chown(folder.path(), Some(user), Some(group)).expect("the server's own folder");
        }
        let mut this = Self {
            programs: programs(),
            folder,
            address: crate::program::free_address(),
            server: None,
        };
        let made = this
            .command("initdb")
            .args([
                "-D",
                "data",
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "--no-sync",
            ])
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{made:?}");
        this.start_again();
        this
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        // PostgreSQL refuses to run as root.
        if let Some((user, group)) = unprivileged() {
            command.uid(user).gid(group);
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Starts the server that was killed, and waits until it takes connections.
    pub fn start_again(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("server.log")).expect("a log");
        let server = self
            .command("postgres")
            .args(["-D", "data", "-k", "", "-c", "listen_addresses=127.0.0.1"])
            .args(["-p", &self.address.port().to_string()])
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("postgres");
        self.server = Some(server);
        within(Duration::from_secs(30), "a server that answers", || {
            Raw::connect(&self.url("postgres")).ok()
        });
    }

    /// Kills it as `pg_ctl stop -m immediate` does: no farewell, no checkpoint, recovery at the next start.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let pid = Pid::from_raw(server.id().try_into().expect("a process number"));
            kill_process(pid.expect("a process number"), Signal::QUIT).expect("a signal");
            server.wait().expect("an end");
        }
    }

    /// A new database without a table.
    pub fn make_database(&self, name: &str) -> String {
        let mut raw = Raw::connect(&self.url("postgres")).expect("a connection");
        raw.execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
            .expect("a database");
        self.url(name)
    }

    fn url(&self, name: &str) -> String {
        format!("postgres://postgres@{}/{name}", self.address)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The user the server runs as, where the test is root.
fn unprivileged() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").expect("the list of users");
    let number_of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(|field| field.parse().ok());
        Some((fields.next()??, fields.next()??))
    };
    Some(
        number_of("postgres")
            .or_else(|| number_of("nobody"))
            .expect("a user that is not root"),
    )
}

/// The folder of the newest server programs, as `./test` finds it.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let newest = versions
        .filter(|version| version.path().join("bin/initdb").exists())
        .max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().unwrap_or(0));
    if let Some(newest) = newest {
        return newest.path().join("bin");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("initdb"))
        .find(|it| it.exists());
    let initdb = found
        .and_then(|it| it.canonicalize().ok())
        .expect("PostgreSQL's server programs");
    initdb.parent().map(Path::to_owned).expect("a folder")
}
