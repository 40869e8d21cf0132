//! The generated pages: made from the code into the directories below, or compared with them.
//! The pages come from `crates/sprag/examples/reference/main.rs`, which writes every page under its
//! path below docs/ into the directory given; the directories hold these files and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::Failure;
use crate::process;
use crate::workspace::Workspace;

/// Below docs/.
const DIRECTORIES: [&str; 2] = ["reference", "guides/providers"];

/// Whether to write or to compare.
#[derive(Args)]
pub(crate) struct Options {
    /// Writes nothing; fails with the names of the pages that are stale
    #[arg(long)]
    pub(crate) check: bool,
}

/// File name → content.
type Pages = BTreeMap<String, String>;

/// Generates the pages, then writes or compares them.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<String, Failure> {
    let made = generate(workspace)?;
    let mut stale = Vec::new();
    let mut count = 0;
    for path in DIRECTORIES {
        let generated = pages_in(&made.join(path)).map_err(Failure::while_doing(path))?;
        if generated.is_empty() {
            let reason = format!("the example `reference` of crate sprag wrote no page of {path}");
            return Err(Failure::new(reason));
        }
        let directory = workspace.root().join("docs").join(path);
        let present = pages_in(&directory).map_err(Failure::while_doing(path))?;
        stale.extend(differences(&format!("docs/{path}"), &present, &generated));
        if !options.check {
            replace(&directory, &present, &generated).map_err(Failure::while_doing(path))?;
        }
        count += generated.len();
    }
    if options.check && !stale.is_empty() {
        let list = stale.join("\n  ");
        return Err(Failure::new(format!("run `cargo xtask docs`; it changes\n  {list}")));
    }
    let verb = if options.check { "up to date" } else { "written" };
    Ok(format!("{count} generated pages {verb}"))
}

/// The directory with the pages, by their paths below docs/.
fn generate(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let directory = workspace.target().join("reference");
    emptied(&directory).map_err(Failure::while_doing(directory.display().to_string()))?;
    process::run(workspace.example("reference")?.arg(&directory))?;
    Ok(directory)
}

fn emptied(directory: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Err(_) | Ok(()) => {}
    }
    fs::create_dir_all(directory)
}

/// The files of a directory; a missing one has none.
fn pages_in(directory: &Path) -> Result<Pages, Error> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Pages::new()),
        entries => entries?,
    };
    let mut pages = Pages::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        pages.insert(name, fs::read_to_string(entry.path())?);
    }
    Ok(pages)
}

/// One line for each page that has to be written, rewritten or removed.
fn differences(directory: &str, present: &Pages, generated: &Pages) -> Vec<String> {
    let wanted = generated.iter().filter_map(|(name, page)| match present.get(name) {
        None => Some(format!("{directory}/{name}: missing")),
        Some(old) => {
            let line = first_difference(old, page)?;
            Some(format!("{directory}/{name}:{line}: differs from the code"))
        }
    });
    let unwanted = present.keys().filter(|name| !generated.contains_key(*name));
    wanted.chain(unwanted.map(|name| format!("{directory}/{name}: not generated"))).collect()
}

/// The number of the first line in which the texts differ.
fn first_difference(old: &str, new: &str) -> Option<usize> {
    if old == new {
        return None;
    }
    let same = old.split('\n').zip(new.split('\n')).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

fn replace(directory: &Path, present: &Pages, generated: &Pages) -> Result<(), Error> {
    fs::create_dir_all(directory)?;
    for (name, page) in generated {
        fs::write(directory.join(name), page)?;
    }
    for name in present.keys().filter(|name| !generated.contains_key(*name)) {
        fs::remove_file(directory.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(list: &[(&str, &str)]) -> Pages {
        list.iter().map(|(name, page)| ((*name).to_owned(), (*page).to_owned())).collect()
    }

    #[test]
    fn equal_pages_are_up_to_date() {
        let same = pages(&[("configuration.md", "# Configuration\n")]);
        assert!(differences("docs/reference", &same, &same).is_empty());
    }

    #[test]
    fn missing_changed_and_left_over_pages_are_named() {
        let present = pages(&[("changed.md", "# A\nold\n"), ("left.md", "# B\n")]);
        let generated = pages(&[("changed.md", "# A\nnew\n"), ("new.md", "# C\n")]);
        let expected = [
            "docs/reference/changed.md:2: differs from the code",
            "docs/reference/new.md: missing",
            "docs/reference/left.md: not generated",
        ];
        assert_eq!(differences("docs/reference", &present, &generated), expected);
    }

    #[test]
    fn a_page_that_only_grew_differs_where_it_grew() {
        assert_eq!(first_difference("# A\n", "# A\nmore\n"), Some(2));
    }
}
