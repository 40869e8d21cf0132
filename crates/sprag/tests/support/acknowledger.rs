//! How the consumer says by a request that it is done with an event it accepted with 202: early, late
//! or never, and what it is told.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::consumer::{Arrival, Consumer, EXPLICIT, Reaction};
use crate::support::dice::Dice;

/// The token of its destination and the variable it is given in.
pub(crate) const TOKEN: &str = "a token of the queue in this test and no other";
pub(crate) const VARIABLE: &str = "QUEUE_TOKEN";

/// Of a thousand events, so many are acknowledged before their answer, and so many never.
const EARLY: usize = 100;
const NEVER: usize = 8;
/// The longest that it takes, in milliseconds.
const LONGEST: usize = 40;
/// A gateway that does not answer was killed.
const ANSWER: Duration = Duration::from_secs(10);

/// When it says so.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Plan {
    Early,
    Late(Duration),
    Never,
}

pub(crate) fn plan(dice: &mut Dice) -> Plan {
    match dice.below(1000) {
        0..EARLY => Plan::Early,
        chance if chance < EARLY + NEVER => Plan::Never,
        _ => {
            let millis = u64::try_from(dice.below(LONGEST)).expect("a few milliseconds");
            Plan::Late(Duration::from_millis(millis))
        }
    }
}

/// Says so; judged acknowledged before the request leaves, and not if it is refused.
pub(crate) async fn acknowledge(consumer: Consumer, arrival: Arrival, plan: Plan) {
    if let Plan::Late(after) = plan {
        tokio::time::sleep(after).await;
    }
    let Some(gateway) = consumer.gateway() else { return };
    let id = arrival.headers["webhook-id"].to_str().expect("an id").to_owned();
    consumer.note(Arrival { reaction: Reaction::Request, ..arrival.clone() });
    let body = json!({ "ids": [id] }).to_string();
    let asked = ask(gateway, &body);
    // Without an answer nobody knows: it may be durable.
    let Ok(Some((status, answer))) = tokio::time::timeout(ANSWER, asked).await else { return };
    match (status, answer["code"].as_str()) {
        // Written and perhaps not flushed: a log that is opened again may hold it.
        (200, _) | (503, Some("not-durable")) => {}
        (409, Some("event-not-waiting")) | (503 | 429, _) => {
            consumer.note(Arrival { reaction: Reaction::Refused, ..arrival });
        }
        _ => consumer.note_problem(format!("acknowledging {id}: {status} {answer}")),
    }
}

async fn ask(gateway: std::net::SocketAddr, body: &str) -> Option<(u16, Value)> {
    let head = format!(
        "POST /out/{EXPLICIT}/ack HTTP/1.1\r\nhost: sprag\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(gateway).await.ok()?;
    stream.write_all(format!("{head}{body}").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}
