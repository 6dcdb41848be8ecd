//! Shared parts of the whole-system tests.

pub mod clinic;
pub mod clock;
pub mod cluster;
pub mod database;
pub mod enrolment;
pub mod http;
pub mod mails;
pub mod metrics;
pub mod play;
pub mod program;
pub mod site;
pub mod smtp_server;
