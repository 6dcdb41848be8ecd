//! Whole flows, over HTTP and with the real worker, on both engines: what people do and what they see.

mod bad_input;
mod cases;
mod dose;
mod happy;
mod messages;
mod metrics;
mod missed;
mod outage;
mod pages;
mod planning;
mod readiness;
mod refused;
mod scanner;
mod sitter;
mod strangers;
mod workers;
