//! What single layers cost by themselves: the core, the log's thread, the state store. CPU of the one thread that
//! does the work, so that a layer can be made faster without the noise of all the others.

use std::process::Command;

use super::Bench;
use super::figures::Spread;
use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// A layer and how its example is asked.
struct Layer {
    what: &'static str,
    example: &'static str,
    arguments: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    Layer {
        what: "core: received, released, attempted, settled; µs an event",
        example: "layers",
        arguments: &["core", "200000"],
    },
    Layer {
        what: "log: frames of 30 written, packed with a dictionary, synced; µs an event",
        example: "packing",
        arguments: &["dictionary", "60000"],
    },
    Layer {
        what: "state store: batches of 1,000 of 100,000 keys; µs a key",
        example: "layers",
        arguments: &["state", "200000"],
    },
];

/// Measures each in turn, again and again, and prints what it found.
pub(crate) fn measure(workspace: &Workspace, bench: &Bench, rounds: u32) -> Result<(), Failure> {
    let build = ["build", "--release", "-p", "sprag", "--example", "layers"];
    process::run(&mut workspace.cargo(build))?;
    let build = ["build", "--release", "-p", "sprag-log", "--example", "packing"];
    process::run(&mut workspace.cargo(build))?;
    let mut measured = vec![Vec::new(); LAYERS.len()];
    for _ in 0..rounds {
        for (layer, values) in LAYERS.iter().zip(&mut measured) {
            let mut program = Command::new(bench.example(layer.example));
            program.args(layer.arguments).current_dir(&bench.directory);
            let said = process::output_of(&mut program)?;
            let nothing = || Failure::new(format!("{} said: {said}", layer.example));
            values.push(microseconds(&said).ok_or_else(nothing)?);
        }
    }
    for (layer, values) in LAYERS.iter().zip(measured) {
        println!("{}: {:.1}", layer.what, Spread::of(values.into_iter()));
    }
    Ok(())
}

/// The number before `µs an event`, or the only one.
fn microseconds(said: &str) -> Option<f64> {
    let before = said.split_once(" µs an event").map_or(said, |(before, _)| before);
    before.split_whitespace().next_back()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_in_a_sentence_or_alone() {
        let sentence =
            "trained in 38.0 ms\ndictionary: 5.1 % of 9 bytes left, 7.85 µs an event, with 3\n";
        assert_eq!(microseconds(sentence), Some(7.85));
        assert_eq!(microseconds("12.345\n"), Some(12.345));
        assert_eq!(microseconds(""), None);
    }
}
