//! Refresh tokens: opaque, stored as hashes, rotated at each use. A token that comes back a second time means that two
//! hold it, so its whole family ends. Times are on the machine clock.

use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::time::Instant;
use diesel::prelude::*;

use crate::clock::to_ms;
use crate::error::{DatabaseError, Stop, StoreError};
use crate::rows::RefreshRow;
use crate::schema::{accounts, refresh_tokens};
use crate::scope::Scope;
use crate::store::Store;
use crate::transaction::Tx;

/// A refresh token to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefresh {
    /// The clinic of the account.
    pub clinic: ClinicId,
    /// Whose it is.
    pub account: PersonId,
    /// SHA-256 of the token.
    pub token_hash: Vec<u8>,
    /// One log-in and all that was rotated from it.
    pub family: String,
    /// Until when (machine clock).
    pub expires_at: Instant,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The new token stands in for the old one.
    Rotated {
        /// Whose it is.
        account: PersonId,
        /// Their clinic.
        clinic: ClinicId,
    },
    /// The old token was used before: the family has been revoked.
    Reused,
    /// There is no such token, its family was revoked, or the account is closed.
    Unknown,
    /// It is too old.
    Expired,
}

impl Store {
    /// Keeps the first token of a log-in.
    pub async fn insert_refresh(&self, new: NewRefresh) -> Result<(), StoreError> {
        let kept = self.write_job(Scope::system(), move |tx| {
            let row = RefreshRow {
                token_hash: new.token_hash.clone(),
                clinic_id: new.clinic.to_string(),
                account_id: new.account.to_string(),
                family: new.family.clone(),
                created_at: to_ms(tx.machine_now),
                expires_at: to_ms(new.expires_at),
                used_at: None,
                revoked_at: None,
            };
            diesel::insert_into(refresh_tokens::table)
                .values(&row)
                .execute(tx.connection)?;
            Ok(())
        });
        Ok(kept.await?)
    }

    /// Exchanges a token for a new one of the same family, good until `expires_at`. Of two who try at once, one is
    /// [`Rotation::Reused`].
    pub async fn rotate_refresh(
        &self,
        old_hash: Vec<u8>,
        new_hash: Vec<u8>,
        expires_at: Instant,
    ) -> Result<Rotation, StoreError> {
        let rotated = self.write_job(Scope::system(), move |tx| {
            let now = to_ms(tx.machine_now);
            let old: Option<RefreshRow> = refresh_tokens::table
                .find(&old_hash)
                .select(RefreshRow::as_select())
                .first(tx.connection)
                .optional()?;
            let Some(old) = old else {
                return Ok(Rotation::Unknown);
            };
            if old.used_at.is_some() {
                revoke(tx, &old.family)?;
                return Ok(Rotation::Reused);
            }
            let active: bool = accounts::table
                .find(&old.account_id)
                .select(accounts::active)
                .first(tx.connection)?;
            if old.revoked_at.is_some() || !active {
                return Ok(Rotation::Unknown);
            }
            if old.expires_at <= now {
                return Ok(Rotation::Expired);
            }
            let unused = refresh_tokens::table.find(&old_hash).filter(
                refresh_tokens::used_at
                    .is_null()
                    .and(refresh_tokens::revoked_at.is_null()),
            );
            if diesel::update(unused)
                .set(refresh_tokens::used_at.eq(now))
                .execute(tx.connection)?
                == 0
            {
                // Somebody was faster: look again, it is used by now.
                return Err(Stop::Conflict.into());
            }
            let corrupt = || DatabaseError::Corrupt {
                table: "refresh_tokens",
                row: old.family.clone(),
            };
            let (account, clinic) = (
                old.account_id.parse().map_err(|_| corrupt())?,
                old.clinic_id.parse().map_err(|_| corrupt())?,
            );
            let new = RefreshRow {
                token_hash: new_hash.clone(),
                created_at: now,
                expires_at: to_ms(expires_at),
                ..old
            };
            diesel::insert_into(refresh_tokens::table)
                .values(&new)
                .execute(tx.connection)?;
            Ok(Rotation::Rotated { account, clinic })
        });
        Ok(rotated.await?)
    }

    /// Ends the log-in a token belongs to; a token nobody knows ends nothing.
    pub async fn revoke_refresh(&self, token_hash: Vec<u8>) -> Result<(), StoreError> {
        let revoked = self.write_job(Scope::system(), move |tx| {
            let family: Option<String> = refresh_tokens::table
                .find(&token_hash)
                .select(refresh_tokens::family)
                .first(tx.connection)
                .optional()?;
            Ok(family.map_or(Ok(()), |family| revoke(tx, &family))?)
        });
        Ok(revoked.await?)
    }

    /// Ends every log-in of an account, after its password changed.
    pub async fn revoke_account(&self, account: PersonId) -> Result<(), StoreError> {
        Ok(self
            .write_job(Scope::system(), move |tx| Ok(revoke_all_of(tx, account)?))
            .await?)
    }
}

/// Ends every log-in of an account.
pub(crate) fn revoke_all_of(tx: &mut Tx<'_>, account: PersonId) -> Result<(), Stop> {
    let open = refresh_tokens::table
        .filter(refresh_tokens::account_id.eq(account.to_string()))
        .filter(refresh_tokens::revoked_at.is_null());
    diesel::update(open)
        .set(refresh_tokens::revoked_at.eq(to_ms(tx.machine_now)))
        .execute(tx.connection)?;
    Ok(())
}

fn revoke(tx: &mut Tx<'_>, family: &str) -> Result<(), Stop> {
    let open = refresh_tokens::table.filter(
        refresh_tokens::family
            .eq(family)
            .and(refresh_tokens::revoked_at.is_null()),
    );
    diesel::update(open)
        .set(refresh_tokens::revoked_at.eq(to_ms(tx.machine_now)))
        .execute(tx.connection)?;
    Ok(())
}
