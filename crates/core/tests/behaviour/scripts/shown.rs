//! What a story shows of the world beside what happens: a key, what operators see, what retention says.

use std::time::Duration;

use sprag_core::id::FrameNumber;
use sprag_core::partition::ForgetTally;

use super::{Words, key};
use crate::harness::describe;
use crate::harness::world::{World, partition_of};

/// A key as it is in memory.
pub(super) fn show(world: &mut World, words: &Words<'_>) {
    let key = key(words.word(1));
    let node = &world.nodes[usize::from(partition_of(&key).0)];
    let Some(view) = node.partition.view(&key) else {
        world.trace.push("  not in memory".to_owned());
        return;
    };
    let lines = describe::record(&view.record).into_iter();
    world.trace.extend(lines.map(|line| format!("  {line}")));
    let waits = view.lanes.iter().map(|lane| {
        let what = if lane.strand.is_some() { "strand" } else { "lane" };
        format!("  {what} {} waits for {:?}", lane.destination.0, lane.waits_for)
    });
    world.trace.extend(waits);
}

/// History up to a frame is old: its bodies go, and unless it is to `keep` the rest it is deleted, once
/// what it says of keys was said anew.
pub(super) fn retain(world: &mut World, words: &Words<'_>) {
    let through = FrameNumber(words.number("through").expect("up to which frame"));
    let at = words.size("partition").unwrap_or(0);
    let age = words.duration("age").unwrap_or_default();
    let deletes = !words.plain.contains(&"keep");
    let Some(looked) = world.retain(at, through, age, deletes) else {
        world.trace.push("  cannot decide now".to_owned());
        return;
    };
    let dead = looked.dead.iter();
    let dead: Vec<String> = dead.map(|(frame, _, size)| format!("{}:{size}", frame.0)).collect();
    world.trace.push(format!(
        "  dead={dead:?} live={} carried={} rests on {}{}{}",
        looked.live,
        looked.carried,
        looked.rests_on.0,
        if looked.is_pinned { " pinned" } else { "" },
        if looked.is_incomplete { " incomplete" } else { "" },
    ));
}

/// What operators watch of each partition.
pub(super) fn watched(world: &mut World) {
    for node in &world.nodes {
        let partition = &node.partition;
        world.trace.push(format!(
            "  partition {} epoch={} open={:?} recent={} from {} unstored={} newest at {}",
            partition.id().0,
            partition.epoch().0,
            Duration::from_micros(partition.open_time().0),
            partition.recent_ids(),
            partition.recent_floor().0,
            partition.dirty_keys(),
            describe::clock(partition.recorded()),
        ));
        let held = partition.held().map(|(key, record)| (&key.name, record.order.held.len()));
        world.trace.extend(held.map(|(name, count)| format!("  {name} holds {count}")));
        let heads = partition.heads();
        let heads =
            heads.map(|(to, since)| format!("  head to {} since {}", to.0, describe::clock(since)));
        world.trace.extend(heads);
        let waits = partition.waits();
        world.trace.extend(waits.map(|(to, waits)| format!("  to {}: {waits:?}", to.0)));
    }
}

/// What each partition has counted for operators since its process began.
pub(super) fn counted(world: &mut World) {
    for node in &world.nodes {
        let partition = &node.partition;
        let filtered = partition.filtered().iter();
        let filtered = filtered.map(|(to, count)| format!("  filtered from {}: {count}", to.0));
        world.trace.extend(filtered);
        world.trace.push(format!("  {:?}", partition.moves()));
        let forgetting = partition.forgetting();
        if forgetting != ForgetTally::default() {
            world.trace.push(format!("  {forgetting:?}"));
        }
    }
}
