//! Who is on call: the clinic's list, and its roster where it has one, at the transaction's clinical now.
//!
//! Guarantees: a roster that cannot be read, and somebody of it whose account cannot be, are left out and logged, so that
//! the list stands and somebody hears of a case; a clinic without a roster is told of by its list alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::people::{Clinic, Contact, OnCallPerson, OnCallPlace};
use bedside_protocol::record::Surroundings;
use bedside_protocol::roster::{OnCallPlan, Roster, Staff};
use bedside_protocol::time::Instant;
use diesel::prelude::*;

use super::load;
use crate::accounts;
use crate::error::{DatabaseError, Stop};
use crate::rows::ClinicRow;
use crate::schema::{accounts as accounts_table, clinics, on_call, rosters};
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
pub(crate) fn of(tx: &mut Tx<'_>, id: ClinicId) -> Result<OnCall, Stop> {
    let (clinic, kept) = clinic_and_roster(tx, id)?;
    let listed = listed(tx, id)?;
    let roster = load::or_nothing(id, opened(tx, id, kept))?;
    let Some((_, roster)) = roster else {
        return Ok(OnCall {
            clinic,
            people: listed,
            plan: None,
        });
    };
    let mut ids: BTreeSet<PersonId> = roster.people().collect();
    ids.extend(listed.iter().map(|it| it.person));
    let plan = plan(tx, &clinic, &listed, roster, Some(&ids))?;
    Ok(OnCall {
        clinic,
        people: plan.contacts_at(tx.now),
        plan: Some(Arc::new(plan)),
    })
}

/// Who is on call in a clinic now, by place and then in the order of its list.
pub(crate) fn people(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<Vec<OnCallPerson>, Stop> {
    Ok(of(tx, clinic)?.people)
}

/// The plan of a clinic with all of its active staff, and the version of its roster; 0 where it has none.
pub(crate) fn whole_plan(tx: &mut Tx<'_>, id: ClinicId) -> Result<(OnCallPlan, u64), Stop> {
    let (clinic, kept) = clinic_and_roster(tx, id)?;
    let (version, roster) = opened(tx, id, kept)?.unwrap_or_default();
    let listed = listed(tx, id)?;
    Ok((plan(tx, &clinic, &listed, roster, None)?, version))
}

fn plan(
    tx: &mut Tx<'_>,
    clinic: &Clinic,
    listed: &[OnCallPerson],
    roster: Roster,
    only: Option<&BTreeSet<PersonId>>,
) -> Result<OnCallPlan, Stop> {
    Ok(OnCallPlan {
        zone: clinic.zone,
        list: listed.iter().map(|it| (it.place, it.person)).collect(),
        roster: Arc::new(roster),
        staff: staff(tx, clinic.id, only)?,
    })
}

/// Version and sealed document of a roster.
type KeptRow = (i64, Vec<u8>);

fn clinic_and_roster(tx: &mut Tx<'_>, id: ClinicId) -> Result<(Clinic, Option<KeptRow>), Stop> {
    let row: Option<(ClinicRow, Option<KeptRow>)> = clinics::table
        .left_join(rosters::table.on(rosters::clinic_id.eq(clinics::id)))
        .filter(clinics::id.eq(id.to_string()))
        .select((
            ClinicRow::as_select(),
            (rosters::version, rosters::doc_sealed).nullable(),
        ))
        .first(tx.connection)
        .optional()?;
    let (clinic, kept) = row.ok_or_else(|| DatabaseError::Corrupt {
        table: "clinics",
        row: id.to_string(),
    })?;
    Ok((load::clinic_value(&clinic)?, kept))
}

fn opened(tx: &Tx<'_>, clinic: ClinicId, kept: Option<KeptRow>) -> Result<Option<(u64, Roster)>, Stop> {
    kept.map(|(version, sealed)| {
        let roster = seal::open_json(&tx.shared.keys, sealed_at(&clinic.to_string()), &sealed)?;
        Ok((version.unsigned_abs(), roster))
    })
    .transpose()
}

/// Where a clinic's roster is sealed.
pub(crate) fn sealed_at(clinic_id: &str) -> Place<'_> {
    Place {
        table: "rosters",
        column: "doc_sealed",
        row: clinic_id,
    }
}

/// The active staff of a clinic, or those of them who are asked for.
fn staff(tx: &mut Tx<'_>, clinic: ClinicId, only: Option<&BTreeSet<PersonId>>) -> Result<Staff, Stop> {
    let mut query = accounts_table::table
        .filter(
            accounts_table::clinic_id
                .eq(clinic.to_string())
                .and(accounts_table::kind.eq("staff"))
                .and(accounts_table::active.eq(true)),
        )
        .select((
            accounts_table::id,
            accounts_table::email_sealed,
            accounts_table::profile_sealed,
        ))
        .into_boxed();
    if let Some(only) = only {
        query = query.filter(accounts_table::id.eq_any(only.iter().map(PersonId::to_string)));
    }
    let rows: Vec<(String, Vec<u8>, Vec<u8>)> = query.load(tx.connection)?;
    let mut staff = Staff::new();
    for (id, email, profile) in rows {
        let contact = contact(tx, &id, &email, &profile).map(Some);
        if let Some((person, contact)) = load::or_nothing(clinic, contact)? {
            staff.insert(person, contact);
        }
    }
    Ok(staff)
}

fn contact(tx: &Tx<'_>, id: &str, email: &[u8], profile: &[u8]) -> Result<(PersonId, Contact), Stop> {
    let person = id.parse().map_err(|_| DatabaseError::Corrupt {
        table: "accounts",
        row: id.to_owned(),
    })?;
    let contact = Contact {
        name: accounts::open_profile(tx.shared, id, profile)?.name,
        email: accounts::open_email(tx.shared, id, email)?,
    };
    Ok((person, contact))
}

/// The on-call list, by place and then in its own order. Somebody whose account was closed is not on it.
pub(crate) fn listed(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<Vec<OnCallPerson>, Stop> {
    let rows: Vec<(String, String, Vec<u8>, Vec<u8>)> = on_call::table
        .inner_join(accounts_table::table.on(accounts_table::id.eq(on_call::account_id)))
        .filter(
            on_call::clinic_id
                .eq(clinic.to_string())
                .and(accounts_table::active.eq(true)),
        )
        .order(on_call::position)
        .select((
            on_call::place,
            accounts_table::id,
            accounts_table::email_sealed,
            accounts_table::profile_sealed,
        ))
        .load(tx.connection)?;
    let mut people = rows
        .into_iter()
        .map(|(place, id, email, profile)| {
            let corrupt = || DatabaseError::Corrupt {
                table: "on_call",
                row: id.clone(),
            };
            Ok(OnCallPerson {
                place: load::named::<OnCallPlace>(&place).ok_or_else(corrupt)?,
                person: id.parse().map_err(|_| corrupt())?,
                name: accounts::open_profile(tx.shared, &id, &profile)?.name,
                email: accounts::open_email(tx.shared, &id, &email)?,
            })
        })
        .collect::<Result<Vec<_>, Stop>>()?;
    people.sort_by_key(|person| person.place);
    Ok(people)
}
