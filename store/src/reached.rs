//! Whether who is on call can be reached: test messages, their answers, and who is told when none comes.
//!
//! Guarantees: whom was asked and told is written with the mails, so neither a restart nor a second worker asks again; a
//! clinic that cannot be read keeps no other from being asked; an answer is noted whoever is on call by then.

use std::collections::{BTreeMap, BTreeSet};

use bedside_protocol::document::TestedRules;
use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, LinkId, PersonId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::{OnCallPerson, OnCallPlace, keepers};
use bedside_protocol::record::{Fact, LinkTarget, NewLink};
use bedside_protocol::roster::{is_test_due, is_test_overdue};
use bedside_protocol::time::{AHEAD_MAX, Instant, Zone, minutes};
use chrono::Duration;
use diesel::prelude::*;
use serde_json::json;

use crate::audit::{self, Chain};
use crate::clock::{from_ms, to_ms};
use crate::error::{Stop, StoreError};
use crate::protocols;
use crate::records::on_call as records;
use crate::schema::{accounts, clinics};
use crate::scope::Scope;
use crate::store::Store;
use crate::transaction::Tx;
use crate::{links, on_call, outbox};

/// The places whose silence is told to who keeps the list: alarms begin with them.
const TOLD_OF: [OnCallPlace; 3] = [OnCallPlace::Nurse, OnCallPlace::Backup, OnCallPlace::AfterHours];

/// When somebody was asked, and when it was told that they did not answer.
#[derive(Clone, Copy, Default)]
struct Asked {
    at: Option<Instant>,
    told_at: Option<Instant>,
}

impl Store {
    /// Notes that a member of staff acted by the link of a mail: messages reach them.
    pub async fn note_reached(
        &self,
        scope: Scope,
        clinic: ClinicId,
        person: PersonId,
    ) -> Result<(), StoreError> {
        let noted = self.write_job(scope, move |tx| {
            let theirs = accounts::id
                .eq(person.to_string())
                .and(accounts::clinic_id.eq(clinic.to_string()))
                .and(accounts::kind.eq("staff"))
                .and(accounts::active.eq(true));
            let changed = diesel::update(accounts::table.filter(theirs))
                .set(accounts::reached_at.eq(to_ms(tx.now)))
                .execute(tx.connection)?;
            if changed > 0 {
                let fact = Fact::new("on_call.reached", json!({ "person": person }));
                audit::append(tx, &Chain::Clinic(clinic), None, &[fact])?;
            }
            Ok(())
        });
        Ok(noted.await?)
    }

    /// Sends a test message to everybody on call for whom it is due, and tells who keeps the list of those who did not
    /// answer. How many mails were written. The first fault is given when all other clinics were looked at.
    pub async fn test_on_call(&self) -> Result<usize, StoreError> {
        let clinics: Vec<String> = self
            .read_job(Scope::system(), |tx| {
                let ids = clinics::table.order(clinics::id).select(clinics::id);
                Ok(ids.load(tx.connection)?)
            })
            .await?;
        let mut sent = Ok(0);
        for clinic in clinics.iter().filter_map(|id| id.parse().ok()) {
            let written = self.write_job(Scope::system(), move |tx| Ok(test_clinic(tx, clinic)?));
            match written.await {
                Ok(written) => sent = sent.map(|sent| sent + written),
                Err(fault) => sent = sent.and(Err(StoreError::from(fault))),
            }
        }
        sent
    }

    /// How many people on call did not answer a test message, so that who keeps the list was told. For readiness.
    pub async fn count_silent_on_call(&self) -> Result<u64, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let silent = accounts::active
                .eq(true)
                .and(accounts::test_told_at.is_not_null())
                .and(
                    accounts::reached_at
                        .is_null()
                        .or(accounts::reached_at.lt(accounts::test_asked_at))
                        // Written by a clock that was wrong, it says nothing.
                        .or(accounts::reached_at.gt(to_ms(tx.now + AHEAD_MAX))),
                );
            let count: i64 = accounts::table.filter(silent).count().get_result(tx.connection)?;
            Ok(count.unsigned_abs())
        })
        .await
    }
}

fn test_clinic(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<usize, Stop> {
    let in_force = protocols::in_force(tx.connection, clinic)?;
    let Some(rules) = tx.shared.protocol(tx.connection, &in_force)?.roster.tested else {
        return Ok(0);
    };
    on_call::lock(tx, clinic)?;
    tx.read_clocks();
    let records::OnCall {
        clinic: place,
        people,
        plan,
    } = records::now(tx, clinic)?;
    let asked = asked(tx, clinic)?;
    let mut round = Round {
        clinic,
        zone: place.zone,
        rules,
        now: tx.now,
        seen: BTreeSet::new(),
        notices: Vec::new(),
        links: Vec::new(),
    };
    let keepers: Vec<OnCallPerson> = keepers(&people).into_iter().cloned().collect();
    for person in &people {
        let asked = asked.get(&person.person).copied().unwrap_or_default();
        let within = Duration::hours(rules.good_for_h);
        let since = plan
            .as_ref()
            .and_then(|plan| plan.turn_began(person.place, tx.now, within));
        let told = asked.told_at >= asked.at && asked.told_at.is_some();
        if is_test_due(person.reached_at, asked.at, since, tx.now, &rules) {
            if round.seen.insert(person.person) {
                round.ask(tx, person);
                note(tx, person.person, Some(tx.now), None)?;
            }
        } else if TOLD_OF.contains(&person.place)
            && !told
            && is_test_overdue(person.reached_at, asked.at, tx.now, &rules)
            && round.seen.insert(person.person)
            && let Some(asked_at) = asked.at
        {
            round.tell(tx, &keepers, person, asked_at);
            note(tx, person.person, Some(asked_at), Some(tx.now))?;
        }
    }
    // Nobody waits any more for who is not on call.
    for (person, asked) in asked {
        if asked.told_at.is_some() && !people.iter().any(|it| it.person == person) {
            note(tx, person, asked.at, None)?;
        }
    }
    links::insert(tx, clinic, &round.links)?;
    outbox::insert(tx, clinic, None, &round.notices)?;
    Ok(round.notices.len())
}

fn asked(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<BTreeMap<PersonId, Asked>, Stop> {
    let rows: Vec<(String, Option<i64>, Option<i64>)> = accounts::table
        .filter(
            accounts::clinic_id
                .eq(clinic.to_string())
                .and(accounts::test_asked_at.is_not_null()),
        )
        .select((accounts::id, accounts::test_asked_at, accounts::test_told_at))
        .load(tx.connection)?;
    let asked = rows.into_iter().filter_map(|(id, at, told_at)| {
        let asked = Asked {
            at: at.map(from_ms),
            told_at: told_at.map(from_ms),
        };
        Some((id.parse().ok()?, asked))
    });
    Ok(asked.collect())
}

fn note(
    tx: &mut Tx<'_>,
    person: PersonId,
    asked_at: Option<Instant>,
    told_at: Option<Instant>,
) -> Result<(), Stop> {
    diesel::update(accounts::table.find(person.to_string()))
        .set((
            accounts::test_asked_at.eq(asked_at.map(to_ms)),
            accounts::test_told_at.eq(told_at.map(to_ms)),
        ))
        .execute(tx.connection)?;
    Ok(())
}

/// The mails of one look at a clinic.
struct Round {
    clinic: ClinicId,
    zone: Zone,
    rules: TestedRules,
    now: Instant,
    /// Each person is asked or told of once, however many places they have.
    seen: BTreeSet<PersonId>,
    notices: Vec<Notice>,
    links: Vec<NewLink>,
}

impl Round {
    fn ask(&mut self, tx: &mut Tx<'_>, person: &OnCallPerson) {
        let link: LinkId = tx.new_id();
        self.links.push(NewLink {
            id: link,
            target: LinkTarget::Reached {
                person: person.person,
            },
            expires_at: self.now + Duration::hours(self.rules.good_for_h),
        });
        let message = Message::OnCallTest {
            answer_by: self.now + minutes(self.rules.answer_within_min),
            zone: self.zone,
            link,
        };
        let key = format!("on-call-test:{}:{}", person.person, to_ms(self.now));
        self.write(tx, &key, person, message);
    }

    fn tell(&mut self, tx: &mut Tx<'_>, keepers: &[OnCallPerson], silent: &OnCallPerson, asked_at: Instant) {
        for keeper in keepers {
            let message = Message::OnCallSilent {
                place: silent.place,
                asked_at,
                zone: self.zone,
            };
            let (silent, asked_at) = (silent.person, to_ms(asked_at));
            let key = format!("on-call-silent:{silent}:{asked_at}:{}", keeper.person);
            self.write(tx, &key, keeper, message);
        }
    }

    fn write(&mut self, tx: &mut Tx<'_>, key: &str, to: &OnCallPerson, message: Message) {
        self.notices.push(Notice {
            id: tx.new_id(),
            key: format!("{key}:{}", self.clinic),
            // The way that is tested is the way of alarms.
            lane: Lane::Escalation,
            to: Recipient {
                who: Who::Staff(to.person),
                email: to.email.clone(),
            },
            about: About::Information,
            message,
            not_before: self.now,
            stale_after: None,
            thread: None,
        });
    }
}
