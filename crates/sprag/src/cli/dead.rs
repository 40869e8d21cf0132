//! `sprag dead`: dead letters; sending them again, giving them up.

use super::admin::AdminArguments;
use super::admin::client::{Client, Refused};
use super::admin::key::Name;
use super::admin::many::{self, MostArguments};
use super::admin::page::{ListArguments, list, query};
use super::admin::selector::SelectorArguments;
use super::admin::table::{Rows, member, moment};
use super::lanes::say_tally;
use super::words::{say, say_more};
use super::{Failure, Verdict, block_on};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// List dead letters; redrive or drop one, or all that are selected
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag dead --destination app\n  \
    sprag dead redrive billing:cus_42 --destination app\n  \
    sprag dead redrive billing:cus_42:7 --destination app --out-of-order\n  \
    sprag dead redrive --destination app --reason 5xx\n  \
    sprag dead drop 3-1042-7\n  \
    sprag dead drop --reason conflict --until 2026-11-25T00:00:00Z\n\n\
    A lane that stopped is redriven in order, with all that waits in it; an event its lane has\n\
    passed only with --out-of-order. Without a name, what the conditions select is redriven (lanes,\n\
    or with --out-of-order passed events) or dropped (passed events and those of ingress).\n\
    Exit code: 0 there are none, or all was done; 1 there are some, or some were refused; 2 could\n\
    not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    #[command(flatten)]
    selector: SelectorArguments,
    #[command(flatten)]
    list: ListArguments,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Send dead letters again
    #[command(after_help = "Examples:\n  \
        sprag dead redrive billing:cus_42 --destination app\n  \
        sprag dead redrive --destination app --reason 5xx --limit 10\n  \
        sprag dead redrive billing:cus_42:7 --destination app --out-of-order")]
    Redrive {
        /// A stopped lane (SOURCE:KEY) or a passed event (SOURCE:KEY:SEQUENCE), of --destination
        #[arg(value_name = "NAME", conflicts_with = "most")]
        name: Option<Name>,
        /// Passed events: they come after later ones
        #[arg(long)]
        out_of_order: bool,
        /// Everything there is
        #[arg(long, conflicts_with = "name")]
        all: bool,
        #[command(flatten)]
        most: MostArguments,
    },
    /// Give dead letters up for good
    #[command(after_help = "Examples:\n  \
        sprag dead drop 3-1042-7\n  \
        sprag dead drop billing:cus_42:7 --destination app\n  \
        sprag dead drop --reason conflict --until 2026-11-25T00:00:00Z")]
    Drop {
        /// An event in a lane (SOURCE:KEY:SEQUENCE, of --destination), or one of ingress by its id
        #[arg(value_name = "NAME", conflicts_with = "most")]
        name: Option<Name>,
        /// Everything there is but the events of stopped lanes
        #[arg(long, conflicts_with = "name")]
        all: bool,
        #[command(flatten)]
        most: MostArguments,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    block_on(async {
        let client = &mut client;
        match &arguments.action {
            None => show(client, arguments).await,
            Some(Action::Redrive { name: None, out_of_order, all, most }) => {
                let (path, done) = match out_of_order {
                    false => ("/v1/lanes/resume", "resumed"),
                    true => ("/v1/dead-letters/redrive-many", "sent again"),
                };
                let mut body = arguments.selector.body(*all)?;
                if *out_of_order {
                    body["out_of_order"] = json!(true);
                }
                many(client, arguments, path, body, most, done).await
            }
            Some(Action::Drop { name: None, all, most }) => {
                let body = arguments.selector.body(*all)?;
                many(client, arguments, "/v1/dead-letters/drop-many", body, most, "dropped").await
            }
            Some(Action::Redrive { name: Some(name), out_of_order, .. }) => {
                let mut body = letter(client, arguments, name).await?;
                body["out_of_order"] = json!(out_of_order);
                let done = client.post("/v1/dead-letters/redrive", &body).await;
                done.map_err(by_flags)?;
                say("It is on its way again.");
                Ok(Verdict::Fine)
            }
            Some(Action::Drop { name: Some(name), .. }) => {
                let body = letter(client, arguments, name).await?;
                client.post("/v1/dead-letters/drop", &body).await?;
                say("Dropped.");
                Ok(Verdict::Fine)
            }
        }
    })
}

async fn many(
    client: &mut Client,
    arguments: &Arguments,
    path: &str,
    body: Value,
    most: &MostArguments,
    done: &str,
) -> Result<Verdict, Failure> {
    let most = most.most.or(arguments.list.limit);
    let tally = many::carry_out(client, path, body, most).await?;
    Ok(say_tally(&tally, done, arguments.list.json))
}

/// A lane or an event as the API names it.
async fn letter(client: &mut Client, arguments: &Arguments, name: &Name) -> Result<Value, Failure> {
    let selector = arguments.selector.read()?;
    let Some(destination) = selector.destination else {
        return of_ingress(client, name).await;
    };
    match name.clone().complete(client).await? {
        Name::Key(key) => {
            Ok(json!({"source": key.source, "key": key.key, "destination": destination}))
        }
        Name::Event(id) => match id.split(':').collect::<Vec<_>>().as_slice() {
            [source, key, sequence] => Ok(json!({
                "source": source, "key": key, "destination": destination,
                "sequence": sequence.parse::<u64>().map_err(Failure::new)?,
            })),
            _ => Err(Failure::new("an event in a lane is named SOURCE:KEY:SEQUENCE")),
        },
        Name::Bare(_) => Err(Failure::new("SOURCE:KEY or SOURCE:KEY:SEQUENCE is needed")),
    }
}

/// What the API says of its members, in the flags of this command.
fn by_flags(refused: Refused) -> Failure {
    match refused {
        Refused::Problem { code, text } if text.contains("out_of_order") => Failure::new(format!(
            "one event by itself is sent after later ones: say --out-of-order; its lane goes on in \
             order by SOURCE:KEY, without a sequence ({code})"
        )),
        refused => refused.into(),
    }
}

async fn of_ingress(client: &mut Client, name: &Name) -> Result<Value, Failure> {
    match name {
        Name::Event(id) if !id.contains(':') => {
            let path = format!("/v1/events/{}", super::admin::client::escaped(id));
            let event = client.get(&path).await?;
            Ok(json!({"source": event["source"], "key": event["key"], "event": id}))
        }
        _ => Err(Failure::new("which lane? name its --destination")),
    }
}

async fn show(client: &mut Client, arguments: &Arguments) -> Result<Verdict, Failure> {
    let selector = arguments.selector.read()?;
    let path = format!("/v1/dead-letters{}", query(&selector.parameters()));
    let found = list(client, &path, arguments.list.most()).await?;
    if arguments.list.json {
        say(json!(found.items));
    } else {
        print(&found.items);
        say_more(found.more);
    }
    Ok(Verdict::found_if(!found.items.is_empty()))
}

fn print(letters: &[Value]) {
    let mut rows = Rows::new(&["what", "name", "to", "until", "reason", "since"]);
    for letter in letters {
        let what = match letter["is"].as_str() {
            Some("lane") => member(letter, "mode"),
            _ => member(letter, "is"),
        };
        let name = match member(letter, "webhook_id") {
            id if id.is_empty() => {
                let [event, source, key] =
                    ["event", "source", "key"].map(|name| member(letter, name));
                format!("{event} ({source}:{key})")
            }
            id => id,
        };
        let [to, until, reason] = ["destination", "to", "reason"].map(|name| member(letter, name));
        let since = if letter["at"].is_null() { "since" } else { "at" };
        rows.add(&[what, name, to, until, reason, moment(letter, since)]);
    }
    say(rows.text());
}
