//! Keys whose names make the same number of a row.

use sprag_driver::rebuilt::PartitionState;

use super::super::{StoppedState, keys};
use super::*;

/// Two names that make one number, found by trying 60 million.
pub(super) const ONE: &str = "order-6852718";
pub(super) const OTHER: &str = "order-21202379";

/// What the file says, read as a list, as records, and by who repairs it.
fn listed(directory: &Path) -> Vec<(String, Option<KeyRecord>)> {
    let reader = StateReader::open(directory).unwrap();
    let query = KeyQuery {
        source: SourceId(1),
        prefix: "order-".to_owned(),
        filter: KeyFilter::All,
        after: None,
        most: 9,
    };
    let rows = reader.keys(&query).unwrap().keys;
    let of = |key: &Key| reader.record(P, key).unwrap();
    rows.iter().map(|row| (row.key.name.to_string(), of(&row.key))).collect()
}

pub(super) fn read_whole(directory: &Path) -> BTreeMap<Key, KeyRecord> {
    let stopped = StoppedState::open(directory, "log one").unwrap();
    let (PartitionState { records, .. }, differences) = stopped.partition(P).unwrap();
    assert!(differences.is_empty(), "{differences:?}");
    records
}

pub(super) fn forgotten() -> KeyRecord {
    KeyRecord { forgotten: true, ..record(0) }
}

#[test]
fn keys_whose_rows_have_one_number_have_each_its_own() {
    assert_eq!(keys::number(P, &key(ONE)), keys::number(P, &key(OTHER)));
    let (directory, mut store) = fresh();
    let both = |store: &mut SqliteState| load(store, &[ONE, OTHER]);
    write(&mut store, batch(1, vec![(key(ONE), record(1)), (key(OTHER), record(2))], vec![]));
    assert_eq!(both(&mut store), [Some(record(1)), Some(record(2))]);
    // Who was displaced is written where it is, with nothing that waits and with something.
    write(&mut store, batch(2, vec![(key(OTHER), record(3)), (key(ONE), record(4))], vec![]));
    assert_eq!(both(&mut store), [Some(record(4)), Some(record(3))]);
    let lane = with_lane(LaneMode::Halted, 2, 5, 7);
    write(&mut store, batch(3, vec![(key(OTHER), lane.clone()), (key(ONE), lane.clone())], vec![]));
    assert_eq!(both(&mut store), [Some(lane.clone()), Some(lane.clone())]);
    let in_order =
        |record: &KeyRecord| [OTHER, ONE].map(|name| (name.to_owned(), Some(record.clone())));
    assert_eq!(listed(directory.path()), in_order(&lane));
    assert_eq!(read_whole(directory.path()).len(), 2);
}

/// The number that became free is for who comes next, and who was displaced stays where it is found.
#[test]
fn a_displaced_key_is_found_when_the_one_that_has_its_number_is_gone() {
    let (directory, mut store) = fresh();
    let both = |store: &mut SqliteState| load(store, &[ONE, OTHER]);
    write(&mut store, batch(1, vec![(key(ONE), record(1))], vec![]));
    write(&mut store, batch(2, vec![(key(OTHER), record(2))], vec![]));
    write(&mut store, batch(3, vec![(key(ONE), forgotten())], vec![]));
    assert_eq!(both(&mut store), [None, Some(record(2))]);
    write(&mut store, batch(4, vec![(key(OTHER), record(3))], vec![]));
    assert_eq!(both(&mut store), [None, Some(record(3))]);
    write(&mut store, batch(5, vec![(key(ONE), record(4))], vec![]));
    assert_eq!(both(&mut store), [Some(record(4)), Some(record(3))]);
    drop(store);
    let mut store = opened(directory.path()).store;
    write(&mut store, batch(6, vec![(key(OTHER), forgotten())], vec![]));
    assert_eq!(both(&mut store), [Some(record(4)), None]);
    let left: Vec<_> = read_whole(directory.path()).into_keys().collect();
    assert_eq!(left, [key(ONE)]);
}

/// One that stayed would be found with an old record.
#[test]
fn a_cleared_partition_has_no_displaced_keys_and_another_has_its_own() {
    let (directory, mut store) = fresh();
    let records = || vec![(key(ONE), record(1)), (key(OTHER), record(2))];
    write(&mut store, batch(1, records(), vec![]));
    let elsewhere = PartitionId(4);
    store.step(StateRequest::Write(elsewhere, batch(1, records(), vec![])));
    store.step(StateRequest::Clear(P));
    assert_eq!(load(&mut store, &[ONE, OTHER]), [None, None]);
    let reader = StateReader::open(directory.path()).unwrap();
    let known = |name: &str| reader.record(elsewhere, &key(name)).unwrap();
    assert_eq!((known(ONE), known(OTHER)), (Some(record(1)), Some(record(2))));
}

/// A row where nobody looks for it: its key is taken for a new one until a batch says so.
#[test]
fn a_row_that_is_elsewhere_costs_a_rebuild() {
    let (directory, mut store) = fresh();
    write(&mut store, batch(1, vec![(key("a"), record(1))], vec![]));
    let path = open::path(directory.path());
    let other = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(other.execute("UPDATE keys SET id = id + 1", []).unwrap(), 1);
    drop(other);
    let next = batch(2, vec![(key("a"), record(2))], vec![]);
    let completion = store.step(StateRequest::Write(P, next.clone()));
    assert_eq!(completion, Some(StateCompletion::NotWritten(P, next)));
    assert!(store.health().is_broken() && !path.exists());
    drop(store);
    assert_eq!(head(&mut opened(directory.path()).store), Head::default());
}

#[test]
fn a_partition_has_its_rows_beside_each_other() {
    for partition in [PartitionId(0), P, PartitionId(u16::MAX)] {
        let (first, last) = keys::numbers(partition);
        for name in ["", "a", ONE, "a name of the Größe that nobody expects"] {
            let number = keys::number(partition, &key(name));
            assert!((first..=last).contains(&number) && first >= 0, "{name}");
        }
    }
    // Rows that are there are found by it.
    assert_eq!(
        keys::number(P, &key("a")),
        437_256_256_646_501,
        "another number of rows is another version of the tables"
    );
    let (_, last) = keys::numbers(P);
    assert_eq!(keys::numbers(PartitionId(4)).0, last + 1);
}
