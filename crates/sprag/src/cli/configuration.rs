//! Finding and reading the configuration file.

use super::Failure;
use crate::config::{self, Checked, Finding, SecretReference};
use crate::limits::CONFIGURATION_BYTES;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The file a command reads when none is named.
pub(super) const DEFAULT: &str = "sprag.toml";

/// What is shown to somebody who has none yet.
const EXAMPLE: &str = r#"[sources.billing]
verify   = { scheme = "standard-webhooks", secrets = ["env:BILLING_SECRET"] }
id       = "header:webhook-id"
key      = "body:/data/customer"
type     = "body:/type"
position = { sequence = "body:/sequence" }
contract = "fifo"

[destinations.app]
from    = ["billing"]
url     = "http://127.0.0.1:3000/webhooks"
secrets = ["env:APP_SECRET"]
allow   = ["127.0.0.0/8"]
"#;

/// The text of a configuration file.
pub(super) fn text(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => missing(path),
        _ => Failure::new(format!("{}: {error}", path.display())),
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    // One byte more than allowed, so that a larger file is told apart.
    file.take(CONFIGURATION_BYTES as u64 + 1).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn missing(path: &Path) -> Failure {
    Failure::new(format!(
        "there is no {}; name one with --config FILE, try `sprag demo`, or begin with this:\n\n\
         {EXAMPLE}",
        path.display()
    ))
}

/// A checked configuration, its secrets read from this machine.
pub(super) fn check(path: &Path) -> Result<Result<Checked, Vec<Finding>>, Failure> {
    let text = text(path)?;
    let name = path.display().to_string();
    Ok(config::check(&text, &name, &SecretReference::from_machine))
}

/// A configuration to run with; everything that is wrong with it otherwise.
pub(super) fn load(path: Option<PathBuf>) -> Result<Checked, Failure> {
    let path = path.unwrap_or_else(|| DEFAULT.into());
    check(&path)?.map_err(|findings| {
        let lines = findings.iter().map(|finding| format!("\n  {finding}"));
        Failure::new(format!("{} cannot be used:{}", path.display(), lines.collect::<String>()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn the_example_is_a_configuration() {
        let secret = Secret::from("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        let checked = config::check(EXAMPLE, DEFAULT, &|_| Ok(secret.clone())).unwrap();
        assert_eq!(checked.warnings, []);
    }
}
