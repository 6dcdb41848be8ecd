//! `bedside clinic add`.

use std::sync::Arc;

use anyhow::{Result, bail};
use bedside_protocol::time::Zone;
use bedside_store::{NewClinic, Scope, SystemClocks};

use crate::arguments::ClinicAddArguments;
use crate::settings::Settings;
use crate::wiring;

/// Longest short name, characters.
const SLUG_MAX_CHARS: usize = 40;

/// Adds a clinic.
pub async fn add(settings: &Settings, arguments: ClinicAddArguments) -> Result<()> {
    check_slug(&arguments.slug)?;
    let Ok(zone) = Zone::named(&arguments.zone) else {
        bail!("--zone must be the name of an IANA time zone, such as America/New_York");
    };
    for (option, text) in [("--name", &arguments.name), ("--phone", &arguments.phone)] {
        if text.trim().is_empty() || text.chars().any(char::is_control) || text.chars().count() > 100 {
            bail!("{option} must be 1 to 100 characters on one line");
        }
    }
    let store = wiring::open_store(settings, Arc::new(SystemClocks)).await?;
    let new = NewClinic {
        slug: arguments.slug,
        name: arguments.name,
        zone,
        phone: arguments.phone,
    };
    let clinic = store.create_clinic(Scope::system(), new).await?;
    println!("Added {} ({}).", clinic.slug, clinic.id);
    println!(
        "Next: bedside staff add --clinic {} --role administrator --name … --email …",
        clinic.slug
    );
    Ok(())
}

/// Whether a short name can stand in a log-in and in a URL.
pub fn check_slug(slug: &str) -> Result<()> {
    let plain = slug
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if slug.is_empty() || slug.len() > SLUG_MAX_CHARS || !plain {
        bail!("the short name must be 1 to {SLUG_MAX_CHARS} lower-case letters, digits and hyphens");
    }
    Ok(())
}
