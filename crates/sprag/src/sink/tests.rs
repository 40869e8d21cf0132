//! Every violation is found, and a clean stream has none.

use super::inspect::framed_hash;
use super::*;
use crate::secret::Secret;
use crate::share::Share;
use crate::verify::signature::DestinationKeys;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;
use std::sync::Arc;

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW_US: i64 = 1_700_000_000_000_000;

/// One attempt as a right gateway would make it, to be changed by a test.
#[derive(Clone)]
struct Attempt {
    headers: BTreeMap<&'static str, String>,
    body: Vec<u8>,
}

/// Makes the attempts of one key with their chain, as rule C1 says.
#[derive(Clone)]
struct Key {
    name: &'static str,
    sequence: u64,
    hash: [u8; 32],
}

impl Key {
    fn new(name: &'static str) -> Self {
        Self { name, sequence: 0, hash: [0; 32] }
    }

    fn next(&mut self, position: u64) -> Attempt {
        self.next_of("event", position)
    }

    fn next_of(&mut self, kind: &str, position: u64) -> Attempt {
        self.sequence += 1;
        let body = format!("{{\"n\":{position}}}").into_bytes();
        let source_id = format!("evt.{position}");
        let (number, body_digest) = (position.to_string(), digest(&SHA256, &body));
        let parts: [&[u8]; 10] = [
            b"sprag-event-1",
            b"billing",
            self.name.as_bytes(),
            &self.sequence.to_be_bytes(),
            number.as_bytes(),
            kind.as_bytes(),
            b"application/json",
            source_id.as_bytes(),
            &self.hash,
            body_digest.as_ref(),
        ];
        let hash = framed_hash(&parts);
        let headers = BTreeMap::from([
            ("content-type", "application/json".to_owned()),
            ("webhook-id", format!("billing:{}:{}", self.name, self.sequence)),
            ("webhook-timestamp", "1700000000".to_owned()),
            ("sprag-source", "billing".to_owned()),
            ("sprag-key", self.name.to_owned()),
            ("sprag-sequence", self.sequence.to_string()),
            ("sprag-kind", kind.to_owned()),
            ("sprag-position", position.to_string()),
            ("sprag-previous-sequence", (self.sequence - 1).to_string()),
            ("sprag-previous-hash", HEXLOWER.encode(&self.hash)),
            ("sprag-hash", HEXLOWER.encode(&hash)),
            ("sprag-attempt", "1".to_owned()),
            ("sprag-source-id", source_id.replace('.', "%2E")),
        ]);
        self.hash = hash;
        Attempt { headers, body }
    }
}

impl Attempt {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.to_owned());
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.headers.remove(name);
        self
    }

    fn again(&self) -> Self {
        self.clone().with("sprag-attempt", "2").with("sprag-redelivery", "true")
    }

    /// All headers, signed last as a gateway does.
    fn signed(&self, secret: &str) -> HeaderMap {
        let keys = DestinationKeys::new(&[Secret::from(secret)]).unwrap();
        let id = self.headers.get("webhook-id").map_or("", String::as_str);
        let own = self.headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        };
        put("sprag-signature", &keys.sprag_signature(id, NOW_US / 1_000_000, own));
        put("webhook-signature", &keys.webhook_signature(id, NOW_US / 1_000_000, &self.body));
        self.headers.iter().for_each(|(name, value)| put(name, value));
        headers
    }
}

fn checker() -> Checker {
    let inspector = Inspector::new(&[Secret::from(OTHER), Secret::from(SECRET)]).unwrap();
    Checker::new(Arc::new(inspector), true)
}

fn observe(checker: &mut Checker, attempt: &Attempt) -> Observed {
    checker.observe(NOW_US, &attempt.signed(SECRET), &attempt.body)
}

/// Observes and acknowledges; the kinds of what was wrong.
fn take(checker: &mut Checker, attempt: &Attempt) -> Vec<ViolationKind> {
    let observed = observe(checker, attempt);
    if let Some(delivery) = &observed.delivery {
        checker.acknowledge(delivery);
    }
    observed.violations.iter().map(|violation| violation.kind).collect()
}

#[test]
fn a_clean_stream_has_no_violation() {
    let mut checker = checker();
    let (mut one, mut two) = (Key::new("cus_1"), Key::new("cus%2F2"));
    for position in 1..=40 {
        assert_eq!(take(&mut checker, &one.next(position)), []);
        let failed = two.next(position);
        assert!(observe(&mut checker, &failed).violations.is_empty(), "answered with 500");
        assert_eq!(take(&mut checker, &failed.again()), []);
    }
    let gap = one.next(44).with("sprag-missing", "41-43");
    assert_eq!(take(&mut checker, &gap), []);
    assert_eq!(take(&mut checker, &one.next_of("late", 42)), []);
    assert_eq!(take(&mut checker, &one.next(45)), []);
    let summary = checker.summary();
    assert_eq!((summary.deliveries, summary.events, summary.repeats), (123, 83, 40));
    assert_eq!((summary.acknowledged, summary.keys), (83, 2));
    assert_eq!((summary.late, summary.missing, summary.violations()), (1, 3, 0));
}

#[test]
fn dead_letters_are_accounted_for_and_redriven_out_of_order() {
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    assert_eq!(take(&mut checker, &key.next(1)), []);
    let dead = key.next(2);
    assert!(observe(&mut checker, &dead).violations.is_empty(), "answered with 500");
    let filtered = key.next(3);
    let after =
        key.next(4).with("sprag-previous-sequence", "1").with("sprag-omitted", "2;dead,3;filtered");
    assert_eq!(take(&mut checker, &after), []);
    let redriven =
        dead.again().with("sprag-out-of-order", "true").without("sprag-previous-sequence");
    assert_eq!(take(&mut checker, &redriven), []);
    assert_eq!(take(&mut checker, &key.next(5)), []);
    drop(filtered);
}

/// The gateway was restored from a backup that knew two events: it repeats what it had not recorded,
/// and goes on behind what it may have given since (rule D10). Nothing else is forgiven.
#[test]
fn a_restored_gateway_goes_back_and_jumps() {
    use ViolationKind::*;
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    let (first, second) = (key.next(1), key.next(2));
    let mut restored = key.clone();
    for attempt in [&first, &second, &key.next(3), &key.next(4)] {
        assert_eq!(take(&mut checker, attempt), []);
    }
    let since = |attempt: Attempt| attempt.with("sprag-epoch", "1000007");
    assert_eq!(take(&mut checker, &since(second.again())), []);
    restored.sequence = 1002;
    let jumped = since(restored.next(3)).with("sprag-previous-sequence", "2");
    let jumped = jumped.with("sprag-omitted", "3-1002;restored");
    assert_eq!(take(&mut checker, &jumped), []);
    assert_eq!(take(&mut checker, &since(second.again())), [Order], "once, not twice");
}

/// An operator has history sent again (decision 037): from an event that accounts for nothing before it, in
/// order, and behind it the lane is where it was. Going back otherwise is a violation as ever.
#[test]
fn a_replay_goes_back_once_and_comes_in_order() {
    use ViolationKind::*;
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    let all: Vec<Attempt> = (1..=6).map(|position| key.next(position)).collect();
    for attempt in &all[..5] {
        assert_eq!(take(&mut checker, attempt), []);
    }
    let again = |at: usize| all[at].again();
    let begins = again(1).with("sprag-previous-sequence", "0");
    let begins = begins.with("sprag-omitted", "1-1;filtered;more").with("sprag-attempt", "1");
    assert_eq!(take(&mut checker, &begins), []);
    assert_eq!(take(&mut checker, &again(2)), []);
    assert_eq!(take(&mut checker, &again(1)), [Order], "back without saying so");
    // Up to the third event only: it goes on where it stood.
    assert_eq!(take(&mut checker, &all[5]), []);
    assert_eq!(take(&mut checker, &again(3)), [Order], "the replay is over");
    let unmarked = all[2].clone().with("sprag-previous-sequence", "0");
    let unmarked = unmarked.with("sprag-omitted", "1-2;filtered;more");
    assert_eq!(take(&mut checker, &unmarked), [UnflaggedRedelivery, Order]);
}

/// The gateway had forgotten the key for good: it goes on behind a boundary, with positions and a chain of
/// its own (rule D8). Only that is forgiven.
#[test]
fn a_forgotten_key_begins_behind_a_boundary() {
    use ViolationKind::*;
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    for attempt in [&key.next(1), &key.next(2)] {
        assert_eq!(take(&mut checker, attempt), []);
    }
    let mut anew = Key { sequence: 2, ..Key::new("cus_1") };
    let first = anew.next(1).with("sprag-previous-sequence", "0");
    let unnamed = first.clone().with("sprag-omitted", "1-2;filtered");
    let mut other = self::checker();
    let mut known = Key::new("cus_1");
    for attempt in [&known.next(1), &known.next(2)] {
        assert_eq!(take(&mut other, attempt), []);
    }
    assert_eq!(take(&mut other, &unnamed), [Order, Chain], "a boundary must be named");
    let first = first.with("sprag-omitted", "1-2;boundary");
    assert_eq!(take(&mut checker, &first), []);
    assert_eq!(take(&mut checker, &anew.next(2)), []);
    assert_eq!(take(&mut checker, &anew.next(4)), [UnnamedGap]);
}

#[test]
fn order_violations_are_found() {
    use ViolationKind::*;
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    let first = key.next(1);
    assert!(observe(&mut checker, &first).violations.is_empty(), "not acknowledged");
    let second = key.next(2);
    assert_eq!(take(&mut checker, &second), [Order], "before its predecessor was acknowledged");
    assert_eq!(take(&mut checker, &first.again()), [Order], "again after its successor");
    let third = key.next(2);
    assert_eq!(take(&mut checker, &third), [Order], "a position that is not above the last");
    let fourth = key.next(4);
    let fifth = key.next(5);
    assert_eq!(take(&mut checker, &fifth), [Loss], "the predecessor never came");
    assert_eq!(take(&mut checker, &fourth), [Order], "after its successor");
}

#[test]
fn an_unaccounted_predecessor_that_was_not_acknowledged_breaks_the_order() {
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    assert!(observe(&mut checker, &key.next(1)).violations.is_empty());
    let second = key.next(2).with("sprag-previous-sequence", "0");
    assert_eq!(take(&mut checker, &second), [ViolationKind::Order]);
}

#[test]
fn losses_are_found() {
    use ViolationKind::*;
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    drop(key.next(1));
    let second = key.next(2);
    assert_eq!(take(&mut checker, &second), [Loss], "a key begins at its first event");
    drop([key.next(3), key.next(4)]);
    let partly =
        key.next(5).with("sprag-previous-sequence", "2").with("sprag-omitted", "3;filtered");
    assert_eq!(take(&mut checker, &partly), [Loss], "4 is not accounted for");
    assert_eq!(take(&mut checker, &key.next(7)), [UnnamedGap], "position 6 is not named");
}

#[test]
fn a_consumer_that_joins_later_accepts_any_beginning() {
    let mut key = Key::new("cus_1");
    drop(key.next(1));
    let second = key.next(2);
    let inspector = Arc::new(Inspector::new(&[Secret::from(SECRET)]).unwrap());
    let mut later = Checker::new(inspector, false);
    assert_eq!(take(&mut later, &second), []);
    drop(key.next(3));
    assert_eq!(take(&mut later, &key.next(4)), [ViolationKind::Loss]);
}

#[test]
fn repeats_must_be_marked_and_the_same() {
    use ViolationKind::*;
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    let mut other_body = Key::new("cus_1").next(9);
    other_body.headers.insert("sprag-redelivery", "true".into());
    let first = key.next(1);
    assert_eq!(take(&mut checker, &first), []);
    assert_eq!(take(&mut checker, &first), [UnflaggedRedelivery]);
    assert_eq!(take(&mut checker, &other_body), [RepeatDiffers]);
    let other_id = first.again().with("webhook-id", "billing:cus_1:01");
    assert_eq!(take(&mut checker, &other_id), [Malformed], "an id is bound to its sequence");
}

#[test]
fn the_chain_is_recomputed() {
    use ViolationKind::*;
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    let first = key.next(1);
    for forged in [
        first.clone().with("sprag-position", "2"),
        first.clone().with("sprag-source-id", "evt"),
        first.clone().with("content-type", "text/plain"),
        Attempt { body: b"{}".to_vec(), ..first.clone() },
    ] {
        let observed = Checker::new(Arc::new(Inspector::default()), true).observe(
            NOW_US,
            &forged.signed(SECRET),
            &forged.body,
        );
        assert_eq!(observed.violations[0].kind, Chain);
    }
    assert_eq!(take(&mut checker, &first), []);
    key.hash = [7; 32];
    assert_eq!(take(&mut checker, &key.next(2)), [Chain], "another history before it");
}

#[test]
fn signatures_cover_body_and_headers() {
    use ViolationKind::*;
    let mut checker = checker();
    let attempt = Key::new("cus_1").next(1);
    let kinds = |observed: Observed| -> Vec<_> {
        observed.violations.iter().map(|violation| violation.kind).collect()
    };
    let mut headers = attempt.signed(SECRET);
    headers.insert("sprag-redelivery", HeaderValue::from_static("true"));
    assert_eq!(kinds(checker.observe(NOW_US, &headers, &attempt.body)), [Signature]);
    let headers = attempt.signed("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_eq!(kinds(checker.observe(NOW_US, &headers, &attempt.body))[0], Signature);
    let headers = attempt.signed(SECRET);
    let later_us = NOW_US + 301 * 1_000_000;
    assert_eq!(kinds(checker.observe(later_us, &headers, &attempt.body))[0], Signature);
    let mut headers = attempt.signed(SECRET);
    headers.remove("sprag-signature");
    assert_eq!(kinds(checker.observe(NOW_US, &headers, &attempt.body))[0], Signature);
}

#[test]
fn headers_that_cannot_be_read_are_named() {
    let attempt = Key::new("cus_1").next(1);
    for (broken, named) in [
        (attempt.clone().without("sprag-sequence"), "sprag-sequence is absent"),
        (attempt.clone().without("sprag-hash"), "sprag-hash is absent"),
        (attempt.clone().without("sprag-previous-sequence"), "sprag-previous-sequence is absent"),
        (attempt.clone().with("sprag-hash", "zz"), "sprag-hash is no SHA-256"),
        (attempt.clone().with("sprag-omitted", "a"), "sprag-omitted is no list"),
        (attempt.clone().with("sprag-redelivery", "yes"), "sprag-redelivery is neither"),
    ] {
        let observed = observe(&mut checker(), &broken);
        let [violation] = observed.violations.as_slice() else { panic!("{observed:?}") };
        assert_eq!(violation.kind, ViolationKind::Malformed);
        assert!(violation.detail.starts_with(named), "{violation}");
        assert!(observed.delivery.is_none());
    }
}

#[test]
fn summaries_add_up_and_name_every_kind() {
    let mut checker = checker();
    let mut key = Key::new("cus_1");
    let first = key.next(1);
    take(&mut checker, &first);
    take(&mut checker, &first);
    let summary = checker.summary();
    let joined = summary.clone().joined(&summary);
    assert_eq!((joined.deliveries, joined.violations()), (4, 2));
    let json = joined.to_json();
    assert_eq!(json["violations"]["unflagged-redelivery"], 2);
    assert_eq!(json["violations"]["order"], 0);
    assert_eq!(json["first_violations"][0]["id"], "billing:cus_1:1");
    assert!(summary.to_string().contains("1 unflagged-redelivery"), "{summary}");
}

#[test]
fn faults_depend_on_the_seed_and_the_attempt_alone() {
    let faults = Faults {
        fail: Share::per_thousand(200),
        silent: Share::per_thousand(100),
        slow: Share::ALL,
        delay: std::time::Duration::from_millis(3),
        seed: 7,
    };
    let mut key = Key::new("cus_1");
    let deliveries: Vec<Delivery> = (1..=2_000)
        .map(|position| {
            let attempt = key.next(position);
            Delivery::read(&attempt.signed(SECRET), &attempt.body).unwrap()
        })
        .collect();
    let draw = |faults: &Faults| -> Vec<_> { deliveries.iter().map(|d| faults.react(d)).collect() };
    let drawn = draw(&faults);
    assert_eq!(drawn, draw(&faults));
    assert_ne!(drawn, draw(&Faults { seed: 8, ..faults }));
    let of = |reaction| drawn.iter().filter(|(drawn, _)| *drawn == reaction).count();
    assert!((320..480).contains(&of(Reaction::Fail)), "{}", of(Reaction::Fail));
    assert!((110..210).contains(&of(Reaction::Silence)), "{}", of(Reaction::Silence));
    assert!(drawn.iter().all(|(_, delay)| *delay == faults.delay));
}

/// Positions 1, 3 and 4; then 2 comes late, and what stood behind its place is undone and repeated.
fn compensated(key: &mut Key) -> Vec<Attempt> {
    let gap = key.next_of("event", 3).with("sprag-missing", "2");
    let mut all = vec![gap, key.next(4)];
    let undo = |key: &mut Key, position, of: &str| {
        key.next_of("compensation", position).with("sprag-compensates", of)
    };
    all.push(undo(key, 4, "3"));
    all.push(undo(key, 3, "2"));
    all.push(key.next_of("late", 2));
    all.push(key.next(3).with("sprag-repeats", "2"));
    all.push(key.next(4).with("sprag-repeats", "3"));
    all.push(key.next(5));
    all
}

#[test]
fn what_is_undone_and_repeated_in_order_is_fine() {
    let (mut checker, mut key) = (checker(), Key::new("cus_1"));
    assert_eq!(take(&mut checker, &key.next(1)), []);
    for attempt in compensated(&mut key) {
        assert!(observe(&mut checker, &attempt).violations.is_empty(), "{:?}", attempt.headers);
        assert_eq!(take(&mut checker, &attempt.again()), [], "{:?}", attempt.headers);
    }
}

#[test]
fn what_is_undone_in_another_order_or_not_repeated_is_named() {
    for (at, name, value) in [
        // The older first; the same twice; one that did not come; what stands below the newest.
        (2, "sprag-compensates", "2"),
        (3, "sprag-compensates", "3"),
        (2, "sprag-compensates", "9"),
        // Another is repeated.
        (5, "sprag-repeats", "3"),
    ] {
        let (mut checker, mut key) = (checker(), Key::new("cus_1"));
        take(&mut checker, &key.next(1));
        let attempts = compensated(&mut key);
        for attempt in &attempts[..at] {
            assert_eq!(take(&mut checker, attempt), []);
        }
        let wrong = attempts[at].clone().with(name, value);
        assert_eq!(take(&mut checker, &wrong), [ViolationKind::Order], "{name}: {value}");
    }
    // Something new comes between.
    let (mut checker, mut key) = (checker(), Key::new("cus_1"));
    take(&mut checker, &key.next(1));
    let attempts = compensated(&mut key);
    attempts[..5].iter().for_each(|attempt| assert_eq!(take(&mut checker, attempt), []));
    let new = attempts[5].clone().without("sprag-repeats").with("sprag-position", "5");
    let kinds = take(&mut checker, &new);
    assert!(kinds.contains(&ViolationKind::Order), "{kinds:?}");
}
