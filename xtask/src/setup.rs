//! What the tests need beside Rust: cargo tools, system packages, npm and PyPI packages.
//! Looks first, says what it is about to install, then installs; must not change what is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// The directory with package-lock.json and requirements.txt of the interoperability tests.
const INTEROP: &str = "interop";

/// What to install.
#[derive(Args)]
pub(crate) struct Options {
    /// Also what only `cargo xtask bench` needs: nginx and wrk
    #[arg(long)]
    bench: bool,
}

/// A cargo subcommand built from crates.io. Built without optimisation: it is used once per run,
/// and compiling it is what a fresh machine waits for.
pub(crate) struct CargoTool {
    subcommand: &'static str,
    version: &'static str,
    features: &'static str,
}

/// Checks licences, sources and advisories of dependencies.
pub(crate) const CARGO_DENY: CargoTool =
    CargoTool { subcommand: "deny", version: "0.20.2", features: "" };
/// Runs tests, each in a process of its own.
pub(crate) const CARGO_NEXTEST: CargoTool =
    CargoTool { subcommand: "nextest", version: "0.9.151", features: "default-no-update" };
/// Builds and runs fuzzers.
pub(crate) const CARGO_FUZZ: CargoTool =
    CargoTool { subcommand: "fuzz", version: "0.13.2", features: "" };
/// Changes code and sees whether a test notices.
pub(crate) const CARGO_MUTANTS: CargoTool =
    CargoTool { subcommand: "mutants", version: "27.1.0", features: "" };
/// Counts which lines tests reach.
pub(crate) const CARGO_LLVM_COV: CargoTool =
    CargoTool { subcommand: "llvm-cov", version: "0.9.1", features: "" };

/// A program the tests start, how to see that it works, and the Debian packages that hold it.
pub(crate) struct Program {
    probe: &'static [&'static str],
    packages: &'static [&'static str],
}

const NODE: Program = Program { probe: &["node", "--version"], packages: &["nodejs", "npm"] };
const NPM: Program = Program { probe: &["npm", "--version"], packages: &["nodejs", "npm"] };
const PYTHON: Program = Program {
    // Debian's python3 alone has no working venv: ensurepip is a package of its own.
    probe: &["python3", "-c", "import venv, ensurepip"],
    packages: &["python3", "python3-venv"],
};
pub(crate) const NGINX: Program = Program { probe: &["nginx", "-v"], packages: &["nginx-light"] };
pub(crate) const WRK: Program =
    Program { probe: &["sh", "-c", "command -v wrk"], packages: &["wrk"] };

/// The command: everything `cargo xtask test` would install on its way, at once.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), Failure> {
    cargo_tool(workspace, &CARGO_DENY)?;
    cargo_tool(workspace, &CARGO_NEXTEST)?;
    println!("{}", interop(workspace)?.versions);
    if options.bench {
        programs(&[NGINX, WRK])?;
    }
    Ok(())
}

/// Installs a cargo tool unless it runs already, in whatever version.
pub(crate) fn cargo_tool(workspace: &Workspace, tool: &CargoTool) -> Result<(), Failure> {
    if process::succeeds(&mut workspace.cargo([tool.subcommand, "--version"])) {
        return Ok(());
    }
    let name = format!("cargo-{}", tool.subcommand);
    println!("  {name} is missing: installing it from crates.io (one to three minutes, once)");
    let mut install = workspace.cargo(["install", &name, "--version", tool.version, "--locked"]);
    install.args(["--debug", "--config", "profile.dev.debug=false", "--no-default-features"]);
    process::run(install.args(["--features", tool.features]))
}

/// Installs the Rust component that reads coverage counters, where rustup keeps components.
pub(crate) fn llvm_tools() -> Result<(), Failure> {
    let rustup = |words: &[&str]| {
        let mut command = Command::new("rustup");
        command.args(words);
        command
    };
    let Ok(installed) = process::output_of(&mut rustup(&["component", "list", "--installed"]))
    else {
        // A toolchain without rustup brings its own, or cargo-llvm-cov says what is missing.
        return Ok(());
    };
    if installed.lines().any(|line| line.starts_with("llvm-tools")) {
        return Ok(());
    }
    println!("  the Rust component llvm-tools is missing: installing it by rustup");
    process::run(&mut rustup(&["component", "add", "llvm-tools"]))
}

/// What the interoperability tests run on.
pub(crate) struct Interop {
    /// The Python of the virtual environment with the packages of requirements.txt.
    pub(crate) python: PathBuf,
    /// Node, Python and every package, each with its version.
    pub(crate) versions: String,
}

/// Installs Node, Python and the packages of the interoperability tests.
pub(crate) fn interop(workspace: &Workspace) -> Result<Interop, Failure> {
    programs(&[NODE, NPM, PYTHON])?;
    let directory = workspace.root().join(INTEROP);
    node_modules(&directory)?;
    let environment = python_environment(&directory, &workspace.target().join("interop-python"))?;
    let python = environment.join("bin/python");
    Ok(Interop { versions: versions(&directory, &python)?, python })
}

/// GitHub's published example events, installed with the interoperability tests: `index.json`.
pub(crate) fn github_examples(workspace: &Workspace) -> Result<PathBuf, Failure> {
    programs(&[NODE, NPM])?;
    let directory = workspace.root().join(INTEROP);
    node_modules(&directory)?;
    let package = "node_modules/@octokit/webhooks-examples/api.github.com/index.json";
    Ok(directory.join(package))
}

fn versions(directory: &Path, python: &Path) -> Result<String, Failure> {
    let node = process::output_of(Command::new("node").arg("--version"))?;
    let mut listing = Command::new("npm");
    let npm = process::output_of(listing.args(["ls", "--depth=0"]).current_dir(directory))?;
    let interpreter = process::output_of(Command::new(python).arg("--version"))?;
    let pypi = process::output_of(Command::new(python).args(["-m", "pip", "freeze"]))?;
    let packages = npm.lines().skip(1).filter_map(|line| line.split_whitespace().last());
    let words = [format!("node {}", node.trim()), interpreter.trim().to_owned()];
    let all = words.iter().map(String::as_str).chain(packages).chain(pypi.lines());
    Ok(all.collect::<Vec<_>>().join(", "))
}

fn node_modules(directory: &Path) -> Result<(), Failure> {
    let stamp = directory.join("node_modules").join(".installed-package-lock.json");
    once_per_content(&directory.join("package-lock.json"), &stamp, || {
        println!("  installing the npm packages of {INTEROP}/package-lock.json");
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(directory);
        process::run(&mut npm)
    })
}

fn python_environment(directory: &Path, environment: &Path) -> Result<PathBuf, Failure> {
    let requirements = directory.join("requirements.txt");
    once_per_content(&requirements, &environment.join("installed-requirements.txt"), || {
        println!("  installing the PyPI packages of {INTEROP}/requirements.txt");
        process::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(environment))?;
        let mut pip = Command::new(environment.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        process::run(pip.arg("--requirement").arg(&requirements))
    })?;
    Ok(environment.to_owned())
}

/// Installs when the stamp, a copy of the list as it was installed, differs from the list.
fn once_per_content(
    list: &Path,
    stamp: &Path,
    install: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let wanted = fs::read(list).map_err(Failure::while_doing(list.display().to_string()))?;
    if fs::read(stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    install()?;
    fs::write(stamp, wanted).map_err(Failure::while_doing(stamp.display().to_string()))
}

fn works(program: &Program) -> bool {
    let Some((name, arguments)) = program.probe.split_first() else { return false };
    process::succeeds(Command::new(name).args(arguments))
}

/// Installs the packages of the programs that do not work, and checks that they do then.
pub(crate) fn programs(wanted: &[Program]) -> Result<(), Failure> {
    let missing = wanted.iter().filter(|program| !works(program));
    let mut packages: Vec<&str> = missing.flat_map(|program| program.packages).copied().collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    install_packages(&packages)?;
    match wanted.iter().find(|program| !works(program)) {
        None => Ok(()),
        Some(program) => {
            let probe = program.probe.join(" ");
            Err(Failure::new(format!("`{probe}` still fails with {packages:?} installed")))
        }
    }
}

fn install_packages(packages: &[&str]) -> Result<(), Failure> {
    let list = packages.join(" ");
    let by_hand = || Failure::new(format!("missing programs: run `apt-get install {list}`"));
    if !process::succeeds(Command::new("apt-get").arg("--version")) {
        return Err(by_hand());
    }
    let root = process::output_of(Command::new("id").arg("-u"))?.trim() == "0";
    if !root && !process::succeeds(Command::new("sudo").args(["-n", "true"])) {
        return Err(by_hand());
    }
    println!("  missing programs: installing the system packages {list}");
    process::run(&mut apt_get(root, &["update", "-qq"]))?;
    let install = [&["install", "-y", "-qq", "--no-install-recommends"], packages].concat();
    process::run(&mut apt_get(root, &install))
}

fn apt_get(root: bool, arguments: &[&str]) -> Command {
    let mut command = Command::new(if root { "env" } else { "sudo" });
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_installed_once_until_it_changes() {
        let directory = std::env::temp_dir().join(format!("xtask-setup-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (list, stamp) = (directory.join("list"), directory.join("stamp"));
        let mut installs = 0;
        for content in ["a==1", "a==1", "a==2"] {
            fs::write(&list, content).unwrap();
            let install = || {
                installs += 1;
                Ok(())
            };
            once_per_content(&list, &stamp, install).unwrap();
        }
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(installs, 2);
    }

    #[test]
    fn a_failed_installation_leaves_no_stamp() {
        let directory = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (list, stamp) = (directory.join("list"), directory.join("stamp"));
        fs::write(&list, "a==1").unwrap();
        let outcome = once_per_content(&list, &stamp, || Err(Failure::new("no network")));
        let stamped = stamp.exists();
        fs::remove_dir_all(&directory).unwrap();
        assert!(outcome.is_err() && !stamped);
    }

    #[test]
    fn a_program_that_does_not_exist_does_not_work() {
        assert!(works(&Program { probe: &["sh", "-c", "true"], packages: &[] }));
        assert!(!works(&Program { probe: &["no-such-program-of-ours"], packages: &[] }));
    }
}
