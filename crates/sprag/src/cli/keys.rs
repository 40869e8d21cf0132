//! `sprag keys`: which keys there are, and why one waits.

use super::admin::AdminArguments;
use super::admin::client::{Client, escaped};
use super::admin::key::{self, KeyName, Name};
use super::admin::page::{ListArguments, Listed, list, query};
use super::admin::table::{Rows, member, moment};
use super::words::{say, say_more};
use super::{Failure, Verdict, block_on, keys_rebuild, keys_state};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

/// List keys, or tell of one why it waits or where it stands; rebuild the state of all
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  \
    sprag keys --state held\n  \
    sprag keys billing:cus_42\n  \
    sprag keys state billing:cus_42\n  \
    sprag keys rebuild --data sprag-data --check\n\n\
    Exit code: 0 nothing waits, 1 the key waits, or a list by --state has keys, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// Tell of this key: SOURCE:KEY, the key as Sprag prints it
    #[arg(value_name = "KEY", conflicts_with_all = ["source", "state", "prefix"])]
    key: Option<Name>,
    /// List keys of this source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// List keys in this state only
    #[arg(long, value_enum, value_name = "STATE")]
    state: Option<State>,
    /// List keys that begin so only
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    #[command(flatten)]
    list: ListArguments,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    State(keys_state::Arguments),
    Rebuild(keys_rebuild::Arguments),
}

/// Which keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    /// Events wait for missing positions.
    Held,
    /// A lane stopped.
    Stopped,
    /// An operator paused it.
    Paused,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    match &arguments.action {
        Some(Action::State(arguments)) => return keys_state::run(arguments),
        Some(Action::Rebuild(arguments)) => return keys_rebuild::run(arguments),
        None => {}
    }
    let mut client = arguments.admin.client()?;
    block_on(async {
        match &arguments.key {
            Some(name) => match name.clone().complete(&mut client).await? {
                Name::Key(key) => one(&mut client, &key, arguments.list.json).await,
                _ => Err(Failure::new("that is an event; `sprag explain` tells of it")),
            },
            None => all(&mut client, arguments).await,
        }
    })
}

async fn all(client: &mut Client, arguments: &Arguments) -> Result<Verdict, Failure> {
    let state = arguments.state.and_then(|state| state.to_possible_value());
    let state = state.as_ref().map(|state| state.get_name());
    let parameters = query(&[("state", state), ("prefix", arguments.prefix.as_deref())]);
    let sources = match &arguments.source {
        Some(source) => vec![source.clone()],
        None => key::sources(client).await?,
    };
    let mut found = Listed::default();
    for source in sources {
        let most = arguments.list.most() - found.items.len();
        if most == 0 {
            found.more = true;
            break;
        }
        let path = format!("/v1/sources/{}/keys{parameters}", escaped(&source));
        let mut listed = list(client, &path, most).await?;
        listed.items.iter_mut().for_each(|key| key["source"] = json!(source));
        found.more |= listed.more;
        found.items.append(&mut listed.items);
    }
    if arguments.list.json {
        say(json!(found.items));
    } else {
        print(&found.items);
        say_more(found.more);
    }
    Ok(Verdict::found_if(arguments.state.is_some() && !found.items.is_empty()))
}

fn print(keys: &[Value]) {
    let mut rows = Rows::new(&["key", "released", "held", "backlog", "stopped lanes", "paused"]);
    for key in keys {
        let name = format!("{}:{}", member(key, "source"), member(key, "key"));
        let [released, held, backlog, stopped, paused] =
            ["sequence", "held_events", "backlog", "stopped_lanes", "paused"]
                .map(|name| member(key, name));
        rows.add(&[name, released, held, backlog, stopped, paused]);
    }
    say(rows.text());
}

async fn one(client: &mut Client, key: &KeyName, json: bool) -> Result<Verdict, Failure> {
    let shown = client.get(&key.path()).await?;
    let why: Vec<&str> =
        shown["why"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if json {
        say(&shown);
        return Ok(Verdict::found_if(!why.is_empty()));
    }
    let contract = key::contract(client, &key.source).await?;
    let next = match (shown["next_position"].as_u64(), member(&shown["state"], "state")) {
        (Some(next), _) if contract == "latest" => {
            format!("; any position above {} is next", next.saturating_sub(1))
        }
        (Some(next), _) => format!("; position {next} is next"),
        (_, state) if !state.is_empty() => format!("; its state is {state}"),
        _ => String::new(),
    };
    say(format!(
        "{key} (partition {}): {} released, {} held{next}",
        shown["partition"], shown["sequence"], shown["held_events"]
    ));
    if why.is_empty() {
        say("Nothing waits.");
    }
    why.iter().for_each(say);
    lanes(&shown, contract == "unordered");
    Ok(Verdict::found_if(!why.is_empty()))
}

/// What was delivered last in order is nothing where there is no order.
fn lanes(shown: &Value, is_unordered: bool) {
    let lanes = shown["lanes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if lanes.is_empty() {
        return;
    }
    let mut rows = Rows::new(&["lane to", "mode", "delivered", "next", "last", "failures", "due"]);
    for lane in lanes {
        let [to, mode, delivered, head, tail, failures] =
            ["destination", "mode", "delivered", "head", "tail", "failures"]
                .map(|name| member(lane, name));
        let delivered = if is_unordered { "-".to_owned() } else { delivered };
        rows.add(&[to, mode, delivered, head, tail, failures, moment(lane, "due")]);
    }
    say(format!("\n{}", rows.text()));
}
