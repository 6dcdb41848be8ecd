//! The evening after.

use anyhow::Result;
use bedside_protocol::time::{Instant, seconds};

use super::{Story, after_dose};
use crate::demo::cast::patient;
use crate::demo::expectations::Step;

impl Story {
    /// Six hours after the dose, a mail asks and the phone answers.
    pub fn evening(&mut self, dosed_at: Instant) -> Result<()> {
        let asked = self.mails_at(after_dose(dosed_at, 360), &[patient::EMAIL])?;
        self.go_to(self.now() + seconds(60))?;
        let well = self.patient_checks(
            "the evening check-in: no side effects, mood steady, not driven, nothing more taken",
        )?;
        self.theatre
            .expectations
            .check(Step::EveningAnswered, asked && well);
        let state = self.state()?;
        // The day after and two days after are still to come.
        anyhow::ensure!(state == "follow_up", "the session is {state} and not followed up");
        Ok(())
    }
}
