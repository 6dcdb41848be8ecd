//! Failed log-ins and wrong PINs, counted in the account's row, so that a lock holds for every process.

use bedside_protocol::id::PersonId;
use bedside_protocol::time::Instant;
use chrono::Duration;
use diesel::prelude::*;

use crate::clock::to_ms;
use crate::error::StoreError;
use crate::schema::accounts;
use crate::scope::Scope;
use crate::store::Store;

/// A counter of failures and the lock that follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lock {
    /// Failures in a row.
    pub failures: u32,
    /// Nothing is tried before then (machine clock).
    pub locked_until: Option<Instant>,
}

/// Which of the two counters.
#[derive(Clone, Copy)]
enum Secret {
    Password,
    Pin,
}

impl Store {
    /// Counts a failed log-in; from `lock_after` failures in a row on, each locks the account for `lock_for`.
    pub async fn record_login_failure(
        &self,
        id: PersonId,
        lock_after: u32,
        lock_for: Duration,
    ) -> Result<Lock, StoreError> {
        self.record_failure(id, Secret::Password, lock_after, lock_for)
            .await
    }

    /// Forgets failed log-ins.
    pub async fn record_login_success(&self, id: PersonId) -> Result<(), StoreError> {
        self.forget_failures(id, Secret::Password).await
    }

    /// Counts a wrong PIN; from `lock_after` in a row on, each locks PINs for `lock_for`.
    pub async fn record_pin_failure(
        &self,
        id: PersonId,
        lock_after: u32,
        lock_for: Duration,
    ) -> Result<Lock, StoreError> {
        self.record_failure(id, Secret::Pin, lock_after, lock_for).await
    }

    /// Forgets wrong PINs.
    pub async fn record_pin_success(&self, id: PersonId) -> Result<(), StoreError> {
        self.forget_failures(id, Secret::Pin).await
    }

    async fn record_failure(
        &self,
        id: PersonId,
        secret: Secret,
        lock_after: u32,
        lock_for: Duration,
    ) -> Result<Lock, StoreError> {
        let counted = self.write_job(Scope::system(), move |tx| {
            let id = id.to_string();
            let row = || accounts::table.find(&id);
            // Counted by the database, so that two failures at once are two.
            let failures: Option<i32> = match secret {
                Secret::Password => {
                    diesel::update(row())
                        .set(accounts::login_failures.eq(accounts::login_failures + 1))
                        .execute(tx.connection)?;
                    row()
                        .select(accounts::login_failures)
                        .first(tx.connection)
                        .optional()?
                }
                Secret::Pin => {
                    diesel::update(row())
                        .set(accounts::pin_failures.eq(accounts::pin_failures + 1))
                        .execute(tx.connection)?;
                    row()
                        .select(accounts::pin_failures)
                        .first(tx.connection)
                        .optional()?
                }
            };
            let failures = failures.unwrap_or(0).unsigned_abs();
            let locked_until = (failures >= lock_after).then(|| tx.machine_now + lock_for);
            if let Some(until) = locked_until.map(to_ms) {
                match secret {
                    Secret::Password => diesel::update(row())
                        .set(accounts::login_locked_until.eq(until))
                        .execute(tx.connection)?,
                    Secret::Pin => diesel::update(row())
                        .set(accounts::pin_locked_until.eq(until))
                        .execute(tx.connection)?,
                };
            }
            Ok(Lock {
                failures,
                locked_until,
            })
        });
        Ok(counted.await?)
    }

    async fn forget_failures(&self, id: PersonId, secret: Secret) -> Result<(), StoreError> {
        let forgotten = self.write_job(Scope::system(), move |tx| {
            let row = accounts::table.find(id.to_string());
            match secret {
                Secret::Password => diesel::update(row)
                    .set((
                        accounts::login_failures.eq(0),
                        accounts::login_locked_until.eq(None::<i64>),
                    ))
                    .execute(tx.connection)?,
                Secret::Pin => diesel::update(row)
                    .set((
                        accounts::pin_failures.eq(0),
                        accounts::pin_locked_until.eq(None::<i64>),
                    ))
                    .execute(tx.connection)?,
            };
            Ok(())
        });
        Ok(forgotten.await?)
    }
}
