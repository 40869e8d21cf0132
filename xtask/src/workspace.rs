//! Where the repository is, which files belong to it, and how its cargo is called.
//! Must not know any command.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;
use crate::process;

/// The checkout the command runs in.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// The workspace this program was started from by `cargo xtask`.
    pub(crate) fn find() -> Result<Self, Failure> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .ok_or_else(|| Failure::new("CARGO_MANIFEST_DIR is not set: run `cargo xtask`"))?;
        let root = Path::new(&manifest)
            .join("..")
            .canonicalize()
            .map_err(Failure::while_doing("looking for the workspace"))?;
        let target = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        Ok(Self { target: root.join(target), root })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's target directory; what xtask writes lies in directories of its own below it.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The cargo that runs this program, in the root of the workspace.
    pub(crate) fn cargo<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(cargo_program());
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// An example of the workspace, built and ready to run: as the tests are built, with the features
    /// that all members want together, or the same crates would be built a second time for it.
    pub(crate) fn example(&self, name: &str) -> Result<Command, Failure> {
        process::run(&mut self.cargo(["build", "--quiet", "--workspace", "--example", name]))?;
        let mut command = Command::new(self.target.join("debug/examples").join(name));
        command.current_dir(&self.root);
        Ok(command)
    }

    /// Every file of the project, as paths relative to the root with `/`, sorted: tracked ones and
    /// new ones that are not ignored, as they stand in the work tree.
    pub(crate) fn files(&self) -> Result<Vec<String>, Failure> {
        let mut git = Command::new("git");
        // A checkout made by another user (containers do that) is still this project.
        git.args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"])
            .args(["--exclude-standard", "--deduplicate"])
            .current_dir(&self.root);
        let listed = process::output_of(&mut git)?;
        let mut files: Vec<String> = listed
            .split('\0')
            .filter(|path| !path.is_empty() && self.root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        files.sort();
        Ok(files)
    }
}

/// The cargo that started this program, else the one on the path.
pub(crate) fn cargo_program() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
