//! Every fact with every kind of content, for properties.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sprag_core::chain::Fingerprint;
use sprag_core::clocks::{Causes, Clock, Counter};
use sprag_core::fact::*;
use sprag_core::fields::{At, Field, Fields};
use sprag_core::id::*;
use sprag_core::links::Link;
use sprag_core::position::Position;
use sprag_core::ranges::{Range, Ranges};
use sprag_core::time::{OpenMicros, UnixMicros};
use std::sync::Arc;

use crate::snapshot::arbitrary::record;

pub(crate) fn text(most: usize) -> impl Strategy<Value = Arc<str>> {
    "[a-zé/%0-9]*".prop_map(move |text| {
        let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        Arc::from(&text[..end.unwrap()])
    })
}

pub(crate) fn key() -> impl Strategy<Value = Key> {
    (any::<u32>(), text(200)).prop_map(|(source, name)| Key { source: SourceId(source), name })
}

pub(crate) fn place() -> impl Strategy<Value = Place> {
    (any::<u16>(), any::<u64>(), any::<u32>()).prop_map(|(partition, frame, index)| Place {
        partition: PartitionId(partition),
        frame: FrameNumber(frame),
        index,
    })
}

pub(crate) fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

pub(crate) fn position() -> BoxedStrategy<Position> {
    prop_oneof![
        Just(Position::None),
        any::<u64>().prop_map(Position::Sequence),
        any::<u64>().prop_map(Position::Version),
        any::<u64>().prop_map(Position::Timestamp),
        fields().prop_map(Position::Fields),
        clock().prop_map(Position::Clock),
        (field_name(), option::of(at())).prop_map(|(state, at)| Position::State { state, at }),
        link().prop_map(Position::Link),
    ]
    .boxed()
}

pub(crate) fn link() -> impl Strategy<Value = Link> {
    (text(256), text(256), any::<bool>()).prop_map(|(before, after, forced)| Link {
        before,
        after,
        forced,
    })
}

pub(crate) fn at() -> impl Strategy<Value = At> {
    prop_oneof![any::<u64>().prop_map(At::Version), any::<u64>().prop_map(At::Instant)]
}

pub(crate) fn field_name() -> impl Strategy<Value = Arc<str>> {
    "[a-zé]{1,16}".prop_map(Arc::from)
}

fn fields() -> impl Strategy<Value = Fields> {
    let fields = proptest::collection::btree_map(field_name(), at(), 1..9);
    fields.prop_map(|fields| {
        let fields = fields.into_iter().map(|(name, at)| Field { name, at });
        Fields::new(fields.collect()).expect("few names of a few bytes, each once")
    })
}

fn clock() -> impl Strategy<Value = Clock> {
    let counters = proptest::collection::btree_map(field_name(), 1..=u64::MAX, 1..9);
    (counters, any::<prop::sample::Index>()).prop_map(|(counters, own)| {
        let of = |(node, count)| Counter { node, count };
        let counters: Vec<_> = counters.into_iter().map(of).collect();
        let node = own.get(&counters).node.clone();
        Clock::new(&node, counters).expect("few names of a few bytes, each once")
    })
}

pub(crate) fn range() -> impl Strategy<Value = Range> {
    (any::<u64>(), any::<u64>()).prop_map(|(a, b)| Range { from: a.min(b), to: a.max(b) })
}

pub(crate) fn ranges() -> impl Strategy<Value = Ranges> {
    vec((0..10_000_u64, 0..20_u64), 0..20).prop_map(|list| {
        Ranges::from_ranges(list.into_iter().map(|(from, more)| Range { from, to: from + more }))
    })
}

fn destination() -> impl Strategy<Value = DestinationId> {
    any::<u32>().prop_map(DestinationId)
}

fn sequence() -> impl Strategy<Value = Sequence> {
    any::<u64>().prop_map(Sequence)
}

fn header() -> impl Strategy<Value = StoredHeader> {
    (text(256), vec(any::<u8>(), 0..40))
        .prop_map(|(name, value)| StoredHeader { name, value: value.into() })
}

pub(crate) fn hold_reason() -> impl Strategy<Value = HoldReason> {
    let settles = any::<u32>().prop_map(|rank| HoldReason::Settle { rank });
    prop_oneof![Just(HoldReason::Gap), Just(HoldReason::Start), settles]
}

fn received() -> impl Strategy<Value = Received> {
    let texts = (option::of(text(256)), text(256), text(256));
    let origin = prop_oneof![
        Just(Origin::Posted),
        Just(Origin::Refilled),
        Just(Origin::Again),
        Just(Origin::Reconciled)
    ];
    let origin = (origin, option::of(key()));
    let rest = (vec(header(), 0..5), hash(), any::<u32>(), any::<u32>(), origin);
    (key(), position(), texts, rest).prop_map(|(key, position, texts, rest)| Received {
        key,
        id: texts.0,
        position,
        event_type: texts.1,
        content_type: texts.2,
        headers: rest.0,
        digest: rest.1,
        size: rest.2,
        body: rest.3,
        origin: rest.4.0,
        depends_on: rest.4.1,
    })
}

fn released() -> BoxedStrategy<Released> {
    let kind = prop_oneof![Just(Kind::Event), Just(Kind::Late), Just(Kind::Compensation)];
    let order = (position(), sequence(), kind, hash(), hash());
    let lanes = (vec(destination(), 0..9), vec(destination(), 0..9), any::<u32>(), ranges());
    let causes = (field_name(), range()).prop_map(|(node, range)| Causes { node, range });
    let of_clocks = (any::<bool>(), vec(causes, 0..3), option::of(text(256)));
    let fresh = (vec(field_name(), 0..4), vec(field_name(), 0..4));
    let late = prop_oneof![
        Just(Late::Delivered),
        Just(Late::Dead),
        Just(Late::Aside),
        Just(Late::InPlace),
    ];
    let depends_on = (key(), any::<u64>())
        .prop_map(|(of, until)| Arc::new(DependsOn { of, until: OpenMicros(until) }));
    let late = (late, option::of(sequence()), option::of(depends_on));
    let reserved = (option::of(hash()), option::of(place()), any::<bool>(), fresh, of_clocks, late);
    (key(), place(), order, lanes, reserved)
        .prop_map(|(key, event, order, lanes, reserved)| Released {
            key,
            event,
            position: order.0,
            sequence: order.1,
            kind: order.2,
            previous_hash: order.3,
            hash: order.4,
            lanes: lanes.0,
            filtered: lanes.1,
            revision: Revision(lanes.2),
            missing: lanes.3,
            salt: reserved.0,
            refers_to: reserved.1,
            unordered: reserved.2,
            fresh: reserved.3.0,
            passed: reserved.3.1,
            broken_from: reserved.4.2,
            concurrent: reserved.4.0,
            causes: reserved.4.1,
            late: reserved.5.0,
            earlier: reserved.5.1,
            depends_on: reserved.5.2,
        })
        .boxed()
}

fn duplicate() -> impl Strategy<Value = Duplicate> {
    let by = prop_oneof![Just(Recognised::Id), Just(Recognised::Position)];
    let rest = (option::of(place()), by, any::<bool>());
    (key(), option::of(text(256)), position(), hash(), rest).prop_map(
        |(key, id, position, digest, (original, by, altered))| Duplicate {
            key,
            id,
            position,
            digest,
            original,
            by,
            altered,
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        any::<u16>().prop_map(|status| Outcome::Answered { status }),
        Just(Outcome::Unreachable),
        Just(Outcome::Refused),
        Just(Outcome::Unknown),
        Just(Outcome::Unreadable),
        Just(Outcome::Unacknowledged),
    ]
}

fn consequence() -> impl Strategy<Value = Consequence> {
    prop_oneof![
        Just(Consequence::Delivered),
        any::<u64>().prop_map(|until| Consequence::Accepted { until: OpenMicros(until) }),
        any::<u64>().prop_map(|due| Consequence::Retry { due: UnixMicros(due) }),
        Just(Consequence::Halted),
        Just(Consequence::Parked),
        Just(Consequence::Dead),
    ]
}

fn attempted() -> impl Strategy<Value = Attempted> {
    let times = (any::<u64>(), any::<u64>(), any::<u32>(), any::<bool>());
    let toll = any::<(u32, u64)>().prop_map(|(failures, time)| Toll { failures, time });
    let batch = any::<(u64, u64)>()
        .prop_map(|(last, acknowledged)| Batch { last: Sequence(last), acknowledged });
    let turn = option::of(any::<u64>().prop_map(UnixMicros));
    let rest = (option::of(toll), option::of(text(256)), option::of(batch), turn);
    (key(), destination(), sequence(), times, outcome(), consequence(), rest).prop_map(
        |(key, destination, sequence, times, outcome, consequence, rest)| Attempted {
            key,
            destination,
            sequence,
            number: times.2,
            out_of_order: times.3,
            started: UnixMicros(times.0),
            took: times.1,
            outcome,
            consequence,
            toll: rest.0,
            dropped: rest.1,
            batch: rest.2,
            turn: rest.3,
        },
    )
}

fn letter() -> impl Strategy<Value = DeadLetter> {
    prop_oneof![
        (destination(), sequence())
            .prop_map(|(destination, sequence)| DeadLetter::InLane { destination, sequence }),
        place().prop_map(|event| DeadLetter::AtIngress { event }),
    ]
}

fn declared() -> impl Strategy<Value = Fact> {
    prop_oneof![
        any::<u64>().prop_map(|epoch| Fact::Claimed(Claimed { epoch: Epoch(epoch) })),
        (any::<u32>(), text(256), text(900)).prop_map(|(source, name, identity)| {
            Fact::SourceDeclared(SourceDeclared { source: SourceId(source), name, identity })
        }),
        (destination(), text(256), start()).prop_map(|(destination, name, start)| {
            Fact::DestinationDeclared(DestinationDeclared { destination, name, start })
        }),
        (destination(), any::<bool>()).prop_map(|(destination, gone)| {
            let reason = if gone { PauseReason::Gone } else { PauseReason::Operator };
            Fact::DestinationPaused(DestinationPaused { destination, reason })
        }),
        destination().prop_map(|destination| {
            Fact::DestinationResumed(DestinationResumed { destination })
        }),
        key().prop_map(|key| Fact::KeyPaused(KeyPaused { key })),
        key().prop_map(|key| Fact::KeyResumed(KeyResumed { key })),
    ]
}

fn refill_ended() -> impl Strategy<Value = Fact> {
    let outcome = prop_oneof![
        Just(RefillOutcome::Whole),
        Just(RefillOutcome::Cut),
        any::<u16>().prop_map(|status| RefillOutcome::Answered { status }),
        Just(RefillOutcome::Unreachable),
        Just(RefillOutcome::Refused),
        Just(RefillOutcome::Unreadable),
        Just(RefillOutcome::Unfinished),
    ];
    let asked = (key(), range(), any::<u32>(), outcome, any::<u32>());
    asked.prop_map(|(key, asked, attempt, outcome, events)| {
        Fact::RefillEnded(RefillEnded { key, asked, attempt, outcome, events })
    })
}

fn gaps() -> BoxedStrategy<Fact> {
    let abandon = prop_oneof![
        Just(AbandonReason::Waited),
        Just(AbandonReason::Full),
        Just(AbandonReason::Start),
        Just(AbandonReason::Rebased),
        Just(AbandonReason::Gone),
        Just(AbandonReason::Operator)
    ];
    prop_oneof![
        (key(), range()).prop_map(|(key, missing)| Fact::GapOpened(GapOpened { key, missing })),
        key().prop_map(|key| Fact::GapFilled(GapFilled { key })),
        (key(), range(), abandon).prop_map(|(key, missing, reason)| {
            Fact::GapAbandoned(GapAbandoned { key, missing, reason })
        }),
        refill_ended(),
        (key(), position(), position())
            .prop_map(|(key, ours, theirs)| { Fact::Reconciled(Reconciled { key, ours, theirs }) }),
        (key(), place(), hold_reason(), any::<u64>()).prop_map(|(key, event, reason, deadline)| {
            Fact::Held(Held { key, event, reason, deadline: OpenMicros(deadline) })
        }),
    ]
    .boxed()
}

fn fates() -> BoxedStrategy<Fact> {
    let invalid = prop_oneof![
        Just(InvalidReason::BeyondSpan),
        Just(InvalidReason::BeforeFirst),
        Just(InvalidReason::AheadOfTime),
        Just(InvalidReason::Unreadable),
        Just(InvalidReason::TooManyFields),
        Just(InvalidReason::ShrinkingClock),
        Just(InvalidReason::TooManyNodes),
        Just(InvalidReason::UnknownState)
    ];
    prop_oneof![
        duplicate().prop_map(Fact::Duplicate),
        (key(), place(), place(), hash()).prop_map(|(key, event, other, other_digest)| {
            Fact::Conflict(Conflict { key, event, other, other_digest })
        }),
        (key(), place(), position(), invalid).prop_map(|(key, event, position, reason)| {
            Fact::Invalid(Invalid { key, event, position, reason })
        }),
        (key(), position())
            .prop_map(|(key, position)| { Fact::SequenceReset(SequenceReset { key, position }) }),
        key().prop_map(|key| Fact::Rebased(Rebased { key })),
        any::<[u64; 3]>().prop_map(|[restore, jump, total]| {
            Fact::Restored(Restored { restore, jump, total })
        }),
        (key(), sequence(), sequence(), any::<u64>()).prop_map(|(key, from, through, total)| {
            Fact::Jumped(Jumped { key, from, through, total })
        }),
        (any::<u32>(), text(256), text(256), option::of(hash()), any::<u64>()).prop_map(
            |(source, code, peer, digest, counted)| {
                Fact::Refused(Refused { source: SourceId(source), code, peer, digest, counted })
            }
        ),
        (key(), place(), position(), sequence()).prop_map(|(key, event, position, newest)| {
            Fact::Stale(Stale { key, event, position, newest })
        }),
        (key(), destination(), sequence(), sequence()).prop_map(|(key, destination, from, by)| {
            Fact::Superseded(Superseded { key, destination, from, by })
        }),
        (key(), destination(), sequence(), sequence()).prop_map(|(key, destination, from, to)| {
            Fact::Batched(Batched { key, destination, from, to })
        }),
        (key(), destination(), sequence(), sequence(), any::<bool>()).prop_map(
            |(key, destination, from, to, out_of_order)| {
                Fact::Acknowledged(Acknowledged { key, destination, from, to, out_of_order })
            }
        ),
        (key(), destination(), sequence(), sequence()).prop_map(|(key, destination, from, to)| {
            Fact::Filtered(Filtered { key, destination, from, to })
        }),
        lanes(),
        destination().prop_map(|destination| {
            Fact::DestinationRetired(DestinationRetired { destination })
        }),
        (any::<u32>(), option::of(text(256)), text(256), hash()).prop_map(
            |(source, id, event_type, digest)| {
                Fact::Ignored(Ignored { source: SourceId(source), id, event_type, digest })
            }
        ),
        (key(), letter()).prop_map(|(key, letter)| Fact::Dropped(Dropped { key, letter })),
        (key(), destination(), option::of(sequence())).prop_map(|(key, destination, passed)| {
            Fact::Redriven(Redriven { key, destination, passed })
        }),
    ]
    .boxed()
}

fn lanes() -> BoxedStrategy<Fact> {
    prop_oneof![
        (key(), destination(), sequence(), sequence()).prop_map(|(key, destination, from, to)| {
            Fact::StrandsTaken(StrandsTaken { key, destination, from, to })
        }),
        (key(), destination(), sequence(), sequence(), vec(sequence(), 0..4)).prop_map(
            |(key, destination, from, to, strands)| {
                Fact::LaneEnded(LaneEnded { key, destination, from, to, strands })
            }
        ),
        (key(), destination(), sequence(), sequence()).prop_map(|(key, destination, from, to)| {
            Fact::BacklogDropped(BacklogDropped { key, destination, from, to })
        }),
        (key(), destination(), sequence(), sequence()).prop_map(
            |(key, destination, from, until)| {
                Fact::Rewound(Rewound { key, destination, from, until })
            }
        ),
        (key(), destination(), sequence()).prop_map(|(key, destination, sequence)| {
            Fact::LateDead(LateDead { key, destination, sequence })
        }),
        (key(), destination(), sequence(), key()).prop_map(|(key, destination, sequence, of)| {
            Fact::Unmet(Unmet { key, destination, sequence, of })
        }),
        (key(), destination(), sequence()).prop_map(|(key, destination, through)| {
            Fact::LaneOpened(LaneOpened { key, destination, through })
        }),
        (destination(), visit()).prop_map(|(destination, visit)| {
            Fact::KeysVisited(KeysVisited { destination, visit })
        }),
    ]
    .boxed()
}

pub(crate) fn visit() -> impl Strategy<Value = Visit> {
    prop_oneof![Just(Visit::Opens), Just(Visit::Ends)]
}

fn start() -> impl Strategy<Value = Start> {
    let at = any::<u64>().prop_map(|at| Start::At(UnixMicros(at)));
    prop_oneof![Just(Start::Now), Just(Start::Earliest), at]
}

fn forgetting() -> impl Strategy<Value = Fact> {
    let record = || record().prop_map(Box::new);
    let digest = || any::<u128>().prop_map(Fingerprint);
    let floor = (0..sprag_core::limits::BUCKETS, sequence())
        .prop_map(|(bucket, sequence)| Floor { bucket, sequence });
    prop_oneof![
        (key(), record()).prop_map(|(key, record)| Fact::Forgotten(Forgotten { key, record })),
        (key(), record()).prop_map(|(key, record)| Fact::Returned(Returned { key, record })),
        (digest(), record())
            .prop_map(|(digest, record)| Fact::Tombstone(Tombstone { digest, record })),
        (vec(floor, 0..5), vec(digest(), 0..5))
            .prop_map(|(floors, dropped)| Fact::Boundary(Boundary { floors, dropped })),
    ]
}

/// Any fact.
pub(crate) fn fact() -> BoxedStrategy<Fact> {
    prop_oneof![
        declared(),
        gaps(),
        fates(),
        received().prop_map(Fact::Received),
        released().prop_map(Fact::Released),
        attempted().prop_map(Fact::Attempted),
        (key(), record())
            .prop_map(|(key, record)| { Fact::Carried(Carried { key, record: Box::new(record) }) }),
        forgetting(),
    ]
    .boxed()
}
