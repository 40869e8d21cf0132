//! `sprag check`: is the configuration right?

use super::words::say;
use super::{Failure, Verdict, configuration};
use crate::config::{self, Checked, Finding, Severity};
use crate::source_changed;
use clap::Args;
use serde_json::{Value, json};
use sprag_core::plan::SourceChanged;
use std::path::{Path, PathBuf};

/// Check a configuration and name every fault with file and line
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sprag check --config sprag.toml\n\n\
    Secrets are read, so their variables must be set. Where `server.data` has a log, sources are\n\
    compared with what it was written with; a gateway may run in it meanwhile.\n\
    Exit code: 0 can be used (warnings are printed), 1 cannot, 2 no such file")]
pub(super) struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = configuration::DEFAULT)]
    config: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let checked = configuration::check(&arguments.config)?;
    let (findings, counts) = match checked {
        Ok(checked) => {
            let counts = (checked.config.sources.len(), checked.config.destinations.len());
            let mut findings = against_history(&arguments.config, &checked)?;
            findings.extend(checked.warnings);
            (findings, Some(counts))
        }
        Err(findings) => (findings, None),
    };
    let usable = counts.is_some() && !findings.iter().any(is_error);
    let counts = counts.filter(|_| usable);
    if arguments.json {
        say(as_json(&findings));
    } else {
        findings.iter().for_each(say);
        if let Some((sources, destinations)) = counts {
            let file = arguments.config.display();
            say(format!("{file}: fine; {sources} source(s), {destinations} destination(s)"));
        }
    }
    Ok(Verdict::found_if(!usable))
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}

/// What the history in the data directory says against it, as a start would.
fn against_history(path: &Path, checked: &Checked) -> Result<Vec<Finding>, Failure> {
    let text = configuration::text(path)?;
    let finding = |severity, key: String, reason| {
        let (file, line) = (path.display().to_string(), config::line_of(&text, &key));
        Finding { severity, file, line, key, reason }
    };
    Ok(match source_changed::of(&checked.config) {
        Ok(changed) => {
            let changed = changed.iter();
            let error = |one: &SourceChanged| {
                finding(Severity::Error, format!("sources.{}", one.name), source_changed::told(one))
            };
            changed.map(error).collect()
        }
        Err(why) => {
            let why = format!(
                "whether the sources are as their history was written (source-changed) was not \
                 compared: {why}"
            );
            vec![finding(Severity::Warning, "server.data".to_owned(), why)]
        }
    })
}

fn as_json(findings: &[Finding]) -> Value {
    let usable = !findings.iter().any(is_error);
    let finding = |finding: &Finding| {
        json!({
            "severity": match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            "file": finding.file,
            "line": finding.line,
            "key": finding.key,
            "reason": finding.reason,
        })
    };
    json!({ "usable": usable, "findings": findings.iter().map(finding).collect::<Vec<_>>() })
}
