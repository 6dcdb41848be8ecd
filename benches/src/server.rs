//! A PostgreSQL server of the benchmark's own, with the durability a clinic would run it with.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use bedside_store::raw::Raw;
use tempfile::TempDir;

/// Where the tests' own harness looks for a server.
const URL: &str = "BEDSIDE_TEST_POSTGRES_URL";

/// Runs `benchmark` in a process of its own with a PostgreSQL at hand: this program, started again with the server's
/// address in its environment, which is where the tests' harness looks for it.
pub fn with_postgres(benchmark: impl FnOnce()) -> ExitCode {
    if std::env::var_os(URL).is_some() {
        benchmark();
        return ExitCode::SUCCESS;
    }
    let server = Server::start();
    let program = std::env::current_exe().expect("this program");
    let status = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(URL, server.url("postgres"))
        .status()
        .expect("the benchmark");
    if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The server; it ends with this value.
pub struct Server {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Server {
    /// Starts one under /tmp, as the user `postgres` if this runs as root.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("bedside-bench-")
            .tempdir_in("/tmp")
            .expect("a folder");
        let as_root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|id| id.stdout == b"0\n");
        let run = |program: PathBuf| {
            if as_root {
                let mut command = Command::new("setpriv");
                command
                    .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"])
                    .arg(program);
                command
            } else {
                Command::new(program)
            }
        };
        if as_root {
            let owned = Command::new("chown").arg("postgres").arg(folder.path()).status();
            assert!(owned.is_ok_and(|status| status.success()), "chown");
        }
        let (programs, data) = (programs(), folder.path().join("data"));
        let made = run(programs.join("initdb"))
            .current_dir(folder.path())
            .arg("-D")
            .arg(&data)
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"])
            .stdout(Stdio::null())
            .status();
        assert!(made.is_ok_and(|status| status.success()), "initdb");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let child = run(programs.join("postgres"))
            .current_dir(folder.path())
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(folder.path())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"])
            .args([
                "-c",
                "fsync=on",
                "-c",
                "synchronous_commit=on",
                "-c",
                "shared_buffers=256MB",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server");
        let server = Self {
            child,
            port,
            _folder: folder,
        };
        let deadline = Instant::now() + Duration::from_secs(30);
        while Raw::connect(&server.url("postgres")).is_err() {
            assert!(Instant::now() < deadline, "the server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// A new, empty database, and its URL.
    pub fn database(&self, name: &str) -> String {
        Raw::connect(&self.url("postgres"))
            .expect("a connection")
            .execute(&format!("CREATE DATABASE {name} TEMPLATE template0"))
            .expect("a database");
        self.url(name)
    }

    /// The process that the server's others belong to.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The URL of a database.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: a fast shutdown, without waiting for clients.
        let _sent = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _ended = self.child.wait();
    }
}

/// The folder of the newest server programs.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| Path::new("/usr/bin").to_owned())
}
