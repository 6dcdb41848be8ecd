//! A person's hand on a case: taken, contacted, resolved, given back.

use serde_json::json;

use super::{Desk, NOTE_MAX_CHARS};
use crate::case::{Case, CaseState, Outcome, Taken};
use crate::duty::{Duty, DutyKind, DutyState, Excuse, Lane, NewDuty, OwedBy};
use crate::id::{CaseId, PersonId};
use crate::ladder::Ladder;
use crate::notice::{CaseStep, Message};
use crate::refusal::Refusal;
use crate::time::{Instant, minutes};

impl Desk<'_, '_> {
    /// "I am calling." The second person gets [`Refusal::AlreadyTaken`]; the same person twice changes nothing.
    pub fn take(&mut self, id: CaseId, by: PersonId, by_name: &str) -> Result<(), Refusal> {
        let now = self.context.now;
        let case = self.watch.case(id).ok_or(Refusal::NotFound)?.clone();
        match &case.state {
            CaseState::Open => {}
            CaseState::Acknowledged { taken } | CaseState::Contacted { taken, .. } if taken.by == by => {
                return Ok(());
            }
            CaseState::Acknowledged { taken } | CaseState::Contacted { taken, .. } => {
                return Err(taken_already(taken));
            }
            CaseState::Resolved { .. } => return Err(closed()),
        }
        let taken = Taken {
            by,
            by_name: by_name.to_owned(),
            at: now,
            offer: None,
        };
        self.set_state(id, CaseState::Acknowledged { taken });
        self.end_duties_of(
            id,
            &DutyState::Met {
                observed_at: now,
                received_at: now,
            },
        );
        if let Some((rules, round)) = self.rules_of(id) {
            for (kind, within_min) in [
                (DutyKind::ContactPatient { case: id }, rules.contacted_within_min),
                (DutyKind::RecordOutcome { case: id }, rules.outcome_within_min),
            ] {
                let duty = self.owed_after_taking(kind, now + minutes(within_min), round);
                self.watch.duties.push(duty);
            }
        }
        self.fact("case.taken", json!({"case": id, "round": case.round}));
        let zone = self.around.clinic.zone;
        let message = Message::CaseTaken {
            code: case.code.clone(),
            level: case.level,
            at: now,
            zone,
        };
        self.inform_told(&case, by, "taken", &message);
        Ok(())
    }

    pub(super) fn owed_after_taking(&mut self, kind: DutyKind, due_at: Instant, round: u32) -> Duty {
        let duty = Duty::opened(
            self.context.ids.fresh(),
            NewDuty {
                kind,
                owed_by: OwedBy::OnCall,
                lane: Lane::Escalation,
                opens_at: self.context.now,
                due_at,
                missed_after: Some(due_at),
                ladder: Ladder::default(),
            },
        );
        Duty { round, ..duty }
    }

    /// A case that `by` has: only who took it says how it goes on, so that two people never both think the other calls.
    pub(super) fn taken_by(&self, id: CaseId, by: PersonId) -> Result<Case, Refusal> {
        let case = self.watch.case(id).ok_or(Refusal::NotFound)?;
        match case.state.taken() {
            Some(taken) if taken.by == by => Ok(case.clone()),
            Some(taken) => Err(taken_already(taken)),
            None if case.is_open() => Err(take_first()),
            None => Err(closed()),
        }
    }

    /// Patient or sitter was reached, says who took the case.
    pub fn contacted(&mut self, id: CaseId, by: PersonId) -> Result<(), Refusal> {
        let now = self.context.now;
        let CaseState::Acknowledged { taken } = self.taken_by(id, by)?.state else {
            return Ok(());
        };
        self.set_state(id, CaseState::Contacted { taken, at: now });
        let met = DutyState::Met {
            observed_at: now,
            received_at: now,
        };
        for duty in self.watch.duties.iter_mut().filter(|duty| duty.is_open()) {
            if duty.kind == (DutyKind::ContactPatient { case: id }) {
                duty.end(met.clone());
            }
        }
        self.fact("case.contacted", json!({"case": id}));
        Ok(())
    }

    /// Closes a case, with how it ended in words, by who took it.
    pub fn resolve(&mut self, id: CaseId, by: PersonId, outcome: Outcome, note: &str) -> Result<(), Refusal> {
        let note = note.trim();
        if note.is_empty() {
            return Err(Refusal::invalid("note", "say in a few words how the case ended"));
        }
        if note.chars().count() > NOTE_MAX_CHARS {
            return Err(Refusal::invalid(
                "note",
                format!("at most {NOTE_MAX_CHARS} characters"),
            ));
        }
        let now = self.context.now;
        let case = self.taken_by(id, by)?;
        self.set_state(
            id,
            CaseState::Resolved {
                by,
                at: now,
                outcome,
                note: note.to_owned(),
            },
        );
        for duty in self.watch.duties.iter_mut().filter(|duty| duty.is_open()) {
            if duty.kind == (DutyKind::RecordOutcome { case: id }) {
                duty.end(DutyState::Met {
                    observed_at: now,
                    received_at: now,
                });
            }
        }
        self.end_duties_of(
            id,
            &DutyState::Excused {
                why: Excuse::CaseMovedOn,
                at: now,
            },
        );
        self.fact(
            "case.resolved",
            json!({"case": id, "outcome": outcome, "note": note}),
        );
        let zone = self.around.clinic.zone;
        let message = Message::CaseClosed {
            code: case.code.clone(),
            level: case.level,
            at: now,
            zone,
        };
        self.inform_told(&case, by, "closed", &message);
        Ok(())
    }

    /// Undoes an acknowledgement; the ladder resumes at once.
    pub fn give_back(&mut self, id: CaseId, by: PersonId) -> Result<(), Refusal> {
        self.taken_by(id, by)?;
        self.fact("case.given_back", json!({"case": id}));
        let rung = self.rung_reached(id);
        self.new_round(id, rung, CaseStep::GivenBack);
        Ok(())
    }
}

pub(super) fn taken_already(taken: &Taken) -> Refusal {
    Refusal::AlreadyTaken {
        by: taken.by,
        by_name: taken.by_name.clone(),
        at: taken.at,
    }
}

pub(super) fn take_first() -> Refusal {
    Refusal::wrong_state("case-not-taken", "take the case first")
}

pub(super) fn closed() -> Refusal {
    Refusal::wrong_state("case-closed", "the case is closed")
}
