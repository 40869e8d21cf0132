//! The store against a model: batches, reopens and pages in any order.

use super::*;

fn any_record() -> impl Strategy<Value = KeyRecord> {
    let due = || prop_oneof![0..4_u64, Just(u64::MAX), Just(1 << 63)];
    let mode = || prop_oneof![Just(LaneMode::Active), Just(LaneMode::Parked)];
    let lane = move || (mode(), 1..3_u64, 0..3_u64, due());
    (lane(), lane(), any::<bool>(), any::<bool>()).prop_map(|(one, other, paused, held)| {
        let mut record = with_lane(one.0, one.1, one.2, one.3);
        let more = with_lane(other.0, other.1, other.2, other.3).lanes;
        record.lanes.extend(more.into_iter().map(|lane| Lane { destination: OTHER, ..lane }));
        record.paused = paused;
        if held {
            record.order = holding(9).order;
        }
        record
    })
}

fn any_or_forgotten() -> impl Strategy<Value = KeyRecord> {
    prop_oneof![6 => any_record(), 1 => Just(displaced::forgotten())]
}

/// Of some the rows have the same number.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![8 => "[a-d]{1,2}", 1 => Just(displaced::ONE.to_owned()), 1 => Just(displaced::OTHER.to_owned())]
}

/// What the trait promises, as a map: the places in a queue up to a due time, and the first behind.
fn model_places(
    model: &BTreeMap<Key, KeyRecord>,
    queue: Queue,
    until: u64,
) -> (Vec<(Key, KeyRecord)>, Option<PageCursor>) {
    let places = model.iter().flat_map(|(key, record)| {
        let dues = record.dues().filter(|due| due.queue == queue);
        // SQLite's largest number is 2⁶³ − 1: due times beyond are one and never.
        dues.map(|due| PageCursor { due: due.at.min(i64::MAX as u64), key: Some(key.clone()) })
    });
    let mut places: Vec<_> = places.collect();
    places.sort();
    let later = places.split_off(places.iter().filter(|place| place.due <= until).count());
    let keys = places.into_iter().filter_map(|place| place.key);
    let keys = keys.map(|key| (key.clone(), model[&key].clone())).collect();
    (keys, later.into_iter().next())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn batches_reopens_and_pages_agree_with_a_model(
        batches in prop::collection::vec(
            (prop::collection::btree_map(any_name(), any_or_forgotten(), 0..8), any::<bool>()), 1..6
        ),
        most in 1..5_usize,
        until in prop_oneof![0..5_u64, Just(u64::MAX)],
    ) {
        let (directory, mut store) = fresh();
        let mut model = BTreeMap::new();
        for (frame, (records, reopen)) in (1..).zip(batches) {
            let records: Vec<_> = records.into_iter().map(|(n, r)| (key(&n), r)).collect();
            for (key, record) in records.clone() {
                match record.forgotten {
                    true => model.remove(&key),
                    false => model.insert(key, record),
                };
            }
            write(&mut store, batch(frame, records, vec![]));
            if reopen {
                drop(store);
                store = opened(directory.path()).store;
            }
            prop_assert_eq!(head(&mut store).frame, FrameNumber(frame));
            for queue in [Queue::Holds, Queue::Lanes(APP), Queue::Lanes(OTHER)] {
                let (mut paged, mut from) = (Vec::new(), PageCursor::default());
                let next = loop {
                    let request = PageRequest { queue, from, until, keys: most };
                    let (keys, next) = page(&mut store, request);
                    prop_assert!(keys.len() <= most);
                    paged.extend(keys);
                    match next {
                        Some(next) if next.due <= until => from = next,
                        next => break next,
                    }
                };
                prop_assert_eq!((paged, next), model_places(&model, queue, until));
            }
        }
        for (key, record) in &model {
            prop_assert_eq!(load(&mut store, &[&key.name]), vec![Some(record.clone())]);
        }
        let stopped = model.values().flat_map(|record| &record.lanes);
        let stopped = stopped.filter(|lane| lane.is_stopped()).count();
        let reader = StateReader::open(directory.path()).unwrap();
        prop_assert_eq!(reader.stopped_lanes(&Selection::default(), None, 99).unwrap().lanes.len(), stopped);
        drop((reader, store));
        prop_assert_eq!(displaced::read_whole(directory.path()), model);
    }
}
