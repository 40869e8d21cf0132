//! `sprag events`: the released events of a key; one event with its attempts.

use super::admin::AdminArguments;
use super::admin::client::{Client, escaped};
use super::admin::key::{KeyName, Name};
use super::admin::page::{ListArguments, list, query};
use super::admin::selector::duration;
use super::admin::table::{Rows, member, moment};
use super::words::{say, say_more};
use super::{Failure, Verdict, block_on};
use clap::Args;
use serde_json::{Value, json};

/// List the released events of a key, or show one event with its attempts
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag events billing:cus_42\n  \
    sprag events billing:cus_42 --destination app --since 2h\n  \
    sprag events billing:cus_42:7\n  \
    sprag events 3-1042-7\n\n\
    A key's events come newest first. Events that have no sequence (held, conflicts, …) are shown by\n\
    their id.\n\
    Exit code: 0 fine, 1 the event is dead in a lane or at ingress, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// A key, SOURCE:KEY, or an event: SOURCE:KEY:SEQUENCE, or its id
    #[arg(value_name = "NAME")]
    name: Name,
    /// List events of this key only that went to this destination
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// List events of this key only that were released at this time or later: 2h, or
    /// 2026-11-25T21:35:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    #[command(flatten)]
    list: ListArguments,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    block_on(async {
        match arguments.name.clone().complete(&mut client).await? {
            Name::Key(key) => all(&mut client, arguments, &key).await,
            Name::Event(id) => one(&mut client, &id, arguments.list.json).await,
            Name::Bare(name) => Err(Failure::new(format!("{name} is neither key nor event"))),
        }
    })
}

async fn all(
    client: &mut Client,
    arguments: &Arguments,
    key: &KeyName,
) -> Result<Verdict, Failure> {
    let since = arguments.since.as_deref().map(super::admin::selector::moment).transpose()?;
    let parameters = [
        ("source", Some(key.source.as_str())),
        ("key", Some(&key.key)),
        ("destination", arguments.destination.as_deref()),
        ("since", since.as_deref()),
    ];
    let path = format!("/v1/events{}", query(&parameters));
    let found = list(client, &path, arguments.list.most()).await?;
    if arguments.list.json {
        say(json!(found.items));
        return Ok(Verdict::Fine);
    }
    let mut rows = Rows::new(&["event", "sequence", "kind", "position", "released", "to"]);
    for event in &found.items {
        let [id, sequence, kind, position] =
            ["id", "sequence", "kind", "position"].map(|name| member(event, name));
        let to = event["destinations"].as_array().into_iter().flatten();
        let to: Vec<&str> = to.filter_map(Value::as_str).collect();
        rows.add(&[id, sequence, kind, position, moment(event, "released_at"), to.join(", ")]);
    }
    say(rows.text());
    say_more(found.more);
    Ok(Verdict::Fine)
}

/// An event with all its attempts, however far history has to be searched.
pub(super) async fn whole(client: &mut Client, id: &str) -> Result<Value, Failure> {
    let path = format!("/v1/events/{}", escaped(id));
    let mut event = client.get(&path).await?;
    let mut next = event["fates"]["next"].as_str().map(str::to_owned);
    while let Some(cursor) = next {
        let page = client.get(&format!("{path}/attempts?cursor={cursor}")).await?;
        for attempt in page["items"].as_array().into_iter().flatten() {
            let fates = event["fates"]["destinations"].as_array_mut();
            let fate = fates
                .into_iter()
                .flatten()
                .find(|fate| fate["destination"] == attempt["destination"]);
            if let Some(Value::Array(attempts)) = fate.map(|fate| &mut fate["attempts"]) {
                attempts.push(attempt.clone());
            }
        }
        event["fates"]["searched_through"] = page["searched_through"].clone();
        next = page["next"].as_str().map(str::to_owned);
    }
    for fate in event["fates"]["destinations"].as_array_mut().into_iter().flatten() {
        settle(fate);
    }
    if let Value::Object(fates) = &mut event["fates"] {
        fates.remove("next");
        fates.insert("complete".into(), json!(true));
    }
    Ok(event)
}

/// What a longer search found can say how a lane settled the event.
fn settle(fate: &mut Value) {
    let attempts = fate["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    let end = attempts.iter().rev().map(|attempt| attempt["consequence"].clone());
    let end = end.into_iter().find(|then| *then == "delivered" || *then == "dead");
    if let (Some(end), true) = (end, fate["status"] == "settled") {
        fate["status"] = end;
    }
}

async fn one(client: &mut Client, id: &str, json: bool) -> Result<Verdict, Failure> {
    let event = whole(client, id).await?;
    let verdict = Verdict::found_if(is_dead(&event));
    if json {
        say(&event);
        return Ok(verdict);
    }
    for (label, name) in [
        ("event", "id"),
        ("source", "source"),
        ("key", "key"),
        ("status", "status"),
        ("received", "received_at"),
        ("type", "type"),
        ("source's id", "source_id"),
        ("position", "position"),
    ] {
        let value = member(&event, name);
        if !value.is_empty() {
            say(format!("{label:<12} {value}"));
        }
    }
    if let Some(release) = event.get("release") {
        let [id, at] = ["webhook_id", "at"].map(|name| member(release, name));
        say(format!("{:<12} {id} at {at}", "released"));
    }
    attempts(&event);
    Ok(verdict)
}

fn is_dead(event: &Value) -> bool {
    let fates = event["fates"]["destinations"].as_array().into_iter().flatten();
    let at_ingress =
        ["conflict", "invalid"].contains(&event["status"].as_str().unwrap_or_default());
    at_ingress || fates.into_iter().any(|fate| fate["status"] == "dead")
}

fn attempts(event: &Value) {
    let mut rows =
        Rows::new(&["to", "status", "attempt", "started", "queued", "took", "outcome", "then"]);
    let fates = event["fates"]["destinations"].as_array().map(Vec::as_slice).unwrap_or_default();
    for fate in fates {
        let (to, status) = (member(fate, "destination"), member(fate, "status"));
        let tries = fate["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let queued = fate["queued_seconds"].as_f64().map(duration).unwrap_or_default();
        if tries.is_empty() {
            let none = String::new;
            rows.add(&[to.clone(), status.clone(), none(), none(), queued, none(), none(), none()]);
        }
        for (at, tried) in tries.iter().enumerate() {
            let first = |text: &String| if at == 0 { text.clone() } else { String::new() };
            let queued = fate["queued_seconds"].as_f64().map(duration).unwrap_or_default();
            let took = tried["took_seconds"].as_f64().map(duration).unwrap_or_default();
            rows.add(&[
                first(&to),
                first(&status),
                member(tried, "number"),
                moment(tried, "started_at"),
                first(&queued),
                took,
                outcome(tried),
                member(tried, "consequence"),
            ]);
        }
    }
    if !fates.is_empty() {
        say(format!("\n{}", rows.text()));
    }
}

/// What came of an attempt: the status of an answer, or why there was none.
pub(super) fn outcome(attempt: &Value) -> String {
    match member(attempt, "answered") {
        status if status.is_empty() => member(attempt, "outcome"),
        status => status,
    }
}
