//! What a process did to its files, as the preload library recorded it (`shim/src/trace.rs`).

use std::fs;
use std::path::Path;

/// One thing that happened. Files are known by their inode, names are below the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Happened {
    Created {
        file: u64,
        name: String,
    },
    Opened {
        file: u64,
        name: String,
    },
    Written {
        file: u64,
        at: usize,
        bytes: Vec<u8>,
    },
    Cut {
        file: u64,
        length: usize,
    },
    Syncing {
        file: u64,
        sync: u64,
    },
    Synced {
        file: u64,
        sync: u64,
    },
    Removed {
        name: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    Directory {
        name: String,
    },
    Failed {
        call: String,
    },
    /// What it was follows, unless the process was killed before it could be recorded.
    Begun {
        file: u64,
        names: Vec<String>,
    },
}

/// Something that happened, and how long the trace was then.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) moment: u64,
    pub(crate) happened: Happened,
}

/// All records of a trace. One that is cut short at the end did not happen.
pub(crate) fn read(trace: &Path) -> Vec<Record> {
    let bytes = fs::read(trace).unwrap();
    let mut records = Vec::new();
    let mut rest = &bytes[..];
    while let Some((head, behind)) = rest.split_at_checked(21) {
        let length = usize::try_from(u32::from_le_bytes(head[17..].try_into().unwrap())).unwrap();
        let Some((content, behind)) = behind.split_at_checked(length) else { break };
        let (file, at) = (number(&head[1..9]), number(&head[9..17]));
        rest = behind;
        let moment = u64::try_from(bytes.len() - rest.len()).unwrap();
        records.push(Record { moment, happened: happened(head[0], file, at, content) });
    }
    records
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

fn happened(kind: u8, file: u64, at: u64, content: &[u8]) -> Happened {
    let text = || String::from_utf8(content.to_owned()).expect("names of ours are text");
    let place = usize::try_from(at).expect("files fit memory");
    match kind {
        1 => Happened::Created { file, name: text() },
        2 => Happened::Opened { file, name: text() },
        3 => Happened::Written { file, at: place, bytes: content.to_owned() },
        4 => Happened::Cut { file, length: place },
        5 => Happened::Syncing { file, sync: at },
        6 => Happened::Synced { file, sync: at },
        7 => Happened::Removed { name: text() },
        8 => {
            let both = text();
            let (from, to) = both.split_once('\0').expect("two names");
            Happened::Renamed { from: from.to_owned(), to: to.to_owned() }
        }
        9 => Happened::Directory { name: text() },
        10 => Happened::Failed { call: text() },
        11 => Happened::Begun { file, names: text().split('\0').map(str::to_owned).collect() },
        kind => panic!("the trace has a record of kind {kind}"),
    }
}
