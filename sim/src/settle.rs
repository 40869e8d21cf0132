//! Sources of contract `settle`: instants that several events share, types that have ranks.

use std::sync::Arc;
use std::time::Duration;

use sprag_core::pattern::Pattern;
use sprag_core::plan::PlannedSource;
use sprag_core::settings::{Contract, OnGap};

use crate::dice::Dice;
use crate::latest::Counted;

/// The order of types among events of one instant, as its provider has it.
const RANKS: [&str; 2] = ["thing.b", "thing.*"];

/// Adds one in a third of all worlds.
pub(crate) fn draw_source(
    dice: &mut Dice,
    sources: &mut Vec<PlannedSource>,
) -> Option<(Arc<str>, Counted)> {
    let like = sources.first().cloned().filter(|_| dice.chance(350))?;
    let mut source = like;
    source.settings.name = "settles".into();
    source.settings.contract = Contract::Settle;
    source.settings.on_gap = OnGap::Skip;
    source.settings.hold_wait = Duration::from_millis(dice.between(300, 3_000));
    source.settings.ranks = ranks();
    source.identity = format!("{:?}", source.settings.contract).into();
    let name = source.settings.name.clone();
    sources.push(source);
    Some((name, Counted::Instants))
}

/// The patterns of the ranks.
pub(crate) fn ranks() -> Vec<Pattern> {
    RANKS.iter().map(|text| Pattern::parse(text).expect("a pattern")).collect()
}

/// The rank of a type.
pub(crate) fn rank(event_type: &str) -> u32 {
    match event_type {
        "thing.b" => 0,
        other if other.starts_with("thing.") => 1,
        _ => 2,
    }
}
