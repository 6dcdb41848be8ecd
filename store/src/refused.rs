//! Addresses that a mail server refused for good.
//!
//! Guarantees: the mark is written in the transaction that records the refusal, and with it the mail by which the clinic's
//! coordinator and administrator hear of it, at most once a day for one address; the mark names the address only by its
//! blind index; an accepted mail to the address clears the mark, and a new address has none. A mark silences nothing: every
//! later message to the address is tried all the same.

use std::collections::{HashMap, HashSet};

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::{OnCallPerson, OnCallPlace};
use bedside_protocol::record::Fact;
use bedside_protocol::time::Instant;
use chrono::Duration;
use diesel::prelude::*;
use serde_json::json;

use crate::audit::{self, Chain};
use crate::clock::{from_ms, to_ms};
use crate::dialect::{self, Finish};
use crate::error::{Stop, StoreError};
use crate::keys::Keys;
use crate::outbox;
use crate::records::{load, on_call};
use crate::rows::RefusedAddressRow;
use crate::schema::{outbox as messages, refused_addresses as refused};
use crate::scope::Scope;
use crate::store::Store;
use crate::transaction::Tx;

/// Failures after which an address is marked: the mail server knows no such mailbox, or the text is no address at all.
const ADDRESS_CLASSES: [&str; 2] = ["permanent_address", "bad_address"];

/// How often staff hear of one address that goes on being refused: a mail that was overlooked comes again the next day,
/// and no more often however many messages fail.
const TOLD_EVERY: Duration = Duration::hours(24);

/// The addresses of one clinic that are refused now.
#[derive(Debug, Clone)]
pub struct RefusedAddresses {
    keys: Keys,
    clinic: ClinicId,
    since: HashMap<Vec<u8>, Instant>,
}

impl RefusedAddresses {
    /// Since when mail to this address is refused; `None` when it is not.
    pub fn since(&self, email: &str) -> Option<Instant> {
        if self.since.is_empty() {
            return None;
        }
        self.since
            .get(&self.keys.blind_index(self.clinic, email))
            .copied()
    }
}

/// The addresses of several clinics that are refused now.
pub(crate) struct RefusedNow(HashSet<(String, Vec<u8>)>);

impl RefusedNow {
    pub(crate) fn of(tx: &mut Tx<'_>, clinics: &HashSet<&str>) -> Result<Self, Stop> {
        let marked: Vec<(String, Vec<u8>)> = refused::table
            .filter(refused::clinic_id.eq_any(clinics))
            .filter(refused::cleared_at.is_null())
            .select((refused::clinic_id, refused::address_index))
            .load(tx.connection)?;
        Ok(Self(marked.into_iter().collect()))
    }

    /// Nothing is computed where nothing is marked, which is the rule.
    pub(crate) fn has(&self, keys: &Keys, clinic: ClinicId, email: &str) -> bool {
        !self.0.is_empty()
            && self
                .0
                .contains(&(clinic.to_string(), keys.blind_index(clinic, email)))
    }
}

/// A message whose result was recorded just now, with its address by index.
struct Ended {
    notice: Notice,
    clinic: ClinicId,
    address_index: Vec<u8>,
    code: Option<i32>,
    class: String,
}

/// Marks the addresses that these results refuse and clears the marks of those that took a mail. `recorded` are the ids
/// whose result was written.
pub(crate) fn note_results(
    tx: &mut Tx<'_>,
    results: &[Finish],
    recorded: &HashSet<String>,
) -> Result<(), Stop> {
    let of_state = |state: &str| -> Vec<&str> {
        results
            .iter()
            .filter(|result| result.state == state && recorded.contains(&result.id))
            .filter(|result| {
                let class = result.class.as_deref().unwrap_or_default();
                state != "failed" || ADDRESS_CLASSES.contains(&class)
            })
            .map(|result| result.id.as_str())
            .collect()
    };
    let (sent, failed) = (of_state("sent"), of_state("failed"));
    if !sent.is_empty() {
        let clinics: Vec<String> = refused::table
            .filter(refused::cleared_at.is_null())
            .select(refused::clinic_id)
            .distinct()
            .load(tx.connection)?;
        if !clinics.is_empty() {
            let accepted = ended(tx, &sent, Some(&clinics))?;
            clear(tx, &accepted)?;
        }
    }
    if !failed.is_empty() {
        for refusal in ended(tx, &failed, None)? {
            mark(tx, &refusal)?;
        }
    }
    Ok(())
}

/// The messages of these ids, in the order of their addresses, so that two workers wait for each other's marks in one order.
/// One that cannot be read is left out.
fn ended(tx: &mut Tx<'_>, ids: &[&str], clinics: Option<&[String]>) -> Result<Vec<Ended>, Stop> {
    type Row = (String, String, Vec<u8>, Option<i32>, Option<String>);
    let rows: Vec<Row> = messages::table
        .filter(messages::id.eq_any(ids))
        .select((
            messages::id,
            messages::clinic_id,
            messages::doc_sealed,
            messages::last_code,
            messages::last_class,
        ))
        .load(tx.connection)?;
    let mut ended: Vec<Ended> = rows
        .into_iter()
        .filter(|row| clinics.is_none_or(|clinics| clinics.contains(&row.1)))
        .filter_map(|(id, clinic, sealed, code, class)| {
            let notice = outbox::open_notice(tx.shared, &id, &sealed)?;
            let clinic: ClinicId = clinic.parse().ok()?;
            Some(Ended {
                address_index: tx.shared.keys.blind_index(clinic, &notice.to.email),
                notice,
                clinic,
                code,
                class: class.unwrap_or_default(),
            })
        })
        .collect();
    ended.sort_by(|one, other| one.address_index.cmp(&other.address_index));
    Ok(ended)
}

fn clear(tx: &mut Tx<'_>, accepted: &[Ended]) -> Result<(), Stop> {
    for mail in accepted {
        let marked = refused::table
            .find((mail.clinic.to_string(), &mail.address_index))
            .filter(refused::cleared_at.is_null());
        let cleared = diesel::update(marked)
            .set(refused::cleared_at.eq(Some(to_ms(tx.now))))
            .execute(tx.connection)?;
        if cleared == 1 {
            let who = mail.notice.to.who;
            let detail = json!({"recipient": who.kind(), "id": who.id(), "notice": mail.notice.id});
            let fact = Fact::new("address.accepted", detail);
            audit::append(tx, &Chain::Clinic(mail.clinic), None, &[fact])?;
        }
    }
    Ok(())
}

fn mark(tx: &mut Tx<'_>, refusal: &Ended) -> Result<(), Stop> {
    let (now, who) = (to_ms(tx.now), refusal.notice.to.who);
    let (clinic, index) = (refusal.clinic.to_string(), &refusal.address_index);
    let row = RefusedAddressRow {
        clinic_id: clinic.clone(),
        address_index: index.clone(),
        refused_at: now,
        last_refused_at: now,
        refusals: 0,
        recipient_kind: who.kind().to_owned(),
        recipient_id: who.id(),
        reply_code: refusal.code,
        class: refusal.class.clone(),
        notice_id: refusal.notice.id.to_string(),
        told_at: None,
        cleared_at: None,
    };
    dialect::insert_refused_address(tx.connection, &row)?;
    let this = || refused::table.find((&clinic, index));
    let began_anew = diesel::update(this().filter(refused::cleared_at.is_not_null()))
        .set((
            refused::refused_at.eq(now),
            refused::refusals.eq(0),
            refused::cleared_at.eq(None::<i64>),
        ))
        .execute(tx.connection)?;
    diesel::update(this())
        .set((
            refused::last_refused_at.eq(now),
            refused::refusals.eq(refused::refusals + 1),
            refused::recipient_kind.eq(&row.recipient_kind),
            refused::recipient_id.eq(&row.recipient_id),
            refused::reply_code.eq(row.reply_code),
            refused::class.eq(&row.class),
            refused::notice_id.eq(&row.notice_id),
        ))
        .execute(tx.connection)?;
    let told_long_ago = refused::told_at
        .is_null()
        .or(refused::told_at.le(to_ms(tx.now - TOLD_EVERY)));
    let to_be_told = diesel::update(this().filter(told_long_ago))
        .set(refused::told_at.eq(Some(now)))
        .execute(tx.connection)?;
    let detail = json!({
        "recipient": who.kind(), "id": who.id(), "notice": refusal.notice.id, "class": refusal.class,
        "code": refusal.code, "again": began_anew == 0 && to_be_told == 0,
    });
    let fact = Fact::new("address.refused", detail);
    audit::append(tx, &Chain::Clinic(refusal.clinic), None, &[fact])?;
    if to_be_told == 1 {
        tell(tx, refusal)?;
    }
    Ok(())
}

/// A mail to who keeps the addresses. A damaged account on the on-call list must not keep a result from being recorded:
/// then the mark stands, and the damage is logged.
fn tell(tx: &mut Tx<'_>, refusal: &Ended) -> Result<(), Stop> {
    let on_call = load::or_nothing(refusal.clinic, on_call::people(tx, refusal.clinic))?;
    let Some(clinic) = load::or_nothing(refusal.clinic, load::clinic(tx, refusal.clinic))? else {
        return Ok(());
    };
    let mut notices = Vec::new();
    for person in keepers(&on_call, &refusal.notice.to.email) {
        let key = format!("refused:{}:{}", refusal.notice.id, person.person);
        notices.push(Notice {
            id: tx.new_id(),
            key,
            lane: Lane::Digest,
            to: Recipient {
                who: Who::Staff(person.person),
                email: person.email.clone(),
            },
            about: About::Information,
            message: Message::AddressRefused {
                recipient: refusal.notice.to.who,
                notice: refusal.notice.id,
                at: tx.now,
                zone: clinic.zone,
            },
            not_before: tx.now,
            stale_after: None,
            thread: None,
        });
    }
    outbox::insert(tx, refusal.clinic, None, &notices)
}

/// Coordinators and administrators, each once, without whoever has the refused address; the fallback where there is
/// nobody else.
fn keepers<'p>(on_call: &'p [OnCallPerson], refused_address: &str) -> Vec<&'p OnCallPerson> {
    let at = |places: &[OnCallPlace]| -> Vec<&'p OnCallPerson> {
        let mut seen: HashSet<PersonId> = HashSet::new();
        on_call
            .iter()
            .filter(|person| places.contains(&person.place))
            .filter(|person| !person.email.trim().eq_ignore_ascii_case(refused_address.trim()))
            .filter(|person| seen.insert(person.person))
            .collect()
    };
    let keepers = at(&[OnCallPlace::Coordinator, OnCallPlace::Administrator]);
    if keepers.is_empty() {
        at(&[OnCallPlace::Fallback])
    } else {
        keepers
    }
}

impl Store {
    /// The addresses of a clinic that are refused now; none of a clinic that does not exist for the scope.
    pub async fn refused_addresses(
        &self,
        scope: Scope,
        clinic: ClinicId,
    ) -> Result<RefusedAddresses, StoreError> {
        let keys = self.keys().clone();
        self.read_job(scope, move |tx| {
            let mut since = HashMap::new();
            if tx.scope.sees_clinic(clinic) {
                let rows: Vec<(Vec<u8>, i64)> = refused::table
                    .filter(
                        refused::clinic_id
                            .eq(clinic.to_string())
                            .and(refused::cleared_at.is_null()),
                    )
                    .select((refused::address_index, refused::refused_at))
                    .load(tx.connection)?;
                since.extend(rows.into_iter().map(|(index, at)| (index, from_ms(at))));
            }
            Ok(RefusedAddresses { keys, clinic, since })
        })
        .await
    }
}
