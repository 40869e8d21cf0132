//! Which pages a batch writes, and when.

use super::*;

/// Bytes of the write-ahead log.
fn ahead(directory: &Path) -> u64 {
    let mut name = open::path(directory).into_os_string();
    name.push("-wal");
    fs::metadata(name).unwrap().len()
}

/// A batch of two thousand keys.
fn all(frame: u64) -> Box<Batch> {
    let records = (0..2_000).map(|n| (key(&format!("key {n}")), record(frame)));
    batch(frame, records.collect(), vec![])
}

/// A file that has them all, and the connection that writes it.
fn known() -> (TempDir, rusqlite::Connection) {
    let (directory, mut store) = fresh();
    write(&mut store, all(1));
    drop(store);
    let (connection, _) = open::writing(&open::path(directory.path()), "log one").unwrap();
    (directory, connection)
}

/// What is asked while a batch comes to its end waits for what is written then.
#[test]
fn a_batch_of_known_keys_has_written_its_pages_when_it_ends() {
    let (directory, mut connection) = known();
    let (counts, batch) = (write::Counts::of(&connection).unwrap(), all(2));
    let mut ahead_of_end = Vec::new();
    let between = |_: &rusqlite::Connection| {
        ahead_of_end.push(ahead(directory.path()));
        Ok(())
    };
    write::write(&mut connection, P, &batch, counts, &mut Vec::new(), between).unwrap();
    let page = u64::try_from(limits::PAGE_BYTES).unwrap();
    let (first, last) = (ahead_of_end[0], *ahead_of_end.last().unwrap());
    let ended = ahead(directory.path());
    assert!(ended > first + 50 * page, "{first} {ended}");
    // The page of the last row, the head's, and what is rounded.
    assert!(ended - last <= 4 * page, "{last} of {ended}");
    drop(connection);
    let mut store = opened(directory.path()).store;
    assert_eq!(load(&mut store, &["key 0", "key 1999"]), [Some(record(2)), Some(record(2))]);
}

/// What was written ahead of its end counts for nothing where that is not reached.
#[test]
fn of_a_batch_that_fails_no_page_counts() {
    let (directory, mut connection) = known();
    let (counts, batch) = (write::Counts::of(&connection).unwrap(), all(2));
    let (mut pauses, killed) = (0, TempDir::new().unwrap());
    let begun = ahead(directory.path());
    let between = |_: &rusqlite::Connection| {
        pauses += 1;
        if pauses < 100 {
            return Ok(());
        }
        // As the death of the process would leave the files.
        assert!(ahead(directory.path()) > begun, "nothing was written ahead");
        for file in fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
            if !file.file_name().to_string_lossy().ends_with("-shm") {
                fs::copy(file.path(), killed.path().join(file.file_name())).unwrap();
            }
        }
        Err(Fault::Value("record"))
    };
    write::write(&mut connection, P, &batch, counts, &mut Vec::new(), between).unwrap_err();
    assert!(connection.is_autocommit());
    drop(connection);
    for directory in [directory.path(), killed.path()] {
        let Opened { mut store, rebuilt } = opened(directory);
        assert_eq!((rebuilt, head(&mut store).frame), (None, FrameNumber(1)));
        let names: Vec<String> = (0..2_000).map(|n| format!("key {n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(load(&mut store, &names).iter().all(|found| *found == Some(record(1))));
    }
}
