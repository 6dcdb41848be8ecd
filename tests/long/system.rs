//! Processes, ports and waiting.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A child that does not outlive the test.
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts it, with all it says in a file.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            child,
            name: name.to_owned(),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, signal: &str) {
        succeed(Command::new("kill").args([&format!("-{signal}"), &self.id().to_string()]));
    }

    /// Whether it runs.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }

    /// Waits for its end.
    pub fn wait(&mut self) {
        let name = self.name.clone();
        eventually(Duration::from_mins(1), &format!("{name} ends"), || !self.lives());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that must succeed; gives what it said.
#[track_caller]
pub fn succeed(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, complained) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}: {said}{complained}");
    said.into_owned()
}

/// Whether the tests run as root: some servers refuse to, one must.
pub fn is_root() -> bool {
    succeed(Command::new("id").arg("-u")).trim() == "0"
}

/// A port of 127.0.0.1 that was free a moment ago, below those the system gives to outgoing connections.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id();
    (0..12_000)
        .map(|_| NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(start) % 12_000 + 20_000)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Waits until something is so; gives how long that took.
#[track_caller]
pub fn eventually(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
    since.elapsed()
}
