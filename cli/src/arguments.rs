//! The command line.

use std::path::PathBuf;

use bedside_protocol::id::SessionId;
use bedside_protocol::people::{OnCallPlace, StaffRole};
use chrono::{NaiveDate, NaiveTime};
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Back end of an at-home protocol companion: schedules, watches over sessions, reminds, and tells the care team.
#[derive(Debug, Parser)]
#[command(name = "bedside", version, propagate_version = true)]
pub struct Arguments {
    /// TOML file with settings; environment variables win. `bedside settings` lists them.
    #[arg(long, global = true, env = "BEDSIDE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play one whole session against the real program, with a fast clock and mails as files.
    Demo(DemoArguments),
    /// API and worker in one process, with SQLite and the key in the data folder.
    Up(UpArguments),
    /// The HTTP interface.
    Api(ServiceArguments),
    /// The watch: due duties, mails, heartbeat. Any number may run.
    Worker(ServiceArguments),
    /// Bring the database to this program's schema.
    Migrate,
    /// Clinics.
    #[command(subcommand)]
    Clinic(ClinicCommand),
    /// Staff and who is on call.
    #[command(subcommand)]
    Staff(StaffCommand),
    /// What happened in a session, in order; ids, no names.
    Timeline(TimelineArguments),
    /// Every duty and message of a session by a version of the protocol, before anybody signs it. Sends nothing.
    DryRun(DryRunArguments),
    /// Check settings, keys, database, clock and mail, and say how to mend what is wrong.
    Doctor(DoctorArguments),
    /// The audit trail.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Copy the SQLite database while the program runs, and check the copy. The master key is not in it.
    Backup(BackupArguments),
    /// Put a backup back where there is no database yet, or only check one.
    Restore(RestoreArguments),
    /// For a container's health check: status 0 if the part that runs here is well, else 1.
    #[command(subcommand)]
    Health(HealthCommand),
    /// Print every setting as a Markdown page.
    Settings,
}

/// Of `demo`.
#[derive(Debug, Args)]
pub struct DemoArguments {
    /// End after the story: status 0 only if every expected step happened.
    #[arg(long)]
    pub exit: bool,
    /// Clinical seconds for each real one, while the story runs.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=120))]
    pub speed: u32,
    /// Port of the API on 127.0.0.1. Without one it is 8080, or any free one if that is taken.
    #[arg(long)]
    pub port: Option<u16>,
    /// Folder of the demo's database, keys and mails. Made anew each time.
    #[arg(long, default_value = "data/demo", value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Of `up`: what its first start makes. Later starts look at none of it.
#[derive(Debug, Args)]
pub struct UpArguments {
    /// Short name of the first clinic.
    #[arg(long, default_value = "clinic")]
    pub clinic: String,
    /// IANA zone of its staff.
    #[arg(long, default_value = "America/New_York")]
    pub zone: String,
    /// Its telephone number, shown on pages.
    #[arg(long, default_value = "+1 555 0100")]
    pub phone: String,
    /// E-mail address of the first administrator: their log-in.
    #[arg(long, default_value = "administrator@localhost", value_name = "ADDRESS")]
    pub administrator: String,
}

/// Of `api` and `worker`.
#[derive(Debug, Args)]
pub struct ServiceArguments {
    /// Fill in what is missing for this machine: mails as files, keys in the data folder, plain http.
    #[arg(long)]
    pub development: bool,
}

/// Of `dry-run`.
#[derive(Debug, Args)]
pub struct DryRunArguments {
    /// A file with a protocol document, or a version that the database has. The one that ships with the program, if absent.
    #[arg(long, value_name = "FILE|VERSION")]
    pub protocol: Option<String>,
    /// Whether people answer.
    #[arg(long, value_enum, default_value_t = DryRunAnswers::None)]
    pub answers: DryRunAnswers,
    /// The session's date; in two weeks, if absent.
    #[arg(long, value_name = "DATE")]
    pub on: Option<NaiveDate>,
    /// Its local time; the first of the dosing hours, if absent.
    #[arg(long, value_name = "TIME")]
    pub time: Option<NaiveTime>,
    /// IANA zone of the patient and the clinic.
    #[arg(long, default_value = "America/New_York")]
    pub zone: String,
    /// As JSON, as the HTTP interface gives it.
    #[arg(long)]
    pub json: bool,
}

/// Whether people answer in a dry run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DryRunAnswers {
    /// Nobody does.
    None,
    /// Everybody does, well and when it is due.
    All,
}

/// Of `clinic`.
#[derive(Debug, Subcommand)]
pub enum ClinicCommand {
    /// Add a clinic.
    Add(ClinicAddArguments),
}

/// Of `clinic add`.
#[derive(Debug, Args)]
pub struct ClinicAddArguments {
    /// Its short name in log-ins: lower-case letters, digits and hyphens.
    pub slug: String,
    /// The name its own people know it by.
    #[arg(long)]
    pub name: String,
    /// IANA zone of its staff, such as America/New_York.
    #[arg(long)]
    pub zone: String,
    /// Its telephone number, shown on pages.
    #[arg(long)]
    pub phone: String,
}

/// Of `staff`.
#[derive(Debug, Subcommand)]
pub enum StaffCommand {
    /// Add a member of staff and print a link by which they set their password and PIN, once.
    Add(StaffAddArguments),
    /// Close somebody's account: they cannot log in or stay logged in, and are told of nothing any more.
    Deactivate(StaffMemberArguments),
    /// Open a closed account again, with the password, PIN and on-call places it had.
    Activate(StaffMemberArguments),
    /// Set the whole on-call list of a clinic. A nurse and a fallback are demanded.
    OnCall(OnCallArguments),
}

/// Of `staff add`.
#[derive(Debug, Args)]
pub struct StaffAddArguments {
    /// The clinic's short name.
    #[arg(long)]
    pub clinic: String,
    /// Full name.
    #[arg(long)]
    pub name: String,
    /// E-mail address: their log-in, and where they are told of cases.
    #[arg(long)]
    pub email: String,
    /// Telephone number.
    #[arg(long, default_value = "")]
    pub phone: String,
    /// What they are; may be given several times.
    #[arg(long = "role", required = true, value_parser = role)]
    pub roles: Vec<StaffRole>,
    /// Also send the link by mail.
    #[arg(long)]
    pub send: bool,
}

/// Of `staff deactivate` and `staff activate`.
#[derive(Debug, Args)]
pub struct StaffMemberArguments {
    /// The clinic's short name.
    #[arg(long)]
    pub clinic: String,
    /// E-mail address: their log-in.
    #[arg(long)]
    pub email: String,
}

/// Of `staff on-call`.
#[derive(Debug, Args)]
pub struct OnCallArguments {
    /// The clinic's short name.
    #[arg(long)]
    pub clinic: String,
    /// PLACE=EMAIL, in the order they are told; places are nurse, backup, after_hours, rota, prescriber, manager,
    /// administrator, coordinator and fallback.
    #[arg(required = true, value_parser = on_call_place)]
    pub places: Vec<(OnCallPlace, String)>,
}

/// Of `timeline`.
#[derive(Debug, Args)]
pub struct TimelineArguments {
    /// The session.
    #[arg(value_parser = session_id)]
    pub session: SessionId,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
}

/// Of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// Send a real test mail to this address.
    #[arg(long, value_name = "ADDRESS")]
    pub mail_to: Option<String>,
    /// Judge as for `--development` instead of production.
    #[arg(long)]
    pub development: bool,
}

/// Of `backup`.
#[derive(Debug, Args)]
pub struct BackupArguments {
    /// The new file, or a folder in which a file named by the time is made. Nothing is overwritten.
    pub to: PathBuf,
}

/// Of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The backup. Without one, the database of DATABASE_URL is meant, put back by PostgreSQL's own tools.
    pub file: Option<PathBuf>,
    /// Only look: file, schema, key, audit trail. Changes nothing.
    #[arg(long)]
    pub check: bool,
    /// Without FILE: also note that nobody watched since, so that a person calls about every running session.
    #[arg(long, conflicts_with_all = ["file", "check"])]
    pub mark: bool,
}

/// Of `health`.
#[derive(Debug, Subcommand)]
pub enum HealthCommand {
    /// Asks the API at LISTEN whether it lives.
    Api {
        /// Ask whether it is ready: also whether somebody watches, mails go out and somebody is on call.
        #[arg(long)]
        ready: bool,
    },
    /// Looks in the database for a verified cycle of a worker of this host.
    Worker {
        /// How old it may be, seconds.
        #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
        within: u32,
    },
}

/// Of `audit`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Recompute the hash chains and say whether anything was altered.
    Verify {
        /// One clinic's chains only.
        #[arg(long)]
        clinic: Option<String>,
    },
}

fn role(text: &str) -> Result<StaffRole, String> {
    let names = || StaffRole::ALL.map(StaffRole::name).join(", ");
    let found = StaffRole::ALL.into_iter().find(|role| role.name() == text);
    found.ok_or_else(|| format!("must be one of {}", names()))
}

fn on_call_place(text: &str) -> Result<(OnCallPlace, String), String> {
    let (place, email) = text.split_once('=').ok_or("must be PLACE=EMAIL")?;
    let found = OnCallPlace::ALL.into_iter().find(|known| known.name() == place);
    let found = found.ok_or_else(|| {
        format!(
            "PLACE must be one of {}",
            OnCallPlace::ALL.map(OnCallPlace::name).join(", ")
        )
    })?;
    Ok((found, email.to_owned()))
}

fn session_id(text: &str) -> Result<SessionId, String> {
    text.parse()
        .map_err(|_| "must be a session's id, a UUID".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn roles_and_places_are_read_by_name_and_wrong_ones_are_told_what_there_is() {
        assert_eq!(role("nurse"), Ok(StaffRole::Nurse));
        assert!(role("doctor").unwrap_err().contains("prescriber"));
        assert_eq!(
            on_call_place("backup=a@b"),
            Ok((OnCallPlace::Backup, "a@b".into()))
        );
        assert_eq!(
            on_call_place("after_hours=a@b"),
            Ok((OnCallPlace::AfterHours, "a@b".into()))
        );
        assert!(on_call_place("janitor=a@b").unwrap_err().contains("fallback"));
    }
}
