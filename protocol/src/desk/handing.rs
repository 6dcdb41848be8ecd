//! A case changes hands: offered by who has it, or by the roster at a shift change; accepted, declined, withdrawn, or not
//! answered in time.
//!
//! Guarantees: until it is accepted the case stays with whoever has it, with all that is owed about it; what is owed keeps
//! its times when it changes hands; both hear how an offer ended; the roster offers a case to the same person once; nobody
//! gets a case by an offer who does not work on cases, though the list may tell them of one as a last resort.

use serde_json::json;

use super::taking::{closed, take_first, taken_already};
use super::{CASE_WORKERS, CaseWorkers, Desk};
use crate::case::{Case, CaseState, Level, Offer, OfferEnd, Taken};
use crate::duty::{DutyKind, DutyState, Excuse, Lane};
use crate::id::{CaseId, DutyId, PersonId};
use crate::notice::{About, Message, Notice, Recipient, Who};
use crate::people::OnCallPerson;
use crate::refusal::Refusal;
use crate::roster;
use crate::time::minutes;

impl Desk<'_, '_> {
    /// Whoever has a case offers it to a case worker of the on-call list or the roster. To the same person twice changes
    /// nothing.
    pub fn offer(
        &mut self,
        id: CaseId,
        by: PersonId,
        to: PersonId,
        workers: &CaseWorkers,
    ) -> Result<(), Refusal> {
        let (case, taken) = self.in_hands(id)?;
        if taken.by != by {
            return Err(taken_already(&taken));
        }
        if to == by {
            return Err(Refusal::invalid("to", "has the case already"));
        }
        match taken.open_offer() {
            Some(offer) if offer.to == to => return Ok(()),
            Some(_) => {
                return Err(Refusal::wrong_state(
                    "hand-over-waits",
                    "the case is offered to somebody else; take that back first",
                ));
            }
            None => {}
        }
        let person = self.around.contacts(&[to]).into_iter().next();
        let person = person
            .ok_or_else(|| Refusal::invalid("to", "stands neither on the on-call list nor in the roster"))?;
        if !workers.contains(&to) {
            return Err(Refusal::invalid("to", "does not work on cases"));
        }
        self.open_offer(&case, &person, false);
        Ok(())
    }

    /// Offers a case that somebody has whose shift is over to whoever is on duty now, if they work on cases. Whether it did.
    pub fn offer_at_shift_change(&mut self, id: CaseId, workers: &CaseWorkers) -> bool {
        let Ok((case, taken)) = self.in_hands(id) else {
            return false;
        };
        let Some(plan) = self.around.roster.clone() else {
            return false;
        };
        let wanted = self.around.protocol.roster.hand_over.at_shift_change;
        let next = roster::next_on_duty(&plan, taken.by, taken.at, self.context.now);
        let asked = |next: &PersonId| taken.offer.as_ref().is_some_and(|offer| offer.to == *next);
        let next = next
            .filter(|next| wanted && workers.contains(next) && taken.open_offer().is_none() && !asked(next));
        let person = next.and_then(|next| self.around.contacts(&[next]).into_iter().next());
        let Some(person) = person else {
            return false;
        };
        self.open_offer(&case, &person, true);
        true
    }

    /// The one whom a case is offered to takes it over, with the caller's roles. Twice changes nothing.
    pub fn accept(&mut self, id: CaseId, by: PersonId, by_name: &str) -> Result<(), Refusal> {
        let now = self.context.now;
        let (case, taken) = self.in_hands(id)?;
        if taken.by == by {
            return Ok(());
        }
        if !self.context.caller.is_staff(&CASE_WORKERS) {
            return Err(Refusal::NotFound);
        }
        if taken.open_offer().is_none_or(|offer| offer.to != by) {
            return Err(taken_already(&taken));
        }
        let met = DutyState::Met {
            observed_at: now,
            received_at: now,
        };
        let duty = self.end_acceptance(id, &met);
        self.set_taken(
            id,
            Taken {
                by,
                by_name: by_name.to_owned(),
                at: now,
                offer: None,
            },
        );
        // Both hear of its end.
        self.note_told(id, taken.by);
        self.fact(
            "case.handed_over",
            json!({"case": id, "from": taken.by, "to": by}),
        );
        self.tell_end(&case, duty, taken.by, OfferEnd::Accepted, false);
        Ok(())
    }

    /// The one whom a case is offered to says no, or whoever has it keeps it after all.
    pub fn decline(&mut self, id: CaseId, by: PersonId) -> Result<(), Refusal> {
        let (case, taken) = self.in_hands(id)?;
        let waits = taken.open_offer().map(|offer| offer.to);
        let (end, other) = match waits {
            Some(to) if to == by => (OfferEnd::Declined, taken.by),
            Some(to) if taken.by == by => (OfferEnd::Withdrawn, to),
            None if taken.by == by => return Ok(()),
            _ => return Err(taken_already(&taken)),
        };
        let state = match end {
            OfferEnd::Declined => DutyState::Met {
                observed_at: self.context.now,
                received_at: self.context.now,
            },
            _ => DutyState::Excused {
                why: Excuse::CaseMovedOn,
                at: self.context.now,
            },
        };
        let duty = self.end_offer(&case, taken, end, &state);
        self.tell_end(&case, duty, other, end, end == OfferEnd::Declined);
        Ok(())
    }

    /// Nobody accepted in time: the case stays with whoever has it, and both hear so.
    pub(super) fn offer_ran_out(&mut self, id: CaseId) {
        let Ok((case, taken)) = self.in_hands(id) else {
            return;
        };
        let (by, to) = (taken.by, taken.open_offer().map(|offer| offer.to));
        let missed = DutyState::Missed {
            at: self.context.now,
            answered: None,
        };
        let duty = self.end_offer(&case, taken, OfferEnd::RanOut, &missed);
        self.tell_end(&case, duty, by, OfferEnd::RanOut, true);
        if let Some(to) = to {
            self.tell_end(&case, duty, to, OfferEnd::RanOut, false);
        }
    }

    /// A case that somebody has, and who.
    fn in_hands(&self, id: CaseId) -> Result<(Case, Taken), Refusal> {
        let case = self.watch.case(id).ok_or(Refusal::NotFound)?;
        match case.state.taken() {
            Some(taken) => Ok((case.clone(), taken.clone())),
            None if case.is_open() => Err(take_first()),
            None => Err(closed()),
        }
    }

    fn set_taken(&mut self, id: CaseId, taken: Taken) {
        let contacted_at = match self.watch.case(id).map(|case| &case.state) {
            Some(CaseState::Contacted { at, .. }) => Some(*at),
            _ => None,
        };
        let state = match contacted_at {
            Some(at) => CaseState::Contacted { taken, at },
            None => CaseState::Acknowledged { taken },
        };
        self.set_state(id, state);
    }

    fn open_offer(&mut self, case: &Case, person: &OnCallPerson, at_shift_change: bool) {
        let (id, now) = (case.id, self.context.now);
        let Some(taken) = case.state.taken().cloned() else {
            return;
        };
        let until = now + minutes(self.around.protocol.roster.hand_over.accept_within_min);
        let lane = if case.level >= Level::P2 {
            Lane::Escalation
        } else {
            Lane::Reminder
        };
        let mut duty = self.owed_after_taking(DutyKind::AcceptHandOver { case: id }, until, case.round);
        duty.lane = lane;
        let (duty_id, link) = (duty.id, self.link_to(id, person.person));
        self.watch.duties.push(duty);
        let offer = Offer {
            to: person.person,
            to_name: person.name.clone(),
            at_shift_change,
            at: now,
            until,
            ended: None,
        };
        self.set_taken(
            id,
            Taken {
                offer: Some(offer),
                ..taken
            },
        );
        self.note_told(id, person.person);
        self.fact(
            "case.offered",
            json!({"case": id, "to": person.person, "until": until, "at_shift_change": at_shift_change}),
        );
        self.out.notices.push(Notice {
            id: self.context.ids.fresh(),
            key: format!("case:{id}:{}:offered:{duty_id}", case.round),
            lane,
            to: Recipient {
                who: Who::Staff(person.person),
                email: person.email.clone(),
            },
            about: About::Duty { duty: duty_id },
            message: Message::HandOverOffered {
                code: case.code.clone(),
                level: case.level,
                until,
                zone: self.around.clinic.zone,
                link,
            },
            not_before: now,
            stale_after: None,
            thread: Some(id),
        });
    }

    fn end_offer(
        &mut self,
        case: &Case,
        mut taken: Taken,
        end: OfferEnd,
        state: &DutyState,
    ) -> Option<DutyId> {
        if let Some(offer) = &mut taken.offer {
            offer.ended = Some(end);
        }
        let duty = self.end_acceptance(case.id, state);
        self.set_taken(case.id, taken);
        self.fact("case.offer_ended", json!({"case": case.id, "end": end}));
        duty
    }

    fn end_acceptance(&mut self, id: CaseId, state: &DutyState) -> Option<DutyId> {
        let mut duties = self.watch.duties.iter_mut();
        let duty =
            duties.find(|duty| duty.is_open() && duty.kind == DutyKind::AcceptHandOver { case: id })?;
        duty.end(state.clone());
        Some(duty.id)
    }

    fn tell_end(&mut self, case: &Case, duty: Option<DutyId>, to: PersonId, end: OfferEnd, yours: bool) {
        let person = self.around.contacts(&[to]).into_iter().next();
        let (Some(person), Some(duty)) = (person, duty) else {
            return;
        };
        let message = Message::HandOverEnded {
            code: case.code.clone(),
            level: case.level,
            end,
            yours,
            at: self.context.now,
            zone: self.around.clinic.zone,
        };
        let key = format!("case:{}:{}:{}:{duty}:{to}", case.id, case.round, end.name());
        self.inform(key, &person, message, case.id);
    }
}
