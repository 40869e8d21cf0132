//! `sprag check`: is the configuration right?

use super::words::say;
use super::{Failure, Verdict, configuration};
use crate::config::{Finding, Severity};
use clap::Args;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Check a configuration and name every fault with file and line
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sprag check --config sprag.toml\n\n\
    Secrets are read, so their variables must be set.\n\
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
    let (findings, counts) = match &checked {
        Ok(checked) => {
            let counts = (checked.config.sources.len(), checked.config.destinations.len());
            (&checked.warnings, Some(counts))
        }
        Err(findings) => (findings, None),
    };
    if arguments.json {
        say(as_json(findings));
    } else {
        findings.iter().for_each(say);
        if let Some((sources, destinations)) = counts {
            let file = arguments.config.display();
            say(format!("{file}: fine; {sources} source(s), {destinations} destination(s)"));
        }
    }
    Ok(Verdict::found_if(checked.is_err()))
}

fn as_json(findings: &[Finding]) -> Value {
    let usable = findings.iter().all(|finding| finding.severity != Severity::Error);
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
