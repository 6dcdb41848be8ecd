//! Under a service manager: what a real process says on `NOTIFY_SOCKET`, and what it says no more.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bedside_store::raw::Raw;
use bedside_tests::database::{self, Database};

use crate::{bedside, ends_with, key_of, soon};

/// A manager's socket.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn listen(folder: &Path) -> Self {
        let socket = UnixDatagram::bind(folder.join("notify")).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a limit");
        Self {
            socket,
            heard: Vec::new(),
        }
    }

    fn listen_on(&mut self) {
        let mut buffer = [0; 4_096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            self.heard.extend(
                String::from_utf8_lossy(&buffer[..length])
                    .lines()
                    .map(str::to_owned),
            );
        }
    }

    fn count(&mut self, what: &str) -> usize {
        self.listen_on();
        self.heard.iter().filter(|line| *line == what).count()
    }

    #[track_caller]
    fn hears(&mut self, what: &str, times: usize) {
        soon(|| (self.count(what) >= times).then_some(()));
    }
}

/// Ends with the test.
struct Service(Child);

impl Service {
    fn start(folder: &Path, settings: &[(&str, &str)], command: &str) -> Self {
        let mut program = bedside(folder, settings);
        program
            .args([command, "--development"])
            .env("NOTIFY_SOCKET", folder.join("notify"))
            .env("WATCHDOG_USEC", "1200000")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(program.spawn().expect("the program starts"))
    }

    fn ask_to_stop(&mut self) {
        let asked = Command::new("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status();
        assert!(asked.expect("kill").success());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_api_is_ready_when_it_answers_itself_and_says_when_it_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let key = key_of([7; 32]);
    let settings = [
        ("BEDSIDE_MASTER_KEY", key.as_str()),
        ("BEDSIDE_LISTEN", "127.0.0.1:0"),
    ];
    ends_with(0, folder, &settings, &["migrate"]);
    let mut manager = Manager::listen(folder);
    let mut api = Service::start(folder, &settings, "api");
    manager.hears("READY=1", 1);
    manager.hears("WATCHDOG=1", 3);
    api.ask_to_stop();
    manager.hears("STOPPING=1", 1);
    assert!(soon(|| api.0.try_wait().expect("a child")).success());
    assert_eq!(manager.count("READY=1"), 1);
}

#[test]
#[cfg_attr(sqlite_only, ignore = "BEDSIDE_TEST_SQLITE_ONLY=1")]
fn the_worker_is_alive_while_it_verifies_cycles_and_silent_when_its_database_is_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let key = key_of([7; 32]);
    let place = database::empty(Database::Postgres);
    let url = place.url();
    let settings = [
        ("BEDSIDE_DATABASE_URL", url.as_str()),
        ("BEDSIDE_MASTER_KEY", &key),
        ("BEDSIDE_CYCLE_MS", "100"),
    ];
    ends_with(0, folder, &settings, &["migrate"]);
    let told = ends_with(1, folder, &settings, &["health", "worker"]);
    assert!(told.contains("no worker of this host"), "{told}");
    let mut manager = Manager::listen(folder);
    let mut worker = Service::start(folder, &settings, "worker");
    manager.hears("READY=1", 1);
    manager.hears("WATCHDOG=1", 3);
    ends_with(0, folder, &settings, &["health", "worker"]);

    let server = std::env::var("BEDSIDE_TEST_POSTGRES_URL").expect("a server");
    let name = url.rsplit('/').next().expect("a database").to_owned();
    let mut server = Raw::connect(&server).expect("a connection");
    server
        .execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .expect("no database");
    manager.listen_on();
    let before = manager.count("WATCHDOG=1");
    // Two of the manager's limits.
    std::thread::sleep(Duration::from_millis(2_400));
    let after = manager.count("WATCHDOG=1");
    // One may have been on its way.
    assert!(
        after <= before + 1,
        "{before} before and {after} after the database went"
    );
    assert!(
        worker.0.try_wait().expect("a child").is_none(),
        "it is the manager who ends it"
    );
    ends_with(1, folder, &settings, &["health", "worker"]);
    worker.ask_to_stop();
    manager.hears("STOPPING=1", 1);
}

#[test]
fn the_health_command_is_for_a_container_and_knows_two_answers() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let key = key_of([7; 32]);
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .to_string();
    let settings = [("BEDSIDE_MASTER_KEY", key.as_str()), ("BEDSIDE_LISTEN", &address)];
    ends_with(0, folder, &settings, &["migrate"]);
    for arguments in [["health", "api"], ["health", "worker"]] {
        ends_with(1, folder, &settings, &arguments);
    }
    let _api = Service::start(folder, &settings, "api");
    soon(|| {
        let asked = bedside(folder, &settings)
            .args(["health", "api"])
            .output()
            .expect("an answer");
        asked.status.success().then_some(())
    });
    // Some monitors ask with HEAD: the same status, and no body.
    for (path, status) in [("/health/live", "200"), ("/health/ready", "503")] {
        let mut stream = TcpStream::connect(&address).expect("a connection");
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }
    // It lives, and nobody watches.
    let told = ends_with(1, folder, &settings, &["health", "api", "--ready"]);
    assert!(told.contains("503"), "{told}");
}
