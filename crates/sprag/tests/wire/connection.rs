//! One connection, of a provider or a consumer, as bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Nothing that is expected takes longer, on a busy machine either.
const PATIENCE: Duration = Duration::from_secs(20);

/// A head and the body it declares: a request or an answer.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) start: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    fn of(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default().to_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        Self { start, headers: lines.filter_map(header).collect(), body: Vec::new() }
    }

    /// A header that occurs at most once; empty when absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(known, _)| known == name);
        let value = values.next().map_or("", |(_, value)| value);
        assert!(values.next().is_none(), "{name} occurs twice: {self:?}");
        value
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

/// A connection and what of it was read too far.
pub(crate) struct Connection<Stream = TcpStream> {
    pub(crate) stream: Stream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::new(stream)
    }
}

impl<Stream: Read + Write> Connection<Stream> {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next message with its body; none when the connection ends before.
    pub(crate) fn message(&mut self) -> Option<Message> {
        let head = self.head()?;
        self.body(head)
    }

    /// A message of which the head was read.
    pub(crate) fn body(&mut self, mut message: Message) -> Option<Message> {
        let length = message.header("content-length").parse().unwrap_or(0);
        while self.buffer.len() < length {
            self.read_more()?;
        }
        message.body = self.buffer.drain(..length).collect();
        Some(message)
    }

    /// The next message's head only.
    pub(crate) fn head(&mut self) -> Option<Message> {
        loop {
            let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Some(Message::of(&String::from_utf8_lossy(&head)));
            }
            self.read_more()?;
        }
    }

    /// Whether the other side closes without another byte.
    pub(crate) fn ends(&mut self) -> bool {
        self.buffer.is_empty() && self.read_more().is_none()
    }

    fn read_more(&mut self) -> Option<()> {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => None,
            Ok(read) => {
                self.buffer.extend_from_slice(&piece[..read]);
                Some(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came for {PATIENCE:?}; before: {:?}", self.buffer)
            }
            Err(_) => None,
        }
    }
}
