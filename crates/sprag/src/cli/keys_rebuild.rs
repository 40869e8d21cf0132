//! `sprag keys rebuild`: the state of a gateway that does not run, from its log.

use super::words::say;
use super::{Failure, Verdict};
use crate::rebuild::{self, Checked};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Build the state of a stopped gateway anew from its log, or compare it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag keys rebuild --data sprag-data --check\n  \
    sprag keys rebuild --data sprag-data\n\n\
    The log is the only truth: state.sqlite holds what it adds up to, and a start goes on from there.\n\
    --check adds the whole log up and compares keys, forgotten keys, totals and the lists of what is due,\n\
    held and stopped; it changes nothing of the state. The list of dead letters is not compared. Without\n\
    --check a new state takes the place of the old one once it is whole, also where the old one is damaged\n\
    or missing.\n\
    Exit code: 0 rebuilt, or nothing differs; 1 something differs; 2 could not")]
pub(super) struct Arguments {
    /// The data directory (`server.data`); no gateway may use it
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Only compare, and name the first ten differences
    #[arg(long)]
    check: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    if arguments.check {
        let checked = rebuild::check(&arguments.data).map_err(Failure::new)?;
        tell(arguments, &checked);
        return Ok(Verdict::found_if(checked.differences > 0));
    }
    let anew = rebuild::rebuild(&arguments.data).map_err(Failure::new)?;
    if arguments.json {
        say(json!({ "frames": anew.frames, "keys": anew.keys }));
    } else {
        let data = arguments.data.display();
        say(format!("{data}: the state of {} keys, from {} frames", anew.keys, anew.frames));
    }
    Ok(Verdict::Fine)
}

fn tell(arguments: &Arguments, checked: &Checked) {
    let Checked { frames, keys, differences, first } = checked;
    if arguments.json {
        say(json!({
            "frames": frames, "keys": keys, "differences": differences, "first": first,
        }));
        return;
    }
    first.iter().for_each(say);
    let more = differences - first.len() as u64;
    if more > 0 {
        say(format!("… and {more} more"));
    }
    let data = arguments.data.display();
    let compared = format!("{keys} keys from {frames} frames");
    if *differences == 0 {
        say(format!("{data}: {compared}: the state is what the log adds up to"));
    } else {
        say(format!(
            "{data}: {compared}: {differences} differences; `sprag keys rebuild --data {data}` builds \
             the state anew from the log"
        ));
    }
}
