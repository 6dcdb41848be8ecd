//! Links that were sent to somebody. The token in the mail is derived from the id (see [`crate::Keys`]); a row says what the
//! link opens and whether it still does. Looking never changes a row: a mail scanner's visit burns nothing.

use bedside_protocol::id::{ClinicId, LinkId};
use bedside_protocol::record::{LinkTarget, NewLink};
use bedside_protocol::time::Instant;
use diesel::prelude::*;

use crate::clock::{from_ms, to_ms};
use crate::dialect;
use crate::error::{DatabaseError, Stop, StoreError};
use crate::rows::LinkRow;
use crate::schema::links;
use crate::scope::Scope;
use crate::store::Store;
use crate::transaction::Tx;

/// A link as it stands. One that expired or was revoked is still found: its page shows the emergency numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredLink {
    /// The link.
    pub id: LinkId,
    /// The clinic it belongs to.
    pub clinic: ClinicId,
    /// What it opens.
    pub target: LinkTarget,
    /// Until when (clinical clock).
    pub expires_at: Instant,
    /// Since when it opens nothing.
    pub revoked_at: Option<Instant>,
    /// When it was used, where once is enough.
    pub used_at: Option<Instant>,
}

/// What became of the use of a link that is good once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkUse {
    /// This was the one.
    Used,
    /// It was used, revoked or expired before, or there is none.
    Dead,
}

/// Keeps links, in the transaction of the decision whose mails carry them.
pub(crate) fn insert(tx: &mut Tx<'_>, clinic: ClinicId, new: &[NewLink]) -> Result<(), Stop> {
    let created_at = to_ms(tx.now);
    let rows: Vec<LinkRow> = new.iter().map(|link| row_of(clinic, link, created_at)).collect();
    Ok(dialect::insert_links(tx.connection, &rows)?)
}

fn row_of(clinic: ClinicId, link: &NewLink, created_at: i64) -> LinkRow {
    let mut row = LinkRow {
        id: link.id.to_string(),
        clinic_id: clinic.to_string(),
        kind: String::new(),
        session_id: None,
        sitter_id: None,
        case_id: None,
        account_id: None,
        created_at,
        expires_at: to_ms(link.expires_at),
        revoked_at: None,
        used_at: None,
    };
    match link.target {
        LinkTarget::Sitter { session, sitter } => {
            "sitter".clone_into(&mut row.kind);
            row.session_id = Some(session.to_string());
            row.sitter_id = Some(sitter.to_string());
        }
        LinkTarget::Case { case, staff } => {
            "case".clone_into(&mut row.kind);
            row.case_id = Some(case.to_string());
            row.account_id = Some(staff.to_string());
        }
        LinkTarget::Account { person } => {
            "account".clone_into(&mut row.kind);
            row.account_id = Some(person.to_string());
        }
        LinkTarget::Reached { person } => {
            "reached".clone_into(&mut row.kind);
            row.account_id = Some(person.to_string());
        }
    }
    row
}

fn target_of(row: &LinkRow) -> Option<LinkTarget> {
    fn id<T: std::str::FromStr>(text: Option<&String>) -> Option<T> {
        text?.parse().ok()
    }
    match row.kind.as_str() {
        "sitter" => Some(LinkTarget::Sitter {
            session: id(row.session_id.as_ref())?,
            sitter: id(row.sitter_id.as_ref())?,
        }),
        "case" => Some(LinkTarget::Case {
            case: id(row.case_id.as_ref())?,
            staff: id(row.account_id.as_ref())?,
        }),
        "account" => Some(LinkTarget::Account {
            person: id(row.account_id.as_ref())?,
        }),
        "reached" => Some(LinkTarget::Reached {
            person: id(row.account_id.as_ref())?,
        }),
        _ => None,
    }
}

fn link_value(row: &LinkRow) -> Result<StoredLink, Stop> {
    let corrupt = || DatabaseError::Corrupt {
        table: "links",
        row: row.id.clone(),
    };
    Ok(StoredLink {
        id: row.id.parse().map_err(|_| corrupt())?,
        clinic: row.clinic_id.parse().map_err(|_| corrupt())?,
        target: target_of(row).ok_or_else(corrupt)?,
        expires_at: from_ms(row.expires_at),
        revoked_at: row.revoked_at.map(from_ms),
        used_at: row.used_at.map(from_ms),
    })
}

impl Store {
    /// A link by its id, dead or alive. The token that led here proves the right to ask.
    pub async fn find_link(&self, id: LinkId) -> Result<Option<StoredLink>, StoreError> {
        self.read_job(Scope::system(), move |tx| {
            let row: Option<LinkRow> = links::table
                .find(id.to_string())
                .select(LinkRow::as_select())
                .first(tx.connection)
                .optional()?;
            row.map(|row| link_value(&row)).transpose()
        })
        .await
    }

    /// Keeps a link that no decision brought: the one by which a person sets their password.
    pub async fn insert_link(&self, scope: Scope, clinic: ClinicId, link: NewLink) -> Result<(), StoreError> {
        Ok(self
            .write_job(scope, move |tx| Ok(insert(tx, clinic, &[link])?))
            .await?)
    }

    /// Uses a link that is good once. Of two who try at once, one gets [`LinkUse::Used`].
    pub async fn mark_used(&self, id: LinkId) -> Result<LinkUse, StoreError> {
        let used = self.write_job(Scope::system(), move |tx| {
            let now = to_ms(tx.now);
            let unused = links::table.find(id.to_string()).filter(
                links::used_at
                    .is_null()
                    .and(links::revoked_at.is_null())
                    .and(links::expires_at.gt(now)),
            );
            let changed = diesel::update(unused)
                .set(links::used_at.eq(now))
                .execute(tx.connection)?;
            Ok(if changed == 1 {
                LinkUse::Used
            } else {
                LinkUse::Dead
            })
        });
        Ok(used.await?)
    }

    /// Closes a link. Closing it again changes nothing.
    pub async fn revoke(&self, id: LinkId) -> Result<(), StoreError> {
        let revoked = self.write_job(Scope::system(), move |tx| {
            let open = links::table
                .find(id.to_string())
                .filter(links::revoked_at.is_null());
            diesel::update(open)
                .set(links::revoked_at.eq(to_ms(tx.now)))
                .execute(tx.connection)?;
            Ok(())
        });
        Ok(revoked.await?)
    }
}
