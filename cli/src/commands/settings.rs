//! `bedside settings`: the page in `docs/settings.md`.

use std::io::Write as _;

use anyhow::Result;

use crate::settings::table;

/// Prints the page.
pub fn run() -> Result<()> {
    std::io::stdout().write_all(table::markdown().as_bytes())?;
    Ok(())
}
