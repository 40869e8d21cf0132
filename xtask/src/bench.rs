//! Speed beside nginx under the same load, and the order seen under that load (DESIGN section 6).
//! Method and figures are in bench/README.md. A missed target is printed and is no failure:
//! figures belong to a machine. Loss and disorder are failures on every machine.

mod checked;
mod compare;
mod consumer;
mod cpu;
mod figures;
mod gateway;
mod http;
mod latency;
mod load;
mod machine;
mod pairs;
mod report;
mod server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::failure::Failure;
use crate::process;
use crate::setup;
use crate::workspace::Workspace;

use load::LoadFile;
use report::Report;

/// Seconds the run at a third of the peak is meant to take: some 1,000 events above its p99 at
/// 10,000 events a second.
const THIRD_SECONDS: f64 = 10.0;

/// How much to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Pairs of runs, nginx then Sprag
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Events of a run; below 50,000 start and end weigh too much to mean anything
    #[arg(long, default_value_t = 150_000, value_parser = clap::value_parser!(u64).range(1_000..=400_000))]
    events: u64,
    /// Different keys
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    keys: u32,
    /// Connections of the load generator, and attempts in flight
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// Ends with one JSON object in the last line
    #[arg(long)]
    json: bool,
    /// Measures this work tree beside an earlier revision, in place of nginx
    #[arg(long, value_name = "REV", conflicts_with = "json")]
    compare: Option<String>,
}

/// What every run needs: built programs, a directory of its own, the load.
#[derive(Clone)]
pub(crate) struct Bench {
    /// The release build of `sprag`.
    pub(crate) sprag: PathBuf,
    /// Emptied at the start, removed at the end.
    pub(crate) directory: PathBuf,
    /// Connections of the load generator, and attempts in flight.
    pub(crate) connections: u32,
    script: PathBuf,
    writer: PathBuf,
    keys: u32,
}

/// The command.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    setup::programs(&[setup::NGINX, setup::WRK])?;
    let bench = Bench::prepare(workspace, options)?;
    let machine = machine::Machine::look(&bench.directory, workspace.root())?;
    println!("{machine}");
    let load = bench.load(options.events)?;
    if let Some(revision) = &options.compare {
        let before = compare::build(workspace, revision)?;
        let rounds = options.rounds;
        let comparison = compare::measure(&bench, before, revision, &load, rounds)?;
        println!("\n{comparison}");
        return removed(&bench.directory);
    }
    let pairs = pairs::measure(&bench, &load, options.rounds)?;
    let checked = checked::measure(&bench, &load)?;
    let peak = figures::Spread::of(pairs.iter().map(|pair| pair.sprag.per_second())).median;
    let third = latency::measure(&bench, peak / 3.0, THIRD_SECONDS)?;
    removed(&bench.directory)?;
    let report =
        Report { machine, events: options.events, keys: options.keys, pairs, checked, third };
    println!("\n{report}");
    if options.json {
        println!("{}", report.to_json());
    }
    report.checked.judge()
}

impl Bench {
    fn prepare(workspace: &Workspace, options: &Options) -> Result<Self, Failure> {
        let build =
            ["build", "--release", "-p", "sprag", "--bin", "sprag", "--example", "bench_load"];
        process::run(&mut workspace.cargo(build))?;
        let directory = workspace.target().join("bench");
        emptied(&directory)?;
        machine::refuse_memory(&directory)?;
        let release = workspace.target().join("release");
        Ok(Self {
            sprag: release.join("sprag"),
            writer: release.join("examples/bench_load"),
            script: workspace.root().join("bench/load.lua"),
            directory,
            connections: options.connections,
            keys: options.keys,
        })
    }

    /// Writes a load of so many events.
    pub(crate) fn load(&self, events: u64) -> Result<LoadFile, Failure> {
        let path = self.directory.join(format!("load-{events}"));
        let mut writer = Command::new(&self.writer);
        writer.args(["--events", &events.to_string(), "--keys", &self.keys.to_string()]);
        writer.args(["--secret", gateway::SOURCE_SECRET, "--out"]).arg(&path);
        process::output_of(&mut writer)?;
        let (script, connections) = (self.script.clone(), self.connections);
        Ok(LoadFile { path, script, events, connections })
    }

    /// An empty directory for one server of one run.
    pub(crate) fn room(&self, name: &str) -> Result<PathBuf, Failure> {
        let room = self.directory.join(name);
        emptied(&room)?;
        Ok(room)
    }
}

fn removed(directory: &Path) -> Result<(), Failure> {
    fs::remove_dir_all(directory).map_err(Failure::while_doing("removing the runs"))
}

fn emptied(directory: &Path) -> Result<(), Failure> {
    let shown = directory.display().to_string();
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(Failure::while_doing(shown.clone()))?;
    }
    fs::create_dir_all(directory).map_err(Failure::while_doing(shown))
}
