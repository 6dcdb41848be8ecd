//! Whole flows, over HTTP and with the real worker, on both engines: what people do and what they see.

mod attempts;
mod bad_input;
mod bundles;
mod cases;
mod clock;
mod dose;
mod drill;
mod happy;
mod lozenges;
mod messages;
mod metrics;
mod missed;
mod outage;
mod pages;
mod ping;
mod planning;
mod proof;
mod readiness;
mod refused;
mod roster;
mod scanner;
mod sitter;
mod standby;
mod strangers;
mod upgrade;
mod workers;
