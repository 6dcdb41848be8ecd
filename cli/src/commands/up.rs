//! `bedside up`: API and worker in one process, on SQLite in the data folder. What is missing is made on the first
//! start: folder, key, database, a clinic, and an administrator who sets their password behind a one-time link.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bedside_protocol::people::{Clinic, StaffRole};
use bedside_protocol::time::Zone;
use bedside_store::{Account, NewAccount, NewClinic, Scope, Store, SystemClocks};

use crate::arguments::UpArguments;
use crate::commands::{clinic, staff};
use crate::say::say;
use crate::service::{self, Working};
use crate::settings::{Faults, Mode, Settings};
use crate::{keys, wiring};

/// The file the first administrator's link is written to.
const LINK_FILE: &str = "first-administrator.txt";

/// Makes what is missing and runs until stopped.
pub async fn run(settings: Settings, arguments: UpArguments) -> Result<()> {
    let mut settings = settings.for_service(Mode::Up)?;
    keys::private_folder(&settings.data_dir).map_err(|error| unusable(&settings.data_dir, &error))?;
    keys::make_missing(&mut settings)?;
    let listeners = wiring::bind(&settings)?;
    let store = wiring::migrate_and_open_store(&settings, Arc::new(SystemClocks)).await?;
    let base = staff::base_url(&settings)?;
    say(format_args!(
        "Bedside listens on {}; its pages begin with {base}",
        settings.listen
    ));
    first_administrator(&settings, &store, &base, arguments).await?;
    let working = Working::start(&settings, store.clone())?;
    if let Some(folder) = wiring::mail_folder(&settings) {
        say(format_args!(
            "Mails are written to {}; see {base}/mails",
            folder.display()
        ));
    }
    say(format_args!("API documentation: {base}/docs"));
    say("Ctrl-C stops.");
    let shows_all = settings.serves_this_machine_only();
    service::serve_until_stopped(&settings, store, listeners, shows_all, Some(working)).await
}

fn unusable(folder: &Path, error: &std::io::Error) -> Faults {
    Faults::one(
        "DATA_DIR",
        format!("names {}, which cannot be used: {error}", folder.display()),
    )
}

/// As long as nobody has a password, there is a link by which the first administrator sets one.
async fn first_administrator(
    settings: &Settings,
    store: &Store,
    base: &str,
    arguments: UpArguments,
) -> Result<()> {
    let file = settings.data_dir.join(LINK_FILE);
    let mut staff_of_all: Vec<(Clinic, Account)> = Vec::new();
    let clinics = store.list_clinics().await?;
    for clinic in &clinics {
        let staff = store.list_staff(clinic.id).await?;
        staff_of_all.extend(staff.into_iter().map(|account| (clinic.clone(), account)));
    }
    if staff_of_all
        .iter()
        .any(|(_, account)| account.active && account.password_hash.is_some())
    {
        if file.exists() {
            std::fs::remove_file(&file).map_err(|error| unusable(&file, &error))?;
        }
        return Ok(());
    }
    let waiting = staff_of_all
        .into_iter()
        .find(|(_, account)| account.roles.contains(&StaffRole::Administrator));
    let (clinic, email, person) = match (waiting, clinics.into_iter().next()) {
        (Some((clinic, account)), _) => (clinic, account.email, account.id),
        (None, clinic) => {
            let clinic = match clinic {
                Some(clinic) => clinic,
                None => first_clinic(store, &arguments).await?,
            };
            let new = NewAccount {
                email: arguments.administrator.clone(),
                name: "Administrator".to_owned(),
                phone: String::new(),
                roles: vec![StaffRole::Administrator],
            };
            let person = store.create_account(Scope::system(), clinic.id, new).await?;
            (clinic, arguments.administrator, person)
        }
    };
    let link = staff::account_link(store, base, clinic.id, person).await?;
    let until = clinic.zone.long(link.expires_at);
    let text = format!(
        "Nobody has a password yet. The first administrator ({email} of clinic \"{}\") sets one here, once, until \
         {until}:\n{}\n",
        clinic.slug, link.url
    );
    write_private(&file, &text).map_err(|error| unusable(&file, &error))?;
    say(format_args!("{text}(also in {})", file.display()));
    Ok(())
}

async fn first_clinic(store: &Store, arguments: &UpArguments) -> Result<Clinic> {
    clinic::check_slug(&arguments.clinic)?;
    let zone = Zone::named(&arguments.zone).context("--zone")?;
    let new = NewClinic {
        slug: arguments.clinic.clone(),
        name: "Clinic".to_owned(),
        zone,
        phone: arguments.phone.clone(),
    };
    Ok(store.create_clinic(Scope::system(), new).await?)
}

/// The link opens an account: for the owner only, also if the file was there before.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
