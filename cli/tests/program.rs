//! The program itself, as an operator starts it: the demo to its end, settings that are wrong, and staff that are
//! looked after by hand. It must say which setting is wrong and must never panic over one.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a test ends, in its helpers too"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A run of the program in `folder`, which is its data folder too, with these settings and no other.
fn run(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
    command
        .current_dir(folder)
        .env_clear()
        .env("BEDSIDE_DATA_DIR", folder)
        .envs(settings.iter().copied())
        .args(arguments);
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[track_caller]
fn succeeds(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> String {
    let ended = run(folder, settings, arguments);
    assert!(ended.status.success(), "{arguments:?}: {ended:?}");
    text(&ended.stdout)
}

/// Status 2, and every one of `named` on standard error.
#[track_caller]
fn is_set_up_wrongly(folder: &Path, settings: &[(&str, &str)], arguments: &[&str], named: &[&str]) -> String {
    let ended = run(folder, settings, arguments);
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{arguments:?}: {said}");
    for name in named {
        assert!(said.contains(name), "{arguments:?} does not name {name}: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn the_demo_plays_to_its_end_and_shows_the_time_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "demo", "--exit", "--speed", "120", "--port", "0", "--folder", "stage",
    ];
    let told = succeeds(folder.path(), &[], &arguments);
    assert!(told.contains("expected steps happened"), "{told}");
    let line = [
        "dose.logged",
        "duty.missed",
        "case.opened",
        "case.resolved",
        "session.released",
        "to=follow_up",
    ];
    let mut rest = told.as_str();
    for event in line {
        let (_, after) = rest
            .split_once(event)
            .unwrap_or_else(|| panic!("no {event} in its place: {told}"));
        rest = after;
    }
}

#[test]
fn a_wrong_setting_ends_the_program_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let unknown = [("BEDSIDE_LISTNE", "127.0.0.1:1")];
    for command in ["up", "api", "worker", "migrate"] {
        is_set_up_wrongly(
            folder,
            &unknown,
            &[command],
            &["BEDSIDE_LISTNE", "BEDSIDE_LISTEN"],
        );
    }
    let scheme = [("BEDSIDE_DATABASE_URL", "mysql://root:sesame@localhost/bedside")];
    for command in ["up", "migrate"] {
        let said = is_set_up_wrongly(
            folder,
            &scheme,
            &[command],
            &["BEDSIDE_DATABASE_URL", "postgres://"],
        );
        assert!(!said.contains("sesame"), "{said}");
    }
    let wrong_file = [("BEDSIDE_MASTER_KEY_FILE", "/nonexistent/key")];
    is_set_up_wrongly(folder, &wrong_file, &["migrate"], &["BEDSIDE_MASTER_KEY_FILE"]);
    let configured = ["--config", "/nonexistent/bedside.toml", "migrate"];
    is_set_up_wrongly(folder, &[], &configured, &["BEDSIDE_CONFIG"]);
}

#[test]
fn a_database_that_cannot_be_used_ends_the_program_by_its_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    // A port that was free a moment ago: nobody answers there.
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    let url = format!("postgres://bedside:sesame@{address}/bedside");
    let settings = [
        ("BEDSIDE_DATABASE_URL", url.as_str()),
        ("BEDSIDE_LISTEN", "127.0.0.1:0"),
    ];
    for command in ["migrate", "up"] {
        let said = is_set_up_wrongly(folder, &settings, &[command], &["DATABASE_URL", "PostgreSQL"]);
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[test]
fn a_file_in_the_data_folders_place_ends_the_program_by_its_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data");
    std::fs::write(&file, "a file").expect("a file");
    let settings = [
        ("BEDSIDE_DATA_DIR", file.to_str().expect("a path")),
        ("BEDSIDE_LISTEN", "127.0.0.1:0"),
    ];
    for arguments in [
        ["up"].as_slice(),
        &["api", "--development"],
        &["worker", "--development"],
    ] {
        is_set_up_wrongly(folder.path(), &settings, arguments, &["DATA_DIR"]);
    }
    assert_eq!(std::fs::read(file).expect("the file"), b"a file");
}

#[test]
fn a_port_in_use_ends_the_program_by_its_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let settings = [("BEDSIDE_LISTEN", address.as_str())];
    for arguments in [["up"].as_slice(), &["api", "--development"]] {
        is_set_up_wrongly(folder.path(), &settings, arguments, &["LISTEN", &address]);
    }
}

#[test]
fn a_port_in_use_ends_the_demo_by_its_argument() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    is_set_up_wrongly(folder.path(), &[], &["demo", "--port", &port], &["--port", &port]);
}

#[test]
fn the_doctor_looks_at_the_database_without_a_key_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let doctor = || {
        let ended = run(folder.path(), &[], &["doctor"]);
        assert_eq!(ended.status.code(), Some(1), "the key is missing: {ended:?}");
        text(&ended.stdout)
    };
    let said = doctor();
    assert!(
        said.contains("WRONG  database   ") && said.contains("`bedside migrate`"),
        "{said}"
    );
    succeeds(folder.path(), &[], &["migrate"]);
    let said = doctor();
    assert!(said.contains("note   database   open and migrated"), "{said}");
    let folder_mode = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("bedside.sqlite"), folder_mode).expect("a mode");
    let said = doctor();
    assert!(said.contains("chmod 600"), "others may read the database: {said}");
}

/// Ends with the test, also with one that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The status line of a GET, if anybody answers.
fn status_of(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    answer.lines().next().map(str::to_owned)
}

/// What `look` finds within half a minute.
#[track_caller]
fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = (0..600).find_map(|_| {
        let found = look();
        if found.is_none() {
            std::thread::sleep(Duration::from_millis(50));
        }
        found
    });
    found.expect("it happens in time")
}

#[test]
fn up_watches_on_when_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
    command
        .current_dir(folder.path())
        .env_clear()
        .env("BEDSIDE_DATA_DIR", folder.path())
        .env("BEDSIDE_LISTEN", &address)
        .arg("up")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = Running(command.spawn().expect("the program starts"));
    // As `| head -1` and a log collector that died do.
    drop(running.0.stderr.take());
    let mut said = BufReader::new(running.0.stdout.take().expect("a pipe"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    assert!(line.contains(&address), "{line}");
    drop(said);

    let status = soon(|| status_of(&address, "/health/live"));
    assert!(status.contains(" 200 "), "{status}");
    assert!(running.0.try_wait().expect("a child").is_none(), "it goes on");
    let asked = Command::new("kill")
        .args(["-TERM", &running.0.id().to_string()])
        .status();
    assert!(asked.expect("kill").success());
    let ended = soon(|| running.0.try_wait().expect("a child"));
    assert!(ended.success(), "{ended}");
}

/// An address that was free a moment ago.
fn free_address() -> String {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    free.local_addr().expect("an address").to_string()
}

/// The body of a GET, if anybody answers.
fn body_of(address: &str, path: &str) -> Option<String> {
    let answer = ureq::get(format!("http://{address}{path}")).call().ok()?;
    answer.into_body().read_to_string().ok()
}

#[test]
fn up_and_a_worker_show_their_numbers_on_listeners_of_their_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let (api, of_up, of_worker) = (free_address(), free_address(), free_address());
    let start = |metrics: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
        command
            .current_dir(folder.path())
            .env_clear()
            .env("BEDSIDE_DATA_DIR", folder.path())
            .env("BEDSIDE_LISTEN", &api)
            .env("BEDSIDE_METRICS_LISTEN", metrics)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Running(command.spawn().expect("the program starts"))
    };
    let _up = start(&of_up, &["up"]);
    let said = soon(|| body_of(&of_up, "/metrics").filter(|said| said.contains("bedside_ready 1\n")));
    assert!(body_of(&api, "/health/live").is_some());
    assert!(body_of(&api, "/metrics").is_none(), "not where patients are");
    for metric in [
        "process_resident_memory_bytes ",
        "bedside_worker_info{version=\"",
        "bedside_part_ok{part=\"worker\"} 1\n",
        "bedside_store_queue_length{kind=\"write\"} ",
    ] {
        assert!(said.contains(metric), "no {metric} in {said}");
    }
    let asked = "bedside_http_requests_total{route=\"/health/live\"";
    assert!(soon(|| body_of(&of_up, "/metrics")).contains(asked));

    let taken = [
        ("BEDSIDE_LISTEN", "127.0.0.1:0"),
        ("BEDSIDE_METRICS_LISTEN", of_up.as_str()),
    ];
    let worker = ["worker", "--development"];
    is_set_up_wrongly(folder.path(), &taken, &worker, &["METRICS_LISTEN", &of_up]);

    let _worker = start(&of_worker, &worker);
    let said = soon(|| body_of(&of_worker, "/metrics"));
    assert!(
        said.contains("bedside_cycles_total{verified=\"true\"} "),
        "{said}"
    );
    assert!(
        !said.contains("bedside_http_requests_total"),
        "a worker has no API"
    );
}

#[test]
fn production_without_its_settings_is_refused_and_all_are_named_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in ["api", "worker"] {
        let named = ["BEDSIDE_PUBLIC_BASE_URL", "BEDSIDE_MAIL ", "BEDSIDE_MAIL_FROM "];
        is_set_up_wrongly(folder.path(), &[], &[command], &named);
    }
    let key = "BEDSIDE_MASTER_KEY";
    is_set_up_wrongly(folder.path(), &[], &["audit", "verify"], &[key]);
}

#[test]
fn staff_are_deactivated_by_hand_but_not_the_only_fallback() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = STANDARD.encode([7; 32]);
    let settings = [("BEDSIDE_MASTER_KEY", key.as_str())];
    let bedside = |arguments: &str| {
        run(
            folder.path(),
            &settings,
            &arguments.split(' ').collect::<Vec<_>>(),
        )
    };
    let well = |arguments: &str| {
        let ended = bedside(arguments);
        assert!(ended.status.success(), "{arguments}: {ended:?}");
        text(&ended.stdout)
    };
    let refused = |arguments: &str| {
        let ended = bedside(arguments);
        assert_eq!(ended.status.code(), Some(1), "{arguments}: {ended:?}");
        text(&ended.stderr)
    };
    well("migrate");
    well("clinic add willow --name Willow --zone America/New_York --phone 5550150");
    for (name, role) in [("nora", "nurse"), ("mona", "manager")] {
        well(&format!(
            "staff add --clinic willow --name {name} --email {name}@clinic.example --role {role}"
        ));
    }
    well("staff on-call --clinic willow nurse=nora@clinic.example fallback=mona@clinic.example");

    let mona = "--clinic willow --email mona@clinic.example";
    let said = refused(&format!("staff deactivate {mona}"));
    assert!(
        said.contains("only fallback") && said.contains("bedside staff on-call --clinic willow"),
        "{said}"
    );
    let nora = "--clinic willow --email nora@clinic.example";
    let said = well(&format!("staff deactivate {nora}"));
    assert!(
        said.contains("Deactivated") && said.contains("no nurse"),
        "{said}"
    );
    let said = well(&format!("staff activate {nora}"));
    assert!(said.contains("Activated") && !said.contains("no nurse"), "{said}");
    let said = refused("staff deactivate --clinic willow --email nobody@clinic.example");
    assert!(said.contains("nobody@clinic.example"), "{said}");
    let said = refused("staff deactivate --clinic alder --email nora@clinic.example");
    assert!(said.contains("no clinic alder"), "{said}");
    well("audit verify");
}
