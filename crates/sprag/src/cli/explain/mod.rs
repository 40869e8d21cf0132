//! `sprag explain`: the whole story of a key or an event, in sentences, the oldest first.

mod beside;
mod story;

use super::admin::AdminArguments;
use super::admin::client::{Client, Refused};
use super::admin::key::{self, KeyName, Name};
use super::admin::page::{list, query};
use super::events;
use super::words::say;
use super::{Failure, Verdict, block_on};
use clap::Args;
use serde_json::{Value, json};

/// Tell the whole story of a key or an event, and what can be done
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag explain billing:cus_42\n  \
    sprag explain billing:cus_42:7\n  \
    sprag explain 3-1042-7\n\n\
    The oldest first: received, held, released, every attempt, the fate; of a key also what was given\n\
    up, what was not released and what operators decided; then what waits now and what can be done. Attempts are looked for in history, which can take a while.\n\
    Exit code: 0 nothing waits for anything, 1 something does, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// A key, SOURCE:KEY, or an event: SOURCE:KEY:SEQUENCE, or its id
    #[arg(value_name = "KEY|ID")]
    name: Name,
    /// Tell of so many of a key's newest events
    #[arg(long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=1_000))]
    limit: u64,
    /// Print one JSON object: the sentences, and whether something waits
    #[arg(long)]
    json: bool,
}

/// What is told.
#[derive(Debug, Default)]
struct Told {
    sentences: Vec<String>,
    waits: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    let told = block_on(async {
        match arguments.name.clone().complete(&mut client).await? {
            Name::Key(key) => of_key(&mut client, &key, arguments.limit).await,
            Name::Event(id) => of_event(&mut client, &id).await,
            Name::Bare(name) => Err(Failure::new(format!("{name} is neither key nor event"))),
        }
    })?;
    if arguments.json {
        say(json!({"story": told.sentences, "waits": told.waits}));
    } else {
        told.sentences.iter().for_each(say);
    }
    Ok(Verdict::found_if(told.waits))
}

async fn of_event(client: &mut Client, id: &str) -> Result<Told, Failure> {
    let event = events::whole(client, id).await?;
    let (Some(source), Some(key)) = (event["source"].as_str(), event["key"].as_str()) else {
        return Err(Failure::new("the answer names no key"));
    };
    let key = KeyName { source: source.to_owned(), key: key.to_owned() };
    // Of a key that was forgotten for good only its events are known.
    let shown = match client.get(&key.path()).await {
        Err(Refused::Problem { code, .. }) if code == "unknown-key" => Value::Null,
        shown => shown?,
    };
    let contract = key::contract(client, &key.source).await?;
    let mut sentences = vec![format!("Event {id} of {key}:")];
    sentences.extend(story::of_event(&event, &contract));
    sentences.extend(story::forgotten(&key.to_string(), &event, &shown));
    let now = story::event_now(&event, &shown);
    let waits = !now.is_empty();
    sentences.extend(now);
    Ok(Told { sentences, waits })
}

async fn of_key(client: &mut Client, key: &KeyName, limit: u64) -> Result<Told, Failure> {
    let shown = client.get(&key.path()).await.map_err(|refused| match refused {
        Refused::Problem { code, text } if code == "unknown-key" => Failure::new(format!(
            "{text} ({code}): no event of {key} ever came, or it was idle for `forget_after` and is \
             forgotten for good, beyond `limits.forgotten`. Its events are still told by their ids"
        )),
        refused => refused.into(),
    })?;
    let parameters = [("source", Some(key.source.as_str())), ("key", Some(&key.key))];
    let path = format!("/v1/events{}", query(&parameters));
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut released = list(client, &path, most).await?;
    released.items.reverse();
    let contract = key::contract(client, &key.source).await?;
    let mut sentences = vec![story::opening(&key.to_string(), &shown)];
    sentences.extend(story::begins(&shown));
    if released.more {
        let count = released.items.len();
        sentences.push(format!("Of these, the newest {count} are told (more with --limit):"));
    }
    for event in &released.items {
        let id = event["webhook_id"].as_str().unwrap_or_default();
        let event = events::whole(client, id).await?;
        sentences.push(format!("\nEvent {id}:"));
        sentences.extend(story::of_event(&event, &contract));
    }
    for held in shown["held"].as_array().into_iter().flatten().take(most) {
        let id = held["event"].as_str().unwrap_or_default();
        let event = events::whole(client, id).await?;
        sentences.push(format!("\nEvent {id}, held:"));
        sentences.extend(story::of_event(&event, &contract));
    }
    let beside = beside::of_key(client, key, most).await?;
    if !beside.is_empty() {
        sentences.push("\nBesides:".to_owned());
        sentences.extend(beside);
    }
    let why: Vec<&str> =
        shown["why"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let waits = !why.is_empty();
    sentences.push(if waits { "\nNow:".to_owned() } else { "\nNow nothing waits.".to_owned() });
    sentences.extend(why.iter().map(|why| format!("- {why}")));
    sentences.extend(story::remedies(&key.to_string(), &shown));
    Ok(Told { sentences, waits })
}
