//! Everything CI runs. The list below is the whole of it, in order; a step is a name and a
//! function, and a new step is a new line. One begins when its turn comes and goes on beside those
//! that follow: they wait for processes most of the time.

use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;

use crate::background::Background;
use crate::failure::Failure;
use crate::process::{self, Watch};
use crate::workspace::Workspace;
use crate::{bugs, deny, docs, observed, setup, tidy};

/// Seeds of the sweep: the number DESIGN section 8 promises.
const SEEDS: &str = "2000";
/// No step takes longer unless it hangs: the slowest, a first build on two cores, takes minutes.
const STEP_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Which steps to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs only the steps with these names
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
}

/// One step; what it returns is shown beside its name in the closing table.
struct Step {
    name: &'static str,
    run: Run,
}

/// How a step is run.
#[derive(Clone, Copy)]
enum Run {
    /// The next step begins when it has ended.
    Alone(fn(&Workspace) -> Result<String, Failure>),
    /// It goes on beside the steps that follow, and has to end before all have.
    Beside(fn(&Workspace) -> Result<Background, Failure>),
}

const STEPS: &[Step] = &[
    Step { name: "tidy", run: Run::Alone(tidy::run) },
    Step { name: "format", run: Run::Alone(|w| quiet(w.cargo(["fmt", "--all", "--check"]))) },
    Step { name: "clippy", run: Run::Alone(|w| quiet(w.cargo(CLIPPY))) },
    Step { name: "deny", run: Run::Alone(deny::check) },
    // As who installs it builds it: all other steps have the features that the workspace wants together.
    Step { name: "package", run: Run::Alone(|w| quiet(w.cargo(["check", "-p", "sprag"]))) },
    Step { name: "simulation", run: Run::Alone(simulation) },
    Step { name: "sweep", run: Run::Beside(sweep) },
    Step { name: "tests", run: Run::Alone(tests) },
    Step {
        name: "doc-tests",
        run: Run::Alone(|w| counted(w.cargo(["test", "--doc", "--workspace"]))),
    },
    Step { name: "docs", run: Run::Alone(|w| docs::run(w, &docs::Options { check: true })) },
    Step { name: "interop", run: Run::Alone(interop) },
    Step { name: "admin-api", run: Run::Alone(admin_api) },
    Step { name: "kill-rounds", run: Run::Alone(|w| counted(real_binary(w, "kill_rounds"))) },
    Step { name: "hardship", run: Run::Alone(|w| counted(real_binary(w, "hardship"))) },
    Step { name: "faults", run: Run::Alone(|w| counted(real_binary(w, "faults"))) },
    Step { name: "observed", run: Run::Alone(observed) },
    Step { name: "bug-patches", run: Run::Alone(bugs::apply_all) },
];

/// These test files start the real program, need Node and Python or more of the machine than others leave: each is a step of
/// its own. Those of the simulator live whole worlds, which takes twenty times as long without optimisation: they run in its step.
const ALL_BUT_OWN_STEPS: &str = "not (package(sprag) & binary(/^(interop|admin_api|kill_rounds|observed|disk_full|hardship|faults)$/)) & not (package(sim) & kind(test))";
/// The test files that write down what they see.
const OBSERVING: [&str; 2] = ["observed", "disk_full"];
const CLIPPY: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];

/// The command: the steps in order, up to the first failure.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    let steps = selected(&options.only)?;
    let began = process::now();
    let table = carry_out(workspace, &steps)?;
    println!("{}{} steps ok in {:.1} s", table.rows, steps.len(), seconds_since(began));
    Ok(())
}

fn carry_out(workspace: &Workspace, steps: &[&Step]) -> Result<Table, Failure> {
    let mut table = Table::default();
    let mut beside = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        table.take_ended(&mut beside)?;
        let title = format!("[{}/{}] {}", index + 1, steps.len(), step.name);
        println!("{title}");
        let turn = Turn { name: step.name, title, began: process::now() };
        match step.run {
            Run::Alone(run) => table.add(&turn, run(workspace))?,
            Run::Beside(begin) => {
                let begun = begin(workspace).map_err(|failure| turn.failure(&failure))?;
                beside.push((turn, begun));
            }
        }
    }
    for (turn, program) in beside {
        table.add(&turn, summed_up(program))?;
    }
    Ok(table)
}

/// A step whose turn has come.
struct Turn {
    name: &'static str,
    title: String,
    began: Instant,
}

impl Turn {
    fn failure(&self, failure: &Failure) -> Failure {
        let seconds = seconds_since(self.began);
        Failure::new(format!("step {} after {seconds:.1} s: {failure}", self.name))
    }
}

/// The closing table: a row for each step that has ended well.
#[derive(Default)]
struct Table {
    rows: String,
}

impl Table {
    fn add(&mut self, turn: &Turn, outcome: Result<String, Failure>) -> Result<(), Failure> {
        let note = outcome.map_err(|failure| turn.failure(&failure))?;
        let seconds = seconds_since(turn.began);
        println!("{} ok in {seconds:.1} s\n", turn.title);
        self.rows.push_str(&format!("  {:<12}{seconds:>8.1} s  {note}\n", turn.name));
        Ok(())
    }

    /// Adds what ran beside the others and has ended: what is wrong there ends the command now.
    fn take_ended(&mut self, beside: &mut Vec<(Turn, Background)>) -> Result<(), Failure> {
        for (turn, mut program) in std::mem::take(beside) {
            if program.has_ended()? {
                self.add(&turn, summed_up(program))?;
            } else {
                beside.push((turn, program));
            }
        }
        Ok(())
    }
}

fn seconds_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64()
}

/// The steps with these names, or all when there are none.
fn selected(names: &[String]) -> Result<Vec<&'static Step>, Failure> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|step| step.name != **name)) {
        let known: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        return Err(Failure::new(format!("no step `{unknown}`; there are {}", known.join(", "))));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

fn tests(workspace: &Workspace) -> Result<String, Failure> {
    setup::cargo_tool(workspace, &setup::CARGO_NEXTEST)?;
    counted(workspace.cargo(["nextest", "run", "--workspace", "-E", ALL_BUT_OWN_STEPS]))
}

fn simulation(workspace: &Workspace) -> Result<String, Failure> {
    setup::cargo_tool(workspace, &setup::CARGO_NEXTEST)?;
    let tests = ["nextest", "run", "-p", "sim", "--test", "*", "--cargo-profile", "simulation"];
    let tests = counted(workspace.cargo(tests))?;
    let simulator = ["run", "--profile", "simulation", "-p", "sim", "--"];
    let scenarios = counted(workspace.cargo(simulator.iter().chain(&["scenarios"])))?;
    Ok(format!("{tests}; {scenarios}"))
}

/// The seeds, by the simulator that stands there once it is built.
fn sweep(workspace: &Workspace) -> Result<Background, Failure> {
    process::run(&mut workspace.cargo([
        "build",
        "--quiet",
        "--profile",
        "simulation",
        "-p",
        "sim",
    ]))?;
    let mut sweep = Command::new(workspace.target().join("simulation/sim"));
    sweep.args(["sweep", "--seeds", SEEDS]).current_dir(workspace.root());
    Background::begin(&sweep, workspace.target().join("sweep.txt"), STEP_LIMIT)
}

fn interop(workspace: &Workspace) -> Result<String, Failure> {
    setup::cargo_tool(workspace, &setup::CARGO_NEXTEST)?;
    let installed = setup::interop(workspace)?;
    println!("  {}", installed.versions);
    let mut command = real_binary(workspace, "interop");
    command.env("SPRAG_INTEROP_PYTHON", &installed.python);
    counted(command).map(|summary| format!("{summary}; {}", installed.versions))
}

/// Schemathesis makes requests from the description the running program gives of itself.
fn admin_api(workspace: &Workspace) -> Result<String, Failure> {
    setup::cargo_tool(workspace, &setup::CARGO_NEXTEST)?;
    let installed = setup::interop(workspace)?;
    let mut command = real_binary(workspace, "admin_api");
    command.env("SPRAG_INTEROP_PYTHON", &installed.python);
    counted(command)
}

/// Real sockets to the real program; what they saw must be all there is to see.
fn observed(workspace: &Workspace) -> Result<String, Failure> {
    setup::cargo_tool(workspace, &setup::CARGO_NEXTEST)?;
    let directory = observed::begin(workspace)?;
    let mut command = workspace.cargo(["nextest", "run", "--workspace"]);
    command.args(OBSERVING.iter().flat_map(|name| ["--test", name]));
    command.env(observed::VARIABLE, &directory);
    counted(command)?;
    observed::conclude(workspace, &directory)
}

/// The tests of one file of crates/sprag/tests, with what they print: seeds, rounds, versions. They
/// are those that the step `tests` has built: of one package alone cargo would build them anew, with
/// fewer features.
fn real_binary(workspace: &Workspace, name: &str) -> Command {
    let select = ["nextest", "run", "--workspace", "--test", name];
    let mut command = workspace.cargo(select);
    command.args(["--success-output", "immediate"]);
    command
}

fn quiet(mut command: Command) -> Result<String, Failure> {
    process::run(&mut command).map(|()| String::new())
}

/// Runs a program and returns the line in which it sums up: the one that says so, else its last.
fn counted(mut command: Command) -> Result<String, Failure> {
    let watch = Watch { echo: true, limit: STEP_LIMIT, keep: is_summary };
    let watched = process::watch(&mut command, &watch)?;
    if watched.timed_out {
        let minutes = STEP_LIMIT.as_secs() / 60;
        return Err(Failure::new(format!("`{}` took {minutes} min", process::shown(&command))));
    }
    if watched.code != Some(0) {
        let code = watched.code.map_or("a signal".to_owned(), |code| format!("code {code}"));
        return Err(Failure::new(format!("`{}` ended with {code}", process::shown(&command))));
    }
    let kept = watched.kept.last().cloned();
    Ok(kept.unwrap_or_else(|| last_of(watched.tail.iter().map(String::as_str))))
}

/// Waits for a program that ran beside others, and returns the line in which it sums up: its last.
fn summed_up(program: Background) -> Result<String, Failure> {
    program.conclude().map(|output| last_of(output.lines()))
}

fn last_of<'a>(lines: impl DoubleEndedIterator<Item = &'a str>) -> String {
    lines.rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// The line of nextest with the counts, and that of the test harness.
fn is_summary(line: &str) -> bool {
    line.trim_start().starts_with("Summary [") || line.starts_with("test result: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_note_of_a_step_is_the_line_with_the_counts() {
        let script = "echo starting; echo '  Summary [ 0.1s] 3 tests run: 3 passed' >&2; sleep 0.1; echo bye";
        assert_eq!(counted(shell(script)).unwrap(), "Summary [ 0.1s] 3 tests run: 3 passed");
        assert_eq!(counted(shell("echo 2000 seeds; echo")).unwrap(), "2000 seeds");
    }

    #[test]
    fn a_failing_program_fails_its_step_whatever_it_printed() {
        let failure = counted(shell("echo 'Summary [ 0.1s] 1 failed'; exit 100")).unwrap_err();
        assert!(failure.to_string().contains("code 100"), "{failure}");
    }

    fn output_of_beside(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("xtask-beside-{name}-{}", std::process::id()))
    }

    fn beside(script: &str, name: &str) -> Result<Background, Failure> {
        Background::begin(&shell(script), output_of_beside(name), STEP_LIMIT)
    }

    fn carried_out(run: &[(&'static str, Run)]) -> Result<String, String> {
        let steps: Vec<Step> = run.iter().map(|(name, run)| Step { name, run: *run }).collect();
        let steps: Vec<&Step> = steps.iter().collect();
        let table = carry_out(&Workspace::find().unwrap(), &steps);
        table.map(|table| table.rows).map_err(|failure| failure.to_string())
    }

    #[test]
    fn what_runs_beside_the_others_has_to_end_well() {
        let quick = Run::Alone(|_| Ok("quick".to_owned()));
        let good = Run::Beside(|_| beside("sleep 0.3; echo 2000 seeds", "good"));
        let rows = carried_out(&[("sweep", good), ("other", quick)]).unwrap();
        let notes: Vec<&str> = rows.lines().filter_map(|row| row.split(" s  ").nth(1)).collect();
        assert_eq!(notes, ["quick", "2000 seeds"]);
        let late = Run::Beside(|_| beside("sleep 0.3; exit 1", "late"));
        let failure = carried_out(&[("sweep", late), ("other", quick)]).unwrap_err();
        assert!(failure.contains("step sweep"), "{failure}");
        let soon = Run::Beside(|_| beside("echo $$; exit 1", "soon"));
        // Until that has ended, however long it takes.
        let slow = Run::Alone(|_| {
            let ended = |status: String| {
                status.lines().any(|line| line.starts_with("State:") && line.contains('Z'))
            };
            let has_ended = || {
                let process = std::fs::read_to_string(output_of_beside("soon")).ok()?;
                let status = format!("/proc/{}/status", process.trim().parse::<u32>().ok()?);
                Some(std::fs::read_to_string(status).map_or(true, ended))
            };
            while has_ended() != Some(true) {
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(String::new())
        });
        let never = Run::Alone(|_| panic!("what has failed ends the command before"));
        let failure =
            carried_out(&[("sweep", soon), ("other", slow), ("third", never)]).unwrap_err();
        assert!(failure.contains("step sweep"), "{failure}");
        let red = Run::Alone(|_| Err(Failure::new("red")));
        let long = Run::Beside(|_| beside("exec sleep 600", "long"));
        let failure = carried_out(&[("sweep", long), ("other", red)]).unwrap_err();
        assert!(failure.contains("step other") && failure.contains("red"), "{failure}");
        for name in ["good", "late", "soon", "long"] {
            std::fs::remove_file(output_of_beside(name)).unwrap();
        }
    }

    #[test]
    fn steps_are_chosen_by_name_and_an_unknown_name_lists_the_known() {
        let names = |steps: Vec<&Step>| steps.iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(selected(&[]).unwrap().len(), STEPS.len());
        assert_eq!(names(selected(&["deny".into(), "tidy".into()]).unwrap()), ["tidy", "deny"]);
        let failure = selected(&["nothing".into()]).err().unwrap();
        assert!(failure.to_string().contains("kill-rounds"), "{failure}");
    }
}
