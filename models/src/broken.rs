//! Rules broken on purpose, to see that the properties notice.

/// One mistake in the store's statements or in the worker's use of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A claim takes rows whose lease still runs.
    ClaimsWhatIsHeld,
    /// A claim takes rows that were sent.
    ClaimsWhatIsOver,
    /// A claim of a row whose lease ran out does not raise the fence.
    ReclaimsUnderTheOldFence,
    /// A result is recorded whatever the fence.
    RecordsWithoutFence,
    /// A mail is kept whatever the fence.
    KeepsWithoutFence,
    /// A mail is made anew for each attempt and never kept.
    NeverKeeps,
    /// A reminder that the relay may have taken is sent again.
    SendsReminderTwice,
    /// An escalation that the relay may have taken is given up.
    GivesUpEscalation,
    /// A cut after the final dot counts as accepted.
    TrustsTheCut,
    /// An escalation fails for good and nobody else is told.
    FailsWithoutNextContact,
    /// Whether a message is still wanted is not asked.
    NeverDrops,
    /// A temporary failure leaves the row held and renewed.
    ForgetsFailures,
}
