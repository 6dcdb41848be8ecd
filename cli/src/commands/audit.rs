//! `bedside audit verify`: recomputes the hash chains.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use bedside_store::SystemClocks;

use crate::settings::Settings;
use crate::wiring;

/// Verifies one clinic's chains or all, and fails if one does not hold.
pub async fn verify(settings: &Settings, clinic: Option<&str>) -> Result<()> {
    let store = wiring::open_store(settings, Arc::new(SystemClocks)).await?;
    let clinic = match clinic {
        Some(slug) => Some(
            store
                .find_clinic_by_slug(slug)
                .await?
                .with_context(|| format!("no clinic {slug}"))?
                .id,
        ),
        None => None,
    };
    let report = store.verify_audit(clinic).await?;
    for (chain, (seq, hash)) in &report.heads {
        println!("{chain}  {seq} rows  head {hash}");
    }
    for fault in &report.faults {
        println!("ALTERED  {} row {}: {}", fault.chain, fault.seq, fault.what);
    }
    if !report.faults.is_empty() {
        bail!("{} of {} rows do not hold", report.faults.len(), report.rows);
    }
    println!(
        "All {} rows of {} chains hold. Keep the heads elsewhere: they show a chain that was cut.",
        report.rows,
        report.heads.len()
    );
    Ok(())
}
