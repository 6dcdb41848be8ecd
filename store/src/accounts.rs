//! Log-ins.
//!
//! An address is unique within its clinic and found by its blind index; address and name are sealed.

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, LinkId, PersonId};
use bedside_protocol::licence::Licence;
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::StaffRole;
use bedside_protocol::record::{Fact, LinkTarget, NewLink};
use chrono::Duration;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit::{self, Chain};
use crate::clock::{from_ms, to_ms};
use crate::error::{Abort, DatabaseError, Failure, Stop, StoreError};
use crate::locks::Lock;
use crate::records::load;
use crate::rows::AccountRow;
use crate::schema::{accounts, clinics};
use crate::scope::Scope;
use crate::seal::{self, Place};
use crate::store::{Shared, Store};
use crate::transaction::Tx;
use crate::{links, on_call, outbox, tokens, watch};

/// A member of staff to be created. (A patient is created by [`Store::create_patient`].)
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Address, unique within the clinic whatever its case.
    pub email: String,
    /// Full name.
    pub name: String,
    /// Telephone number; may be empty.
    pub phone: String,
    /// What they are.
    pub roles: Vec<StaffRole>,
}

/// Whose log-in it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// A member of staff.
    Staff,
    /// A patient.
    Patient,
}

impl AccountKind {
    fn name(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Patient => "patient",
        }
    }
}

/// A log-in.
#[derive(Debug, Clone)]
pub struct Account {
    /// The person.
    pub id: PersonId,
    /// Their clinic.
    pub clinic: ClinicId,
    /// Staff or patient.
    pub kind: AccountKind,
    /// Full name.
    pub name: String,
    /// Address.
    pub email: String,
    /// Telephone number.
    pub phone: String,
    /// What a member of staff is; empty for a patient.
    pub roles: Vec<StaffRole>,
    /// Licences of a prescriber.
    pub licences: Vec<Licence>,
    /// Counts up with each change of the licences.
    pub licences_version: u64,
    /// The hash of their password, in PHC form; `None` until they set one.
    pub password_hash: Option<String>,
    /// The hash of their on-call PIN, in PHC form.
    pub pin_hash: Option<String>,
    /// Whether they may log in.
    pub active: bool,
    /// Failed log-ins.
    pub login: Lock,
    /// Failed PINs.
    pub pin: Lock,
}

/// Why an account was neither opened nor closed.
#[derive(Debug, thiserror::Error)]
pub enum SetActiveError {
    /// Nobody would be told when nobody else is left.
    #[error("they are the only fallback on the clinic's on-call list")]
    OnlyFallback,
    /// The store failed.
    #[error("the account could not be changed")]
    Store(#[from] StoreError),
}

/// Why licences were not recorded.
#[derive(Debug, thiserror::Error)]
pub enum SetLicencesError {
    /// There is no such prescriber for the caller.
    #[error("there is no such prescriber")]
    NoPrescriber,
    /// Somebody changed them since they were read.
    #[error("the licences were changed meanwhile")]
    Changed,
    /// The store failed.
    #[error("the licences could not be kept")]
    Store(#[from] StoreError),
}

/// Why an account was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateAccountError {
    /// Somebody in this clinic has this address.
    #[error("another account of this clinic has this address")]
    EmailTaken,
    /// There is no such clinic for the caller.
    #[error("there is no such clinic")]
    NoClinic,
    /// The store failed.
    #[error("the account could not be kept")]
    Store(#[from] StoreError),
}

/// What of a person is sealed in their account.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub name: String,
    pub phone: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<Licence>,
    /// Counts up with each change of the licences.
    #[serde(default)]
    pub licences_version: u64,
}

/// How long the link of [`Store::invite_to_account`] opens, on the clinical clock.
const ACCOUNT_LINK_GOOD_FOR: Duration = Duration::days(7);

const EMAIL: Place<'static> = Place {
    table: "accounts",
    column: "email_sealed",
    row: "",
};
const PROFILE: Place<'static> = Place {
    table: "accounts",
    column: "profile_sealed",
    row: "",
};

pub(crate) fn open_email(shared: &Shared, id: &str, sealed: &[u8]) -> Result<String, Stop> {
    let place = Place { row: id, ..EMAIL };
    let bytes = seal::open(&shared.keys, place, sealed).ok_or_else(|| place.corrupt())?;
    Ok(String::from_utf8(bytes).map_err(|_| place.corrupt())?)
}

pub(crate) fn open_profile(shared: &Shared, id: &str, sealed: &[u8]) -> Result<Profile, Stop> {
    Ok(seal::open_json(
        &shared.keys,
        Place { row: id, ..PROFILE },
        sealed,
    )?)
}

/// Inserts an account; `false` when the address is taken.
pub(crate) fn insert_account(
    tx: &mut Tx<'_>,
    clinic: ClinicId,
    id: PersonId,
    kind: AccountKind,
    new: &NewAccount,
) -> Result<bool, Stop> {
    let id = id.to_string();
    let email_index = tx.shared.keys.blind_index(clinic, &new.email);
    if find_row(tx, clinic, &email_index)?.is_some() {
        return Ok(false);
    }
    let corrupt = |_| DatabaseError::Corrupt {
        table: "accounts",
        row: id.clone(),
    };
    let profile = Profile {
        name: new.name.clone(),
        phone: new.phone.clone(),
        licences: Vec::new(),
        licences_version: 0,
    };
    let row = AccountRow {
        clinic_id: clinic.to_string(),
        kind: kind.name().to_owned(),
        email_index,
        email_sealed: seal::seal(
            &tx.shared.keys,
            Place { row: &id, ..EMAIL },
            new.email.trim().as_bytes(),
        )
        .map_err(DatabaseError::from)?,
        profile_sealed: seal::seal_json(&tx.shared.keys, Place { row: &id, ..PROFILE }, &profile)?,
        roles: serde_json::to_string(&new.roles).map_err(corrupt)?,
        password_hash: None,
        pin_hash: None,
        active: true,
        login_failures: 0,
        login_locked_until: None,
        pin_failures: 0,
        pin_locked_until: None,
        created_at: to_ms(tx.now),
        id,
    };
    diesel::insert_into(accounts::table)
        .values(&row)
        .execute(tx.connection)?;
    Ok(true)
}

fn find_row(tx: &mut Tx<'_>, clinic: ClinicId, email_index: &[u8]) -> Result<Option<AccountRow>, Stop> {
    let row = accounts::table
        .filter(
            accounts::clinic_id
                .eq(clinic.to_string())
                .and(accounts::email_index.eq(email_index)),
        )
        .select(AccountRow::as_select())
        .first(tx.connection)
        .optional()?;
    Ok(row)
}

fn account_value(shared: &Shared, row: AccountRow) -> Result<Account, Stop> {
    let corrupt = || DatabaseError::Corrupt {
        table: "accounts",
        row: row.id.clone(),
    };
    let profile = open_profile(shared, &row.id, &row.profile_sealed)?;
    let lock = |failures: i32, until: Option<i64>| Lock {
        failures: failures.unsigned_abs(),
        locked_until: until.map(from_ms),
    };
    Ok(Account {
        id: row.id.parse().map_err(|_| corrupt())?,
        clinic: row.clinic_id.parse().map_err(|_| corrupt())?,
        kind: load::named(&row.kind).ok_or_else(corrupt)?,
        name: profile.name,
        email: open_email(shared, &row.id, &row.email_sealed)?,
        phone: profile.phone,
        roles: serde_json::from_str(&row.roles).map_err(|_| corrupt())?,
        licences: profile.licences,
        licences_version: profile.licences_version,
        password_hash: row.password_hash,
        pin_hash: row.pin_hash,
        active: row.active,
        login: lock(row.login_failures, row.login_locked_until),
        pin: lock(row.pin_failures, row.pin_locked_until),
    })
}

/// Has whoever keeps records of the clinic's patients in memory load them anew: they know the licences of a prescriber who need
/// not be on call. (The stamp of a clinic is drawn when its row changes.)
fn show_anew(tx: &mut Tx<'_>, clinic: ClinicId) -> Result<(), Stop> {
    diesel::update(clinics::table.find(clinic.to_string()))
        .set(clinics::version.eq(clinics::version + 1))
        .execute(tx.connection)?;
    Ok(())
}

/// The clinic of an account.
fn clinic_of(row: &AccountRow) -> Result<ClinicId, DatabaseError> {
    row.clinic_id.parse().map_err(|_| DatabaseError::Corrupt {
        table: "accounts",
        row: row.id.clone(),
    })
}

/// The account of this id, if it exists for the scope.
pub(crate) fn visible(tx: &mut Tx<'_>, id: PersonId) -> Result<Option<AccountRow>, Stop> {
    let row: Option<AccountRow> = accounts::table
        .find(id.to_string())
        .select(AccountRow::as_select())
        .first(tx.connection)
        .optional()?;
    let clinic = tx.clinic().map(|clinic| clinic.to_string());
    Ok(row.filter(|row| clinic.is_none_or(|clinic| clinic == row.clinic_id)))
}

impl Store {
    /// Creates a log-in for a member of staff. They have no password until they set one.
    pub async fn create_account(
        &self,
        scope: Scope,
        clinic: ClinicId,
        new: NewAccount,
    ) -> Result<PersonId, CreateAccountError> {
        let made = self.write_job(scope, move |tx| {
            if !tx.scope.sees_clinic(clinic) || load::clinic(tx, clinic)?.is_none() {
                return Err(Abort::No(CreateAccountError::NoClinic));
            }
            let id: PersonId = tx.new_id();
            if !insert_account(tx, clinic, id, AccountKind::Staff, &new)? {
                return Err(Abort::No(CreateAccountError::EmailTaken));
            }
            let fact = Fact::new("staff.created", json!({"staff": id, "roles": new.roles}));
            audit::append(tx, &Chain::Clinic(clinic), None, &[fact])?;
            Ok(id)
        });
        made.await.map_err(|failure| match failure {
            Failure::No(error) => error,
            Failure::Store(error) => error.into(),
        })
    }

    /// Sends a person the link by which they set their password; good for seven days. `None` when there is no such
    /// account for the scope.
    pub async fn invite_to_account(
        &self,
        scope: Scope,
        person: PersonId,
    ) -> Result<Option<LinkId>, StoreError> {
        let invited = self.write_job(scope, move |tx| {
            let Some(row) = visible(tx, person)? else {
                return Ok(None);
            };
            let account = account_value(tx.shared, row)?;
            let clinic = load::clinic(tx, account.clinic)?.ok_or_else(|| DatabaseError::Corrupt {
                table: "clinics",
                row: account.clinic.to_string(),
            })?;
            let (link, expires_at): (LinkId, _) = (tx.new_id(), tx.now + ACCOUNT_LINK_GOOD_FOR);
            let who = match account.kind {
                AccountKind::Staff => Who::Staff(person),
                AccountKind::Patient => Who::Patient(person),
            };
            let notice = Notice {
                id: tx.new_id(),
                key: format!("account:{person}:{link}"),
                lane: Lane::Session,
                to: Recipient {
                    who,
                    email: account.email,
                },
                about: About::Information,
                message: Message::AccountLink {
                    link,
                    expires_at,
                    zone: clinic.zone,
                },
                not_before: tx.now,
                stale_after: Some(expires_at),
                thread: None,
            };
            links::insert(
                tx,
                clinic.id,
                &[NewLink {
                    id: link,
                    target: LinkTarget::Account { person },
                    expires_at,
                }],
            )?;
            outbox::insert(tx, clinic.id, None, &[notice])?;
            let fact = Fact::new("account.invited", json!({ "account": person, "link": link }));
            audit::append(tx, &Chain::Clinic(clinic.id), None, &[fact])?;
            Ok(Some(link))
        });
        Ok(invited.await?)
    }

    /// The account with this address in a clinic, active or not.
    pub async fn find_login(&self, clinic: ClinicId, email: &str) -> Result<Option<Account>, StoreError> {
        let index = self.keys().blind_index(clinic, email);
        self.read_job(Scope::system(), move |tx| {
            find_row(tx, clinic, &index)?
                .map(|row| account_value(tx.shared, row))
                .transpose()
        })
        .await
    }

    /// An account by its id, if it exists for the scope.
    pub async fn find_account(&self, scope: Scope, id: PersonId) -> Result<Option<Account>, StoreError> {
        self.read_job(scope, move |tx| {
            visible(tx, id)?
                .map(|row| account_value(tx.shared, row))
                .transpose()
        })
        .await
    }

    /// A clinic's staff, oldest account first.
    pub async fn list_staff(&self, clinic: ClinicId) -> Result<Vec<Account>, StoreError> {
        self.read_job(Scope::system(), move |tx| {
            let rows: Vec<AccountRow> = accounts::table
                .filter(
                    accounts::clinic_id
                        .eq(clinic.to_string())
                        .and(accounts::kind.eq("staff")),
                )
                .order(accounts::id)
                .select(AccountRow::as_select())
                .load(tx.connection)?;
            rows.into_iter()
                .map(|row| account_value(tx.shared, row))
                .collect()
        })
        .await
    }

    /// Opens or closes an account. A closed one has no refresh token and is on no on-call list, so whoever is a
    /// clinic's only fallback is not closed. What the care team owes is looked at again at once. `false` when there is
    /// none for the scope.
    pub async fn set_active(&self, scope: Scope, id: PersonId, active: bool) -> Result<bool, SetActiveError> {
        let changed = self.write_job(scope, move |tx| {
            let Some(row) = visible(tx, id)? else {
                return Ok(false);
            };
            let clinic = clinic_of(&row)?;
            on_call::lock(tx, clinic)?;
            if !active && on_call::is_only_fallback(tx, clinic, id)? {
                return Err(Abort::No(SetActiveError::OnlyFallback));
            }
            diesel::update(accounts::table.find(&row.id))
                .set(accounts::active.eq(active))
                .execute(tx.connection)?;
            if !active {
                tokens::revoke_all_of(tx, id)?;
            }
            show_anew(tx, clinic)?;
            let action = if active {
                "account.opened"
            } else {
                "account.closed"
            };
            let fact = Fact::new(action, json!({ "account": id }));
            audit::append(tx, &Chain::Clinic(clinic), None, &[fact])?;
            watch::wake_clinic(tx, clinic, Lane::Escalation)?;
            Ok(true)
        });
        changed.await.map_err(|failure| match failure {
            Failure::No(error) => error,
            Failure::Store(error) => error.into(),
        })
    }

    /// Records all licences of a prescriber, if `may` says that the version that stands is the one that was read.
    pub async fn set_licences(
        &self,
        scope: Scope,
        id: PersonId,
        licences: Vec<Licence>,
        may: impl Fn(u64) -> bool + Send + 'static,
    ) -> Result<u64, SetLicencesError> {
        let set = self.write_job(scope, move |tx| {
            let Some(row) = visible(tx, id)? else {
                return Err(Abort::No(SetLicencesError::NoPrescriber));
            };
            let clinic = clinic_of(&row)?;
            // Two changes come one after the other.
            on_call::lock(tx, clinic)?;
            let Some(row) = visible(tx, id)? else {
                return Err(Abort::No(SetLicencesError::NoPrescriber));
            };
            let roles: Vec<StaffRole> = account_value(tx.shared, row.clone())?.roles;
            if row.kind != AccountKind::Staff.name() || !roles.contains(&StaffRole::Prescriber) {
                return Err(Abort::No(SetLicencesError::NoPrescriber));
            }
            let mut profile = open_profile(tx.shared, &row.id, &row.profile_sealed)?;
            if !may(profile.licences_version) {
                return Err(Abort::No(SetLicencesError::Changed));
            }
            profile.licences.clone_from(&licences);
            profile.licences_version += 1;
            let place = Place {
                row: &row.id,
                ..PROFILE
            };
            let sealed = seal::seal_json(&tx.shared.keys, place, &profile)?;
            diesel::update(accounts::table.find(&row.id))
                .set(accounts::profile_sealed.eq(sealed))
                .execute(tx.connection)?;
            show_anew(tx, clinic)?;
            let fact = Fact::new("licences.set", json!({"account": id, "licences": &licences}));
            audit::append(tx, &Chain::Clinic(clinic), None, &[fact])?;
            Ok(profile.licences_version)
        });
        set.await.map_err(|failure| match failure {
            Failure::No(error) => error,
            Failure::Store(error) => error.into(),
        })
    }

    /// Keeps the hash of a new password and forgets failures. `false` when there is no such account for the scope.
    pub async fn set_password_hash(
        &self,
        scope: Scope,
        id: PersonId,
        hash: String,
    ) -> Result<bool, StoreError> {
        self.change_account(scope, id, "account.password_set", move |tx, id| {
            diesel::update(accounts::table.find(id))
                .set((
                    accounts::password_hash.eq(&hash),
                    accounts::login_failures.eq(0),
                    accounts::login_locked_until.eq(None::<i64>),
                ))
                .execute(tx.connection)
        })
        .await
    }

    /// Keeps the hash of a new on-call PIN and forgets failures. `false` when there is no such account for the scope.
    pub async fn set_pin_hash(&self, scope: Scope, id: PersonId, hash: String) -> Result<bool, StoreError> {
        self.change_account(scope, id, "account.pin_set", move |tx, id| {
            diesel::update(accounts::table.find(id))
                .set((
                    accounts::pin_hash.eq(&hash),
                    accounts::pin_failures.eq(0),
                    accounts::pin_locked_until.eq(None::<i64>),
                ))
                .execute(tx.connection)
        })
        .await
    }

    async fn change_account(
        &self,
        scope: Scope,
        id: PersonId,
        action: &'static str,
        change: impl Fn(&mut Tx<'_>, &str) -> QueryResult<usize> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let changed = self.write_job(scope, move |tx| {
            let Some(row) = visible(tx, id)? else {
                return Ok(false);
            };
            change(tx, &row.id)?;
            audit::append(
                tx,
                &Chain::Clinic(clinic_of(&row)?),
                None,
                &[Fact::new(action, json!({ "account": id }))],
            )?;
            Ok(true)
        });
        Ok(changed.await?)
    }
}
