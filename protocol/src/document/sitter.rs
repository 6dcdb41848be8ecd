//! The sitter's rules (PROTOCOL 4.2).

use serde::{Deserialize, Serialize};

/// The sitter's rules (PROTOCOL 4.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SitterRules {
    /// "I am here" counts from so many minutes before the planned time; how long it is good for is the item's own.
    pub presence_opens_before_min: i64,
    /// So many wrong codes in a row …
    pub wrong_codes_max: u32,
    /// … block the code for so many minutes.
    pub code_block_min: i64,
    /// An invitation should be answered within so many minutes …
    pub answer_within_min: i64,
    /// … and its link is good until so many minutes after the planned time.
    pub link_good_after_min: i64,
    /// The sitter stays so many minutes after the dose …
    pub stays_after_dose_min: i64,
    /// … and so many after that of a first session.
    pub stays_after_first_dose_min: i64,
    /// The reminder ladder of the invitation.
    pub ladder: String,
    /// So many people at most may stand on the list of who is asked one after the other; 0 where there is no list.
    #[serde(default)]
    pub candidates_max: usize,
    /// Whoever has somebody after them on the list must answer so many minutes before the planned time; a sitter who drops out
    /// later is told to the care team also while somebody is left.
    #[serde(default)]
    pub cut_off_before_min: i64,
}
