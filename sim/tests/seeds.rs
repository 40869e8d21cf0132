//! Seeds that once broke a promise, for ever.

use std::fs;
use std::path::Path;

use sim::Case;
use sim::run::replay;

#[test]
fn seeds_that_failed_once_are_green() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let mut files = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let report = replay(&Case::parse(&text).unwrap(), None);
        assert!(report.violation.is_none(), "{}: {report}", path.display());
        files += 1;
    }
    assert!(files > 0, "there are seeds to replay");
}
