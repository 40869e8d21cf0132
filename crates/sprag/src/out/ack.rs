//! `POST /out/{destination}/ack`: a consumer is done with events that it accepted with 202.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use sprag_core::id::{Key, Sequence};
use sprag_core::input::Command;
use sprag_core::output::{Answer, Rejection};

use super::{Out, OutDestination};
use crate::ingress::{answer, body};
use crate::limits;
use crate::problem::{Code, Problem};

/// The body: one id or several.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ids {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
}

/// Acknowledges all events of a request in their order, and answers once that is durable. What is
/// fine is acknowledged even where another is refused.
pub(super) async fn acknowledge(
    out: &Out,
    destination: &OutDestination,
    incoming: &mut Incoming,
) -> Result<Response<Full<Bytes>>, Problem> {
    let body = body::read(incoming, limits::ACK_BYTES).await?;
    let ids = ids(&body)?;
    let many = u32::try_from(ids.len()).unwrap_or(u32::MAX);
    let room = destination.room.clone().try_acquire_many_owned(many);
    let room = room.map_err(|_| answer::later(Code::NotDurable))?;
    let commands: Vec<_> = ids.into_iter().map(|id| (command(out, destination, &id), id)).collect();
    let node = out.node.clone();
    // Apart, so that it keeps its room for as long as the node has it, whoever waits.
    let given = tokio::spawn(async move {
        let _room = room;
        let given = commands.into_iter().map(|(command, id)| async {
            match command {
                Ok(command) => (id, outcome(&node.command(command).await)),
                Err(refused) => (id, Err(refused)),
            }
        });
        join_all(given).await
    });
    let given = given.await.map_err(|_| Problem::new(Code::Internal))?;
    Ok(answer_of(&given))
}

fn ids(body: &[u8]) -> Result<Vec<String>, Problem> {
    let read: Result<Ids, _> = serde_json::from_slice(body);
    let Ids { id, mut ids } = read.map_err(|error| {
        let code = if error.is_data() { Code::InvalidParameter } else { Code::UnreadableJson };
        Problem::new(code).with_detail(error.to_string())
    })?;
    ids.extend(id);
    match ids.len() {
        1..=limits::ACK_IDS => Ok(ids),
        _ => Err(Problem::new(Code::InvalidParameter).with_detail(format!(
            "`id` is one webhook-id, `ids` an array of them; 1 to {} are needed",
            limits::ACK_IDS
        ))),
    }
}

/// What a `webhook-id` names: `{source}:{key}:{sequence}`, of a range `{first}-{last}`.
fn command(out: &Out, destination: &OutDestination, id: &str) -> Result<Command, Problem> {
    let unknown = || Problem::new(Code::UnknownEvent);
    let parts: Vec<&str> = id.split(':').collect();
    let [source, key, sequence] = parts[..] else { return Err(unknown()) };
    let source = *out.sources.get(source).ok_or_else(unknown)?;
    let (from, to) = sequence.split_once('-').unwrap_or((sequence, sequence));
    let number = |text: &str| text.parse().map(Sequence).map_err(|_| unknown());
    let (from, to) = (number(from)?, number(to)?);
    if key.len() > sprag_core::limits::KEY_BYTES {
        return Err(unknown());
    }
    let key = Key { source, name: Arc::from(key) };
    Ok(Command::Acknowledge { key, destination: destination.id, from, to })
}

fn outcome(answer: &Answer) -> Result<&'static str, Problem> {
    match answer {
        Answer::Done => Ok("acknowledged"),
        Answer::Settled => Ok("already-settled"),
        Answer::Busy(busy) => Err(answer::later((*busy).into())),
        Answer::Rejected(Rejection::UnknownKey | Rejection::UnknownLane) => {
            Err(Problem::new(Code::UnknownEvent))
        }
        Answer::Rejected(rejection) => Err(Problem::new((*rejection).into())),
        Answer::Unavailable => Err(answer::later(Code::NotDurable)),
        Answer::Event { .. } => Err(Problem::new(Code::Internal)),
    }
}

/// 200 when all is acknowledged, else the first problem; either way, what became of each.
fn answer_of(given: &[(String, Result<&'static str, Problem>)]) -> Response<Full<Bytes>> {
    let results: Vec<Value> = given
        .iter()
        .map(|(id, outcome)| match outcome {
            Ok(status) => json!({ "id": id, "status": status }),
            Err(problem) => {
                json!({ "id": id, "status": "refused", "code": problem.code.as_str() })
            }
        })
        .collect();
    let Some(refused) = given.iter().find_map(|(_, outcome)| outcome.as_ref().err()) else {
        return super::json(json!({ "results": results }).to_string());
    };
    let mut response = answer::problem(refused);
    debug_assert_ne!(response.status(), StatusCode::OK);
    let document = serde_json::from_str(&refused.document());
    if let Ok(Value::Object(mut document)) = document {
        document.insert("results".into(), results.into());
        *response.body_mut() = Full::new(Bytes::from(Value::Object(document).to_string()));
    }
    response
}
