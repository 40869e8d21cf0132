//! Every kept case of every target, with no fuzzer: what was found once stays mended.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a helper that fails fails its test, and says at which case"
)]

use std::fs;
use std::path::Path;

use fuzz_targets::TARGETS;

/// Replays the cases of one target; the name of the case comes before whatever it panics with.
fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases").join(name);
    let listed = fs::read_dir(&directory).unwrap_or_else(|error| {
        panic!("{}: {error}: every target keeps some cases", directory.display())
    });
    let mut files: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in &files {
        println!("{}", file.display());
        (target.run)(&fs::read(file).unwrap());
    }
    assert!(!files.is_empty(), "{} holds no case", directory.display());
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(stringify!($name));
        })*

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

replays! { verify extract refill_page ingress frames recovery configuration core simulation }
