//! A client that costs little: one request, written again and again on connections that stay open.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A connection that stays open.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers, as they came.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            buffer: Vec::with_capacity(64 * 1024),
        }
    }

    /// Sends a whole request and reads its answer, which must say its length.
    pub async fn call(&mut self, request: &[u8]) -> Reply {
        self.stream
            .write_all(request)
            .await
            .expect("a request to be written");
        self.buffer.clear();
        let head_ends = loop {
            if let Some(at) = self.buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            self.read().await;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_ends]).into_owned();
        let length: usize = head
            .lines()
            .find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            })
            .expect("an answer that says its length");
        while self.buffer.len() < head_ends + length {
            self.read().await;
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Reply {
            status: status.expect("a status line"),
            body: self.buffer[head_ends..head_ends + length].to_vec(),
            head,
        }
    }

    async fn read(&mut self) {
        let read = self.stream.read_buf(&mut self.buffer).await.expect("an answer");
        assert_ne!(
            read,
            0,
            "the server closed: {}",
            String::from_utf8_lossy(&self.buffer)
        );
    }
}

/// A request as it goes over the wire.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: bench\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        ));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// Sends `request` on so many connections, each as soon as its last answer came, for so long. Answers a second.
pub async fn rate(address: SocketAddr, request: &[u8], connections: usize, run_for: Duration) -> f64 {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let request = request.to_vec();
        clients.spawn(async move {
            let mut connection = Connection::open(address).await;
            let mut answers = 0_u32;
            while start.elapsed() < run_for {
                assert_eq!(connection.call(&request).await.status, 200);
                answers += 1;
            }
            answers
        });
    }
    let mut answers = 0_u32;
    while let Some(joined) = clients.join_next().await {
        answers += joined.expect("a client");
    }
    f64::from(answers) / start.elapsed().as_secs_f64()
}
