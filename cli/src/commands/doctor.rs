//! `bedside doctor`: looks at everything a start needs, says of each thing whether it is well, and if not, how to mend
//! it. Ends with status 1 if something is not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use bedside_protocol::duty::Lane;
use bedside_protocol::id::{NoticeId, PersonId};
use bedside_protocol::notice::{About, Message, Notice, Recipient, Who};
use bedside_protocol::time::{Instant, Zone};
use bedside_store::{Clocks as _, Keys, OpenError, Store, SystemClocks};

use crate::arguments::DoctorArguments;
use crate::commands::staff::fresh_id;
use crate::say::tell;
use crate::settings::{MailRoute, Mode, Settings};
use crate::{keys, logs, mail_now, wiring};

/// The program cannot be older than this, so a clock that says less is wrong.
const BUILT_AFTER: &str = "2026-11-01T00:00:00Z";

/// A worker whose last verified cycle is older is not watching, seconds (the gate locks the dose after 120).
const WATCH_SILENT_MAX_S: i64 = 60;

/// The lines of the report.
#[derive(Default)]
struct Report {
    looked_at: u32,
    wrong: u32,
}

impl Report {
    fn well(&mut self, what: &str, found: &str) {
        self.looked_at += 1;
        tell!("ok     {what:<10} {found}");
    }

    fn note(&mut self, what: &str, found: &str) {
        self.looked_at += 1;
        tell!("note   {what:<10} {found}");
    }

    fn wrong(&mut self, what: &str, found: &str, mend: &str) {
        self.looked_at += 1;
        self.wrong += 1;
        tell!("WRONG  {what:<10} {found}");
        tell!("       {:<10} {mend}", "");
    }
}

/// Looks at everything.
pub async fn run(config: Option<&Path>, arguments: DoctorArguments) -> Result<ExitCode> {
    let mut report = Report::default();
    if let Some(settings) = look_at_settings(&mut report, config, arguments.development) {
        logs::to_standard_error(&settings);
        look_at_files(&mut report, &settings);
        look_at_clock(&mut report).await;
        look_at_database(&mut report, &settings).await;
        look_at_mail(&mut report, &settings, arguments.mail_to).await;
    }
    if report.wrong == 0 {
        tell!("All is well.");
        return Ok(ExitCode::SUCCESS);
    }
    tell!(
        "{} of {} things are to be mended.",
        report.wrong,
        report.looked_at
    );
    Ok(ExitCode::FAILURE)
}

fn look_at_settings(report: &mut Report, config: Option<&Path>, development: bool) -> Option<Settings> {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(faults) => {
            for fault in faults.0 {
                report.wrong(
                    "settings",
                    &fault.to_string(),
                    "`bedside settings` lists every setting and its form",
                );
            }
            return None;
        }
    };
    // Without a public URL on loopback it is `up` on somebody's own machine.
    let mode = match (
        development,
        settings.public_base_url.is_none() && settings.listens_on_loopback(),
    ) {
        (true, _) => Mode::Development,
        (false, true) => Mode::Up,
        (false, false) => Mode::Production,
    };
    match settings.clone().for_service(mode) {
        Ok(settings) => {
            let base = settings.public_base_url.as_deref().unwrap_or_default();
            report.well(
                "settings",
                &format!("good for {}; links begin with {base}", mode.name()),
            );
            Some(settings)
        }
        Err(faults) => {
            for fault in faults.0 {
                report.wrong(
                    "settings",
                    &fault.to_string(),
                    "set it in the environment or in the file of --config",
                );
            }
            Some(settings)
        }
    }
}

fn look_at_files(report: &mut Report, settings: &Settings) {
    match keys::master(settings) {
        Ok(_) => report.well("key", "MASTER_KEY is a key"),
        Err(faults) => report.wrong(
            "key",
            &faults.to_string(),
            "start `bedside up` once, or set one: head -c 32 /dev/urandom | base64",
        ),
    }
    let made = keys::made_key_path(&settings.data_dir, "MASTER_KEY");
    let folder = (settings.data_dir.clone(), 0o700);
    let key = made.map(|path| (path, 0o600));
    let database = wiring::store_settings(settings).sqlite_path().ok().flatten();
    let database = database.map(|path| (path, 0o600));
    for (path, wanted) in std::iter::once(folder)
        .chain(key)
        .chain(database)
        .filter(|(path, _)| path.exists())
    {
        let shown = path.display();
        match std::fs::metadata(&path) {
            Ok(found) if found.permissions().mode().trailing_zeros() >= 6 => {
                report.well("files", &format!("{shown} is its owner's only"));
            }
            Ok(found) => {
                let mode = found.permissions().mode() & 0o777;
                report.wrong(
                    "files",
                    &format!("{shown} has mode {mode:o}: others may look"),
                    &format!("chmod {wanted:o} {shown}"),
                );
            }
            Err(error) => report.wrong(
                "files",
                &format!("{shown}: {error}"),
                "make it readable for this user",
            ),
        }
    }
}

async fn look_at_clock(report: &mut Report) {
    let built_after: Option<Instant> = BUILT_AFTER.parse().ok();
    let first = SystemClocks.machine_now();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let passed_ms = (SystemClocks.machine_now() - first).num_milliseconds();
    let mend = "set the machine's clock and keep it with NTP (chrony, systemd-timesyncd)";
    if built_after.is_some_and(|built_after| first < built_after) {
        report.wrong("clock", &format!("{first} is before this program was made"), mend);
    } else if !(150..2_000).contains(&passed_ms) {
        report.wrong("clock", &format!("it moved {passed_ms} ms in 200 ms"), mend);
    } else if Zone::named("America/New_York").is_err() {
        report.wrong("clock", "the time zones are missing", "build the program again");
    } else {
        report.well("clock", &format!("{}", first.format("%Y-%m-%d %H:%M:%S UTC")));
    }
}

async fn look_at_database(report: &mut Report, settings: &Settings) {
    let store_settings = wiring::store_settings(settings);
    let opened = match keys::master(settings) {
        Ok(keys) => Store::open(store_settings, Arc::new(SystemClocks), keys)
            .await
            .map(Some),
        // Without the key it can still be seen whether it is there and migrated.
        Err(_) => Store::check_schema(&store_settings).await.map(|()| None),
    };
    match opened {
        Ok(Some(store)) => look_into_store(report, &store).await,
        Ok(None) => report.note("database", "open and migrated; not looked into: there is no key"),
        Err(error) => {
            let mend = match &error {
                OpenError::MissingMigrations(_) | OpenError::NoDatabase { .. } => "run `bedside migrate`",
                OpenError::NewerSchema { .. } => {
                    "run the newer program, or restore the backup from before it"
                }
                OpenError::WrongKey => "set the MASTER_KEY this database was made with",
                OpenError::Unreachable { .. } => {
                    "start the server, and check host, user and password in DATABASE_URL"
                }
                OpenError::Unwritable { .. } => {
                    "make folder and file writable for this user, on a local disk"
                }
                _ => "set DATABASE_URL",
            };
            report.wrong("database", &error.to_string(), mend);
        }
    }
}

async fn look_into_store(report: &mut Report, store: &Store) {
    report.well(
        "database",
        &format!("{}: open, migrated, and its key is right", store.engine().name()),
    );
    match store.watch_health().await {
        Ok(health) => match health.silent_for {
            Some(silent) if silent.num_seconds() <= WATCH_SILENT_MAX_S => {
                report.well(
                    "watch",
                    &format!("a worker completed a cycle {} s ago", silent.num_seconds()),
                );
            }
            Some(silent) => report.note(
                "watch",
                &format!("no worker for {} min; doses stay locked", silent.num_minutes()),
            ),
            None => match store.list_heartbeats().await.unwrap_or_default().first() {
                None => report.note("watch", "no worker has run yet; doses stay locked until one does"),
                Some(beat) => report.wrong(
                    "watch",
                    &format!(
                        "the last worker's clock is {} s ahead of this machine's; doses stay locked",
                        (beat.machine_at - store.clocks().machine_now()).num_seconds()
                    ),
                    "keep all machines' clocks with NTP",
                ),
            },
        },
        Err(error) => report.wrong("watch", &error.to_string(), "see the log"),
    }
    match store.list_clinics().await {
        Ok(clinics) if clinics.is_empty() => report.note("clinics", "none yet: `bedside clinic add`"),
        Ok(clinics) => {
            for clinic in clinics {
                match store.list_on_call(clinic.id).await {
                    Ok(list) if list.is_empty() => report.wrong(
                        "on call",
                        &format!("{}: nobody is on call", clinic.slug),
                        &format!(
                            "bedside staff on-call --clinic {} nurse=… backup=… fallback=…",
                            clinic.slug
                        ),
                    ),
                    Ok(list) => report.well(
                        "on call",
                        &format!("{}: {} places are filled", clinic.slug, list.len()),
                    ),
                    Err(error) => report.wrong("on call", &error.to_string(), "see the log"),
                }
            }
        }
        Err(error) => report.wrong("clinics", &error.to_string(), "see the log"),
    }
}

async fn look_at_mail(report: &mut Report, settings: &Settings, mail_to: Option<String>) {
    let route = match &settings.mail {
        Some(MailRoute::Folder(path)) => format!("files in {}", path.display()),
        Some(MailRoute::Smtp(relay)) => format!("{} port {}, {:?}", relay.host, relay.port, relay.security),
        None => return report.note("mail", "not looked at: MAIL is missing"),
    };
    let Some(mail_to) = mail_to else {
        return report.note("mail", &format!("{route}; not tried: give --mail-to ADDRESS"));
    };
    match send_test(settings, mail_to).await {
        Ok(()) => report.well(
            "mail",
            &format!("{route}; a test mail was accepted. See that it arrives, and not as spam"),
        ),
        Err(error) => report.wrong(
            "mail",
            &format!("{route}; the test mail failed: {error:#}"),
            "check MAIL, SMTP_PASSWORD, MAIL_FROM and the relay's own log",
        ),
    }
}

async fn send_test(settings: &Settings, email: String) -> Result<()> {
    let now = SystemClocks.machine_now();
    let keys = Keys::from_master([0; 32]);
    let (id, person): (NoticeId, PersonId) = (fresh_id(&keys, now), fresh_id(&keys, now));
    let notice = Notice {
        id,
        key: format!("test:{id}"),
        lane: Lane::Session,
        to: Recipient {
            who: Who::Staff(person),
            email,
        },
        about: About::Information,
        message: Message::Test {
            at: now,
            zone: Zone::UTC,
        },
        not_before: now,
        stale_after: None,
        thread: None,
    };
    mail_now::send(settings, &notice).await
}
