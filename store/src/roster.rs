//! A clinic's roster: kept under a version, edited by a rule, and its gaps told.
//!
//! Guarantees: two edits at once are decided one after the other, and a rule that is given the version may refuse the
//! second; an edit and its audit line are one commit, and what the care team owes is looked at again at once; which gaps
//! were told is written in the transaction that writes the mails, so that neither a restart nor a second worker tells
//! them again.

use std::sync::Arc;

use bedside_protocol::duty::Lane;
use bedside_protocol::id::ClinicId;
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::{Contact, OnCallPerson, OnCallPlace};
use bedside_protocol::record::Fact;
use bedside_protocol::refusal::Refusal;
use bedside_protocol::roster::{self, Gap, OnCallPlan, Roster, Told, Turn, Unstaffed};
use bedside_protocol::time::Instant;
use chrono::Duration;
use diesel::prelude::*;
use serde_json::json;

use crate::audit::{self, Chain};
use crate::clock::to_ms;
use crate::error::{DatabaseError, Stop, StoreError};
use crate::records::on_call as records;
use crate::rows::RosterRow;
use crate::schema::rosters;
use crate::scope::Scope;
use crate::seal;
use crate::store::Store;
use crate::transaction::Tx;
use crate::write::{DecideError, Done, Once, replayed_or};
use crate::{on_call, outbox, protocols, unstaffed, watch};

/// A roster as it is kept, with what it lies over.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRoster {
    /// The version that guards edits; 0 before the first.
    pub version: u64,
    /// The roster, the list under it, the clinic's zone and its active staff.
    pub plan: OnCallPlan,
    /// Whether the roster cannot be read: then the list stands alone, and an edit replaces what is there.
    pub unreadable: bool,
}

/// Who is on call now.
#[derive(Debug, Clone, PartialEq)]
pub struct OnCallNow {
    /// By place and then in the order of the list.
    pub turns: Vec<OnCallTurn>,
    /// Whether there is a roster that cannot be read, so that the list stands alone.
    pub roster_unreadable: bool,
}

/// Somebody on call.
#[derive(Debug, Clone, PartialEq)]
pub struct OnCallTurn {
    /// Who, and how to reach them.
    pub person: OnCallPerson,
    /// Since when and until when.
    pub turn: Turn,
    /// Whether they have shown that messages reach them; `None` where the protocol does not ask.
    pub tested: Option<bool>,
}

/// Gaps of the days ahead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapsAhead {
    /// By their beginning.
    pub gaps: Vec<Gap>,
    /// How far was looked.
    pub until: Instant,
    /// Whether the roster cannot be read, so that these are the gaps of the list alone.
    pub unreadable: bool,
    /// Planned sessions of that time for which somebody is missing; none of a clinic without a roster.
    pub sessions: Vec<Unstaffed>,
}

impl Store {
    /// A clinic's roster; an empty one of version 0 where there is none.
    pub async fn find_roster(&self, scope: Scope, clinic: ClinicId) -> Result<KeptRoster, StoreError> {
        self.read_job(scope, move |tx| kept(tx, clinic)).await
    }

    /// Lets `rule` edit a clinic's roster, and keeps what it gives, which it has checked. The rule is given the roster as it
    /// stands and the clinical now. Gives the new version, or the old one if nothing is changed.
    pub async fn edit_roster<F>(
        &self,
        scope: Scope,
        clinic: ClinicId,
        once: Option<Once>,
        mut rule: F,
    ) -> Result<Done<u64>, DecideError>
    where
        F: FnMut(&KeptRoster, Instant) -> Result<Roster, Refusal> + Send + 'static,
    {
        let edited = self.write_job(scope, move |tx| {
            replayed_or(tx, once.as_ref(), |tx| {
                // Before anything is read: also who closes an account waits.
                on_call::lock(tx, clinic)?;
                tx.read_clocks();
                let kept = kept(tx, clinic)?;
                let after = rule(&kept, tx.now)?;
                if kept.version > 0 && !kept.unreadable && after == *kept.plan.roster {
                    return Ok(kept.version);
                }
                let version = save(tx, clinic, &kept, &after)?;
                let plan = OnCallPlan {
                    roster: Arc::new(after),
                    ..kept.plan
                };
                unstaffed::tell(tx, clinic, &plan)?;
                Ok(version)
            })
        });
        Ok(edited.await?)
    }

    /// Who is on call in a clinic now, with since when and until when.
    pub async fn list_turns(&self, scope: Scope, clinic: ClinicId) -> Result<OnCallNow, StoreError> {
        self.read_job(scope, move |tx| {
            let records::WholePlan { plan, unreadable, .. } = records::whole_plan(tx, clinic)?;
            let in_force = protocols::in_force(tx.connection, clinic)?;
            let rules = tx.shared.protocol(tx.connection, &in_force)?.roster.tested;
            let now = tx.now;
            let turns = roster::on_call_at(&plan, now).into_iter();
            let with_contact = |turn: Turn| {
                let Contact {
                    name,
                    email,
                    reached_at,
                } = plan.staff.get(&turn.person)?.clone();
                let person = OnCallPerson {
                    place: turn.place,
                    person: turn.person,
                    name,
                    email,
                    reached_at,
                };
                let tested = rules.map(|rules| roster::is_tested(reached_at, turn.since, now, &rules));
                Some(OnCallTurn { person, turn, tested })
            };
            Ok(OnCallNow {
                turns: turns.filter_map(with_contact).collect(),
                roster_unreadable: unreadable,
            })
        })
        .await
    }

    /// The gaps of the days ahead in a clinic, by the protocol in force.
    pub async fn list_roster_gaps(&self, scope: Scope, clinic: ClinicId) -> Result<GapsAhead, StoreError> {
        self.read_job(scope, move |tx| {
            let whole = records::whole_plan(tx, clinic)?;
            let mut ahead = gaps_of(tx, clinic, &whole)?;
            if whole.version > 0 {
                ahead.sessions = unstaffed::of(tx, clinic, &whole.plan)?;
            }
            Ok(ahead)
        })
        .await
    }

    /// Every clinic with a roster, whether or not a session is planned there.
    pub(crate) async fn list_clinics_with_roster(&self) -> Result<Vec<String>, StoreError> {
        self.read_job(Scope::system(), |tx| {
            let ids = rosters::table
                .order(rosters::clinic_id)
                .select(rosters::clinic_id);
            Ok(ids.load(tx.connection)?)
        })
        .await
    }

    /// Tells every clinic with a roster of gaps that came near: administrator and manager, else the fallback, by one mail
    /// for all gaps, of planned sessions that stand in one, and of a roster that cannot be read. How many mails were written. A clinic that cannot be read keeps no
    /// other from hearing; the first fault is given when all others were told.
    pub async fn tell_roster_gaps(&self) -> Result<usize, StoreError> {
        let clinics = self.list_clinics_with_roster().await?;
        let mut told = Ok(0);
        for clinic in clinics.iter().filter_map(|id| id.parse().ok()) {
            let written = self.write_job(Scope::system(), move |tx| Ok(tell_gaps(tx, clinic)?));
            match written.await {
                Ok(written) => told = told.map(|told| told + written),
                Err(fault) => told = told.and(Err(StoreError::from(fault))),
            }
        }
        told
    }
}

/// Whether nobody would hear of an urgent case in a clinic with a roster (nobody on call for it, or no fallback), and
/// whether that roster cannot be read.
pub(crate) fn reaches_nobody(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<(bool, bool), Stop> {
    let records::WholePlan { plan, unreadable, .. } = records::whole_plan(tx, clinic)?;
    let fallback = plan.holder(OnCallPlace::Fallback, tx.now);
    let nobody = fallback.people().is_empty() || roster::lacks_anybody(&plan, tx.now);
    Ok((nobody, unreadable))
}

fn kept(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<KeptRoster, Stop> {
    let whole = records::whole_plan(tx, clinic)?;
    Ok(KeptRoster {
        version: whole.version,
        plan: whole.plan,
        unreadable: whole.unreadable,
    })
}

fn save(tx: &mut Tx<'_>, clinic: ClinicId, before: &KeptRoster, roster: &Roster) -> Result<u64, Stop> {
    let id = clinic.to_string();
    let version = before.version;
    let next = version + 1;
    let kept_version = i64::try_from(next).unwrap_or(i64::MAX);
    let doc_sealed = seal::seal_json(&tx.shared.keys, records::sealed_at(&id), roster)?;
    if version == 0 {
        let row = RosterRow {
            clinic_id: id,
            version: kept_version,
            doc_sealed,
            told: "[]".to_owned(),
            updated_at: to_ms(tx.now),
        };
        diesel::insert_into(rosters::table)
            .values(&row)
            .execute(tx.connection)?;
    } else {
        diesel::update(rosters::table.find(id))
            .set((
                rosters::version.eq(kept_version),
                rosters::doc_sealed.eq(doc_sealed),
                rosters::updated_at.eq(to_ms(tx.now)),
            ))
            .execute(tx.connection)?;
    }
    let mut detail = json!({ "version": next, "roster": roster });
    if before.unreadable {
        detail["replaced_unreadable"] = json!(true);
    }
    let fact = Fact::new("roster.set", detail);
    audit::append(tx, &Chain::Clinic(clinic), None, &[fact])?;
    watch::wake_clinic(tx, clinic, Lane::Escalation)?;
    Ok(next)
}

fn gaps_of(tx: &mut Tx<'_>, clinic: ClinicId, whole: &records::WholePlan) -> Result<GapsAhead, Stop> {
    let in_force = protocols::in_force(tx.connection, clinic)?;
    let rules = &tx.shared.protocol(tx.connection, &in_force)?.roster;
    Ok(GapsAhead {
        gaps: roster::gaps_ahead(&whole.plan, tx.now, rules),
        until: tx.now + Duration::days(i64::from(rules.look_ahead_days)),
        unreadable: whole.unreadable,
        sessions: Vec::new(),
    })
}

fn tell_gaps(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<usize, Stop> {
    on_call::lock(tx, clinic)?;
    tx.read_clocks();
    let id = clinic.to_string();
    let told: Option<String> = rosters::table
        .find(&id)
        .select(rosters::told)
        .first(tx.connection)
        .optional()?;
    let Some(told) = told else { return Ok(0) };
    let corrupt = |_| DatabaseError::Corrupt {
        table: "rosters",
        row: clinic.to_string(),
    };
    // What was told and cannot be read is told once more.
    let told: Vec<Told> = serde_json::from_str(&told).unwrap_or_default();
    let whole = records::whole_plan(tx, clinic)?;
    if whole.unreadable {
        return tell_unreadable(tx, clinic, &whole.plan);
    }
    let gaps = gaps_of(tx, clinic, &whole)?.gaps;
    let plan = whole.plan;
    let in_force = protocols::in_force(tx.connection, clinic)?;
    let protocol = tx.shared.protocol(tx.connection, &in_force)?;
    let (to_tell, after) = roster::to_tell(&gaps, &told, tx.now, &protocol.roster);
    if after != told {
        let after = serde_json::to_string(&after).map_err(corrupt)?;
        diesel::update(rosters::table.find(&id))
            .set(rosters::told.eq(after))
            .execute(tx.connection)?;
    }
    let of_sessions = unstaffed::tell(tx, clinic, &plan)?;
    if to_tell.is_empty() {
        return Ok(of_sessions);
    }
    let notices: Vec<Notice> = keepers(&plan, tx.now)
        .into_iter()
        .map(|person| Notice {
            id: tx.new_id(),
            key: format!("roster:{clinic}:{}:{}", to_ms(tx.now), person.person),
            lane: Lane::Digest,
            to: Recipient {
                who: Who::Staff(person.person),
                email: person.email,
            },
            about: About::Information,
            message: Message::RosterGaps {
                gaps: to_tell.clone(),
                zone: plan.zone,
            },
            not_before: tx.now,
            stale_after: to_tell.iter().map(|gap| gap.until).max(),
            thread: None,
        })
        .collect();
    outbox::insert(tx, clinic, None, &notices)?;
    Ok(of_sessions + notices.len())
}

/// Once a day of the clinic, until the roster is set anew.
fn tell_unreadable(tx: &mut Tx<'_>, clinic: ClinicId, plan: &OnCallPlan) -> Result<usize, Stop> {
    let today = plan.zone.date_of(tx.now);
    let notices: Vec<Notice> = keepers(plan, tx.now)
        .into_iter()
        .map(|person| Notice {
            id: tx.new_id(),
            key: format!("roster-unreadable:{clinic}:{today}:{}", person.person),
            lane: Lane::Digest,
            to: Recipient {
                who: Who::Staff(person.person),
                email: person.email,
            },
            about: About::Information,
            message: Message::RosterUnreadable {
                at: tx.now,
                zone: plan.zone,
            },
            not_before: tx.now,
            stale_after: None,
            thread: None,
        })
        .collect();
    outbox::insert(tx, clinic, None, &notices)?;
    Ok(notices.len())
}

/// Administrators and managers, each once; the fallback where there is nobody else.
pub(crate) fn keepers(plan: &OnCallPlan, now: Instant) -> Vec<OnCallPerson> {
    let on_call = plan.contacts_at(now);
    let at = |places: &[OnCallPlace]| -> Vec<OnCallPerson> {
        let mut seen = std::collections::BTreeSet::new();
        let there = on_call.iter().filter(|it| places.contains(&it.place));
        there.filter(|it| seen.insert(it.person)).cloned().collect()
    };
    let keepers = at(&[OnCallPlace::Administrator, OnCallPlace::Manager]);
    if keepers.is_empty() {
        at(&[OnCallPlace::Fallback])
    } else {
        keepers
    }
}
