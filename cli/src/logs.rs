//! Logs: to standard error, as text or JSON lines; the demo's go to a file, so that its story stays readable.

use std::fs::File;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::settings::{LogFormat, Settings};

/// Starts logging to standard error.
pub fn to_standard_error(settings: &Settings) {
    start(settings, BoxMakeWriter::new(std::io::stderr));
}

/// Starts logging to a file.
pub fn to_file(settings: &Settings, file: File) {
    start(settings, BoxMakeWriter::new(Mutex::new(file)));
}

fn start(settings: &Settings, writer: BoxMakeWriter) {
    // The filter was checked with the other settings.
    let filter = EnvFilter::try_new(&settings.log).unwrap_or_default();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(false)
        // It would be told on standard error by a macro that panics where that is what is closed.
        .log_internal_errors(false);
    // A second start, which only tests make, keeps the first.
    let _ = match settings.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
