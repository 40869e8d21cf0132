//! Writes every page of docs that is generated from the code into a directory, under its path
//! below docs.

mod limits_page;

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
    let reference = directory.join("reference");
    fs::create_dir_all(&reference)?;
    let configuration = sprag::config::reference::reference_markdown();
    fs::write(reference.join("configuration.md"), configuration)?;
    fs::write(reference.join("problems.md"), sprag::problem::problems_markdown())?;
    let limits = limits_page::page().map_err(io::Error::other)?;
    fs::write(reference.join("limits.md"), limits)?;
    fs::write(reference.join("metrics.md"), sprag::metrics::metrics_markdown())?;
    fs::write(reference.join("openapi.json"), sprag::admin::description())?;
    let providers = directory.join("guides/providers");
    fs::create_dir_all(&providers)?;
    fs::write(providers.join("README.md"), sprag::preset::index())?;
    for preset in sprag::preset::all() {
        let page = providers.join(format!("{}.md", preset.name));
        fs::write(page, sprag::preset::page(preset))?;
    }
    Ok(())
}
