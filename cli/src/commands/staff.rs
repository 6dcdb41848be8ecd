//! `bedside staff`: who works here, and who is on call.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bedside_api::tokens::ACCESS_GOOD_FOR_MIN;
use bedside_protocol::duty::Lane;
use bedside_protocol::id::{ClinicId, Ids, LinkId, NoticeId, PersonId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::people::{Clinic, OnCallPlace};
use bedside_protocol::record::{LinkTarget, NewLink};
use bedside_protocol::time::Instant;
use bedside_store::{Account, AccountKind, Keys, NewAccount, Scope, SetActiveError, Store, SystemClocks};

use crate::arguments::{OnCallArguments, StaffAddArguments, StaffMemberArguments};
use crate::settings::{Faults, Settings};
use crate::wiring;

/// How long a link to set a password is good, days.
const LINK_GOOD_FOR_DAYS: i64 = 7;

/// A link by which somebody sets their password, once.
pub struct AccountLink {
    /// The link.
    pub id: LinkId,
    /// Until when.
    pub expires_at: Instant,
    /// The whole URL.
    pub url: String,
}

/// Adds a member of staff, prints their link, and mails it where that is asked for.
pub async fn add(settings: &Settings, arguments: StaffAddArguments) -> Result<()> {
    check(&arguments)?;
    let store = wiring::open_store(settings, Arc::new(SystemClocks)).await?;
    let clinic = find_clinic(&store, &arguments.clinic).await?;
    let new = NewAccount {
        email: arguments.email.trim().to_owned(),
        name: arguments.name.trim().to_owned(),
        phone: arguments.phone.trim().to_owned(),
        roles: arguments.roles.clone(),
    };
    let email = new.email.clone();
    let person = store.create_account(Scope::system(), clinic.id, new).await?;
    let base = base_url(settings)?;
    let link = account_link(&store, &base, clinic.id, person).await?;
    println!(
        "Added. They set their password and PIN here, once, until {}:",
        clinic.zone.long(link.expires_at)
    );
    println!("{}", link.url);
    if arguments.send {
        let notice = account_notice(&store, &clinic, person, email, &link);
        store
            .insert_notices(Scope::system(), clinic.id, None, vec![notice], Vec::new())
            .await?;
        println!("A running worker will mail it to them too.");
    }
    Ok(())
}

/// Sets the on-call list.
pub async fn on_call(settings: &Settings, arguments: OnCallArguments) -> Result<()> {
    let store = wiring::open_store(settings, Arc::new(SystemClocks)).await?;
    let clinic = find_clinic(&store, &arguments.clinic).await?;
    let mut list = Vec::with_capacity(arguments.places.len());
    for (place, email) in arguments.places {
        list.push((place, find_staff(&store, &clinic, &email).await?.id));
    }
    store.set_on_call(Scope::system(), clinic.id, list).await?;
    for person in store.list_on_call(clinic.id).await? {
        println!("{:<14} {}", person.place.name(), person.person);
    }
    Ok(())
}

/// Closes an account or opens it again.
pub async fn set_active(settings: &Settings, arguments: StaffMemberArguments, active: bool) -> Result<()> {
    let store = wiring::open_store(settings, Arc::new(SystemClocks)).await?;
    let clinic = find_clinic(&store, &arguments.clinic).await?;
    let account = find_staff(&store, &clinic, &arguments.email).await?;
    let set = store.set_active(Scope::system(), account.id, active).await;
    if let Err(SetActiveError::OnlyFallback) = set {
        bail!(
            "{} is the only fallback on the on-call list, so nobody would be told when nobody else answers; first name \
             another with `bedside staff on-call --clinic {} …`",
            account.email,
            clinic.slug
        );
    }
    set?;
    if active {
        println!(
            "Activated. They can log in with the password they had, and hold the on-call places they had."
        );
    } else {
        println!(
            "Deactivated. They cannot log in and are told of nothing any more; a log-in they have open ends within \
             {ACCESS_GOOD_FOR_MIN} minutes."
        );
    }
    let on_call = store.list_on_call(clinic.id).await?;
    if !on_call.iter().any(|it| it.place == OnCallPlace::Nurse) {
        println!("There is no nurse on call now: no dose opens until there is one.");
    }
    Ok(())
}

/// Keeps a fresh link to an account. Nothing secret is stored; the URL is.
pub async fn account_link(
    store: &Store,
    base: &str,
    clinic: ClinicId,
    person: PersonId,
) -> Result<AccountLink> {
    let now = store.clocks().clinical_now();
    let id: LinkId = fresh_id(store.keys(), now);
    let expires_at = now + chrono::Duration::days(LINK_GOOD_FOR_DAYS);
    let link = NewLink {
        id,
        target: LinkTarget::Account { person },
        expires_at,
    };
    store.insert_link(Scope::system(), clinic, link).await?;
    let url = format!("{base}/account/{}", store.keys().link_token(id));
    Ok(AccountLink { id, expires_at, url })
}

/// A new identifier.
pub fn fresh_id<T: From<uuid::Uuid>>(keys: &Keys, now: Instant) -> T {
    let mut random = |bytes: &mut [u8]| keys.random(bytes);
    Ids::new(now, &mut random).fresh()
}

fn account_notice(
    store: &Store,
    clinic: &Clinic,
    person: PersonId,
    email: String,
    link: &AccountLink,
) -> Notice {
    let now = store.clocks().clinical_now();
    let id: NoticeId = fresh_id(store.keys(), now);
    Notice {
        id,
        key: format!("account:{person}:{}", link.id),
        lane: Lane::Session,
        to: Recipient {
            who: Who::Staff(person),
            email,
        },
        about: About::Information,
        message: Message::AccountLink {
            link: link.id,
            expires_at: link.expires_at,
            zone: clinic.zone,
        },
        not_before: now,
        stale_after: None,
        thread: None,
    }
}

/// Where links lead.
pub fn base_url(settings: &Settings) -> Result<String, Faults> {
    match &settings.public_base_url {
        Some(url) => Ok(url.clone()),
        None if settings.listens_on_loopback() => Ok(format!("http://{}", settings.listen)),
        None => Err(Faults::one(
            "PUBLIC_BASE_URL",
            "is missing: the link begins with it",
        )),
    }
}

async fn find_clinic(store: &Store, slug: &str) -> Result<Clinic> {
    let found = store.find_clinic_by_slug(slug).await?;
    found.with_context(|| format!("there is no clinic {slug}; `bedside clinic add` adds one"))
}

async fn find_staff(store: &Store, clinic: &Clinic, email: &str) -> Result<Account> {
    let found = store.find_login(clinic.id, email).await?;
    let found = found.filter(|account| account.kind == AccountKind::Staff);
    found.with_context(|| format!("nobody of the staff of {} has the address {email}", clinic.slug))
}

fn check(arguments: &StaffAddArguments) -> Result<()> {
    let name = arguments.name.trim();
    if name.is_empty() || name.chars().any(char::is_control) || name.chars().count() > 100 {
        bail!("--name must be 1 to 100 characters on one line");
    }
    let email = arguments.email.trim();
    let plain = email.len() <= 254
        && email
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"<>\",;".contains(&byte));
    if !plain || email.split('@').count() != 2 || email.split('@').any(str::is_empty) {
        bail!("--email must be an address such as ann@example.org");
    }
    if arguments
        .phone
        .chars()
        .any(|c| !c.is_ascii_digit() && !" +-()".contains(c))
    {
        bail!("--phone must be a telephone number");
    }
    Ok(())
}
