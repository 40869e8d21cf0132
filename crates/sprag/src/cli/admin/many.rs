//! Commands for many things: asked again with `next` until nothing is left.

use super::client::{Client, Refused};
use crate::admin::limits::COMMANDS_MOST;
use crate::cli::Failure;
use clap::Args;
use serde_json::{Value, json};

/// How many of what is selected a command deals with.
#[derive(Debug, Args)]
pub(in crate::cli) struct MostArguments {
    /// Deal with at most so many, and say whether there may be more [default: all]
    #[arg(long = "limit", id = "most", value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) most: Option<u64>,
}

/// What they came to.
#[derive(Debug, Default)]
pub(in crate::cli) struct Tally {
    pub(in crate::cli) done: u64,
    pub(in crate::cli) refused: Vec<Value>,
    /// Whether it ended at the limit, and more may be selected.
    pub(in crate::cli) more: bool,
}

impl Tally {
    pub(in crate::cli) fn to_json(&self) -> Value {
        let mut json = json!({"done": self.done, "refused": self.refused});
        if self.more {
            json["more"] = json!(true);
        }
        json
    }

    /// How many were dealt with.
    fn dealt(&self) -> u64 {
        self.done.saturating_add(u64::try_from(self.refused.len()).unwrap_or(u64::MAX))
    }
}

/// Carries a selection out to its end, or until so many were dealt with. What is done stays done when a later request fails.
pub(in crate::cli) async fn carry_out(
    client: &mut Client,
    path: &str,
    mut body: Value,
    most: Option<u64>,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    loop {
        if let Some(most) = most {
            let left = most.saturating_sub(tally.dealt());
            tally.more = left == 0;
            if tally.more {
                return Ok(tally);
            }
            body["limit"] =
                json!(usize::try_from(left).map_or(COMMANDS_MOST, |left| left.min(COMMANDS_MOST)));
        }
        let answer = client.post(path, &body).await.map_err(|refused| after(&tally, &refused))?;
        tally.done += answer["done"].as_u64().unwrap_or_default();
        tally.refused.extend(answer["refused"].as_array().cloned().unwrap_or_default());
        match answer["next"].as_str() {
            Some(next) => body["cursor"] = json!(next),
            None => return Ok(tally),
        }
    }
}

fn after(tally: &Tally, refused: &Refused) -> Failure {
    match tally.done {
        0 => Failure::new(refused),
        done => Failure::new(format!("{refused}; {done} were done before")),
    }
}
