//! What follows when the prescriber has no licence for the patient's state (FEATURES D9).

use serde::{Deserialize, Serialize};

/// What follows when the prescriber has no licence for the patient's state. A document without this section asks nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceRules {
    /// What follows.
    pub unlicensed: Unlicensed,
}

/// What follows from a licence that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlicensed {
    /// Nothing.
    #[default]
    Ignore,
    /// Who signs is told, and the care team sees it at the session.
    Warn,
    /// Nothing is signed, and no dose opens.
    Block,
}
