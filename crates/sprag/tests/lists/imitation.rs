//! Imitations of the two APIs, as far as lists go: pages, cursors, who is let in. Newest first, as they are.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sprag::clock::Clock;

use crate::server::{Reply, Server};
use crate::wire::{Message, SECRET};
use crate::{parameter, target};

/// Seconds since 1970, some time ago.
pub(crate) fn ago(seconds: u64) -> u64 {
    Clock::start().now().clock.0 / 1_000_000 - seconds
}

fn is_let_in(request: &Message) -> bool {
    request.header("authorization") == format!("Bearer whsec_T{SECRET}")
}

/// An event of Stripe as its list has it.
pub(crate) fn event(id: &str, object: &str, created: u64) -> Value {
    json!({
        "id": id, "object": "event", "type": "charge.updated", "created": created, "pending_webhooks": 1,
        "data": { "object": { "id": object, "object": "charge" } },
    })
}

/// `GET /v1/events`: events in the order in which they came about.
#[derive(Clone, Default)]
pub(crate) struct Stripe {
    pub(crate) events: Arc<Mutex<Vec<Value>>>,
}

impl Stripe {
    pub(crate) fn of(events: impl IntoIterator<Item = Value>) -> Self {
        Self { events: Arc::new(Mutex::new(events.into_iter().collect())) }
    }

    pub(crate) fn serve(&self) -> Server {
        let stripe = self.clone();
        Server::start(move |request| stripe.answer(request))
    }

    pub(crate) fn answer(&self, request: &Message) -> Reply {
        if !is_let_in(request) {
            return Reply::Answer(
                401,
                String::new(),
                br#"{"error":{"type":"invalid_request_error"}}"#.to_vec(),
            );
        }
        if !target(request).starts_with("/v1/events?") {
            return Reply::status(404);
        }
        let limit: usize = parameter(request, "limit").map_or(10, |limit| limit.parse().unwrap());
        if !(1..=100).contains(&limit) {
            return Reply::status(400);
        }
        let events = self.events.lock().unwrap();
        let mut rest: Vec<&Value> = events.iter().rev().collect();
        if let Some(after) = parameter(request, "starting_after") {
            let Some(at) = rest.iter().position(|event| event["id"] == after) else {
                return Reply::status(400);
            };
            rest.drain(..=at);
        }
        let has_more = rest.len() > limit;
        rest.truncate(limit);
        let list =
            json!({ "object": "list", "url": "/v1/events", "has_more": has_more, "data": rest });
        // As Stripe writes it, which is not how it posts.
        Reply::json(serde_json::to_string_pretty(&list).unwrap())
    }
}

/// A delivery of GitHub.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: u64,
    pub(crate) guid: &'static str,
    /// Seconds since 1970.
    pub(crate) at: u64,
    pub(crate) status_code: u64,
    pub(crate) issue: u64,
}

/// The deliveries of a webhook, in the order in which they were made.
#[derive(Clone, Default)]
pub(crate) struct Github {
    pub(crate) deliveries: Arc<Mutex<Vec<Delivery>>>,
}

/// Where they are.
pub(crate) const HOOK: &str = "/repos/o/r/hooks/7/deliveries";

impl Github {
    pub(crate) fn of(deliveries: impl IntoIterator<Item = Delivery>) -> Self {
        Self { deliveries: Arc::new(Mutex::new(deliveries.into_iter().collect())) }
    }

    pub(crate) fn serve(&self) -> Server {
        let github = self.clone();
        Server::start(move |request| github.answer(request))
    }

    pub(crate) fn answer(&self, request: &Message) -> Reply {
        if !is_let_in(request) {
            return Reply::status(401);
        }
        let path = target(request).split('?').next().unwrap();
        let deliveries = self.deliveries.lock().unwrap();
        if path == HOOK {
            return page(&deliveries, request);
        }
        let number = path.strip_prefix(HOOK).and_then(|rest| rest.strip_prefix('/')?.parse().ok());
        let told = deliveries.iter().find(|delivery| Some(delivery.id) == number);
        told.map_or_else(
            || Reply::status(404),
            |delivery| Reply::json(detail(delivery).to_string()),
        )
    }
}

fn page(deliveries: &[Delivery], request: &Message) -> Reply {
    let size: usize = parameter(request, "per_page").map_or(30, |size| size.parse().unwrap());
    let cursor =
        parameter(request, "cursor").and_then(|cursor| cursor.strip_prefix("v1_")?.parse().ok());
    let older =
        deliveries.iter().rev().filter(|delivery| cursor.is_none_or(|at: u64| delivery.id <= at));
    let mut shown: Vec<&Delivery> = older.collect();
    let next = shown.get(size).map(|delivery| delivery.id);
    shown.truncate(size);
    let all: Vec<Value> = shown.into_iter().map(summary).collect();
    let host = request.header("host");
    let link = next.map(|at| {
        let next = format!("http://{host}{HOOK}?per_page={size}&cursor=v1_{at}");
        format!("link: <{next}>; rel=\"next\"\r\n")
    });
    let body = serde_json::to_vec(&all).unwrap();
    Reply::Answer(200, link.unwrap_or_default(), body)
}

fn summary(delivery: &Delivery) -> Value {
    let at = jiff::Timestamp::from_second(i64::try_from(delivery.at).unwrap()).unwrap();
    let is_ok = (200..300).contains(&delivery.status_code);
    json!({
        "id": delivery.id, "guid": delivery.guid, "delivered_at": at.to_string(), "redelivery": false,
        "duration": 0.03, "status": if is_ok { "OK" } else { "Invalid HTTP Response" },
        "status_code": delivery.status_code, "event": "issues", "action": "opened",
        "installation_id": null, "repository_id": 42, "throttled_at": null,
    })
}

/// The body as it was posted, which is not how it is told.
pub(crate) fn posted(delivery: &Delivery) -> String {
    format!(
        "{{ \"action\": \"opened\", \"issue\": {{ \"number\": {} }}, \"repository\": {{ \"id\": 42 }} }}",
        delivery.issue
    )
}

fn detail(delivery: &Delivery) -> Value {
    let mut detail = summary(delivery);
    detail["url"] = json!("https://sprag.example/in/shop");
    detail["request"] = json!({
        "headers": {
            "Accept": "*/*", "content-type": "application/json", "User-Agent": "GitHub-Hookshot/1",
            "X-GitHub-Delivery": delivery.guid, "X-GitHub-Event": "issues", "X-GitHub-Hook-ID": "7",
        },
        "payload": serde_json::from_str::<Value>(&posted(delivery)).unwrap(),
    });
    detail["response"] = json!({ "headers": {}, "payload": "" });
    detail
}
