//! `bedside timeline`: what happened in a session, in order.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use bedside_protocol::time::Zone;
use bedside_store::{Scope, SystemClocks};
use serde_json::Value;

use crate::arguments::TimelineArguments;
use crate::settings::Settings;
use crate::{timeline_text, wiring};

/// Prints the time line.
pub async fn run(settings: &Settings, arguments: TimelineArguments) -> Result<()> {
    let store = wiring::open_store(settings, Arc::new(SystemClocks)).await?;
    let entries = store
        .timeline(Scope::system(), arguments.session)
        .await?
        .context("there is no such session")?;
    if arguments.json {
        let values: Vec<Value> = entries.iter().map(timeline_text::as_json).collect();
        println!("{}", serde_json::to_string_pretty(&values)?);
        return Ok(());
    }
    let zone = store
        .read_session(Scope::system(), arguments.session, |record, _| {
            record.session.planned.zone
        })
        .await?;
    for entry in &entries {
        println!(
            "{}",
            timeline_text::line(entry, zone.unwrap_or(Zone::UTC), &|kind, _| kind.to_owned())
        );
    }
    Ok(())
}
