//! Any history keeps the promises.

use proptest::prelude::*;

use crate::histories::histories;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_promises(history in histories(90)) {
        history.happen();
    }
}
