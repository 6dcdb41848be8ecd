//! How a worker works.

use std::time::Duration;

use crate::mail::MailSettings;
use crate::ping::PingUrl;
use crate::schedule::Timetable;

/// Longest sleep of any loop: whatever the wall clock does meanwhile, it is read again after this.
pub const SLEEP_MAX: Duration = Duration::from_secs(1);

/// Settings of one worker.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Sender, links and the like.
    pub mail: MailSettings,
    /// Pause between two looks at what is due, and between two looks for mail, milliseconds; 1 to 1000. The default of
    /// 500 keeps an escalation's way to the relay well under a second at a negligible load.
    pub cycle_ms: u64,
    /// Where a verified cycle is told to the outside, at most once a minute.
    pub ping_url: Option<PingUrl>,
    /// How long all workers must have been silent before a standby does their work, seconds. The default of 60 is well
    /// over a restart, and the gate of the dose locks after 120.
    pub standby_after_s: u64,
    /// When the drill is held; `None` for never.
    pub drill: Option<Timetable>,
}

impl WorkerSettings {
    /// The usual pace, and no drill.
    pub fn new(mail: MailSettings) -> Self {
        Self {
            mail,
            cycle_ms: 500,
            ping_url: None,
            standby_after_s: 60,
            drill: None,
        }
    }

    /// The pause, within its limits.
    pub fn pause(&self) -> Duration {
        Duration::from_millis(self.cycle_ms.max(1)).min(SLEEP_MAX)
    }
}
