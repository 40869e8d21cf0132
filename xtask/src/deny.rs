//! Dependencies: licences, sources and bans on every run, advisories where their database is
//! within reach. What is allowed stands in deny.toml.

use crate::failure::Failure;
use crate::process;
use crate::setup;
use crate::workspace::Workspace;

/// Runs cargo-deny; the note says whether advisories were checked.
pub(crate) fn check(workspace: &Workspace) -> Result<String, Failure> {
    setup::cargo_tool(workspace, &setup::CARGO_DENY)?;
    let offline = ["deny", "check", "bans", "licenses", "sources"];
    process::run(&mut workspace.cargo(offline))?;
    if !process::succeeds(&mut workspace.cargo(["deny", "fetch", "db"])) {
        println!("  the advisory database cannot be fetched here");
        return Ok("bans, licences, sources; ADVISORIES NOT CHECKED (no database)".to_owned());
    }
    process::run(&mut workspace.cargo(["deny", "check", "--disable-fetch", "advisories"]))?;
    Ok("bans, licences, sources, advisories".to_owned())
}
