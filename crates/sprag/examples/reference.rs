//! Writes every page of docs/reference that is generated from the code into a directory.

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs, io};

fn main() -> ExitCode {
    let Some(directory) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: reference DIRECTORY");
        return ExitCode::from(2);
    };
    match write(&directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::from(2)
        }
    }
}

fn write(directory: &std::path::Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let configuration = sprag::config::reference::reference_markdown();
    fs::write(directory.join("configuration.md"), configuration)?;
    fs::write(directory.join("problems.md"), sprag::problem::problems_markdown())
}
