//! Requests to the admin API over a real socket.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::node::{TOKEN, World};

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The code of a problem document, with its status; both must agree with its type.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert!(self.head.contains("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status, "{document}");
        (self.status, document["code"].as_str().unwrap().to_owned())
    }
}

impl World {
    pub(crate) async fn raw(&self, request: &str) -> Reply {
        let mut stream = TcpStream::connect(self.api.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..split].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply { status, head, body: bytes[split + 4..].to_vec() }
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Reply {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        self.raw(&format!("{head}content-length: {length}\r\n{headers}\r\n{body}")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &format!("authorization: Bearer {TOKEN}\r\n"), "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        let headers =
            format!("authorization: bearer {TOKEN}\r\ncontent-type: application/json\r\n");
        self.request("POST", path, &headers, &body.to_string()).await
    }

    /// A command without a body, which must be carried out.
    pub(crate) async fn command(&self, path: &str) {
        let reply = self.post(path, &Value::Null).await;
        assert_eq!((reply.status, reply.json()["done"].as_bool()), (200, Some(true)), "{reply:?}");
    }

    /// Asks until the answer is as expected. What is decided elsewhere takes a moment.
    pub(crate) async fn until(&self, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        for _ in 0..2_000 {
            last = self.get(path).await.json();
            if expected(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{path} stays {last}");
    }
}
