//! Texts for every screen (PROTOCOL 4.8).

use serde::{Deserialize, Serialize};

use super::Advice;

/// Texts for every screen (PROTOCOL 4.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// On every page.
    pub not_watched: String,
    /// With an emergency red flag.
    pub emergency: String,
    /// With thoughts of suicide.
    pub crisis: String,
    /// To a patient who asks for help for themselves.
    pub patient_emergency: String,
    /// With what is an emergency only if the patient is drowsy.
    pub emergency_if_drowsy: String,
    /// The number to call, such as `911`.
    pub emergency_number: String,
    /// The number for thoughts of suicide, such as `988`.
    pub crisis_number: String,
    /// What the sitter does while waiting.
    pub recovery_position: String,
    /// What is expected and no alarm.
    pub expected_effects: String,
}

impl Words {
    /// What the screen says with some advice.
    pub fn of_advice(&self, advice: Advice) -> &str {
        match advice {
            Advice::Emergency => &self.emergency,
            Advice::EmergencyOrCrisis => &self.crisis,
            Advice::EmergencyIfDrowsy => &self.emergency_if_drowsy,
        }
    }
}
