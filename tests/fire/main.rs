//! The product under fire: real processes of the program, a real mail server, and what breaks between them.
//!
//! Each test says in its own doc what it bounds. Where a process dies it is a real one; where time is long the tests are
//! in `tests/tests/flows/outage.rs`, with clocks moved by hand.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a failed expectation is how a test ends, in its helpers too"
)]

mod catch_up;
mod crowded;
mod database_gone;
mod disk_full;
mod killed;
mod several;
mod stopped;

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_bedside");

/// Whether the tests run that take long.
fn long() -> bool {
    std::env::var_os("BEDSIDE_LONG").is_some()
}
