//! Deliberate bugs: every patch of bugs/ is applied to a copy of the project, and the simulation
//! or the test it names has to catch it. A bug that nothing catches is a promise nothing tests.

mod catcher;
mod copy;
mod patch;

use std::fs;

use clap::Args;

use catcher::Verdict;
use copy::SourceCopy;
use patch::Patch;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

const DIRECTORY: &str = "bugs";

/// Which bugs to plant.
#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only the patches with these file names, without `.patch`
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Without the proof that everything is green without a bug: to go on where one was given
    #[arg(long)]
    proven: bool,
}

/// The command: first the project as it is must be green, then no planted bug may be.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<String, Failure> {
    let patches = patches(workspace, &options.only)?;
    let copy = SourceCopy::new(workspace);
    if !options.proven {
        prove_green(workspace, &copy, &patches)?;
    }
    println!("  {:<44} {:<10} {:>7}  caught by", "bug", "rule", "seconds");
    let mut uncaught = Vec::new();
    for patch in &patches {
        let began = process::now();
        let verdict = plant(workspace, &copy, patch)?;
        let seconds = began.elapsed().as_secs_f64();
        println!("  {:<44} {:<10} {seconds:>7.1}  {verdict}", patch.title, patch.rule);
        if !matches!(verdict, Verdict::Caught(_)) {
            uncaught.push(patch.name.as_str());
        }
    }
    let summary = format!("{} bugs, {} caught", patches.len(), patches.len() - uncaught.len());
    if uncaught.is_empty() {
        return Ok(summary);
    }
    Err(Failure::new(format!("{summary}; not caught: {}", uncaught.join(", "))))
}

/// Whether every patch still applies: a bug that cannot be planted is one that nobody looks for.
/// Planting them all takes a build each, which is `cargo xtask bugs` and not for every test run.
pub(crate) fn apply_all(workspace: &Workspace) -> Result<String, Failure> {
    let patches = patches(workspace, &[])?;
    let copy = SourceCopy::new(workspace);
    for patch in &patches {
        copy.refresh(workspace)?;
        let file = workspace.root().join(DIRECTORY).join(format!("{}.patch", patch.name));
        let name = format!("{DIRECTORY}/{}.patch does not apply", patch.name);
        copy.apply(&file).map_err(Failure::while_doing(name))?;
    }
    Ok(format!("{} patches apply; `cargo xtask bugs` shows each caught", patches.len()))
}

fn patches(workspace: &Workspace, only: &[String]) -> Result<Vec<Patch>, Failure> {
    let mut patches = Vec::new();
    for path in workspace.files()? {
        let name = path.strip_prefix(DIRECTORY).and_then(|name| name.strip_prefix('/'));
        let Some(name) = name.and_then(|name| name.strip_suffix(".patch")) else { continue };
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            let file = workspace.root().join(&path);
            let text = fs::read_to_string(&file).map_err(Failure::while_doing(path.as_str()))?;
            patches.push(Patch::parse(name, &text).map_err(Failure::while_doing(path.as_str()))?);
        }
    }
    match only.iter().find(|name| patches.iter().all(|patch| patch.name != **name)) {
        Some(name) => Err(Failure::new(format!("there is no {DIRECTORY}/{name}.patch"))),
        None if patches.is_empty() => Err(Failure::new(format!("{DIRECTORY}/ holds no patch"))),
        None => Ok(patches),
    }
}

/// A catcher that fails without a bug would catch anything.
fn prove_green(workspace: &Workspace, copy: &SourceCopy, patches: &[Patch]) -> Result<(), Failure> {
    copy.refresh(workspace)?;
    let catchers = catcher::together(patches.iter().map(|patch| &patch.catcher));
    for catcher in catchers {
        let began = process::now();
        let verdict = catcher.run(copy)?;
        let seconds = began.elapsed().as_secs_f64();
        println!("  without a bug: {catcher}: {verdict} in {seconds:.1} s");
        if !matches!(verdict, Verdict::Green) {
            return Err(Failure::new(format!("{catcher} must be green without a bug")));
        }
    }
    Ok(())
}

fn plant(workspace: &Workspace, copy: &SourceCopy, patch: &Patch) -> Result<Verdict, Failure> {
    copy.refresh(workspace)?;
    let file = workspace.root().join(DIRECTORY).join(format!("{}.patch", patch.name));
    if let Err(failure) = copy.apply(&file) {
        return Ok(Verdict::Unclear(format!("does not apply: {failure}")));
    }
    match patch.catcher.run(copy)? {
        Verdict::Green => Ok(Verdict::Unclear(format!("{} is green", patch.catcher))),
        verdict => Ok(verdict),
    }
}
