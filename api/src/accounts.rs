//! Log-ins: checking a password or a PIN, handing out tokens, setting a password by the link of a mail.
//!
//! Hashing is never inside a transaction. An unknown address, a closed or locked account and a wrong password give the
//! same answer after the same work, so that nobody learns who is a patient of a clinic.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bedside_protocol::id::{ClinicId, PersonId};
use bedside_protocol::people::Caller;
use bedside_protocol::time::Instant;
use bedside_store::{Account, AccountKind, LinkUse, NewRefresh, Rotation, Scope};
use chrono::Duration;

use crate::app::App;
use crate::auth::scope;
use crate::error::ApiError;
use crate::extract::ClientKey;
use crate::limits::Limited;
use crate::links;
use crate::parse::Checks;
use crate::tokens::Person;

/// So many wrong passwords or PINs in a row lock …
const LOCK_AFTER: u32 = 5;

/// … for so many minutes (NIST SP 800-63B-4 section 3.2.2 asks for a limit; ours is far below its 100).
const LOCK_FOR_MIN: i64 = 15;

/// How long a patient stays logged in without using the phone, days.
const PATIENT_STAYS_DAYS: i64 = 30;

/// How long staff stay logged in without doing anything, hours.
const STAFF_STAY_HOURS: i64 = 12;

/// What a patient's refresh token begins with.
const PATIENT_MARK: char = 'p';

/// What a member of staff's begins with.
const STAFF_MARK: char = 's';

/// What a log-in gives.
#[derive(Debug)]
pub struct LoggedIn {
    /// Whose it is.
    pub account: Account,
    /// The access token.
    pub access_token: String,
    /// Until when it is good.
    pub expires_at: Instant,
    /// The token for the next one.
    pub refresh_token: String,
}

/// What an account is, in a token.
fn person_of(account: &Account) -> Person {
    match account.kind {
        AccountKind::Patient => Person::Patient,
        AccountKind::Staff => Person::Staff {
            roles: account.roles.clone(),
        },
    }
}

fn stays_for(kind: AccountKind) -> Duration {
    match kind {
        AccountKind::Patient => Duration::days(PATIENT_STAYS_DAYS),
        AccountKind::Staff => Duration::hours(STAFF_STAY_HOURS),
    }
}

/// A secret of 256 bits as text.
fn fresh_secret(app: &App) -> String {
    let mut bytes = [0_u8; 32];
    app.store.keys().random(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A refresh token begins with whose it is, so that the exchange knows how long the next one is good. Its hash is over
/// all of it: a changed letter is another token.
fn fresh_refresh(app: &App, kind: AccountKind) -> String {
    format!(
        "{}{}",
        if kind == AccountKind::Patient {
            PATIENT_MARK
        } else {
            STAFF_MARK
        },
        fresh_secret(app)
    )
}

fn kind_of_refresh(token: &str) -> AccountKind {
    if token.starts_with(PATIENT_MARK) {
        AccountKind::Patient
    } else {
        AccountKind::Staff
    }
}

/// What of a refresh token is kept.
pub fn refresh_hash(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes())
        .as_ref()
        .to_vec()
}

/// Checks clinic, address and password. Every failure is [`ApiError::LogInFailed`].
pub async fn check_password(
    app: &App,
    slug: &str,
    email: &str,
    password: String,
    client: &ClientKey,
) -> Result<Account, ApiError> {
    let now = app.store.clocks().machine_now();
    app.limits.take(Limited::LogIn, &client.0, now)?;
    let account = match app.store.find_clinic_by_slug(slug).await? {
        Some(clinic) => app.store.find_login(clinic.id, email).await?,
        None => None,
    };
    check_account(app, account, password, now).await
}

/// The same for an account that is known already.
pub async fn check_own_password(
    app: &App,
    scope: Scope,
    person: PersonId,
    password: String,
    client: &ClientKey,
) -> Result<Account, ApiError> {
    let now = app.store.clocks().machine_now();
    app.limits.take(Limited::LogIn, &client.0, now)?;
    let account = app.store.find_account(scope, person).await?;
    check_account(app, account, password, now).await
}

async fn check_account(
    app: &App,
    account: Option<Account>,
    password: String,
    now: Instant,
) -> Result<Account, ApiError> {
    let open =
        |account: &Account| account.active && account.login.locked_until.is_none_or(|until| until <= now);
    let hash = account.as_ref().and_then(|account| account.password_hash.clone());
    let right = app.passwords.is_right(password, hash).await?;
    match account {
        Some(account) if right && open(&account) => {
            if account.login.failures > 0 {
                app.store.record_login_success(account.id).await?;
            }
            Ok(account)
        }
        // A locked account stays locked for its time; tries in between do not prolong it.
        Some(account) if open(&account) => {
            let lock_for = Duration::minutes(LOCK_FOR_MIN);
            app.store
                .record_login_failure(account.id, LOCK_AFTER, lock_for)
                .await?;
            Err(ApiError::LogInFailed)
        }
        _ => {
            // The same write as for an account, on a row that does not exist.
            let nobody = PersonId::from(uuid::Uuid::nil());
            app.store
                .record_login_failure(nobody, LOCK_AFTER, Duration::zero())
                .await?;
            Err(ApiError::LogInFailed)
        }
    }
}

/// Begins a log-in.
pub async fn begin(app: &App, account: Account) -> Result<LoggedIn, ApiError> {
    let now = app.store.clocks().machine_now();
    let refresh_token = fresh_refresh(app, account.kind);
    app.store
        .insert_refresh(NewRefresh {
            clinic: account.clinic,
            account: account.id,
            token_hash: refresh_hash(&refresh_token),
            family: fresh_secret(app),
            expires_at: now + stays_for(account.kind),
        })
        .await?;
    logged_in(app, account, refresh_token, now)
}

fn logged_in(app: &App, account: Account, refresh_token: String, now: Instant) -> Result<LoggedIn, ApiError> {
    let (access_token, expires_at) = app
        .tokens
        .issue(account.id, account.clinic, person_of(&account), now)
        .map_err(|fault| ApiError::internal(&fault))?;
    Ok(LoggedIn {
        account,
        access_token,
        expires_at,
        refresh_token,
    })
}

/// Goes on with a log-in: the refresh token is exchanged. One that comes a second time ends all of its log-in.
pub async fn go_on(app: &App, token: &str, client: &ClientKey) -> Result<LoggedIn, ApiError> {
    let now = app.store.clocks().machine_now();
    app.limits.take(Limited::LogIn, &client.0, now)?;
    let kind = kind_of_refresh(token);
    let (new, expires_at) = (fresh_refresh(app, kind), now + stays_for(kind));
    match app
        .store
        .rotate_refresh(refresh_hash(token), refresh_hash(&new), expires_at)
        .await?
    {
        Rotation::Rotated { account, clinic } => {
            let scope = Scope::of(clinic, Caller::System);
            let account = app
                .store
                .find_account(scope, account)
                .await?
                .filter(|account| account.active);
            logged_in(app, account.ok_or(ApiError::Unauthenticated)?, new, now)
        }
        Rotation::Reused | Rotation::Unknown | Rotation::Expired => Err(ApiError::Unauthenticated),
    }
}

/// Checks an on-call PIN. Every failure is [`ApiError::LogInFailed`].
pub async fn check_pin(
    app: &App,
    clinic: ClinicId,
    person: PersonId,
    pin: String,
    client: &ClientKey,
) -> Result<Account, ApiError> {
    let now = app.store.clocks().machine_now();
    app.limits.take(Limited::Pin, &client.0, now)?;
    let account = app
        .store
        .find_account(Scope::of(clinic, Caller::System), person)
        .await?;
    let hash = account.as_ref().and_then(|account| account.pin_hash.clone());
    let right = app.passwords.is_right(pin, hash).await?;
    let account = account.filter(|account| {
        let open = account.pin.locked_until.is_none_or(|until| until <= now);
        account.active && account.kind == AccountKind::Staff && open
    });
    match account {
        Some(account) if right => {
            if account.pin.failures > 0 {
                app.store.record_pin_success(account.id).await?;
            }
            Ok(account)
        }
        Some(account) => {
            app.store
                .record_pin_failure(account.id, LOCK_AFTER, Duration::minutes(LOCK_FOR_MIN))
                .await?;
            Err(ApiError::LogInFailed)
        }
        None => Err(ApiError::LogInFailed),
    }
}

/// Sets password (and for staff the PIN) by the link of a mail, once. Every other log-in of the account ends.
pub async fn set_by_link(
    app: &App,
    token: &str,
    password: String,
    pin: Option<String>,
    client: &ClientKey,
    request: Option<&str>,
) -> Result<Account, ApiError> {
    app.limits
        .take(Limited::LogIn, &client.0, app.store.clocks().machine_now())?;
    let (link, clinic, person) = links::account(app, token).await?;
    let account = app
        .store
        .find_account(Scope::of(clinic, Caller::System), person)
        .await?
        .filter(|account| account.active)
        .ok_or(ApiError::NotFound)?;
    let mut checks = Checks::new();
    checks.password("password", &password);
    if let Some(pin) = &pin {
        checks.pin("pin", pin);
        if account.kind == AccountKind::Patient {
            checks.fault("pin", "is for staff only");
        }
    }
    checks.done()?;
    let password_hash = app.passwords.hash(password).await?;
    let pin_hash = match pin {
        Some(pin) => Some(app.passwords.hash(pin).await?),
        None => None,
    };
    if app.store.mark_used(link).await? == LinkUse::Dead {
        return Err(ApiError::LinkOver);
    }
    let scope = scope(clinic, Caller::Unverified { link: Some(link) }, request);
    app.store
        .set_password_hash(scope.clone(), person, password_hash)
        .await?;
    if let Some(pin_hash) = pin_hash {
        app.store.set_pin_hash(scope, person, pin_hash).await?;
    }
    app.store.revoke_account(person).await?;
    Ok(account)
}

/// Sets a member of staff's PIN.
pub async fn set_pin(app: &App, scope: Scope, person: PersonId, pin: String) -> Result<(), ApiError> {
    let mut checks = Checks::new();
    checks.pin("pin", &pin);
    checks.done()?;
    let hash = app.passwords.hash(pin).await?;
    if app.store.set_pin_hash(scope, person, hash).await? {
        Ok(())
    } else {
        Err(ApiError::NotFound)
    }
}
