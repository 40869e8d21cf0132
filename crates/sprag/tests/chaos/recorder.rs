//! A target that writes down what comes, byte for byte, and answers the same to everything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// With its empty line.
    pub(crate) head: String,
    pub(crate) body: String,
}

pub(crate) struct Recorder {
    pub(crate) address: String,
    came: Arc<Mutex<Vec<Recorded>>>,
}

impl Recorder {
    pub(crate) fn answering(answer: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let came = Arc::<Mutex<Vec<Recorded>>>::default();
        let record = came.clone();
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let record = record.clone();
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    while let Some(request) = read(&mut reader) {
                        record.lock().unwrap().push(request);
                        reader.get_mut().write_all(answer.as_bytes()).unwrap();
                    }
                });
            }
        });
        Self { address, came }
    }

    pub(crate) fn start() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    }

    /// What came since this was asked last.
    pub(crate) fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.came.lock().unwrap())
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.take().into_iter().map(|request| request.body).collect()
    }

    /// Waits until so many came; the test runner's own limit ends a wait in vain.
    pub(crate) fn wait_for(&self, count: usize) {
        while self.came.lock().unwrap().len() < count {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Recorded> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Recorded { head, body: String::from_utf8(body).unwrap() })
}

/// A sender with one connection.
pub(crate) struct Sender(BufReader<TcpStream>);

impl Sender {
    pub(crate) fn to(address: &str) -> Self {
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }

    /// Sends raw bytes; the head and body of the answer.
    pub(crate) fn send(&mut self, request: &str) -> Recorded {
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        read(&mut self.0).expect("an answer")
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Recorded {
        let length = body.len();
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }
}
