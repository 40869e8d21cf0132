//! The project's own commands, the same on a laptop and in CI: `cargo xtask <command>`.
//! One file per command. Knows cargo, git and the shape of the repository; must not know what
//! Sprag does, so it depends on none of its crates and builds in seconds.
#![expect(clippy::print_stdout, reason = "a command line tool speaks on standard output")]

mod background;
mod bench;
mod bugs;
mod deny;
mod docs;
mod failure;
mod faults;
mod nightly;
mod observed;
mod process;
mod setup;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use failure::Failure;
use workspace::Workspace;

/// The commands of `cargo xtask`.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "The project's own commands")]
enum Task {
    /// Everything CI runs, step by step, up to the first failure
    Test(test::Options),
    /// What no compiler checks: sizes, module headers, left-over markers, links
    Tidy,
    /// Writes docs/reference/ and docs/guides/providers/ from the code
    Docs(docs::Options),
    /// Plants every bug of bugs/ and shows that it is caught
    Bugs(bugs::Options),
    /// Runs fuzzers, coverage and mutants of the core for a while each
    Nightly(nightly::Options),
    /// Measures speed beside nginx, and order under that load
    Bench(bench::Options),
    /// Half an hour under load: whether memory, descriptors and disk stay where they are
    Soak(bench::soak::Options),
    /// Does faults to the real binary and prints what came of each
    Faults(faults::Options),
    /// Installs what the tests need beside Rust
    Setup(setup::Options),
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("\nfailed: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<(), Failure> {
    let workspace = Workspace::find()?;
    match task {
        Task::Test(options) => test::run(&workspace, &options),
        Task::Tidy => tidy::run(&workspace).map(|note| println!("{note}")),
        Task::Docs(options) => docs::run(&workspace, &options).map(|note| println!("{note}")),
        Task::Bugs(options) => bugs::run(&workspace, &options).map(|note| println!("{note}")),
        Task::Nightly(options) => nightly::run(&workspace, &options).map(|note| println!("{note}")),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Soak(options) => bench::soak::run(&workspace, &options),
        Task::Faults(options) => faults::run(&workspace, &options),
        Task::Setup(options) => setup::run(&workspace, &options),
    }
}
