//! The documents that a gateway answers: what an answer holds, and what the admin API shows.

use std::io::Read;

use serde_json::Value;

use crate::wire::{Connection, Gateway, Message, SECRET};

/// The status and the document of an answer.
pub(crate) fn read(answer: &Message) -> (u16, Value) {
    let document = serde_json::from_slice(&answer.body);
    (answer.status(), document.unwrap_or_else(|_| panic!("{answer:?}")))
}

/// The document that the admin API has at a path.
pub(crate) fn get(gateway: &Gateway, path: &str) -> Value {
    let mut connection = ask(gateway, path, "");
    read(&connection.message().expect("an answer")).1
}

/// The documents that it has there, one a line.
pub(crate) fn lines(gateway: &Gateway, path: &str) -> Vec<Value> {
    let mut connection = ask(gateway, path, "connection: close\r\n");
    let mut answer = String::new();
    connection.stream.read_to_string(&mut answer).unwrap();
    let lines = answer.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{answer}"))).collect()
}

fn ask(gateway: &Gateway, path: &str, headers: &str) -> Connection {
    let token = format!("authorization: Bearer whsec_SPRAG_ADMIN_TOKEN{SECRET}");
    let mut connection = Connection::to(gateway.running.admin);
    connection
        .send(format!("GET {path} HTTP/1.1\r\nhost: sprag\r\n{token}\r\n{headers}\r\n").as_bytes());
    connection
}
