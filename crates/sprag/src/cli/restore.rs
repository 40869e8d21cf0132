//! `sprag restore`: a data directory from a backup, and what it must be told before it serves.

use super::words::say;
use super::{Failure, Verdict};
use crate::backup::{Newest, Restored, Told, restore, tell};
use crate::limits;
use clap::Args;
use serde_json::json;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// Restore a backup
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag restore --from backups/2026-01-31 --data sprag-data --newest seen.csv\n  \
    sprag restore --from backups/2026-01-31 --data sprag-data --jump 100000\n\n\
    Sequences that were given after the backup was made are never given again: every key goes on\n\
    behind them. How many that may be is told by --newest, a file of what consumers have seen, one\n\
    source,key,sequence or webhook-id a line, or by --jump. Without either the directory is restored\n\
    and does not serve until it is told.\n\
    Exit code: 0 restored, verified and told; 1 restored, and not told yet; 2 could not")]
pub(super) struct Arguments {
    /// The directory of the backup; without it, tell a directory that was restored already
    #[arg(long, value_name = "DIR", required_unless_present_any = ["jump", "newest"])]
    from: Option<PathBuf>,
    /// The data directory (`server.data`), which must be empty or not there
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The newest sequences that consumers have seen; - is standard input
    #[arg(long, value_name = "FILE")]
    newest: Option<PathBuf>,
    /// How many sequences of a key may have been given after the backup was made; with --newest,
    /// besides those that consumers have seen [default with --newest: 1000]. Where keys are forgotten
    /// (`forget_after`), without --newest, all jump behind the highest sequence of the log besides
    #[arg(long, value_name = "N",
        value_parser = clap::value_parser!(u64).range(0..=limits::JUMP_MOST))]
    jump: Option<u64>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let told = told(arguments)?;
    let restored = match (&arguments.from, &told) {
        (Some(from), told) => restore(from, &arguments.data, told.as_ref()),
        (None, Some(told)) => tell(&arguments.data, told),
        (None, None) => return Err(Failure::new("nothing is told: name --jump or --newest")),
    };
    let restored = restored.map_err(Failure::new)?;
    show(arguments, &restored);
    Ok(Verdict::found_if(restored.jump.is_none()))
}

fn told(arguments: &Arguments) -> Result<Option<Told>, Failure> {
    let newest = match &arguments.newest {
        Some(file) if file == Path::new("-") => Newest::read(std::io::stdin().lock()),
        Some(file) => {
            let opened = File::open(file);
            let opened =
                opened.map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
            Newest::read(BufReader::new(opened))
        }
        None => {
            return Ok(arguments.jump.map(|jump| Told { newest: Newest::default(), jump }));
        }
    };
    let jump = arguments.jump.unwrap_or(limits::JUMP_BESIDES);
    Ok(Some(Told { newest: newest.map_err(Failure::new)?, jump }))
}

fn show(arguments: &Arguments, restored: &Restored) {
    let Restored { made, frames, jump } = restored;
    if arguments.json {
        say(json!({ "made": made, "frames": frames, "jump": jump }));
        return;
    }
    let data = arguments.data.display();
    say(format!("{data}: the log as of {made}, {frames} frames verified"));
    match jump {
        Some(jump) => say(format!("every key goes on {jump} sequences further")),
        None => say(format!(
            "it does not serve until it is told which sequences were given since:\n  \
             sprag restore --data {data} --newest FILE\n  sprag restore --data {data} --jump N"
        )),
    }
}
