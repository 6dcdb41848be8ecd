//! Shared parts of the whole-system tests.

pub mod clinic;
pub mod clock;
pub mod database;
pub mod http;
pub mod mails;
pub mod metrics;
pub mod play;
pub mod smtp_server;
