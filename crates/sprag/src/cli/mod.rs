//! The command line: arguments in, words and an exit code out.
//!
//! One file per command. What a command does is the library's; here are only its arguments, its
//! words and its exit code: 0 fine, 1 found something, 2 could not run.

mod admin;
mod alerts;
mod backup;
mod chaos;
mod check;
mod configuration;
mod dead;
mod demo;
mod destinations;
mod events;
mod explain;
mod input;
mod keys;
mod keys_rebuild;
mod keys_state;
mod lanes;
mod log;
mod overrides;
mod replay;
mod restore;
mod secret;
mod send;
mod serve;
mod signal;
mod sink;
mod sources;
mod top;
mod words;

use clap::{Parser, Subcommand};
use std::fmt;
use std::process::ExitCode;

use crate::cores;

/// Restores the order of webhooks per resource, durably, and proves it.
#[derive(Debug, Parser)]
#[command(name = "sprag", version, after_help = "Start with:\n  sprag demo")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Arguments),
    Check(check::Arguments),
    Demo(demo::Arguments),
    Send(send::Arguments),
    Sink(sink::Arguments),
    Chaos(chaos::Arguments),
    Alerts(alerts::Arguments),
    Explain(explain::Arguments),
    Keys(keys::Arguments),
    Events(events::Arguments),
    Lanes(lanes::Arguments),
    Dead(dead::Arguments),
    Replay(replay::Arguments),
    Top(top::Arguments),
    Sources(sources::Arguments),
    Destinations(destinations::Arguments),
    #[command(name = "override")]
    Override(overrides::Arguments),
    Backup(backup::Arguments),
    Restore(restore::Arguments),
}

/// What a command found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Exit code 0.
    Fine,
    /// Exit code 1.
    Found,
}

impl Verdict {
    fn found_if(found: bool) -> Self {
        if found { Self::Found } else { Self::Fine }
    }
}

/// Why a command could not run: exit code 2.
#[derive(Debug)]
struct Failure(String);

impl Failure {
    fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// Runs the command that the arguments of the process name.
#[must_use]
pub fn run() -> ExitCode {
    let command = Arguments::parse().command;
    let serves = matches!(command, Command::Serve(_));
    let outcome = match command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Sink(arguments) => sink::run(arguments),
        Command::Chaos(arguments) => chaos::run(&arguments),
        Command::Alerts(arguments) => alerts::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Lanes(arguments) => lanes::run(&arguments),
        Command::Dead(arguments) => dead::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Sources(arguments) => sources::run(&arguments),
        Command::Destinations(arguments) => destinations::run(&arguments),
        Command::Override(arguments) => overrides::run(&arguments),
        Command::Backup(arguments) => backup::run(&arguments),
        Command::Restore(arguments) => restore::run(&arguments),
    };
    match outcome {
        // What `serve` says is no result.
        Ok(_) if words::is_short() && !serves => {
            eprintln!("sprag: standard output takes no more: what was written is not all");
            ExitCode::from(2)
        }
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::Found) => ExitCode::from(1),
        Err(Failure(reason)) => {
            eprintln!("sprag: {reason}");
            ExitCode::from(2)
        }
    }
}

/// Runs a command that talks to the network.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(cores::workers()).enable_all().build();
    let runtime = runtime.map_err(Failure::new)?;
    let outcome = runtime.block_on(work);
    // What still reads a disk is not waited for: dropped, a runtime waits without a limit.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent_and_every_command_has_an_example() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            let help = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("sprag {}", subcommand.get_name())), "{subcommand:?}");
            // What a command does besides listing is shown by itself, where it is of several kinds.
            let named = ["dead", "lanes", "destinations"].contains(&subcommand.get_name());
            for action in subcommand.get_subcommands().filter(|_| named) {
                let help = action.get_after_help().map(ToString::to_string).unwrap_or_default();
                let example = format!("sprag {} {}", subcommand.get_name(), action.get_name());
                assert!(help.contains(&example), "{action:?}");
            }
        }
    }
}
