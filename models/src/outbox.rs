//! One row of the outbox, and what each statement of the store does to it.
//!
//! The statements are SQL and want a database, so a model that visits a million states cannot call them. Each function
//! here bears the name of the `Store` function it stands for and repeats the `WHERE` and `SET` of its statement;
//! `conformance.rs` replays random histories of these functions against the real ones on both engines.
//!
//! Times are spans from now, in ticks: a lease with nothing left has run out.

use crate::broken::Broken;

/// The bytes of a mail, told apart by who made them.
pub type Mail = u8;

/// Column `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowState {
    Pending,
    Leased,
    Sent,
    Dropped,
    Failed,
}

impl RowState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Leased => "leased",
            Self::Sent => "sent",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

/// What a worker records: `CompletionResult` without its words. Waits are ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Completion {
    Sent,
    Retry { wait: u8 },
    Failed,
    Dropped,
    Ambiguous { wait: Option<u8> },
}

/// The columns that claiming and recording read and write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    pub state: RowState,
    pub fence: u8,
    pub attempts: u8,
    /// `lease_until` from now.
    pub lease_left: u8,
    /// `retry_at` from now.
    pub retry_left: u8,
    pub rendered: Option<Mail>,
    pub ambiguous: bool,
}

/// What a claim hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    pub fence: u8,
    pub attempts: u8,
    pub rendered: Option<Mail>,
    pub ambiguous: bool,
    pub lease_ran_out: bool,
}

impl Row {
    /// `outbox::insert`.
    pub const NEW: Self = Self {
        state: RowState::Pending,
        fence: 0,
        attempts: 0,
        lease_left: 0,
        retry_left: 0,
        rendered: None,
        ambiguous: false,
    };

    /// I6: sent, dropped or failed.
    pub fn is_over(&self) -> bool {
        !matches!(self.state, RowState::Pending | RowState::Leased)
    }

    /// `dialect::claim`: `state = 'pending' AND retry_at <= now OR state = 'leased' AND lease_until <= now`.
    pub fn may_be_claimed(&self, broken: Option<Broken>) -> bool {
        match self.state {
            RowState::Pending => self.retry_left == 0,
            RowState::Leased => self.lease_left == 0 || broken == Some(Broken::ClaimsWhatIsHeld),
            RowState::Sent | RowState::Dropped | RowState::Failed => {
                broken == Some(Broken::ClaimsWhatIsOver) && self.state == RowState::Sent
            }
        }
    }

    /// `dialect::claim`: `SET state = 'leased', lease_until = …, fence = fence + 1, attempts = attempts + 1`.
    pub fn claim(&mut self, lease: u8, broken: Option<Broken>) -> Claimed {
        let lease_ran_out = self.state == RowState::Leased;
        if !(lease_ran_out && broken == Some(Broken::ReclaimsUnderTheOldFence)) {
            self.fence += 1;
        }
        self.state = RowState::Leased;
        self.attempts += 1;
        self.lease_left = lease;
        self.retry_left = 0;
        Claimed {
            fence: self.fence,
            attempts: self.attempts,
            rendered: self.rendered,
            ambiguous: self.ambiguous,
            lease_ran_out,
        }
    }

    /// What `renew` and `record` ask, and the model asks when a mail is kept: `WHERE id = … AND fence = … AND state = 'leased'`.
    fn is_held_under(&self, fence: u8) -> bool {
        self.fence == fence && self.state == RowState::Leased
    }

    /// `Store::renew`: `SET lease_until = …`. It does not ask whether the lease ran out: nobody else took the row.
    pub fn renew(&mut self, fence: u8, lease: u8) -> bool {
        let held = self.is_held_under(fence);
        if held {
            self.lease_left = lease;
        }
        held
    }

    /// `Store::claim_and_make` keeps the mail in the transaction of the claim. A step of its own here, so that the model has
    /// more histories than the store, and none less.
    pub fn keep_rendered(&mut self, fence: u8, mail: Mail, broken: Option<Broken>) -> bool {
        let held = self.is_held_under(fence) || broken == Some(Broken::KeepsWithoutFence);
        if held {
            self.rendered = Some(mail);
        }
        held
    }

    /// `Store::record`, `dialect::finish`.
    pub fn record(&mut self, fence: u8, completion: Completion, broken: Option<Broken>) -> bool {
        if !self.is_held_under(fence) && broken != Some(Broken::RecordsWithoutFence) {
            return false;
        }
        let (state, wait) = match completion {
            Completion::Sent => (RowState::Sent, 0),
            Completion::Failed | Completion::Ambiguous { wait: None } => (RowState::Failed, 0),
            Completion::Dropped => (RowState::Dropped, 0),
            Completion::Retry { wait } | Completion::Ambiguous { wait: Some(wait) } => {
                (RowState::Pending, wait)
            }
        };
        self.state = state;
        self.retry_left = wait;
        self.lease_left = 0;
        self.ambiguous |= matches!(completion, Completion::Ambiguous { .. });
        true
    }

    /// Time passes.
    pub fn pass(&mut self, ticks: u8) {
        self.lease_left = self.lease_left.saturating_sub(ticks);
        self.retry_left = self.retry_left.saturating_sub(ticks);
    }
}
