//! Configurations: any text is either refused, with file, line and reason, or it starts. The start is
//! the real one, on ports and in a directory of its own.

mod made;

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use sprag::config::{self, Config, Finding, SecretFault, SecretReference, Severity};
use sprag::secret::Secret;
use tokio::runtime::Runtime;

const FILE: &str = "made.toml";
/// Partitions that a start of the fuzzer has at the most: more take longer and show nothing else.
const PARTITIONS: u16 = 4;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// Checks the configuration that the bytes choose, and starts it if it is sound.
///
/// # Panics
/// When it is refused for nothing, or accepted and does not start.
pub fn run(data: &[u8]) {
    let Ok(text) = text(&mut Unstructured::new(data)) else { return };
    match config::check(&text, FILE, &resolve) {
        Ok(checked) => {
            checked.warnings.iter().for_each(|warning| assert_told(warning, &text));
            assert_starts(checked.config, &text);
        }
        Err(findings) => {
            let is_error = |one: &Finding| one.severity == Severity::Error;
            assert!(findings.iter().any(is_error), "refused for nothing:\n{text}");
            findings.iter().for_each(|finding| assert_told(finding, &text));
        }
    }
}

/// The bytes as they are, or a sound configuration that is changed.
fn text(choices: &mut Unstructured<'_>) -> Result<String> {
    if choices.ratio(1, 4)? {
        return Ok(String::from_utf8_lossy(crate::rest(choices)).into_owned());
    }
    made::text(choices)
}

fn resolve(reference: &SecretReference) -> std::result::Result<Secret, SecretFault> {
    match reference.to_string().as_str() {
        "env:A" => Ok(Secret::from("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")),
        "env:HEX" => Ok(Secret::from("00ff10ef00ff10ef00ff10ef00ff10ef")),
        "env:PASSWORD" => Ok(Secret::from("user:password")),
        _ => Err(SecretFault::Absent),
    }
}

/// A finding says where, what and why.
fn assert_told(finding: &Finding, text: &str) {
    assert_eq!(finding.file, FILE, "{finding}");
    let lines = text.split('\n').count();
    assert!((1..=lines).contains(&finding.line), "{finding} of {lines} lines:\n{text}");
    assert!(!finding.reason.is_empty() && !finding.reason.contains('\n'), "{finding:?}");
    assert!(!finding.reason.contains("C2FVsBQIhrscChlQIMV"), "a finding tells a secret");
}

fn assert_starts(mut config: Config, text: &str) {
    // A file that is named may be anything on this machine.
    if config.destinations.values().any(|to| to.ca.is_some()) {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.server.admin = ([127, 0, 0, 1], 0).into();
    config.server.data = directory.path().join("data");
    config.server.partitions = config.server.partitions.min(PARTITIONS);
    RUNTIME.block_on(async {
        let running = sprag::serve::start(config).await;
        let failure = running.as_ref().err().map(ToString::to_string);
        assert_eq!(failure, None, "accepted and not started:\n{text}");
        if let Ok(running) = running {
            running.stop().await;
        }
    });
}
