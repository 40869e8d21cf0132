//! Everything CI runs. The list below is the whole of it, in order; a step is a name and a
//! function, and a new step is a new line.

use std::process::Command;
use std::time::Duration;

use clap::Args;

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
    run: fn(&Workspace) -> Result<String, Failure>,
}

const STEPS: &[Step] = &[
    Step { name: "tidy", run: tidy::run },
    Step { name: "format", run: |w| quiet(w.cargo(["fmt", "--all", "--check"])) },
    Step { name: "clippy", run: |w| quiet(w.cargo(CLIPPY)) },
    Step { name: "deny", run: deny::check },
    Step { name: "tests", run: tests },
    Step { name: "doc-tests", run: |w| counted(w.cargo(["test", "--doc", "--workspace"])) },
    Step { name: "docs", run: |w| docs::run(w, &docs::Options { check: true }) },
    Step { name: "simulation", run: simulation },
    Step { name: "interop", run: interop },
    Step { name: "admin-api", run: admin_api },
    Step { name: "kill-rounds", run: |w| counted(real_binary(w, "kill_rounds")) },
    Step { name: "hardship", run: |w| counted(real_binary(w, "hardship")) },
    Step { name: "faults", run: |w| counted(real_binary(w, "faults")) },
    Step { name: "observed", run: observed },
    Step { name: "bug-patches", run: bugs::apply_all },
];

/// These test files start the real program, need Node and Python or want the machine for themselves: each is a step of its
/// own. Those of the simulator live whole worlds, which takes twenty times as long without optimisation: they run in its step.
const ALL_BUT_OWN_STEPS: &str = "not (package(sprag) & binary(/^(interop|admin_api|kill_rounds|observed|disk_full|hardship|faults)$/)) & not (package(sim) & kind(test))";
/// The test files that write down what they see.
const OBSERVING: [&str; 2] = ["observed", "disk_full"];
const CLIPPY: [&str; 6] = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];

/// The command: the steps in order, up to the first failure.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    let steps = selected(&options.only)?;
    let began = process::now();
    let mut table = String::new();
    for (index, step) in steps.iter().enumerate() {
        println!("[{}/{}] {}", index + 1, steps.len(), step.name);
        let step_began = process::now();
        let outcome = (step.run)(workspace);
        let seconds = step_began.elapsed().as_secs_f64();
        let note = outcome.map_err(|failure| {
            Failure::new(format!("step {} after {seconds:.1} s: {failure}", step.name))
        })?;
        println!("[{}/{}] {} ok in {seconds:.1} s\n", index + 1, steps.len(), step.name);
        table.push_str(&format!("  {:<12}{seconds:>8.1} s  {note}\n", step.name));
    }
    println!("{table}{} steps ok in {:.1} s", steps.len(), began.elapsed().as_secs_f64());
    Ok(())
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
    let run = |command: &[&str]| counted(workspace.cargo(simulator.iter().chain(command)));
    let scenarios = run(&["scenarios"])?;
    run(&["sweep", "--seeds", SEEDS]).map(|sweep| format!("{tests}; {scenarios}; {sweep}"))
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
    let last = watched.tail.iter().rev().find(|line| !line.trim().is_empty());
    let line = watched.kept.last().or(last);
    Ok(line.map_or(String::new(), |line| line.trim().to_owned()))
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

    #[test]
    fn steps_are_chosen_by_name_and_an_unknown_name_lists_the_known() {
        let names = |steps: Vec<&Step>| steps.iter().map(|s| s.name).collect::<Vec<_>>();
        assert_eq!(selected(&[]).unwrap().len(), STEPS.len());
        assert_eq!(names(selected(&["deny".into(), "tidy".into()]).unwrap()), ["tidy", "deny"]);
        let failure = selected(&["nothing".into()]).err().unwrap();
        assert!(failure.to_string().contains("kill-rounds"), "{failure}");
    }
}
