//! `sprag lanes`: lanes that stopped or have events to deliver; resuming many at once.

use super::admin::AdminArguments;
use super::admin::client::Client;
use super::admin::many::{self, MostArguments, Tally};
use super::admin::page::{ListArguments, list, query};
use super::admin::selector::SelectorArguments;
use super::admin::table::{Rows, member, moment};
use super::words::{say, say_more};
use super::{Failure, Verdict, block_on};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// What `--reason` is of lanes; dead letters have more.
const REASONS: &str = "For this reason: what came of the last try (503, 5xx, unreachable, unknown, \
    address-not-allowed, unreadable, not-acknowledged-in-time), or halted, parked";

/// List stopped or waiting lanes; resume stopped ones in order
#[derive(Debug, Args)]
#[command(mut_arg("reason", |reason| reason.help(REASONS)))]
#[command(after_help = "Examples:\n  \
    sprag lanes\n  \
    sprag lanes --waiting --destination app\n  \
    sprag lanes resume --destination app --reason 5xx --since 2h\n  \
    sprag lanes resume --key 'acme/*'\n\n\
    Exit code: 0 no lane is stopped, or all were resumed; 1 some are, or were refused; 2 could not\n\
    run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    #[command(flatten)]
    selector: SelectorArguments,
    /// List lanes that have events to deliver instead
    #[arg(long)]
    waiting: bool,
    #[command(flatten)]
    list: ListArguments,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Resume the selected lanes: each drains in order
    #[command(after_help = "Examples:\n  \
        sprag lanes resume --destination app --reason 5xx\n  \
        sprag lanes resume --all --limit 10")]
    Resume {
        /// Resume every stopped lane
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        most: MostArguments,
    },
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    block_on(async {
        match &arguments.action {
            None => show(&mut client, arguments).await,
            Some(Action::Resume { all, most }) => {
                let most = most.most.or(arguments.list.limit);
                let body = arguments.selector.body(*all)?;
                let tally = many::carry_out(&mut client, "/v1/lanes/resume", body, most).await?;
                Ok(say_tally(&tally, "resumed", arguments.list.json))
            }
        }
    })
}

/// What many commands came to.
pub(super) fn say_tally(tally: &Tally, done: &str, json: bool) -> Verdict {
    if json {
        say(tally.to_json());
    } else {
        say(format!("{} {done}.", tally.done));
        for refused in &tally.refused {
            let [source, key, destination, code] =
                ["source", "key", "destination", "code"].map(|name| member(refused, name));
            say(format!("{source}:{key} {destination} refused: {code}"));
        }
        if tally.more {
            say("There may be more: raise --limit, or run it again.");
        }
    }
    Verdict::found_if(!tally.refused.is_empty())
}

async fn show(client: &mut Client, arguments: &Arguments) -> Result<Verdict, Failure> {
    let state = if arguments.waiting { "waiting" } else { "stopped" };
    let selector = arguments.selector.read()?;
    let mut parameters = vec![("state", Some(state))];
    parameters.extend(selector.parameters());
    let path = format!("/v1/lanes{}", query(&parameters));
    let found = list(client, &path, arguments.list.most()).await?;
    if arguments.list.json {
        say(json!(found.items));
    } else {
        print(&found.items, arguments.waiting);
        say_more(found.more);
    }
    Ok(Verdict::found_if(!arguments.waiting && !found.items.is_empty()))
}

fn print(lanes: &[Value], waiting: bool) {
    let last = if waiting { ["failures", "due"] } else { ["reason", "since"] };
    let mut rows = Rows::new(&["key", "to", "mode", "at event", "until", last[0], last[1]]);
    for lane in lanes {
        let name = format!("{}:{}", member(lane, "source"), member(lane, "key"));
        let [to, mode, at, until, why] =
            ["destination", "mode", "sequence", "to", last[0]].map(|name| member(lane, name));
        rows.add(&[name, to, mode, at, until, why, moment(lane, last[1])]);
    }
    say(rows.text());
}
