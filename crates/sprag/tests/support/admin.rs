//! Questions to the admin API of a running binary.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

/// The token and the variable it is given in.
pub(crate) const TOKEN: &str = "a token of this test and no other";
pub(crate) const VARIABLE: &str = "SPRAG_ADMIN_TOKEN";

/// The status and the document of an answer; null when it is none.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> (u16, Value) {
    let length = body.len();
    let head = format!(
        "host: sprag\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {length}"
    );
    let mut stream = TcpStream::connect(at).unwrap();
    stream
        .write_all(format!("{method} {path} HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_default())
}
