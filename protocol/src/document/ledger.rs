//! What the lozenge ledger tells the care team (PROTOCOL 4.7).

use serde::{Deserialize, Serialize};

use crate::case::Level;

/// What the lozenge ledger tells the care team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRules {
    /// Most lozenges of one entry; more is taken for a typing error.
    pub entry_max: u32,
    /// How urgent a count is that differs from the balance.
    pub mismatch_level: Level,
    /// How urgent lost or stolen lozenges are.
    pub lost_level: Level,
}

/// PROTOCOL gives no numbers here; these hold for a document from before the ledger as well.
impl Default for LedgerRules {
    fn default() -> Self {
        Self {
            entry_max: 200,
            mismatch_level: Level::P3,
            lost_level: Level::P2,
        }
    }
}
