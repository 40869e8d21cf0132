//! A server that answers every request as its test says, over connections that are kept.

use std::io::Write;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::wire::{Connection, Message};

/// What is answered.
pub(crate) enum Reply {
    /// A status, header lines (`name: value\r\n` each) and a body.
    Answer(u16, String, Vec<u8>),
    /// A head and then spaces without end, until the other side goes.
    Endless,
    /// Bytes, and the end of the connection.
    Cut(Vec<u8>),
}

impl Reply {
    pub(crate) fn json(text: impl Into<String>) -> Self {
        Self::Answer(200, String::new(), text.into().into_bytes())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Answer(status, String::new(), Vec::new())
    }
}

/// The server and what it was sent.
#[derive(Clone)]
pub(crate) struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Message>>>,
    /// Connections so far.
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Server {
    /// Starts it. It ends with the process of the test.
    pub(crate) fn start(answer: impl Fn(&Message) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, requests: Arc::default(), connections: Arc::default() };
        let (known, answer) = (server.requests.clone(), Arc::new(answer));
        let connections = server.connections.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (known, answer) = (known.clone(), answer.clone());
                thread::spawn(move || serve(Connection::new(stream), &known, &*answer));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests so far, in the order they came.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut connection: Connection,
    known: &Mutex<Vec<Message>>,
    answer: &dyn Fn(&Message) -> Reply,
) {
    while let Some(request) = connection.message() {
        known.lock().unwrap().push(request.clone());
        match answer(&request) {
            Reply::Answer(status, headers, body) => {
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} As told\r\ncontent-length: {length}\r\n{headers}\r\n"
                );
                let bytes = [head.into_bytes(), body].concat();
                // Whoever asked may have gone.
                if connection.stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            Reply::Endless => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
                let spaces = [b' '; 16 * 1024];
                let mut sent = connection.stream.write_all(head.as_bytes());
                while sent.is_ok() {
                    sent = connection.stream.write_all(&spaces);
                }
                return;
            }
            Reply::Cut(bytes) => {
                let _ = connection.stream.write_all(&bytes);
                return;
            }
        }
    }
}
