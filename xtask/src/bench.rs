//! The budgets of DESIGN section 6, measured: speed beside nginx under the same load with the order seen under it,
//! isolation, memory, restarts, bytes on disk. Method and figures are in bench/README.md. A missed target is printed
//! and is no failure: figures belong to a machine. Loss and disorder are failures on every machine.

mod backlog;
mod beside;
mod checked;
mod compare;
mod connections;
mod consumer;
mod cpu;
mod disk;
mod figures;
mod fill;
mod gateway;
mod halted;
mod hot;
mod http;
mod isolation;
mod keys;
mod latency;
mod layers;
mod load;
mod machine;
mod memory;
mod pairs;
mod recovery;
mod report;
mod restart;
mod run;
mod scale;
mod server;
mod slow;
pub(crate) mod soak;
mod table;
mod zipf;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::process;
use crate::setup;
use crate::workspace::Workspace;

use checked::Checked;
use load::LoadFile;
use report::Report;
use scale::{Dimension, Sizes};
use table::{Line, Table};

/// Seconds the run at a third of the peak is meant to take: some 1,000 events above its p99 at
/// 10,000 events a second.
const THIRD_SECONDS: f64 = 10.0;

/// Events of a key that is apart in a load (`examples/bench_load.rs`).
pub(crate) const APART_EVENTS: u64 = 2;

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Throughput, CPU and latency beside nginx, and order (three minutes)
    Nginx,
    /// What all others lose while 200 keys hang or fail (eight minutes)
    Isolation,
    /// Throughput and memory at a million known keys (five minutes)
    Keys,
    /// Memory while five million events wait (ten minutes, 3 GB)
    Backlog,
    /// Restart and rebuild with ten million events in the log (ten minutes, 6 GB)
    Restart,
    /// Bytes on disk beside bytes of bodies (one minute)
    Disk,
    /// Recovery, one key behind a halt, hot keys, slow consumers, connections (half an hour, 8 GB)
    Scale,
    /// CPU of core, log and state store, each by itself (one minute after the build; no budget)
    Layers,
}

/// How much to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these parts of the table; all without
    #[arg(long, value_enum, value_delimiter = ',', conflicts_with = "compare")]
    only: Vec<Part>,
    /// Pairs of runs: nginx then Sprag, few keys then many
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Rounds of runs in which no keys, hanging keys and failing keys are beside all others
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    isolation_rounds: u32,
    /// Events of a run; below 50,000 start and end weigh too much to mean anything
    #[arg(long, default_value_t = 150_000, value_parser = clap::value_parser!(u64).range(1_000..=400_000))]
    events: u64,
    /// Different keys
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    keys: u32,
    /// Known keys, where they are many
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(10_000..=9_000_000))]
    known_keys: u32,
    /// Events that wait for a dead destination
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(50_000..=9_000_000))]
    backlog: u64,
    /// Events in the log of a restart
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    log: u64,
    /// Per cent of the sizes of the part `scale`
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    scale: u32,
    /// Only these dimensions of the part `scale`; all without
    #[arg(long, value_enum, value_delimiter = ',')]
    dimensions: Vec<Dimension>,
    /// Rounds of GitHub's examples on disk
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    corpus_rounds: u64,
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
    /// Where the release builds of examples are.
    examples: PathBuf,
    /// Emptied at the start, removed at the end.
    pub(crate) directory: PathBuf,
    /// Connections of the load generator, and attempts in flight.
    pub(crate) connections: u32,
    script: PathBuf,
    keys: u32,
}

/// Events of a load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) events: u64,
    pub(crate) keys: u32,
    pub(crate) first_key: u64,
    pub(crate) first_event: u64,
    pub(crate) first_sequence: u64,
    /// Events of it that were sent before.
    pub(crate) skip: u64,
    /// So many more keys that are apart, with two events each.
    pub(crate) apart: u64,
    /// Every so many-th event is of the first key; none of its own without.
    pub(crate) hot_every: u64,
    /// Keys by Zipf's law in place of evenly.
    pub(crate) zipf: bool,
}

/// What was measured.
#[derive(Default)]
struct Measured {
    lines: Vec<Line>,
    beside_nginx: Option<Report>,
}

/// The command.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    setup::programs(&[setup::NGINX, setup::WRK])?;
    let bench = Bench::prepare(workspace, options.connections, options.keys)?;
    let machine = machine::Machine::look(&bench.directory, workspace.root())?;
    println!("{machine}");
    if let Some(revision) = &options.compare {
        let before = compare::build(workspace, revision)?;
        let rounds = options.rounds;
        let load = bench.load(options.events)?;
        let comparison = compare::measure(&bench, before, revision, &load, rounds)?;
        println!("\n{comparison}");
        return removed(&bench.directory);
    }
    let mut measured = Measured::default();
    for part in Part::value_variants() {
        if options.only.is_empty() || options.only.contains(part) {
            // Said at once as well: a part that fails later takes nothing with it.
            let lines = measured.part(*part, workspace, &bench, options)?;
            if !lines.is_empty() {
                println!("{}\n", Table(&lines));
            }
            measured.lines.extend(lines);
            emptied(&bench.directory)?;
        }
    }
    removed(&bench.directory)?;
    println!("{machine}\n\n{}", Table(&measured.lines));
    if options.json {
        let beside = measured.beside_nginx.as_ref().map_or("null".to_owned(), Report::to_json);
        let (machine, table) = (machine.to_json(), Table(&measured.lines).to_json());
        println!("{{\"machine\":{machine},\"table\":{table},\"beside_nginx\":{beside}}}");
    }
    let checked = measured.beside_nginx.map(|report| report.checked);
    checked.as_ref().map_or(Ok(()), Checked::judge)
}

impl Measured {
    fn part(
        &mut self,
        part: Part,
        workspace: &Workspace,
        bench: &Bench,
        options: &Options,
    ) -> Result<Vec<Line>, Failure> {
        println!("{}:", part.to_possible_value().as_ref().map_or("", |value| value.get_name()));
        let (events, rounds) = (options.events, options.rounds);
        match part {
            Part::Nginx => {
                let report = beside_nginx(bench, options)?;
                println!("\n{report}\n");
                let lines = report.lines();
                self.beside_nginx = Some(report);
                Ok(lines)
            }
            Part::Isolation => {
                isolation::measure(bench, events, options.keys, options.isolation_rounds)
            }
            Part::Keys => keys::measure(bench, options.known_keys, events, rounds),
            Part::Backlog => backlog::measure(bench, options.backlog),
            Part::Restart => restart::measure(bench, options.log, rounds),
            Part::Disk => {
                let corpus = setup::github_examples(workspace)?;
                disk::measure(bench, &corpus, options.corpus_rounds)
            }
            Part::Scale => {
                let sizes = Sizes { per_cent: options.scale, events, keys: options.keys, rounds };
                scale::measure(bench, sizes, &options.dimensions)
            }
            Part::Layers => layers::measure(workspace, bench, rounds).map(|()| Vec::new()),
        }
    }
}

fn beside_nginx(bench: &Bench, options: &Options) -> Result<Report, Failure> {
    let load = bench.load(options.events)?;
    let pairs = pairs::measure(bench, &load, options.rounds)?;
    let checked = checked::measure(bench, &load)?;
    let peak = figures::Spread::of(pairs.iter().map(|pair| pair.sprag.per_second())).median;
    let third = latency::measure(bench, peak / 3.0, THIRD_SECONDS)?;
    Ok(Report { events: options.events, keys: options.keys, pairs, checked, third })
}

impl Load {
    /// Events of as many keys, from their beginning.
    pub(crate) fn new(events: u64, keys: u32) -> Self {
        Self {
            events,
            keys,
            first_key: 0,
            first_event: 1,
            first_sequence: 1,
            skip: 0,
            apart: 0,
            hot_every: 0,
            zipf: false,
        }
    }
}

impl Bench {
    fn prepare(workspace: &Workspace, connections: u32, keys: u32) -> Result<Self, Failure> {
        let build = ["build", "--release", "-p", "sprag", "--bin", "sprag"];
        let examples = ["--example", "bench_load", "--example", "bench_fill"];
        process::run(&mut workspace.cargo(build.into_iter().chain(examples)))?;
        let directory = workspace.target().join("bench");
        emptied(&directory)?;
        machine::refuse_memory(&directory)?;
        let release = workspace.target().join("release");
        Ok(Self {
            sprag: release.join("sprag"),
            examples: release.join("examples"),
            script: workspace.root().join("bench/load.lua"),
            directory,
            connections,
            keys,
        })
    }

    /// The release build of an example.
    pub(crate) fn example(&self, name: &str) -> PathBuf {
        self.examples.join(name)
    }

    /// Writes a load of so many events of new keys.
    pub(crate) fn load(&self, events: u64) -> Result<LoadFile, Failure> {
        self.load_of("load", Load::new(events, self.keys))
    }

    /// Writes a load.
    pub(crate) fn load_of(&self, name: &str, load: Load) -> Result<LoadFile, Failure> {
        let Load { events, keys, first_key, first_event, first_sequence, skip, apart, .. } = load;
        let path = self.directory.join(format!("{name}-{events}"));
        let mut writer = Command::new(self.example("bench_load"));
        writer.args(["--events", &events.to_string(), "--keys", &keys.to_string()]);
        writer.args(["--first-key", &first_key.to_string()]);
        writer.args(["--first-event", &first_event.to_string()]);
        writer.args(["--first-sequence", &first_sequence.to_string()]);
        writer.args(["--skip", &skip.to_string(), "--apart", &apart.to_string()]);
        writer.args(["--hot-every", &load.hot_every.to_string()]);
        if load.zipf {
            writer.arg("--zipf");
        }
        writer.args(["--secret", gateway::SOURCE_SECRET, "--out"]).arg(&path);
        process::output_of(&mut writer)?;
        let (script, connections) = (self.script.clone(), self.connections);
        let events = events + apart * APART_EVENTS;
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
