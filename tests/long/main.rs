//! What `./test --long` runs against real servers: PostgreSQL that is killed, restarted and failed over under load, and
//! Debian's Postfix with TLS, log-in and greylisting. The program runs as processes, as an operator starts it.
//!
//! Each test brings its own servers in a folder under the temporary one and takes them away. `./test --long` gives them
//! a temporary folder of its own and ends what a killed test left in it.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a failed expectation is how a test ends, in its helpers too; real servers are waited for by the real clock"
)]

mod failover;
mod postfix;
mod postfix_server;
mod postgres_server;
mod site;
mod system;
