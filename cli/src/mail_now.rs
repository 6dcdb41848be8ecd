//! One mail sent by the command line itself, outside the outbox: a test that says at once what becomes of it.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use bedside_protocol::notice::Notice;
use bedside_store::{Clocks as _, SystemClocks};
use bedside_worker::mail;
use bedside_worker::transport::{CutMark, Outgoing};

use crate::settings::Settings;
use crate::wiring;

/// Renders and sends a mail that holds no link. The error says at which stage it failed, and neither address nor text.
pub async fn send(settings: &Settings, notice: &Notice) -> Result<()> {
    let message_id = format!("<{}@{}>", notice.id, settings.message_id_domain());
    let bytes = mail::render(notice, &wiring::mail_settings(settings)?, &message_id, &|_| {
        String::new()
    })?;
    let outgoing = Outgoing {
        lane: notice.lane,
        message_id,
        to: notice.to.email.clone(),
        bytes: Arc::new(bytes),
        at: notice.not_before,
        machine_at: SystemClocks.machine_now(),
        cut: CutMark::default(),
    };
    let transport = wiring::transport(settings)?;
    let sent = transport.send(&outgoing).await;
    transport.close_idle().await;
    sent.map(|_| ()).map_err(|failure| anyhow!("{failure}"))
}
