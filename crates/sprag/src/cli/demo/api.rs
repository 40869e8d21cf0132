//! The provider's API: what there is of a customer's events, for whoever asks for what is missing.
//!
//! It has every second of the events that the provider never sends; of the others there is none, so that both
//! ends of a gap can be seen. Must not know: the gateway.

use super::super::Failure;
use super::ledger::{key_name, key_number};
use crate::provider::{Event, Shape};
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Where it is asked, with what is asked for left open.
pub(super) const PATH: &str = "/events?customer={key}&from={from}&to={to}";

/// Events of one answer.
const MOST: usize = 100;

/// What it knows, and how it writes it.
pub(super) struct Api {
    events: BTreeSet<Event>,
    shape: Shape,
}

/// What is asked for.
#[derive(Deserialize)]
struct Asked {
    customer: String,
    from: u64,
    to: u64,
}

impl Api {
    /// Knows what is sent, and every second of what never is.
    pub(super) fn new(sent: &[Event], never_sent: &HashSet<Event>, shape: Shape) -> Self {
        let mut never_sent: Vec<Event> = never_sent.iter().copied().collect();
        never_sent.sort_unstable();
        let known = never_sent.into_iter().step_by(2);
        Self { events: sent.iter().copied().chain(known).collect(), shape }
    }

    /// Answers until it is aborted.
    pub(super) fn start(self, listener: TcpListener) -> JoinHandle<()> {
        let router = Router::new().route("/events", get(list)).with_state(Arc::new(self));
        tokio::spawn(async move {
            // A demo ends with its process; a listener that fails shows as gaps that nobody fills.
            let _ = axum::serve(listener, router).await;
        })
    }

    fn between(&self, asked: &Asked) -> Vec<Value> {
        let Some(key) = key_number(&asked.customer) else { return Vec::new() };
        let event = |sequence| Event { key, sequence };
        if asked.from > asked.to {
            return Vec::new();
        }
        let known = self.events.range(event(asked.from)..=event(asked.to)).take(MOST);
        let body = |event: &Event| {
            let post = self.shape.event(&key_name(event.key), event.sequence);
            serde_json::from_slice(&post.body).ok()
        };
        known.filter_map(body).collect()
    }
}

async fn list(State(api): State<Arc<Api>>, Query(asked): Query<Asked>) -> Response {
    ([(CONTENT_TYPE, "application/json")], Json(api.between(&asked))).into_response()
}

/// A port for it.
pub(super) async fn listen() -> Result<(TcpListener, SocketAddr), Failure> {
    let failed = |error| Failure::new(format!("the provider's API does not listen: {error}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}
