//! Any history keeps the promises.

use proptest::prelude::*;

use crate::histories::{History, histories};

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_promises(history in histories(90)) {
        history.happen();
    }
}

#[test]
fn keys_without_order_do_not_take_each_others_place_without_end() {
    History::without_order_in_a_memory_for_one().happen();
}
