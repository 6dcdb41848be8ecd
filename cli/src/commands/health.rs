//! `bedside health`: one look at the part that runs on this host, for a container's health check. An image without a
//! shell has no `curl`.
//!
//! Status 0 is well and 1 is not; nothing else, because Docker keeps 2 for itself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bedside_store::{Clocks as _, Store, SystemClocks};

use crate::say::tell;
use crate::service::host_name;
use crate::settings::Settings;
use crate::{keys, wiring};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// Asks the API of this host.
pub async fn api(settings: &Settings, ready: bool) -> Result<ExitCode> {
    let path = if ready { "/health/ready" } else { "/health/live" };
    Ok(told(
        ask(settings.listen, path).await.map(|()| format!("{path}: well")),
    ))
}

/// Looks for a young heartbeat of a worker of this host.
pub async fn worker(settings: &Settings, within_s: u32) -> Result<ExitCode> {
    Ok(told(look(settings, within_s).await))
}

fn told(outcome: Result<String>) -> ExitCode {
    match outcome {
        Ok(well) => {
            tell!("{well}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bedside: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One request to the API that listens at `listen`, from this host. An error unless it answers 200.
pub async fn ask(listen: SocketAddr, path: &'static str) -> Result<()> {
    let address = SocketAddr::new(own(listen.ip()), listen.port());
    let asked = tokio::task::spawn_blocking(move || {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER_WITHIN))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        let answer = agent.get(format!("http://{address}{path}")).call();
        let status = answer
            .with_context(|| format!("{address} does not answer"))?
            .status();
        ensure!(status.as_u16() == 200, "{path} answers {status}");
        Ok(())
    });
    asked.await?
}

/// A listener on every address is asked on loopback.
fn own(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

async fn look(settings: &Settings, within_s: u32) -> Result<String> {
    let mut store_settings = wiring::store_settings(settings);
    (store_settings.readers, store_settings.writers) = (1, 1);
    let store = Store::open(store_settings, Arc::new(SystemClocks), keys::master(settings)?).await?;
    let host = host_name();
    let beats = store.list_heartbeats().await?;
    let Some(last) = beats.iter().find(|beat| is_of_host(&beat.worker, &host)) else {
        bail!("no worker of this host has completed a cycle yet");
    };
    let age_s = (SystemClocks.machine_now() - last.machine_at).num_seconds();
    ensure!(
        age_s <= i64::from(within_s),
        "the last verified cycle of {} was {age_s} s ago",
        last.worker
    );
    Ok(format!("{} completed a cycle {age_s} s ago", last.worker))
}

/// Whether a worker's name is that of a process of this host: the host's name and the process's number. The name of another
/// host may begin like it.
fn is_of_host(worker: &str, host: &str) -> bool {
    let process = worker.strip_prefix(host).and_then(|rest| rest.strip_prefix('-'));
    process.is_some_and(|process| process.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_of_a_host_with_a_longer_name_is_not_of_this_one() {
        assert!(is_of_host("clinic-71", "clinic"));
        assert!(is_of_host("clinic-1-71", "clinic-1"));
        for other in ["clinic-1-71", "clinic1-71", "clinic-", "clinic", "other-71"] {
            assert!(!is_of_host(other, "clinic"), "{other}");
        }
        assert!(!is_of_host("clinic-10-71", "clinic-1"));
    }
}
