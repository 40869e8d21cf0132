//! Bodies from files and standard input, byte for byte.

use super::Failure;
use crate::provider::limits::{FILE_BYTES, FILE_EVENTS};
use bytes::Bytes;
use std::io::Read;
use std::path::{Path, PathBuf};

/// One body per file, or per line of a file of lines.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<Bytes>, Failure> {
    let mut bodies = Vec::new();
    let mut left = FILE_BYTES;
    for file in files {
        let bytes = read_one(file, left)?;
        left -= bytes.len() as u64;
        if has_lines(file) {
            bodies.extend(lines(&bytes));
        } else {
            bodies.push(bytes);
        }
        if bodies.len() > FILE_EVENTS {
            return Err(Failure::new(format!(
                "more than {FILE_EVENTS} events; send them in parts"
            )));
        }
    }
    if bodies.is_empty() { Err(Failure::new("there is no event in the input")) } else { Ok(bodies) }
}

fn is_standard_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn has_lines(file: &Path) -> bool {
    let ending = file.extension().and_then(|ending| ending.to_str());
    is_standard_input(file) || matches!(ending, Some("jsonl" | "ndjson"))
}

fn read_one(file: &Path, left: u64) -> Result<Bytes, Failure> {
    let failed = |error| Failure::new(format!("{}: {error}", file.display()));
    let source: Box<dyn Read> = if is_standard_input(file) {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file).map_err(failed)?)
    };
    let mut bytes = Vec::new();
    source.take(left + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > left {
        return Err(Failure::new(format!("more than {FILE_BYTES} bytes; send them in parts")));
    }
    Ok(bytes.into())
}

/// The lines that are not blank, without their ends.
fn lines(bytes: &Bytes) -> impl Iterator<Item = Bytes> {
    bytes
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.trim_ascii().is_empty())
        .map(|line| bytes.slice_ref(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_whole_files_are_told_apart_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a.jsonl"), "{\"a\": 1}\r\n\n  {} \n").unwrap();
        std::fs::write(path("b.json"), "{\n}\n").unwrap();
        let bodies = read(&[path("a.jsonl"), path("b.json")]).unwrap();
        assert_eq!(bodies, ["{\"a\": 1}", "  {} ", "{\n}\n"]);
        std::fs::write(path("empty.jsonl"), "\n").unwrap();
        assert!(read(&[path("empty.jsonl")]).is_err());
        assert!(read(&[path("absent.json")]).unwrap_err().0.contains("absent.json"));
    }
}
