//! A small, fast SMTP server that takes every mail and counts Message-IDs: the same for all who are measured, in a
//! process of its own. It offers PIPELINING, as every relay of today does.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What came in since the last clearing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub mails: u64,
    pub distinct: u64,
}

/// The sink's process, seen from the benchmark.
pub struct Sink {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub port: u16,
}

impl Sink {
    /// Starts this same program as a sink.
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut child = Command::new(program)
            .arg("--sink")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sink");
        let commands = child.stdin.take().expect("its stdin");
        let mut answers = BufReader::new(child.stdout.take().expect("its stdout"));
        let port = read_line(&mut answers).parse().expect("a port");
        Self {
            child,
            commands,
            answers,
            port,
        }
    }

    /// Forgets what came in; from now on the answer to a final dot takes so long.
    pub fn clear(&mut self, delay: Duration) {
        self.ask(&format!("clear {}", delay.as_millis()));
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn count(&mut self) -> Count {
        let answer = self.ask("count");
        let mut numbers = answer.split(' ').map(|it| it.parse().expect("a number"));
        let mut next = || numbers.next().expect("two numbers");
        Count {
            mails: next(),
            distinct: next(),
        }
    }

    fn ask(&mut self, command: &str) -> String {
        writeln!(self.commands, "{command}").expect("the sink listens");
        read_line(&mut self.answers)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn read_line(from: &mut impl std::io::BufRead) -> String {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    line.trim_end().to_owned()
}

#[derive(Default)]
struct Seen {
    delay_ms: AtomicU64,
    mails: AtomicU64,
    ids: Mutex<HashSet<Vec<u8>>>,
}

/// The sink itself: a thread for each connection; commands on stdin.
pub fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    println!("{}", listener.local_addr().expect("its address").port());
    let seen = Arc::new(Seen::default());
    let counted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || converse(stream, &seen));
        }
    });
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a command");
        if let Some(delay) = line.strip_prefix("clear ") {
            counted
                .delay_ms
                .store(delay.parse().expect("milliseconds"), Ordering::SeqCst);
            counted.mails.store(0, Ordering::SeqCst);
            counted.ids.lock().expect("the ids").clear();
            println!("cleared");
        } else {
            let distinct = counted.ids.lock().expect("the ids").len();
            println!("{} {distinct}", counted.mails.load(Ordering::SeqCst));
        }
    }
}

/// One conversation, until the client leaves. An error of the connection ends it.
fn converse(mut stream: TcpStream, seen: &Seen) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    stream.write_all(b"220 sink ESMTP\r\n").ok()?;
    let (mut unread, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
        unread.extend_from_slice(&piece[..length]);
        let mut answers = Vec::new();
        while let Some(end) = unread.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_slice() {
                b"EHLO" => answers.extend_from_slice(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n"),
                b"QUIT" => return stream.write_all(b"221 bye\r\n").ok(),
                b"DATA" => {
                    answers.extend_from_slice(b"354 go\r\n");
                    stream.write_all(&answers).ok()?;
                    answers.clear();
                    while !unread.ends_with(b"\r\n.\r\n") {
                        let length = stream.read(&mut piece).ok().filter(|length| *length > 0)?;
                        unread.extend_from_slice(&piece[..length]);
                    }
                    take(&unread, seen);
                    unread.clear();
                    answers.extend_from_slice(b"250 2.0.0 taken\r\n");
                }
                _ => answers.extend_from_slice(b"250 2.0.0 ok\r\n"),
            }
        }
        if !answers.is_empty() {
            stream.write_all(&answers).ok()?;
        }
    }
}

fn take(mail: &[u8], seen: &Seen) {
    let delay_ms = seen.delay_ms.load(Ordering::Relaxed);
    if delay_ms > 0 {
        std::thread::sleep(Duration::from_millis(delay_ms));
    }
    let id = mail
        .split(|&byte| byte == b'\n')
        .take_while(|line| line.len() > 1)
        .find_map(|line| {
            let (name, id) = line.split_at_checked(11)?;
            name.eq_ignore_ascii_case(b"message-id:")
                .then(|| id.trim_ascii().to_vec())
        });
    seen.ids.lock().expect("the ids").insert(id.unwrap_or_default());
    seen.mails.fetch_add(1, Ordering::SeqCst);
}
