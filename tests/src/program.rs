//! The program as real processes: started with its settings, asked to stop, or killed.
//!
//! The path of the program comes from the test, which alone knows where Cargo has put it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};

/// The time, to measure real processes by.
#[expect(
    clippy::disallowed_methods,
    reason = "real processes take real time; no rule depends on it"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// An address of this machine where nobody listens.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// What a process is started with. Nothing else is in its environment.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The program.
    pub program: PathBuf,
    /// Its data folder, which is its working folder too.
    pub folder: PathBuf,
    /// `BEDSIDE_…` and their values.
    pub settings: Vec<(String, String)>,
}

impl Surroundings {
    /// The settings that a service needs in production.
    pub fn new(program: &str, folder: &Path, database_url: &str, master_key: &str) -> Self {
        let surroundings = Self {
            program: program.into(),
            folder: folder.to_owned(),
            settings: Vec::new(),
        };
        surroundings
            .with("DATABASE_URL", database_url)
            .with("MASTER_KEY", master_key)
            .with("PUBLIC_BASE_URL", "https://bedside.example")
            .with("MAIL_FROM", "care@bedside.test")
            .with("CYCLE_MS", "200")
            .with("STORE_WRITERS", "3")
            .with("STORE_READERS", "2")
            .with("DRILL", "off")
    }

    /// The same with one more setting, or another value of it.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        let variable = format!("BEDSIDE_{name}");
        other.settings.retain(|(known, _)| *known != variable);
        other.settings.push((variable, value.to_owned()));
        other
    }

    /// The same with mails by SMTP to this server.
    pub fn mailing(&self, relay: SocketAddr) -> Self {
        self.with("MAIL", &format!("smtp://{relay}?tls=none"))
    }

    /// Starts `bedside COMMAND`. What it says goes to a file.
    pub fn start(&self, command: &str) -> Program {
        let log = tempfile::NamedTempFile::new_in(&self.folder).expect("a log file");
        let (file, log) = log.keep().expect("a log file that stays");
        // A process that writes beyond its file limit gets an error, as on a full disk, and no signal.
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(&self.program)
            .arg(command)
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .env("BEDSIDE_DATA_DIR", &self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("the program starts");
        Program {
            pid: child.id(),
            child: Mutex::new(child),
            log,
        }
    }
}

/// A process of the program. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    /// Its process number; a worker's name among others ends with it.
    pub pid: u32,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Program {
    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self) -> Pid {
        Pid::from_raw(self.pid.try_into().expect("a process number")).expect("a process number")
    }

    /// `kill -9`. When this returns, no thread of it runs any more.
    pub fn kill(&self) {
        let mut child = self.child();
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().expect("an end");
    }

    /// `SIGTERM`.
    pub fn ask_to_stop(&self) {
        kill_process(self.number(), Signal::TERM).expect("a signal");
    }

    /// Its status, if it has ended.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().expect("a child")
    }

    /// Asks it to stop; it does within `limit`, with status 0. How long it took.
    #[track_caller]
    pub fn stops_within(&self, limit: Duration) -> Duration {
        let asked_at = now();
        self.ask_to_stop();
        let status = loop {
            if let Some(status) = self.ended() {
                break status;
            }
            let waited = now() - asked_at;
            assert!(waited <= limit, "still there after {waited:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        };
        assert!(status.success(), "{status}: {}", self.log());
        now() - asked_at
    }

    /// Lets no file of it grow beyond `bytes`, as a disk that is full does; `None` lifts that.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit {
            current: bytes,
            maximum: None,
        };
        prlimit(Some(self.number()), Resource::Fsize, limit).expect("a limit");
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        // What a failed test needs to be understood.
        if std::thread::panicking() {
            let log = self.log();
            let start = log.len().saturating_sub(4_000);
            let start = (start..log.len())
                .find(|at| log.is_char_boundary(*at))
                .unwrap_or(0);
            eprintln!("--- process {} said ---\n{}", self.pid, &log[start..]);
        }
    }
}
