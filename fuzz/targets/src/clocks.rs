//! Clocks: any document read as one, beside a plain reading of it; and any clocks, true or not, told to the core under
//! contract `causal`, whose judge and outside are those of its behaviour tests.

use arbitrary::{Result, Unstructured};
use sprag::extract::{IdRule, KeyRule, Location, Pattern, PositionRule, Rules};
use sprag_core::clocks::{Clock, Counter};
use sprag_core::fact::{Origin, Outcome};
use sprag_core::id::SourceId;
use sprag_core::position::Position;
use sprag_core::settings::{Contract, OnGap};
use std::time::Duration;

use crate::core::settings_of;
use crate::extract::{Request, compare_extraction};
use crate::harness::outside::Post;
use crate::harness::world::{Habits, World};
use crate::reference::json::Tree;

/// Nodes that write; the last is no name of a URL.
const NODES: [&str; 4] = ["a", "b", "c", "é/=,;"];
/// Happenings of one story at the most.
const HAPPENINGS: usize = 60;

/// Reads the document, or lets the story happen, that the bytes choose.
///
/// # Panics
/// When clocks are read otherwise than plainly, or a promise is broken.
pub fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    if first.is_multiple_of(2) {
        read(rest);
    } else {
        // Bytes that have run out choose the first of everything.
        let _ = tell(&mut Unstructured::new(rest));
    }
}

/// `{"n": NODE, "c": CLOCK}`, or anything else.
fn read(body: &[u8]) {
    let at = |text: &str| Location::parse(text).expect("a location");
    let rules = Rules {
        id: IdRule::None,
        key: KeyRule::Parts(vec![at("const:k")]),
        event_type: None,
        accept: vec![Pattern::parse("*").expect("a pattern")],
        position: PositionRule::Clock { at: at("body:/c"), node: at("body:/n") },
        split: None,
        depends_on: None,
    };
    let request = Request {
        header: [None, None],
        query: "",
        rules,
        pointers: Vec::new(),
        body: body.to_vec(),
    };
    compare_extraction(&request, Tree::read(body).ok().as_ref());
}

fn tell(choices: &mut Unstructured<'_>) -> Result<()> {
    let mut settings = settings_of([choices.arbitrary()?, choices.arbitrary()?]);
    let Some(source) = settings.sources.get_mut(&SourceId(1)) else { return Ok(()) };
    source.contract = Contract::Causal;
    let halts = source.on_gap == OnGap::Halt;
    let mut world = World::new(settings, 2, Habits::default());
    world.declare();
    world.settle();
    for _ in 0..choices.int_in_range(1..=HAPPENINGS)? {
        match choices.int_in_range(0..=15)? {
            0 => world.advance(Duration::from_millis(choices.int_in_range(1..=4_000)?)),
            1 => world.crash(0, choices.arbitrary()?),
            2 if !world.under_way.is_empty() => {
                world.end(0, Outcome::Answered { status: 200 }, None);
            }
            _ => post(&mut world, choices)?,
        }
        world.settle();
    }
    world.end_well(halts);
    Ok(())
}

fn post(world: &mut World, choices: &mut Unstructured<'_>) -> Result<()> {
    let node = *choices.choose(&NODES)?;
    let mut counters = Vec::new();
    for name in NODES {
        let count = match choices.int_in_range(0..=20)? {
            few @ 0..=18 => few / 2,
            19 => choices.int_in_range(0..=30)?,
            _ => choices.int_in_range(u64::MAX / 2..=u64::MAX)?,
        };
        counters.push(Counter { node: name.into(), count });
    }
    let Ok(clock) = Clock::new(node, counters) else { return Ok(()) };
    let id: Option<u8> = choices.arbitrary()?;
    world.post(&Post {
        source: 1,
        key: if choices.ratio(1, 4)? { "k0@0".to_owned() } else { "k2@1".to_owned() },
        id: id.map(|id| format!("id{id}")),
        position: Position::Clock(clock),
        event_type: "even".to_owned(),
        body: format!("body {}", choices.int_in_range(0..=3)?),
        outside_tolerance: false,
        origin: Origin::Posted,
        depends_on: None,
    });
    Ok(())
}
