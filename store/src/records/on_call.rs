//! Who is on call: the clinic's list, and its roster where it has one, at the transaction's clinical now.
//!
//! Guarantees: a roster that cannot be read, and somebody of it or of the list whose account cannot be, are left out and
//! logged, so that the rest stands and somebody hears of a case; a clinic without a roster is told of by its list alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::licence::Licence;
use bedside_protocol::people::{Clinic, Contact, OnCallPerson, OnCallPlace};
use bedside_protocol::record::Surroundings;
use bedside_protocol::roster::{OnCallPlan, Roster, Staff};
use bedside_protocol::time::Instant;

use super::load;
use super::parts::ClinicParts;
use crate::accounts;
use crate::clock::from_ms;
use crate::error::{DatabaseError, Stop};
use crate::rows::ClinicPartRow;
use crate::seal::{self, Place};
use crate::transaction::Tx;

/// Who is on call now, and the plan it comes from where there is a roster.
pub(crate) struct OnCall {
    pub clinic: Clinic,
    pub people: Vec<OnCallPerson>,
    pub plan: Option<Arc<OnCallPlan>>,
}

/// Who is on call at another moment than that at which a record was loaded.
pub(crate) fn renew(around: &mut Surroundings, now: Instant) {
    if let Some(plan) = &around.roster {
        around.on_call = plan.contacts_at(now);
    }
}

/// A clinic, and who is on call in it.
pub(super) fn of(tx: &Tx<'_>, id: ClinicId, parts: &ClinicParts) -> Result<OnCall, Stop> {
    let clinic = clinic(id, parts)?;
    let listed = listed_in(tx, id, parts)?;
    let Some(roster) = kept_roster(tx, parts)?.and_then(|kept| kept.roster) else {
        return Ok(OnCall {
            clinic,
            people: listed,
            plan: None,
        });
    };
    let mut ids: BTreeSet<String> = roster.people().map(|it| it.to_string()).collect();
    ids.extend(listed.iter().map(|it| it.person.to_string()));
    let staff = staff(tx, id, parts, |person| ids.contains(person))?;
    let plan = plan(&clinic, &listed, roster, staff);
    Ok(OnCall {
        clinic,
        people: plan.contacts_at(tx.now),
        plan: Some(Arc::new(plan)),
    })
}

/// A clinic, and who is on call in it, by themselves.
pub(crate) fn now(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<OnCall, Stop> {
    let parts = ClinicParts::of_clinic(tx, clinic)?;
    of(tx, clinic, &parts)
}

/// Who is on call in a clinic now, by place and then in the order of its list.
pub(crate) fn people(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<Vec<OnCallPerson>, Stop> {
    Ok(now(tx, clinic)?.people)
}

/// The plan of a clinic with all of its active staff.
pub(crate) struct WholePlan {
    /// Without a roster, or with one that cannot be read, the list stands alone.
    pub plan: OnCallPlan,
    /// The version of the roster; 0 where the clinic has none.
    pub version: u64,
    /// Whether there is a roster that cannot be read.
    pub unreadable: bool,
}

/// The plan of a clinic with all of its active staff.
pub(crate) fn whole_plan(tx: &mut Tx<'_>, id: ClinicId) -> Result<WholePlan, Stop> {
    let parts = ClinicParts::of_clinic(tx, id)?;
    let kept = kept_roster(tx, &parts)?;
    let version = kept.as_ref().map_or(0, |kept| kept.version);
    let unreadable = kept.as_ref().is_some_and(|kept| kept.roster.is_none());
    let roster = kept.and_then(|kept| kept.roster).unwrap_or_default();
    let staff = staff(tx, id, &parts, |_| true)?;
    let listed = listed_in(tx, id, &parts)?;
    Ok(WholePlan {
        plan: plan(&clinic(id, &parts)?, &listed, roster, staff),
        version,
        unreadable,
    })
}

/// The on-call list, by place and then in its own order. Somebody whose account was closed is not on it.
pub(crate) fn listed(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<Vec<OnCallPerson>, Stop> {
    let parts = ClinicParts::of_clinic(tx, clinic)?;
    listed_in(tx, clinic, &parts)
}

fn plan(clinic: &Clinic, listed: &[OnCallPerson], roster: Roster, staff: Staff) -> OnCallPlan {
    OnCallPlan {
        zone: clinic.zone,
        list: listed.iter().map(|it| (it.place, it.person)).collect(),
        roster: Arc::new(roster),
        staff,
    }
}

fn clinic(id: ClinicId, parts: &ClinicParts) -> Result<Clinic, Stop> {
    let row = parts.of("clinics").next().ok_or_else(|| DatabaseError::Corrupt {
        table: "clinics",
        row: id.to_string(),
    })?;
    let texts = [&row.slug, &row.name, &row.zone, &row.phone];
    load::clinic_of(&row.id, texts.map(|text| text.as_deref().unwrap_or_default()))
}

/// A clinic's roster as its row has it.
struct Kept {
    version: u64,
    /// `None` where it cannot be read, which is logged.
    roster: Option<Roster>,
}

fn kept_roster(tx: &Tx<'_>, parts: &ClinicParts) -> Result<Option<Kept>, Stop> {
    let Some(row) = parts.of("rosters").next() else {
        return Ok(None);
    };
    let sealed = row.sealed.as_deref().unwrap_or_default();
    let roster = match seal::open_json(&tx.shared.keys, sealed_at(&row.id), sealed) {
        Ok(roster) => Some(roster),
        Err(error @ DatabaseError::Corrupt { .. }) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                clinic = row.id,
                error,
                "a roster cannot be read; the on-call list stands"
            );
            None
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Kept {
        version: row.number.unwrap_or_default().unsigned_abs(),
        roster,
    }))
}

/// Where a clinic's roster is sealed.
pub(crate) fn sealed_at(clinic_id: &str) -> Place<'_> {
    Place {
        table: "rosters",
        column: "doc_sealed",
        row: clinic_id,
    }
}

/// The active staff of a clinic, as far as they are wanted.
fn staff(
    tx: &Tx<'_>,
    clinic: ClinicId,
    parts: &ClinicParts,
    wanted: impl Fn(&str) -> bool,
) -> Result<Staff, Stop> {
    let mut staff = Staff::new();
    for row in parts.of("staff").filter(|row| wanted(&row.id)) {
        if let Some((person, contact)) = load::or_nothing(clinic, contact(tx, row).map(Some))? {
            staff.insert(person, contact);
        }
    }
    Ok(staff)
}

fn contact(tx: &Tx<'_>, row: &ClinicPartRow) -> Result<(PersonId, Contact), Stop> {
    let person = row.id.parse().map_err(|_| DatabaseError::Corrupt {
        table: "accounts",
        row: row.id.clone(),
    })?;
    let (email, profile) = (row.sealed.as_deref(), row.more_sealed.as_deref());
    let contact = Contact {
        name: accounts::open_profile(tx.shared, &row.id, profile.unwrap_or_default())?.name,
        email: accounts::open_email(tx.shared, &row.id, email.unwrap_or_default())?,
        reached_at: row.from_at.map(from_ms),
    };
    Ok((person, contact))
}

/// Licences of a member of staff; none of who has left, and of one whose account cannot be read.
pub(super) fn licences(
    tx: &Tx<'_>,
    clinic: ClinicId,
    parts: &ClinicParts,
    person: PersonId,
) -> Result<Vec<Licence>, Stop> {
    let id = person.to_string();
    let Some(row) = parts.of("staff").find(|row| row.id == id) else {
        return Ok(Vec::new());
    };
    let sealed = row.more_sealed.as_deref().unwrap_or_default();
    let profile = accounts::open_profile(tx.shared, &row.id, sealed);
    load::or_nothing(clinic, profile.map(|profile| profile.licences))
}

fn listed_in(tx: &Tx<'_>, clinic: ClinicId, parts: &ClinicParts) -> Result<Vec<OnCallPerson>, Stop> {
    let listed = parts.of("on_call").map(|row| {
        let (person, contact) = contact(tx, row)?;
        let place = row.place.as_deref().and_then(load::named::<OnCallPlace>);
        Ok(Some(OnCallPerson {
            place: place.ok_or_else(|| DatabaseError::Corrupt {
                table: "on_call",
                row: row.id.clone(),
            })?,
            person,
            name: contact.name,
            email: contact.email,
            reached_at: contact.reached_at,
        }))
    });
    let mut people = Vec::new();
    for person in listed {
        people.extend(load::or_nothing(clinic, person)?);
    }
    people.sort_by_key(|person| person.place);
    Ok(people)
}
