//! The real worker over a world, sending to a mail server on loopback.

use std::net::SocketAddr;

use bedside_worker::smtp::{Security, SmtpSettings, StageTimeouts};
use bedside_worker::{MailSettings, Transport, Worker, WorkerSettings};

use crate::world::World;

/// A worker that sends to the server at `relay`.
pub fn worker(world: &World, relay: SocketAddr) -> Worker {
    let smtp = SmtpSettings {
        host: relay.ip().to_string(),
        port: relay.port(),
        security: Security::PlainInsecure,
        username: None,
        password: None,
        hello_name: "bedside.test".to_owned(),
        extra_root_certificates_pem: None,
        timeouts: StageTimeouts::default(),
    };
    let mail = MailSettings::new(
        "Care messages",
        "care@bedside.test",
        "bedside.test",
        "https://bedside.test",
        "911",
    );
    let settings = WorkerSettings::new(mail.expect("mail settings"));
    Worker::new(
        world.store.clone(),
        Transport::smtp(smtp, "care@bedside.test"),
        settings,
        "bench",
    )
}
