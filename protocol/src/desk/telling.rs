//! Who is told of a case, and the one mail each of them gets.

use std::collections::BTreeSet;

use chrono::Days;
use serde_json::json;

use super::Desk;
use crate::case::Case;
use crate::duty::{Duty, Lane};
use crate::id::{CaseId, LinkId, NoticeId, PersonId};
use crate::ladder::{Audience, Rung};
use crate::notice::{About, CaseStep, Message, Notice, Recipient, Who};
use crate::people::{OnCallPerson, OnCallPlace};
use crate::record::{LinkTarget, NewLink};
use crate::time::minutes;

/// How long a case's link shows its page, minutes; a dead one still shows the emergency numbers.
const CASE_LINK_GOOD_FOR_MIN: i64 = 7 * 24 * 60;

impl Desk<'_, '_> {
    pub(super) fn or_fallback(&self, people: Vec<OnCallPerson>, rung: &Rung) -> Vec<OnCallPerson> {
        if people.is_empty() && rung.repeat_every_s.is_some() {
            self.people(&[Audience::Fallback])
        } else {
            people
        }
    }

    /// The people of some audiences, each once, in the order of the list.
    pub(super) fn people(&self, audiences: &[Audience]) -> Vec<OnCallPerson> {
        let mut seen = BTreeSet::new();
        let staffed = self
            .around
            .on_call
            .iter()
            .any(|it| matches!(it.place, OnCallPlace::Nurse | OnCallPlace::Backup));
        // After hours the named contact stands where nurse and backup do (PROTOCOL 4.5).
        let stands_for = |place: OnCallPlace| match place {
            OnCallPlace::AfterHours if !staffed => vec![OnCallPlace::Nurse, OnCallPlace::Backup],
            place => vec![place],
        };
        let wanted = |place: OnCallPlace| {
            let mut places = stands_for(place).into_iter();
            places.any(|place| audiences.iter().any(|audience| is_in(*audience, place)))
        };
        self.around
            .on_call
            .iter()
            .filter(|person| wanted(person.place) && seen.insert(person.person))
            .cloned()
            .collect()
    }

    /// A ladder that finds nobody is itself reported, once a round, to whoever keeps the list.
    pub(super) fn nobody_at_rung(&mut self, duty: &Duty) {
        let mut cases = self.watch.cases.iter_mut();
        let Some(case) = cases.find(|case| duty.kind.case() == Some(case.id)) else {
            return;
        };
        let told_already = case.nobody_in_round.replace(duty.round) == Some(duty.round);
        let case = case.clone();
        self.fact("case.nobody_on_call", json!({"case": case.id, "rung": duty.rung}));
        if told_already {
            return;
        }
        let keepers = self.people(&[Audience::Administrator, Audience::Manager]);
        let keepers = if keepers.is_empty() {
            self.people(&[Audience::Fallback])
        } else {
            keepers
        };
        for person in keepers {
            let message = Message::NobodyOnCall {
                code: case.code.clone(),
                at: self.context.now,
                zone: self.around.clinic.zone,
            };
            let key = format!("case:{}:{}:nobody:{}", case.id, case.round, person.person);
            self.inform(key, &person, message, case.id);
        }
    }

    /// A link to a case's page for one member of staff.
    pub(super) fn link_to(&mut self, case: CaseId, staff: PersonId) -> LinkId {
        let id = self.context.ids.fresh();
        self.out.links.push(NewLink {
            id,
            target: LinkTarget::Case { case, staff },
            expires_at: self.context.now + minutes(CASE_LINK_GOOD_FOR_MIN),
        });
        id
    }

    /// Keeps that a person knows of a case, so that what becomes of it reaches them too.
    pub(super) fn note_told(&mut self, id: CaseId, person: PersonId) {
        let case = self.watch.cases.iter_mut().find(|case| case.id == id);
        if let Some(case) = case.filter(|case| !case.told.contains(&person)) {
            case.told.push(person);
        }
    }

    pub(super) fn tell_case(&mut self, duty: &Duty, person: &OnCallPerson, step: CaseStep) {
        let Some(case_id) = duty.kind.case() else { return };
        let Some((rules, _)) = self.rules_of(case_id) else {
            return;
        };
        let now = self.context.now;
        let link = self.link_to(case_id, person.person);
        self.note_told(case_id, person.person);
        let Some(case) = self.watch.cases.iter().find(|case| case.id == case_id) else {
            return;
        };
        let step = if duty.rung > 0 && matches!(step, CaseStep::Opened) {
            CaseStep::NobodyTookIt
        } else {
            step
        };
        let (rung, repeat) = (duty.rung, duty.repeat_no);
        self.out.notices.push(Notice {
            id: self.context.ids.fresh(),
            key: format!("case:{case_id}:{}:{rung}:{repeat}:{}", duty.round, person.person),
            lane: Lane::Escalation,
            to: Recipient {
                who: Who::Staff(person.person),
                email: person.email.clone(),
            },
            about: About::Case {
                case: case_id,
                round: duty.round,
            },
            message: Message::CaseNeedsYou {
                code: case.code.clone(),
                level: case.level,
                needed_by: now + minutes(rules.ack_within_min),
                zone: self.around.clinic.zone,
                since: case.opened_at,
                step,
                link,
            },
            not_before: now,
            stale_after: None,
            thread: Some(case_id),
        });
    }

    /// What calls for nobody today goes into the next daily mail of whoever works the worklist.
    pub(super) fn for_information(&mut self) {
        let (now, zone) = (self.context.now, self.around.clinic.zone);
        let readers = self.people(&[Audience::Coordinator]);
        let readers = if readers.is_empty() {
            self.people(&[Audience::OnCallNurse])
        } else {
            readers
        };
        let daily = self.around.protocol.follow_up.digest_at;
        let today = zone.resolve(zone.date_of(now), daily);
        let tomorrow = zone.date_of(now).checked_add_days(Days::new(1));
        let not_before = match tomorrow {
            Some(tomorrow) if today <= now => zone.resolve(tomorrow, daily),
            _ => today.max(now),
        };
        for person in readers {
            let id: NoticeId = self.context.ids.fresh();
            self.out.notices.push(Notice {
                id,
                key: format!("information:{id}:{}", person.person),
                lane: Lane::Digest,
                to: Recipient {
                    who: Who::Staff(person.person),
                    email: person.email,
                },
                about: About::Information,
                message: Message::ForInformation {
                    subject: self.subject,
                    at: now,
                    zone,
                },
                not_before,
                stale_after: None,
                thread: None,
            });
        }
    }

    /// A word to somebody of the staff about a case, sent in any case.
    pub(super) fn inform(&mut self, key: String, person: &OnCallPerson, message: Message, case: CaseId) {
        // A dead mail server makes every contact of every case unreachable: that many mails must not stand between two
        // escalations.
        let lane = match message {
            Message::ContactUnreachable { .. } => Lane::Digest,
            _ => Lane::Escalation,
        };
        self.out.notices.push(Notice {
            id: self.context.ids.fresh(),
            key,
            lane,
            to: Recipient {
                who: Who::Staff(person.person),
                email: person.email.clone(),
            },
            about: About::Information,
            message,
            not_before: self.context.now,
            stale_after: None,
            thread: Some(case),
        });
    }

    /// Tells everyone who was told of the case, but for the one who acts; also who is off duty since.
    pub(super) fn inform_told(&mut self, case: &Case, actor: PersonId, what: &str, message: &Message) {
        let mut seen = BTreeSet::from([actor]);
        for told in self.around.contacts(&case.told) {
            if seen.insert(told.person) {
                let key = format!("case:{}:{}:{what}:{}", case.id, case.round, told.person);
                self.inform(key, &told, message.clone(), case.id);
            }
        }
    }
}

fn is_in(audience: Audience, place: OnCallPlace) -> bool {
    match audience {
        Audience::OnCallNurse => place == OnCallPlace::Nurse,
        Audience::BackupNurse => place == OnCallPlace::Backup,
        Audience::AllOnCall => matches!(
            place,
            OnCallPlace::Nurse | OnCallPlace::Backup | OnCallPlace::Rota
        ),
        Audience::Prescriber => place == OnCallPlace::Prescriber,
        Audience::Manager => place == OnCallPlace::Manager,
        Audience::Administrator => place == OnCallPlace::Administrator,
        Audience::Coordinator => place == OnCallPlace::Coordinator,
        Audience::Fallback => place == OnCallPlace::Fallback,
        Audience::Patient | Audience::Sitter => false,
    }
}
