//! The one program: API, worker, both together, the demo, and what an operator does by hand.
//!
//! A wrong setting, a port in use, an unreadable folder or an unusable database end it with status 2 and a message that
//! names the setting; anything else that goes wrong, with status 1. It never panics over what an operator wrote.

mod arguments;
mod clock;
mod commands;
mod demo;
mod dry_run_text;
mod keys;
mod logs;
mod mail_now;
mod notify;
mod say;
mod service;
mod settings;
mod timeline_text;
mod wiring;

use std::process::ExitCode;

use anyhow::Result;
use bedside_store::OpenError;
use clap::Parser as _;

use crate::arguments::{Arguments, AuditCommand, ClinicCommand, Command, HealthCommand, StaffCommand};
use crate::settings::{Faults, Settings};

/// Status of a program that was set up wrongly; also clap's for a wrong command line.
const SET_UP_WRONGLY: u8 = 2;

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(status) => status,
        Err(error) => {
            for line in format!("{error:#}").lines() {
                eprintln!("bedside: {line}");
            }
            let set_up_wrongly = error.is::<Faults>() || error.is::<OpenError>();
            ExitCode::from(if set_up_wrongly { SET_UP_WRONGLY } else { 1 })
        }
    }
}

fn start(arguments: Arguments) -> Result<ExitCode> {
    let config = arguments.config.as_deref();
    match arguments.command {
        Command::Settings => return commands::settings::run().map(|()| ExitCode::SUCCESS),
        Command::Demo(demo) => return run(demo::run(demo)),
        Command::Doctor(doctor) => return run(commands::doctor::run(config, doctor)),
        Command::DryRun(dry) => return run(commands::dry_run::run(config, dry)),
        _ => {}
    }
    let settings = Settings::load(config)?;
    logs::to_standard_error(&settings);
    let settings = &settings;
    run(async {
        match arguments.command {
            Command::Api(service) => commands::api::run(settings.clone(), service.development).await,
            Command::Worker(service) => commands::worker::run(settings.clone(), service.development).await,
            Command::Up(up) => commands::up::run(settings.clone(), up).await,
            Command::Migrate => commands::migrate::run(settings).await,
            Command::Clinic(ClinicCommand::Add(add)) => commands::clinic::add(settings, add).await,
            Command::Staff(StaffCommand::Add(add)) => commands::staff::add(settings, add).await,
            Command::Staff(StaffCommand::Deactivate(one)) => {
                commands::staff::set_active(settings, one, false).await
            }
            Command::Staff(StaffCommand::Activate(one)) => {
                commands::staff::set_active(settings, one, true).await
            }
            Command::Staff(StaffCommand::OnCall(list)) => commands::staff::on_call(settings, list).await,
            Command::Timeline(timeline) => commands::timeline::run(settings, timeline).await,
            Command::Audit(AuditCommand::Verify { clinic }) => {
                commands::audit::verify(settings, clinic.as_deref()).await
            }
            Command::Backup(backup) => return commands::backup::run(settings, backup).await,
            Command::Restore(restore) => return commands::restore::run(settings, restore).await,
            Command::Health(HealthCommand::Api { ready }) => {
                return commands::health::api(settings, ready).await;
            }
            Command::Health(HealthCommand::Worker { within }) => {
                return commands::health::worker(settings, within).await;
            }
            // Handled above: they need no settings, or judge them.
            Command::Settings | Command::Demo(_) | Command::Doctor(_) | Command::DryRun(_) => Ok(()),
        }
        .map(|()| ExitCode::SUCCESS)
    })
}

fn run(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
