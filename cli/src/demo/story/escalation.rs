//! T+30: no answer. Reminders, then mail to nurse and backup, then to all, until the nurse takes the case behind the
//! mail's link, calls, and closes it.

use anyhow::{Context as _, Result};
use bedside_protocol::time::{Instant, minutes, seconds};

use super::{Story, after_dose};
use crate::demo::cast::{BEN, NORA, PRIYA, patient, sitter};
use crate::demo::expectations::Step;
use crate::demo::http::{Browser, Page};

/// What the nurse writes.
const NOTE: &str =
    "Spoke to Sam: their telephone was in another room. Jordan is awake, calm and lying on the couch.";

impl Story {
    /// Gives the path of the case's page.
    pub fn missed_check(&mut self, dosed_at: Instant) -> Result<String> {
        let due_at = after_dose(dosed_at, 30);
        let reminded = self.mails_at(due_at - minutes(2), &[sitter::EMAIL])?;
        self.theatre.expectations.check(Step::SitterReminded, reminded);
        self.tell(
            "  (nobody)",
            "answers the 30 minute check: Sam's telephone lies in another room",
        );
        let louder = self.mails_at(due_at + minutes(2), &[sitter::EMAIL, patient::EMAIL])?;
        self.theatre.expectations.check(Step::BothReminded, louder);

        let mark = self.theatre.mailboxes.count();
        let told = self.mails_at(due_at + minutes(4), &[NORA.email, BEN.email])?;
        self.theatre.expectations.check(Step::NurseAndBackupTold, told);
        let others = self.theatre.mailboxes.to(PRIYA.email, mark);
        anyhow::ensure!(
            others.is_empty(),
            "the prescriber was told before it was their turn"
        );
        let everybody = self.mails_at(due_at + minutes(8), &[NORA.email, BEN.email, PRIYA.email])?;
        self.theatre.expectations.check(Step::EverybodyTold, everybody);

        let page = self
            .theatre
            .mailboxes
            .wait_for_link(&self.theatre.stage, NORA.email, "/c/", mark)?;
        self.take(&page)?;
        Ok(page)
    }

    fn take(&mut self, path: &str) -> Result<()> {
        let mut browser = Browser::new(&self.theatre.base);
        let seen = browser.open(path)?;
        let open = self.open_cases()?;
        let nothing_shown = !shows_numbers(&seen) && !seen.says(patient::NAME);
        self.theatre.expectations.check(
            Step::VisitChangesNothing,
            open == 1 && seen.status == 200 && nothing_shown,
        );
        self.tell(
            "  scanner",
            "a mail scanner opens the link too: nothing changes, nothing is shown",
        );

        let refused = browser.send(path, "acknowledge", &[("pin", BEN.pin)])?;
        let open = self.open_cases()?;
        self.theatre
            .expectations
            .check(Step::WrongPinRefused, !shows_numbers(&refused) && open == 1);
        self.tell(
            NORA.first_name(),
            "opens the link and mistypes the PIN: not taken",
        );
        let page = browser.send_well(path, "acknowledge", &[("pin", NORA.pin)])?;
        self.theatre
            .expectations
            .check(Step::CaseTaken, page.form("/contacted").is_some());
        self.theatre
            .expectations
            .check(Step::NumbersShown, shows_numbers(&page));
        self.tell(NORA.first_name(), "types the PIN: the case is taken");
        let numbers = [patient::PHONE, sitter::PHONE, patient::CONTACT_PHONE].join(", ");
        self.tell(
            "  page",
            &format!("shows name, address, dose, T0 and the numbers to call: {numbers}"),
        );

        self.go_to(self.now() + seconds(45))?;
        let page = browser.send_well(path, "contacted", &[])?;
        self.theatre
            .expectations
            .check(Step::CaseContacted, page.form("/contacted").is_none());
        self.tell(NORA.first_name(), "rings Sam and reaches them: contacted");
        self.go_to(self.now() + seconds(60))?;
        browser.send_well(path, "resolve", &[("outcome", "reached_well"), ("note", NOTE)])?;
        let open = self.open_cases()?;
        self.theatre.expectations.check(Step::CaseResolved, open == 0);
        self.tell(NORA.first_name(), &format!("closes the case: \"{NOTE}\""));
        Ok(())
    }

    fn open_cases(&mut self) -> Result<usize> {
        let listed = self.nora.get("/v1/cases?state=open")?;
        let cases = listed["cases"].as_array().context("no list of cases")?;
        Ok(cases.iter().filter(|case| case["state"] == "open").count())
    }
}

/// Whether a page shows whom to call.
fn shows_numbers(page: &Page) -> bool {
    [patient::PHONE, sitter::PHONE, patient::CONTACT_PHONE]
        .iter()
        .all(|number| page.says(number))
}
