//! The store on both engines: what it keeps, whom it lets see it, and what happens when two meet.

mod accounts;
mod audit;
mod conformance;
mod deciding;
mod fixture;
mod kept;
mod opening;
mod outbox;
mod pool;
mod proof;
mod records;
mod sealing;
mod statements;
mod watch;
