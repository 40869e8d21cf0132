//! Plays a scenario: once as it is written, then three times for each step of its first life, which ends before it.

use std::fmt::{Debug, Write};

use super::script::Script;
use super::tale::Tale;
use crate::consumer::Consumers;
use crate::dice::{Dice, Seed};
use crate::faults::Faults;
use crate::happening::Happening;
use crate::judge::Violation;
use crate::run::to_its_end;
use crate::schedule::MILLISECOND;
use crate::setting::Setting;
use crate::trace::Trace;
use crate::world::{Cast, Phase, World};
use sprag_core::fact::Outcome;
use sprag_core::settings::Contract;

/// The seed of everything that no scenario says: how long a disk takes, which jitter a retry has.
const SEED: u64 = 1;
/// Steps before which the first life ends while something is told; where there are more, some are passed over.
const DEATHS: u64 = 200;
/// Ends that are tried once all is told.
const DEATHS_BEHIND: u64 = 10;
/// How early a second life ends that ends as well: before recovery is through, or soon behind it.
const SECOND_LIFE: u64 = 40;

/// What came of a scenario.
#[derive(Debug)]
pub struct Played {
    /// What is golden of it.
    pub told: String,
    /// How often it was played and killed.
    pub deaths: u64,
}

/// How the lives of a process end.
#[derive(Debug, Clone, Default)]
struct Ends {
    /// Before which step of each life.
    deaths: Vec<u64>,
    cuts_power: bool,
}

/// Plays a scenario, and once more for each way in which it may be killed before every so many-th step.
///
/// # Errors
/// When its lines cannot be understood, a judge finds a promise broken, or something else comes of it once it was killed.
pub(super) fn play(text: &str, every: u64) -> Result<Played, String> {
    let script = Script::parse(text)?;
    let whole = Box::new(played(&script, &Ends::default())?);
    let ends = ends(&whole, every);
    for ends in &ends {
        let killed = played(&script, ends).map_err(|what| format!("{what} ({ends})"))?;
        leads_to_the_same(&script, &whole, &killed).map_err(|what| format!("{what} ({ends})"))?;
    }
    Ok(Played { told: told(&whole), deaths: ends.len() as u64 })
}

/// Each step up to which something is told, and some behind it: by a kill, a power cut, and a power cut that comes again.
fn ends(whole: &Tale, every: u64) -> Vec<Ends> {
    let step = whole.told_at.div_ceil(DEATHS).max(every);
    let behind = (whole.steps - whole.told_at).div_ceil(DEATHS_BEHIND).max(1);
    let told = (0..=whole.told_at).step_by(usize::try_from(step).unwrap_or(1));
    let rest = (whole.told_at..whole.steps).step_by(usize::try_from(behind).unwrap_or(1));
    let each = told.chain(rest).flat_map(|at| {
        let again = vec![at, at % SECOND_LIFE];
        [(vec![at], false), (vec![at], true), (again, true)]
    });
    each.map(|(deaths, cuts_power)| Ends { deaths, cuts_power }).collect()
}

fn played(script: &Script, ends: &Ends) -> Result<Tale, String> {
    let mut world = World::of_scenario(script, ends);
    to_its_end(&mut world);
    let tale = world.tale.take().map(|tale| *tale).unwrap_or_default();
    match world.violation {
        None => Ok(tale),
        Some(Violation { judge, at, what }) => {
            let (seconds, rest) = (at / 1_000_000, at % 1_000_000);
            Err(format!("violation: judge={judge} at={seconds}.{rest:06}: {what}"))
        }
    }
}

/// The golden text.
fn told(tale: &Tale) -> String {
    let mut text = String::new();
    let repaired = tale.lines.last().is_some_and(|line| line == super::REPAIRED);
    let lines = &tale.lines[..tale.lines.len() - usize::from(repaired)];
    for line in lines
        .iter()
        .map(String::as_str)
        .chain(["fates"])
        .chain(tale.fates.iter().map(String::as_str))
    {
        let _ = writeln!(text, "{line}");
    }
    text
}

/// Each consumer got the same of each key first, in the same order; and everything has the same fate.
fn leads_to_the_same(script: &Script, whole: &Tale, killed: &Tale) -> Result<(), String> {
    let any = |of: fn(&Contract) -> bool| script.workload.sources.iter().any(|it| of(&it.contract));
    // An event that was sent when the process was killed waits afterwards: a newer one may take its place.
    if any(|contract| matches!(contract, Contract::Latest { coalesce: true })) {
        let last = |tale: &Tale| -> Vec<_> {
            tale.firsts.values().map(|got| got.last().cloned()).collect()
        };
        return same("what each consumer got last", &last(whole), &last(killed));
    }
    if !any(|contract| *contract == Contract::Unordered) {
        same("what consumers got", &whole.firsts, &killed.firsts)?;
    }
    same("what became of it", &whole.fates, &killed.fates)
}

fn same<T: PartialEq + Debug>(what: &str, whole: &T, killed: &T) -> Result<(), String> {
    if whole == killed {
        return Ok(());
    }
    Err(format!("{what} is {killed:?}, and without that {whole:?}"))
}

impl World {
    fn of_scenario(script: &Script, ends: &Ends) -> Self {
        let seed = Seed::new(SEED, &[]);
        let mut consumers = Consumers::calm(Dice::new(&seed, 5));
        for ((to, label), answers) in &script.answers {
            let fails = |outcome: Outcome| !outcome.is_acknowledged();
            let last = answers.each.last().filter(|last| answers.always && fails(last.outcome));
            let posts = script.workload.posts.iter();
            let is_it = |digest| script.labels.get(digest) == Some(label);
            if let Some(post) = last.and(posts.clone().find(|post| is_it(&post.digest))) {
                consumers.refuses(to, post.resource);
            }
        }
        let last = script.workload.posts.iter().map(|post| post.at).max().unwrap_or_default();
        let cast = Cast {
            dice: Dice::new(&seed, 1),
            // What the power takes from the log's end, it takes from the state store as well.
            faults: Faults { state_loses: ends.cuts_power, ..Faults::none() },
            setting: Setting::fixed(script.plan.clone()),
            ack: Dice::new(&seed, 2),
            batch: Dice::new(&seed, 3),
            comparing: Dice::new(&seed, 6),
            workload: script.workload.clone(),
            consumers,
            listing: Dice::new(&seed, 4),
            length: last + MILLISECOND,
        };
        let mut world = Self::of(&seed, Trace::to(None), cast);
        world.references = script.references.clone();
        world.comparisons.says(&script.authorities);
        world.phase = Phase::Story;
        world.leaves_paused = false;
        world.packing_dice = None;
        // What is lost stays so; only its source knows of it.
        world.dropped.clear();
        world.provider.keep_order();
        world.tale = Some(Box::new(Tale {
            labels: script.labels.clone(),
            answers: script.answers.clone(),
            deaths: ends.deaths.iter().copied().collect(),
            cuts_power: ends.cuts_power,
            ..Tale::default()
        }));
        world.schedule.plan(0, Happening::Start);
        world.plan_posts();
        world.schedule.plan(world.phase_ends, Happening::Look);
        world
    }
}

impl std::fmt::Display for Ends {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how = if self.cuts_power { "the power was cut" } else { "it was killed" };
        write!(formatter, "{how} before step ")?;
        for (life, step) in self.deaths.iter().enumerate() {
            let then = if life > 0 { ", and before step " } else { "" };
            write!(formatter, "{then}{step} of life {}", life + 1)?;
        }
        Ok(())
    }
}
