//! What a mail costs: processor time of this program, of PostgreSQL and of the sink, and bytes of PostgreSQL's log.

use std::fs;

use bedside_benches::server::Server;
use bedside_store::raw::Raw;

use crate::sink::Sink;

/// Ticks of the processor times in `/proc`, in one second.
const TICKS_A_SECOND: f64 = 100.0;

/// What had been spent at one moment. Ticks and bytes.
#[derive(Clone, Copy)]
pub struct Costs {
    ours: u64,
    server: u64,
    sink: u64,
    log_bytes: u64,
}

impl Costs {
    /// What has been spent until now.
    pub fn now(server: &Server, sink: &Sink) -> Self {
        let log_bytes = Raw::connect(&server.url("postgres"))
            .expect("a connection")
            .texts("SELECT CAST(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS TEXT) AS value")
            .expect("the end of the log")[0]
            .parse()
            .expect("a number");
        Self {
            ours: Times::of(std::process::id()).own,
            server: of_family(server.id()),
            sink: Times::of(sink.id()).own,
            log_bytes,
        }
    }

    /// Says what each of `mails` cost since.
    #[expect(clippy::cast_precision_loss, reason = "far less than 2^52 of anything")]
    pub fn print_each(self, mails: usize, server: &Server, sink: &Sink) {
        let (now, mails) = (Self::now(server, sink), mails as f64);
        let microseconds = |from: u64, to: u64| to.saturating_sub(from) as f64 / TICKS_A_SECOND * 1e6 / mails;
        println!(
            "  each: program {:.0} us, PostgreSQL {:.0} us and {:.0} bytes of log, sink {:.0} us",
            microseconds(self.ours, now.ours),
            microseconds(self.server, now.server),
            now.log_bytes.saturating_sub(self.log_bytes) as f64 / mails,
            microseconds(self.sink, now.sink),
        );
    }
}

/// Processor times of a process, ticks.
#[derive(Default)]
struct Times {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Times {
    /// Zero of a process that is gone.
    fn of(process: u32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // The name before it may hold spaces. From here: state, parent, and from the twelfth on the times.
        let Some((_, fields)) = stat.rsplit_once(')') else {
            return Self::default();
        };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let number = |index: usize| -> u64 { fields.get(index).and_then(|it| it.parse().ok()).unwrap_or(0) };
        Self {
            parent: u32::try_from(number(1)).unwrap_or(0),
            own: number(11) + number(12),
            ended_children: number(13) + number(14),
        }
    }
}

/// A process with its children.
fn of_family(process: u32) -> u64 {
    let head = Times::of(process);
    let children = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(Times::of)
        .filter(|child| child.parent == process);
    head.own + head.ended_children + children.map(|child| child.own).sum::<u64>()
}
