//! Commands for many things: asked again with `next` until nothing is left.

use super::client::{Client, Refused};
use crate::cli::Failure;
use serde_json::{Value, json};

/// What they came to.
#[derive(Debug, Default)]
pub(in crate::cli) struct Tally {
    pub(in crate::cli) done: u64,
    pub(in crate::cli) refused: Vec<Value>,
}

impl Tally {
    pub(in crate::cli) fn to_json(&self) -> Value {
        json!({"done": self.done, "refused": self.refused})
    }
}

/// Carries a selection out to its end. What is done stays done when a later request fails.
pub(in crate::cli) async fn carry_out(
    client: &mut Client,
    path: &str,
    mut body: Value,
) -> Result<Tally, Failure> {
    let mut tally = Tally::default();
    loop {
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
