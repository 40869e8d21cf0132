//! A copy of the project's files, in which bugs are planted so that nobody's work tree has one.
//! The copy and its target directory are kept, so only the crates of a patched file are rebuilt.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::process;
use crate::workspace::{Workspace, cargo_program};

/// The copy, below the target directory of the workspace.
pub(crate) struct SourceCopy {
    tree: PathBuf,
    target: PathBuf,
}

impl SourceCopy {
    pub(crate) fn new(workspace: &Workspace) -> Self {
        let base = workspace.target().join("bugs");
        Self { tree: base.join("tree"), target: base.join("target") }
    }

    /// Makes the copy equal to the work tree. Only files that differ are written, and these get
    /// the time of now: with their old time cargo would take what it built with the bug for fresh.
    pub(crate) fn refresh(&self, workspace: &Workspace) -> Result<(), Failure> {
        let files: BTreeSet<PathBuf> = workspace.files()?.into_iter().map(PathBuf::from).collect();
        mirror(workspace.root(), &self.tree, &files)
            .map_err(Failure::while_doing(self.tree.display().to_string()))
    }

    /// Applies a patch; one that changes nothing here has not been applied.
    pub(crate) fn apply(&self, patch: &Path) -> Result<(), Failure> {
        let listed = process::output_of(self.git_apply().arg("--numstat").arg(patch))?;
        if listed.trim().is_empty() {
            return Err(Failure::new("the patch changes no file"));
        }
        process::output_of(self.git_apply().arg(patch)).map(|_| ())
    }

    /// `git apply` on plain files. Without the ceiling git would find the repository around the
    /// copy, take the patch for one of that repository and silently change nothing.
    fn git_apply(&self) -> Command {
        let mut git = Command::new("git");
        git.arg("apply").current_dir(&self.tree);
        if let Some(above) = self.tree.parent() {
            git.env("GIT_CEILING_DIRECTORIES", above);
        }
        git
    }

    /// Cargo in the copy. Not incremental: with files that change back and forth the linker was seen
    /// to miss symbols, and a build that fails says nothing about a bug. And not optimised across
    /// crates: a build for each bug is most of the time.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_program());
        command.args(arguments).current_dir(&self.tree);
        command.env("CARGO_TARGET_DIR", &self.target).env("CARGO_INCREMENTAL", "0");
        command.env("CARGO_PROFILE_SIMULATION_LTO", "off");
        command
    }
}

/// Makes `copy` hold exactly these files of `original`.
fn mirror(original: &Path, copy: &Path, files: &BTreeSet<PathBuf>) -> Result<(), Error> {
    fs::create_dir_all(copy)?;
    for file in strangers(copy, Path::new(""), files)? {
        fs::remove_file(copy.join(file))?;
    }
    for file in files {
        let (from, to) = (original.join(file), copy.join(file));
        if is_same(&from, &to)? {
            continue;
        }
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::copy(from, to)?;
    }
    Ok(())
}

fn is_same(from: &Path, to: &Path) -> Result<bool, Error> {
    match fs::read(to) {
        Ok(present) => Ok(present == fs::read(from)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Files below `directory` of the copy that are not of the project: a patch may have added some.
fn strangers(
    copy: &Path,
    directory: &Path,
    files: &BTreeSet<PathBuf>,
) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for entry in fs::read_dir(copy.join(directory))? {
        let entry = entry?;
        let path = directory.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            found.extend(strangers(copy, &path, files)?);
        } else if !files.contains(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A project of one file, a copy of it, and a patch that adds a file and changes that one.
    struct World {
        base: PathBuf,
        copy: SourceCopy,
        files: BTreeSet<PathBuf>,
    }

    const PATCH: &str = "# bug: x\n--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1 +1 @@\n-one\n+two\n\
        --- /dev/null\n+++ b/src/new.rs\n@@ -0,0 +1 @@\n+new\n";

    impl World {
        fn new(name: &str) -> Self {
            let base = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
            fs::create_dir_all(base.join("work/src")).unwrap();
            fs::write(base.join("work/src/a.rs"), "one\n").unwrap();
            fs::write(base.join("bug.patch"), PATCH).unwrap();
            let copy = SourceCopy { tree: base.join("tree"), target: base.join("target") };
            Self { base, copy, files: BTreeSet::from([PathBuf::from("src/a.rs")]) }
        }

        fn refresh(&self) {
            mirror(&self.base.join("work"), &self.copy.tree, &self.files).unwrap();
        }

        fn read(&self, path: &str) -> Option<String> {
            fs::read_to_string(self.copy.tree.join(path)).ok()
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.base).unwrap();
        }
    }

    #[test]
    fn a_planted_bug_is_gone_after_a_refresh() {
        let world = World::new("plant");
        world.refresh();
        world.copy.apply(&world.base.join("bug.patch")).unwrap();
        assert_eq!(world.read("src/a.rs").as_deref(), Some("two\n"));
        assert_eq!(world.read("src/new.rs").as_deref(), Some("new\n"));
        world.refresh();
        assert_eq!(world.read("src/a.rs").as_deref(), Some("one\n"));
        assert_eq!(world.read("src/new.rs"), None);
    }

    #[test]
    fn a_refresh_leaves_equal_files_untouched_and_gives_changed_ones_the_time_of_now() {
        let world = World::new("times");
        world.refresh();
        let time = |world: &World| {
            fs::metadata(world.copy.tree.join("src/a.rs")).unwrap().modified().unwrap()
        };
        let first = time(&world);
        world.refresh();
        assert_eq!(time(&world), first);
        std::thread::sleep(std::time::Duration::from_millis(20));
        fs::write(world.copy.tree.join("src/a.rs"), "two\n").unwrap();
        let planted = time(&world);
        std::thread::sleep(std::time::Duration::from_millis(20));
        world.refresh();
        assert!(time(&world) > planted);
    }

    #[test]
    fn a_patch_that_no_longer_fits_is_refused() {
        let world = World::new("rotten");
        fs::write(world.base.join("work/src/a.rs"), "three\n").unwrap();
        world.refresh();
        assert!(world.copy.apply(&world.base.join("bug.patch")).is_err());
        assert_eq!(world.read("src/a.rs").as_deref(), Some("three\n"));
    }

    #[test]
    fn a_patch_applies_inside_another_repository() {
        let world = World::new("nested");
        let git = Command::new("git").args(["init", "--quiet"]).current_dir(&world.base).status();
        assert!(git.unwrap().success());
        world.refresh();
        world.copy.apply(&world.base.join("bug.patch")).unwrap();
        assert_eq!(world.read("src/a.rs").as_deref(), Some("two\n"));
    }
}
