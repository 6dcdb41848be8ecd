//! The watch: looks at duties whose time has come, sends the mails that rules decided, keeps house, and says that it
//! is alive.
//!
//! Guarantees: the database is the only memory, so any number of workers may run and any of them may die at any point;
//! one bad row never stops the rest; the heartbeat is written only after everything that was due was looked at.
//!
//! [`cycle::Worker::cycle`] is one step of it all; [`cycle::Worker::run`] repeats its parts in loops of their own.

mod auditor;
mod clock_guard;
pub mod cycle;
pub mod deliver;
pub mod folder;
pub mod housekeeping;
pub mod mail;
mod metrics;
mod ping;
pub mod schedule;
pub mod settings;
pub mod smtp;
mod standby;
pub mod ticking;
pub mod transport;
mod unreachable;

pub use auditor::AuditorReport;
pub use clock_guard::ClockState;
pub use cycle::{CycleReport, Worker};
pub use mail::{MailSettings, MailSettingsFault};
pub use ping::{BadPingUrl, PingUrl};
pub use schedule::{BadTimetable, Timetable};
pub use settings::WorkerSettings;
pub use standby::{Standby, StandbyReport};
pub use transport::Transport;
