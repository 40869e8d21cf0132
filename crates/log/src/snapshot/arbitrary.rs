//! Every record with every kind of content, for properties.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sprag_core::chain::Fingerprint;
use sprag_core::clocks::{KnownNode, Seen};
use sprag_core::fact::Toll;
use sprag_core::fields::KnownField;
use sprag_core::id::{DestinationId, FrameNumber, Sequence};
use sprag_core::links::{Break, Tip};
use sprag_core::record::{
    Acceptance, Essence, HeldAt, HeldEvent, KeyRecord, Lane, LaneMode, Machine, Omission,
    OmitReason, Order, Reached, Rewind,
};
use sprag_core::time::{OpenMicros, UnixMicros};

use crate::fact::arbitrary;

fn held() -> impl Strategy<Value = HeldEvent> {
    let essence = (
        option::of(arbitrary::text(256)),
        arbitrary::position(),
        arbitrary::text(256),
        arbitrary::text(256),
        arbitrary::hash(),
        any::<u32>(),
        option::of(arbitrary::key()),
    );
    let essence = essence.prop_map(|parts| Essence {
        id: parts.0,
        position: parts.1,
        event_type: parts.2,
        content_type: parts.3,
        digest: parts.4,
        size: parts.5,
        depends_on: parts.6,
    });
    (arbitrary::place(), arbitrary::hold_reason(), any::<u64>(), essence).prop_map(
        |(event, reason, deadline, essence)| HeldEvent {
            event,
            reason,
            deadline: OpenMicros(deadline),
            essence,
        },
    )
}

fn reached() -> impl Strategy<Value = Reached> {
    let field = (arbitrary::field_name(), arbitrary::at(), arbitrary::place());
    let field = field.prop_map(|(name, at, event)| KnownField { name, at, event });
    let names = proptest::collection::btree_set(arbitrary::field_name(), 1..5);
    let node = (any::<u64>(), arbitrary::ranges(), any::<u64>());
    let seen = (names, vec(node, 4)).prop_map(|(names, all)| {
        let many = names.len();
        let of = |(name, (count, given_up, knows)): (_, (_, _, u64))| {
            let knows =
                std::iter::successors(Some(knows), |known: &u64| Some(known.rotate_left(9)));
            let knows = knows.take(many).collect();
            KnownNode { name, count, given_up, knows }
        };
        Reached::Clock(Seen::of(names.into_iter().zip(all).map(of).collect()).expect("in order"))
    });
    let machine = (
        arbitrary::field_name(),
        option::of(arbitrary::at()),
        arbitrary::place(),
        arbitrary::hash(),
    );
    let machine =
        machine.prop_map(|(state, at, event, digest)| Machine { state, at, event, digest });
    prop_oneof![
        seen,
        Just(Reached::Nothing),
        any::<u32>().prop_map(|rank| Reached::Settled { rank }),
        vec(field, 1..4).prop_map(|mut fields: Vec<KnownField>| {
            fields.sort_by(|one, other| one.name.cmp(&other.name));
            fields.dedup_by(|one, other| one.name == other.name);
            Reached::Fields(fields)
        }),
        machine.prop_map(|machine| Reached::State(Box::new(machine))),
        tip().prop_map(|tip| Reached::Link(Box::new(tip))),
    ]
}

fn tip() -> impl Strategy<Value = Tip> {
    let gap = (option::of(arbitrary::text(256)), arbitrary::text(256));
    let gap = gap.prop_map(|(from, to)| Break { from, to });
    (arbitrary::link(), arbitrary::place(), arbitrary::hash(), vec(gap, 0..4))
        .prop_map(|(link, event, digest, breaks)| Tip { link, event, digest, breaks })
}

fn mode() -> impl Strategy<Value = LaneMode> {
    (0..5, any::<u64>()).prop_map(|(mode, until)| match (mode, Sequence(until)) {
        (0, _) => LaneMode::Active,
        (1, _) => LaneMode::Halted,
        (2, _) => LaneMode::Parked,
        (3, until) => LaneMode::DrainingHalted { until },
        (_, until) => LaneMode::DrainingParked { until },
    })
}

fn omission() -> impl Strategy<Value = Omission> {
    let reason = prop_oneof![
        Just(OmitReason::Filtered),
        Just(OmitReason::Dead),
        Just(OmitReason::Skipped),
        Just(OmitReason::Restored),
        Just(OmitReason::Boundary)
    ];
    (arbitrary::range(), reason, any::<bool>()).prop_map(|(range, reason, merged)| Omission {
        range,
        reason,
        merged,
    })
}

fn lane() -> impl Strategy<Value = Lane> {
    let rewind = (any::<(u64, u64, u64, u32)>(), vec(omission(), 0..3));
    let rewind = rewind.prop_map(|((until, resume, delivered, failures), omitted)| {
        let [until, resume, delivered] = [until, resume, delivered].map(Sequence);
        Box::new(Rewind { until, resume, delivered, omitted, failures })
    });
    let redrive = any::<u64>().prop_map(Sequence);
    let numbers = any::<(u32, u64, u64, u64, u32, u64, u64, u32, u64)>();
    let covered = option::of(arbitrary::ranges().prop_map(Box::new));
    let more = (covered, any::<u64>());
    let range = (option::of(any::<u64>()), any::<u64>(), option::of(rewind), more);
    let lists = (vec(omission(), 0..5), vec(redrive, 0..5), option::of(acceptance()), range);
    let counts = any::<(u64, u64, u64, Option<u64>, u64)>();
    ((numbers, counts), mode(), lists).prop_map(
        |(
            (numbers, counts),
            mode,
            (omitted, redrives, accepted, (batch, sent, rewound, (covered, unmet))),
        )| Lane {
            destination: DestinationId(numbers.0),
            mode,
            head: Sequence(numbers.1),
            tail: Sequence(numbers.2),
            delivered: Sequence(numbers.3),
            omitted,
            failures: numbers.4,
            due: UnixMicros(numbers.5),
            failed_at: OpenMicros(numbers.6),
            toll: Toll { failures: numbers.7, time: numbers.8 },
            redrives,
            accepted: accepted.map(Box::new),
            opened: Sequence(counts.0),
            waiting: counts.1,
            bytes: counts.2,
            since: UnixMicros(counts.4),
            batch: batch.map(Sequence),
            sent: Sequence(sent),
            strand: counts.3.map(|event| Sequence(event.max(1))),
            rewound,
            covered,
            unmet: Sequence(unmet),
        },
    )
}

fn acceptance() -> impl Strategy<Value = Acceptance> {
    any::<(u64, u32, bool, u64, u64, Option<u64>)>().prop_map(|numbers| Acceptance {
        last: numbers.5.map(Sequence),
        sequence: Sequence(numbers.0),
        number: numbers.1,
        out_of_order: numbers.2,
        started: UnixMicros(numbers.3),
        until: OpenMicros(numbers.4),
    })
}

pub(crate) fn record() -> impl Strategy<Value = KeyRecord> {
    let order = (
        option::of(any::<u64>()),
        any::<u64>(),
        arbitrary::ranges(),
        arbitrary::ranges(),
        option::of(arbitrary::range()),
        (vec(held(), 0..5), reached()),
        (any::<u32>(), arbitrary::place()),
        vec(any::<u128>().prop_map(Fingerprint), 0..5),
    );
    let order = order.prop_map(|parts| {
        let (next, highest, abandoned, missing, gap, (held, reached), (old, since), instant) =
            parts;
        let held = held.into_iter().map(|held| (HeldAt::of(&held), held)).collect();
        Order { next, highest, abandoned, missing, gap, held, old, since, instant, reached }
    });
    let head = (any::<u64>(), arbitrary::hash(), arbitrary::place(), any::<bool>(), any::<u64>());
    let jumps = (any::<u64>(), vec(arbitrary::range(), 0..3));
    let idle = any::<(u64, bool, u64)>();
    (head, order, vec(lane(), 0..4), (jumps, idle, any::<bool>())).prop_map(
        |(head, order, lanes, (jumps, idle, unordered))| KeyRecord {
            sequence: Sequence(head.0),
            hash: head.1,
            newest: head.2,
            paused: head.3,
            carried: FrameNumber(head.4),
            order,
            lanes,
            jumped: jumps.0,
            jumps: jumps.1,
            active: UnixMicros(idle.0),
            forgotten: idle.1,
            boundary: Sequence(idle.2),
            unordered,
        },
    )
}
