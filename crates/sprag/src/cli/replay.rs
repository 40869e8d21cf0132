//! `sprag replay`: history again, in order.

use super::admin::AdminArguments;
use super::admin::many;
use super::admin::selector::moment;
use super::lanes::say_tally;
use super::{Failure, Verdict, block_on};
use clap::Args;
use serde_json::{Value, json};

/// Send history of one key or of all keys of a source to a destination again, in order
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag replay --source billing --key cus_42 --to app\n  \
    sprag replay --source billing --key cus_42 --to app --from 10 --until 20\n  \
    sprag replay --source billing --all --to app --from 2h\n\n\
    Events come again under the ids and sequences they had, marked sprag-redelivery: true; what waits and\n\
    what comes meanwhile follows behind them. Passed are events whose bodies are kept no longer, and those\n\
    whose type the destination does not take now. A lane that is not at rest is refused (lane-busy): ask\n\
    again, or pause the destination first.\n\
    Exit code: 0 all are on their way, 1 some were refused, 2 could not run")]
pub(super) struct Arguments {
    #[command(flatten)]
    admin: AdminArguments,
    /// The source
    #[arg(long, value_name = "NAME")]
    source: String,
    /// Of this key, as Sprag prints it
    #[arg(long, value_name = "KEY", required_unless_present = "all")]
    key: Option<String>,
    /// Of every key of the source
    #[arg(long, conflicts_with = "key")]
    all: bool,
    /// Where to
    #[arg(long, value_name = "DESTINATION")]
    to: String,
    /// From this sequence on, or from this time: 2h ago, or 2026-11-25T21:35:00Z
    #[arg(long, value_name = "SEQUENCE|TIME")]
    from: Option<String>,
    /// Up to and with this sequence, or before this time
    #[arg(long, value_name = "SEQUENCE|TIME")]
    until: Option<String>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let mut client = arguments.admin.client()?;
    let body = body(arguments)?;
    let tally = block_on(many::carry_out(&mut client, "/v1/replay", body, None))?;
    Ok(say_tally(&tally, "set back", arguments.json))
}

fn body(arguments: &Arguments) -> Result<Value, Failure> {
    let mut body = json!({ "source": arguments.source, "destination": arguments.to });
    match &arguments.key {
        Some(key) => body["key"] = json!(key),
        None => body["all"] = json!(arguments.all),
    }
    let ends = [(&arguments.from, ["from", "since"]), (&arguments.until, ["until", "before"])];
    for (end, [sequence, time]) in ends {
        let Some(end) = end else { continue };
        match end.parse::<u64>() {
            Ok(number) => body[sequence] = json!(number),
            Err(_) => {
                let read = moment(end);
                let read = read.map_err(|Failure(why)| {
                    Failure::new(format!("{why}; and no sequence, such as 10"))
                });
                body[time] = json!(read?);
            }
        }
    }
    Ok(body)
}
