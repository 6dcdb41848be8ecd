//! `bedside dry-run`: what a session by a version of the protocol would ask and send.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bedside_api::views::DryRunView;
use bedside_protocol::document::{ProtocolDocument, read};
use bedside_protocol::dry_run::{self, Answers, Plan};
use bedside_protocol::time::Zone;
use bedside_store::SystemClocks;
use chrono::Days;

use crate::arguments::{DryRunAnswers, DryRunArguments};
use crate::settings::Settings;
use crate::{dry_run_text, wiring};

/// Days ahead of a session that is played without a date.
const PLAYED_IN_DAYS: u64 = 14;

/// Prints the dry run. Needs settings only for a version out of the database.
pub async fn run(config: Option<&Path>, arguments: DryRunArguments) -> Result<ExitCode> {
    let Ok(zone) = Zone::named(&arguments.zone) else {
        bail!("--zone {}: there is no such zone", arguments.zone)
    };
    let document = document(config, arguments.protocol.as_deref()).await?;
    let today = zone.date_of(bedside_store::Clocks::clinical_now(&SystemClocks));
    let on = arguments.on.unwrap_or(today + Days::new(PLAYED_IN_DAYS));
    let usual = Plan::usual(&document, zone, on);
    let plan = Plan {
        time: arguments.time.unwrap_or(usual.time),
        ..usual
    };
    let answers = match arguments.answers {
        DryRunAnswers::None => Answers::None,
        DryRunAnswers::All => Answers::All,
    };
    let words = dry_run_text::example_words(&document)?;
    let played = dry_run::run(&document, plan, answers);
    if arguments.json {
        let view = DryRunView::of(&played, Some(&words));
        println!("{}", serde_json::to_string_pretty(&view)?);
    } else {
        print!("{}", dry_run_text::of(&played, &document, &words));
    }
    Ok(ExitCode::SUCCESS)
}

async fn document(config: Option<&Path>, named: Option<&str>) -> Result<Arc<ProtocolDocument>> {
    let Some(named) = named else {
        return Ok(Arc::new(ProtocolDocument::shipped()?));
    };
    if Path::new(named).is_file() {
        let text = std::fs::read_to_string(named).with_context(|| format!("{named} cannot be read"))?;
        let value = serde_json::from_str(&text).with_context(|| format!("{named} is not JSON"))?;
        return match read(&value) {
            Ok(document) => Ok(Arc::new(document)),
            Err(faults) => {
                let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
                bail!("{named} is no protocol document:\n{}", lines.join("\n"))
            }
        };
    }
    let settings = Settings::load(config)?;
    let store = wiring::open_store(&settings, Arc::new(SystemClocks)).await?;
    let found = store.protocol_document(named.to_owned()).await?;
    found.with_context(|| format!("there is no file and no version {named}"))
}
