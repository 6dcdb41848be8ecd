//! `bedside demo`: one session from its planning to the evening after, played against the real program.
//!
//! Everything is real but the people and the clock: API, worker, SQLite, mails as `.eml` files, HTTP through the same
//! routes as a phone and a browser. The folder is made anew each time; nothing outside it is touched.

mod cast;
mod expectations;
mod facts;
mod forms;
mod http;
mod mails;
mod stage;
mod story;
mod tempo;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bedside_api::passwords::Passwords;
use bedside_protocol::time::Zone;
use bedside_store::{Clocks, NewAccount, NewClinic, Scope, Store, SystemClocks, TimelineEvent};
use tokio::runtime::Handle;

use crate::arguments::DemoArguments;
use crate::clock::FastClock;
use crate::say::say;
use crate::service::{Working, asked_to_stop};
use crate::settings::{Faults, Mode, Settings};
use crate::{keys, logs, timeline_text, wiring};

use self::expectations::{Expectations, Step};
use self::facts::Facts;
use self::mails::Mailboxes;
use self::stage::Stage;
use self::story::{Played, Theatre};
use self::tempo::Tempo;

/// Where the demo listens unless told otherwise.
const USUAL_PORT: u16 = 8080;

/// The worker looks this often, so that a clinical minute (a second of ours) is not half over before it does.
const CYCLE_MS: u64 = 50;

/// Lies in a folder that a demo made, and may be made anew.
const MARK: &str = "made-by-bedside-demo";

/// Sets the stage, plays, and either ends or stays up.
pub async fn run(arguments: DemoArguments) -> Result<ExitCode> {
    say(format_args!(
        "Bedside demo: one session at {} times the speed of life. Everyone in it is invented.",
        arguments.speed
    ));
    make_folder_anew(&arguments.folder)?;
    let listener = bind(arguments.port)?;
    let settings = settings(&arguments.folder, listener.local_addr()?)?;
    logs::to_file(&settings, std::fs::File::create(arguments.folder.join("log"))?);
    let zone = Zone::named(cast::ZONE)?;
    let clock = Arc::new(FastClock::new(SystemClocks.clinical_now(), arguments.speed));
    let stage = Stage::new(Arc::clone(&clock), zone);
    let clocks: Arc<dyn Clocks> = clock;
    let store = wiring::migrate_and_open_store(&settings, clocks).await?;
    say(format_args!(
        "Database: {}",
        arguments.folder.join("bedside.sqlite").display()
    ));
    say(format_args!(
        "Mails:    {}",
        arguments.folder.join("mails").display()
    ));
    enter_cast(&store, zone).await?;

    let app = wiring::app(&settings, store.clone(), true)?;
    let serving = bedside_api::serve(app, listener).await?;
    let working = Working::start(&settings, store.clone())?;
    let base = settings.public_base_url.clone().unwrap_or_default();
    say(format_args!("API:      {base}"));
    introduce_cast();

    let (mailboxes, expectations) = (Mailboxes::default(), Expectations::default());
    let folder = wiring::mail_folder(&settings).context("the demo writes mails to a folder")?;
    let facts = Facts::new(store.clone(), stage.clone());
    let watchers = [
        tokio::spawn(mails::watch(
            folder,
            mailboxes.clone(),
            stage.clone(),
            facts.clone(),
            cast::called,
        )),
        tokio::spawn(facts.clone().watch()),
    ];
    let theatre = Theatre {
        stage: stage.clone(),
        tempo: Tempo::new(stage.clone(), store.clone(), Handle::current()),
        facts,
        runtime: Handle::current(),
        mailboxes,
        expectations: expectations.clone(),
        base: base.clone(),
    };
    // A thread of its own and not the runtime's: when somebody stops the demo, nothing waits for the players.
    let (done, played) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("players".to_owned())
        .spawn(move || {
            let _nobody_waits = done.send(story::play(theatre));
        })?;
    let played = tokio::select! {
        played = played => Some(played.context("the players are gone")?),
        () = asked_to_stop()? => None,
    };
    let status = match played {
        None => ExitCode::SUCCESS,
        Some(played) => {
            stage.clock.set_speed(1);
            let told = close_the_story(&stage, &store, &expectations, played).await?;
            match told {
                Some(played) if !arguments.exit => {
                    go_on_by_hand(&base, &played);
                    asked_to_stop()?.await;
                    ExitCode::SUCCESS
                }
                Some(_) => ExitCode::SUCCESS,
                None => ExitCode::FAILURE,
            }
        }
    };
    for watcher in watchers {
        watcher.abort();
    }
    serving.stop().await;
    working.stop().await;
    say("The demo has ended.");
    Ok(status)
}

/// Removes what an earlier demo left, and nothing else.
fn make_folder_anew(folder: &Path) -> Result<()> {
    let shown = folder.display();
    if folder.exists() {
        let empty = std::fs::read_dir(folder)
            .with_context(|| format!("--folder {shown}"))?
            .next()
            .is_none();
        if !empty && !folder.join(MARK).exists() {
            bail!("--folder {shown} holds something that no demo made; give another folder");
        }
        std::fs::remove_dir_all(folder).with_context(|| format!("--folder {shown} cannot be made anew"))?;
    }
    keys::private_folder(folder).with_context(|| format!("--folder {shown} cannot be made"))?;
    std::fs::write(folder.join(MARK), "").with_context(|| format!("--folder {shown} cannot be written"))
}

/// The port that was asked for; the usual one, or any free one if that is taken.
fn bind(port: Option<u16>) -> Result<TcpListener> {
    let on = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    match port {
        Some(port) => {
            on(port).map_err(|error| Faults::one("--port", format!("{port} cannot be used: {error}")).into())
        }
        None => on(USUAL_PORT)
            .or_else(|_| on(0))
            .context("no port of 127.0.0.1 can be used"),
    }
}

/// The demo's own settings: whatever the environment says about a real installation is left alone.
fn settings(folder: &Path, address: SocketAddr) -> Result<Settings> {
    let given = [
        ("BEDSIDE_DATA_DIR", folder.display().to_string()),
        ("BEDSIDE_LISTEN", address.to_string()),
        ("BEDSIDE_CYCLE_MS", CYCLE_MS.to_string()),
        ("BEDSIDE_MAIL_FROM", "reminders@bedside.example".to_owned()),
        ("BEDSIDE_DRILL", "off".to_owned()),
    ];
    let mut settings = Settings::of_values(given)?.for_service(Mode::Up)?;
    keys::make_missing(&mut settings)?;
    Ok(settings)
}

/// Clinic, staff and on-call list, as `clinic add` and `staff add` make them; the demo sets passwords and PINs itself.
async fn enter_cast(store: &Store, zone: Zone) -> Result<()> {
    let clinic = NewClinic {
        slug: cast::CLINIC.to_owned(),
        name: "Demo clinic".to_owned(),
        zone,
        phone: cast::CLINIC_PHONE.to_owned(),
    };
    let clinic = store.create_clinic(Scope::system(), clinic).await?;
    let passwords = Passwords::new(store.keys().clone());
    let mut on_call = Vec::new();
    for staff in cast::STAFF {
        let new = NewAccount {
            email: staff.email.to_owned(),
            name: staff.name.to_owned(),
            phone: String::new(),
            roles: vec![staff.role],
        };
        let person = store.create_account(Scope::system(), clinic.id, new).await?;
        let (password, pin) = tokio::join!(
            passwords.hash(staff.password.to_owned()),
            passwords.hash(staff.pin.to_owned())
        );
        let failed = || anyhow::anyhow!("a password could not be hashed");
        store
            .set_password_hash(Scope::system(), person, password.map_err(|_| failed())?)
            .await?;
        store
            .set_pin_hash(Scope::system(), person, pin.map_err(|_| failed())?)
            .await?;
        on_call.push((staff.place, person));
    }
    store.set_on_call(Scope::system(), clinic.id, on_call).await?;
    // As housekeeping does every few minutes of a clinic's life, which a short story does not have.
    store.test_on_call().await?;
    Ok(())
}

fn introduce_cast() {
    say("\nJordan is the patient, Sam the sitter. At the clinic:");
    for staff in cast::STAFF {
        say(format_args!("  {:<14} {}", staff.name, staff.place.name()));
    }
}

/// The time line, what else must hold, and the verdict. `None` if something did not happen.
async fn close_the_story(
    stage: &Stage,
    store: &Store,
    expectations: &Expectations,
    played: Result<Played>,
) -> Result<Option<Played>> {
    // What the last steps gave rise to is sent and told before the curtain.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    if let Ok(played) = &played {
        print_timeline(stage, store, expectations, &played.session).await?;
    }
    let unsent = store.count_waiting().await?;
    expectations.check(Step::NothingLeftToSend, unsent == 0);
    let report = store.verify_audit(None).await?;
    expectations.check(Step::AuditVerifies, report.faults.is_empty() && report.rows > 0);

    let missing = expectations.missing();
    for step in &missing {
        stage.note(&format!("DID NOT HAPPEN: {}", step.words()));
    }
    match played {
        Ok(played) if missing.is_empty() => {
            stage.note(&format!(
                "\nAll {} expected steps happened; {} rows of the audit trail verify.",
                Step::ALL.len(),
                report.rows
            ));
            Ok(Some(played))
        }
        Ok(_) => Ok(None),
        Err(error) => {
            stage.note(&format!("The story stopped: {error:#}"));
            Ok(None)
        }
    }
}

/// What must stand in the time line, in this order.
const LANDMARKS: [&str; 12] = [
    "session.planned",
    "sitter.invited",
    "checklist.answered",
    "vitals.measured",
    "dose.unlocked",
    "dose.logged",
    "check_in.answered",
    "duty.missed",
    "case.opened",
    "case.taken",
    "case.resolved",
    "session.released",
];

async fn print_timeline(
    stage: &Stage,
    store: &Store,
    expectations: &Expectations,
    session: &str,
) -> Result<()> {
    let entries = store
        .timeline(Scope::system(), session.parse()?)
        .await?
        .context("the session is gone")?;
    let names = names(store).await?;
    let who = |kind: &str, id: &str| names.get(id).cloned().unwrap_or_else(|| kind.to_owned());
    stage.note("\nThe session's time line (`bedside timeline`), names added for you:\n");
    let mut landmarks = LANDMARKS.iter().peekable();
    for entry in &entries {
        stage.note(&format!("  {}", timeline_text::line(entry, stage.zone, &who)));
        if let TimelineEvent::Fact { action, .. } = &entry.event
            && landmarks.peek().is_some_and(|landmark| *landmark == action)
        {
            landmarks.next();
        }
    }
    expectations.check(Step::TimeLineWhole, landmarks.peek().is_none());
    let missed = entries.iter().filter(|entry| match &entry.event {
        TimelineEvent::Fact { action, detail, .. } => {
            action == "duty.missed" && detail["owed"]["rule"] == "C6"
        }
        TimelineEvent::Message { .. } => false,
    });
    expectations.check(Step::CheckMissed, missed.count() == 1);
    Ok(())
}

/// First names by id.
async fn names(store: &Store) -> Result<std::collections::HashMap<String, String>> {
    let clinic = store
        .find_clinic_by_slug(cast::CLINIC)
        .await?
        .context("the clinic is gone")?;
    let first = |name: &str| name.split(' ').next().unwrap_or(name).to_owned();
    let mut names: std::collections::HashMap<_, _> = store
        .list_staff(clinic.id)
        .await?
        .iter()
        .map(|it| (it.id.to_string(), first(&it.name)))
        .collect();
    for patient in store.list_patients(Scope::system()).await? {
        names.insert(patient.id.to_string(), patient.first_name);
    }
    Ok(names)
}

fn go_on_by_hand(base: &str, played: &Played) {
    say("\nThe clock runs at normal speed now. Go on by hand:");
    say(format_args!("  API documentation       {base}/docs"));
    say(format_args!("  Mails, newest first     {base}/mails"));
    say(format_args!(
        "  Sam's page              {base}{}",
        played.sitter_page
    ));
    say(format_args!(
        "  The closed case's page  {base}{}",
        played.case_page
    ));
    say(format_args!("  The clinic's worklist   {base}/cases"));
    say(
        "  A new case              press \"Something is wrong\" on Sam's page; its page is behind the mail to Nora",
    );
    say(format_args!(
        "Log-ins, of this demo only (clinic \"{}\"):",
        cast::CLINIC
    ));
    say(format_args!(
        "  {:<14} {:<24} {:<24}",
        cast::patient::NAME,
        cast::patient::EMAIL,
        cast::patient::PASSWORD
    ));
    for staff in cast::STAFF {
        say(format_args!(
            "  {:<14} {:<24} {:<24} PIN {}  {}",
            staff.name,
            staff.email,
            staff.password,
            staff.pin,
            staff.place.name()
        ));
    }
    say("Ctrl-C ends the demo.");
}
