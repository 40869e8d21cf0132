//! The pure core under any history: the outside and the judge are those of the core's own behaviour
//! tests, and so is everything that can happen; the fuzzer's bytes say what does.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sprag_core::settings::Settings;

use crate::histories::{Happening, History, Order, settings};

/// Happenings of one history at the most.
const HAPPENINGS: usize = 200;
/// Bytes of one: one more or less leaves the others as they are.
const BYTES: usize = 4;

/// Lets the history that the bytes choose happen.
///
/// # Panics
/// When a promise is broken.
pub fn run(data: &[u8]) {
    let [first, second, page, rest @ ..] = data else { return };
    let settings = settings_of([*first, *second]);
    let happenings = rest.chunks_exact(BYTES).take(HAPPENINGS).filter_map(happening).collect();
    History { settings, page: usize::from(page % 3) + 1, happenings }.happen();
}

/// One of 65,536 configurations, by the strategy of the behaviour tests.
pub(crate) fn settings_of(number: [u8; 2]) -> Settings {
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&number);
    let chance = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, chance);
    settings().new_tree(&mut runner).expect("no configuration is rejected").current()
}

/// What four bytes say: the first what happens, the others to what.
fn happening(bytes: &[u8]) -> Option<Happening> {
    let [what, one, two, three] = *bytes else { return None };
    let which = one % 8;
    Some(match what % 32 {
        0..8 => post(one, two, three),
        8..11 => Happening::Commit,
        11 => Happening::Store,
        12 => Happening::Fail { partition: one % 2, durable: two % 3 },
        13 => Happening::Crash { durable: one % 3, keep_state: two.is_multiple_of(2) },
        14..17 => Happening::End { which, status: 200 },
        17..19 => Happening::End { which, status: *pick(&[500, 503, 202, 429, 410], two)? },
        19 => Happening::Drop { which },
        20..22 => {
            let (status, acknowledged) = (*pick(&[200, 500, 202], two)?, u64::from(three % 4));
            Happening::EndPart { which, status, acknowledged }
        }
        22 => Happening::TimeOut { which },
        23 => Happening::EndAborted,
        24..26 => Happening::Load,
        26 => Happening::Read { which },
        27 => Happening::Wait { millis: 1 + u64::from(u16::from_le_bytes([one, two]) % 4_000) },
        28 => match one % 16 {
            0..5 => Happening::Clock { hours: i8::try_from(one % 5).ok()? - 2 },
            5..14 => Happening::Retain {
                partition: two % 2,
                eighths: 1 + three % 8,
                deletes: one.is_multiple_of(2),
            },
            _ => Happening::Overflow {
                partition: two % 2,
                destination: 1 + two / 2 % 2,
                events: 1 + three % 4,
            },
        },
        _ => Happening::Order(Box::new(order(one, two, three))),
    })
}

/// Mostly one of the next positions.
fn post(one: u8, two: u8, three: u8) -> Happening {
    let position = match two % 32 {
        near @ 0..29 => 1 + u64::from(near % 8),
        29 => 0,
        30 => 30 + u64::from(three % 30),
        _ => u64::MAX,
    };
    let id = (three / 32 > 1).then_some(three % 24);
    Happening::Post { key: one % 4, position, id, body: one / 4 % 2, late: one / 8 == 31 }
}

fn order(one: u8, two: u8, three: u8) -> Order {
    let (key, destination) = (two % 4, 1 + two / 4 % 2);
    match one % 12 {
        0 => Order::PauseKey(key),
        1 | 2 => Order::ResumeKey(key),
        3 => Order::Rebase(key),
        4 => Order::PauseDestination(destination),
        5 => Order::ResumeDestination(destination),
        6 | 7 => {
            let passed = (!three.is_multiple_of(5)).then_some(three % 5);
            Order::Redrive { key, destination, passed }
        }
        8 => Order::Drop { key, destination, sequence: 1 + three % 4 },
        9 => Order::Table(three % 3),
        _ => Order::Acknowledge { which: two % 8, passed: three % 12 },
    }
}

fn pick<T>(values: &[T], which: u8) -> Option<&T> {
    values.get(usize::from(which) % values.len())
}
