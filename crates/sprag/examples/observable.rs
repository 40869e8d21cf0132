//! Prints everything that can be seen of the product from outside, a line each: what the test run
//! compares with what it observed (step `observed` of `cargo xtask test`).

use std::collections::BTreeSet;

use sprag::config::reference::KEYS;
use sprag::fate::{AtIngress, InLane};
use sprag::problem::Code;
use sprag::reload::OUTCOMES;

#[expect(clippy::print_stdout, reason = "it is read from standard output")]
fn main() {
    let answers: BTreeSet<u16> = Code::ALL.iter().map(|code| code.status()).chain([200]).collect();
    answers.iter().for_each(|status| println!("answer {status}"));
    AtIngress::ALL.iter().for_each(|status| println!("status {}", status.as_str()));
    InLane::ALL.iter().for_each(|fate| println!("fate {}", fate.as_str()));
    Code::ALL.iter().for_each(|code| println!("code {}", code.as_str()));
    OUTCOMES.iter().for_each(|outcome| println!("reload {outcome}"));
    KEYS.iter().for_each(|key| println!("key {}", key.path));
}
