//! The program as it is shipped: backed up and restored, started by a service manager or in a container, all through
//! the real binary.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is how a test ends, in its helpers too"
)]

mod backup;
mod files;
mod manager;
mod postgres;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The program with these settings and no other, in `folder`, which is its data folder too.
fn bedside(folder: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bedside"));
    command
        .current_dir(folder)
        .env_clear()
        .env("BEDSIDE_DATA_DIR", folder)
        .envs(settings.iter().copied());
    command
}

fn run(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Output {
    bedside(folder, settings)
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// All that it said.
fn said(ended: &Output) -> String {
    [ended.stdout.as_slice(), &ended.stderr]
        .map(String::from_utf8_lossy)
        .concat()
}

/// Ends with this status; what it said.
#[track_caller]
fn ends_with(status: i32, folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> String {
    let ended = run(folder, settings, arguments);
    let told = said(&ended);
    assert_eq!(ended.status.code(), Some(status), "{arguments:?}: {told}");
    assert!(!told.contains("panicked"), "{told}");
    told
}

fn key_of(master: [u8; 32]) -> String {
    STANDARD.encode(master)
}

/// What `look` finds within half a minute.
#[track_caller]
fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = (0..1_500).find_map(|_| {
        let found = look();
        if found.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        found
    });
    found.expect("it happens in time")
}
