//! The process: when it started and how much memory it holds, under the names every Prometheus library gives them.

use bedside_protocol::time::Instant;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    started_at_ms: i64,
}

impl Process {
    pub(super) fn started_at(at: Instant) -> Self {
        Self {
            started_at_ms: at.timestamp_millis(),
        }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let started_at_s = self.started_at_ms.div_euclid(1_000);
        encoder
            .encode_descriptor(
                "process_start_time",
                "When the process began to export, seconds since 1970",
                Some(&Unit::Seconds),
                MetricType::Gauge,
            )?
            .encode_gauge(&started_at_s)?;
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(bytes) = resident_bytes(&status) {
            encoder
                .encode_descriptor(
                    "process_resident_memory",
                    "Memory the process holds",
                    Some(&Unit::Bytes),
                    MetricType::Gauge,
                )?
                .encode_gauge(&bytes)?;
        }
        Ok(())
    }
}

/// The resident set of proc(5)'s `status`; `None` where there is no such file.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_read_in_bytes() {
        let status = "Name:\tbedside\nVmHWM:\t   20000 kB\nVmRSS:\t   12345 kB\n";
        assert_eq!(resident_bytes(status), Some(12_345 * 1_024));
        assert_eq!(resident_bytes("Name:\tbedside\n"), None);
    }
}
