//! The HTTP interface: what phones, sitters' browsers, the care team and an operator's monitor talk to.
//!
//! A handler parses, hands one rule to the store, and shows what came of it. No rule of the clinic lives here, nothing
//! here sends mail, and every answer to a question somebody may not ask looks like an answer about something that does
//! not exist. The table of routes and of who may call each is [`routes::ACCESS`]; extractors enforce it.

pub mod accounts;
pub mod answer;
pub mod app;
pub mod auth;
pub mod bodies;
pub mod casework;
pub mod docs;
pub mod envelope;
pub mod error;
pub mod extract;
pub mod handlers;
pub mod import_file;
pub mod limits;
pub mod links;
pub mod metrics;
pub mod pages;
pub mod parse;
pub mod passwords;
pub mod pictures;
pub mod reporting;
pub mod routes;
pub mod tokens;
pub mod views;

pub use app::{ApiSettings, App, AppError, MessageWords, ServeError, Serving, serve};
