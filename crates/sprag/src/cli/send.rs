//! `sprag send`: a provider that signs and posts.

use super::{Failure, Verdict, block_on, configuration, input, words::say};
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::provider::{self, Disorder, Event, Listener, Run, Shape, Supply, Target, limits};
use crate::share::Share;
use clap::Args;
use sprag_core::random::Random;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Sign and post events, as the provider of a source does
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag send --config sprag.toml --source billing events.jsonl\n  \
    sprag send --source billing --events 1000 --keys 20 --shuffle --repeat 0.05\n\n\
    FILE with the ending .jsonl or .ndjson, and - for standard input, have one event a line; any\n\
    other file is one event. Bodies are sent byte for byte. 429, 5xx and lost connections are\n\
    tried again, ten times in a quarter of a minute for each event.\n\
    Exit code: 0 all acknowledged, 1 some not, 2 could not run")]
pub(super) struct Arguments {
    /// The configuration that says how the source verifies and where it reads id, key and position
    #[arg(long, value_name = "FILE", default_value = configuration::DEFAULT)]
    config: PathBuf,
    /// The source to play; may be omitted when there is only one
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Where to post [default: /in/SOURCE at the `server.listen` of the configuration]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Events to post, - for standard input
    #[arg(value_name = "FILE", required_unless_present = "events", conflicts_with = "events")]
    files: Vec<PathBuf>,
    /// Make so many events instead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=limits::EVENTS))]
    events: Option<u64>,
    /// Of so many keys
    #[arg(long, value_name = "K", default_value_t = 10, requires = "events",
        value_parser = clap::value_parser!(u64).range(1..=limits::KEYS))]
    keys: u64,
    /// The type of the events, where it is not read from the body of a file
    #[arg(long, value_name = "TYPE", default_value = "customer.updated")]
    r#type: String,
    /// Shuffle within a window of so many events
    #[arg(long, value_name = "WINDOW", num_args = 0..=1, require_equals = true,
        default_missing_value = "64", default_value_t = 0)]
    shuffle: u32,
    /// Send this fraction twice
    #[arg(long, value_name = "FRACTION", default_value = "0")]
    repeat: Share,
    /// What events, shuffle and repeats are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Connections, each with one event under way; 1 keeps the order
    #[arg(long, value_name = "C", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(limits::CONCURRENCY)))]
    concurrency: u16,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let json = arguments.json;
    let run = prepare(arguments)?;
    let tally = block_on(async { Ok(provider::run(run).await) })?;
    if json {
        say(tally.to_json());
    } else {
        say(&tally);
    }
    Ok(Verdict::found_if(tally.failed() > 0))
}

/// Says once that something is tried again, and for how long: until then nothing else is said.
struct Impatient {
    url: String,
    is_told: AtomicBool,
}

impl Listener for Impatient {
    fn again(&self, _at: usize, why: &str) {
        if !self.is_told.swap(true, Ordering::Relaxed) {
            eprintln!(
                "sprag: {}: {why}; each event is tried {} times in {} s",
                self.url,
                limits::TRIES,
                limits::patience().as_secs()
            );
        }
    }
}

fn prepare(arguments: &Arguments) -> Result<Run<Impatient>, Failure> {
    let config = configuration::load(Some(arguments.config.clone()))?.config;
    let (name, source) = source(&config, arguments.source.as_deref())?;
    let of_source =
        |problem: &dyn std::fmt::Display| Failure::new(format!("source {name:?}: {problem}"));
    let url = arguments.url.clone();
    let url = url.unwrap_or_else(|| format!("http://{}/in/{name}", config.server.listen));
    let target =
        Target::parse(&url).map_err(|problem| Failure::new(format!("{url}: {problem}")))?;
    let signer = source.signer().map_err(|problem| of_source(&problem))?;
    let shape = if arguments.events.is_some() {
        Shape::new(source, &arguments.r#type)
    } else {
        Shape::of_rules(source, &arguments.r#type)
    };
    let shape = shape.map_err(|problem| of_source(&problem))?;
    let (count, supply) = supply(arguments, shape)?;
    Ok(Run {
        target,
        signer,
        count,
        supply,
        concurrency: usize::from(arguments.concurrency),
        clock: Clock::start(),
        listener: Impatient { url, is_told: AtomicBool::new(false) },
    })
}

/// The source that is played; without a name the only one.
pub(super) fn source<'a>(
    config: &'a Config,
    wanted: Option<&str>,
) -> Result<(&'a str, &'a Source), Failure> {
    let mut sources = config.sources.iter().map(|(name, source)| (name.as_str(), source));
    let wrong = |what: String| Failure::new(format!("{what}: {}", known(config)));
    match (wanted, sources.next(), sources.next()) {
        (None, Some(only), None) => Ok(only),
        (None, ..) => Err(wrong("name one with --source".into())),
        (Some(wanted), ..) => config
            .sources
            .get_key_value(wanted)
            .map(|(name, source)| (name.as_str(), source))
            .ok_or_else(|| wrong(format!("there is no source {wanted:?}; known"))),
    }
}

fn known(config: &Config) -> String {
    config.sources.keys().cloned().collect::<Vec<_>>().join(", ")
}

/// The events in the order they are sent.
fn supply(arguments: &Arguments, shape: Shape) -> Result<(usize, Supply), Failure> {
    let mut random = Random::new(arguments.seed);
    let disorder = Disorder {
        window: u64::from(arguments.shuffle),
        repeated: arguments.repeat,
        delayed: Share::NONE,
    };
    let Some(count) = arguments.events else {
        let bodies = input::read(&arguments.files)?;
        let order = disorder.apply(bodies.len(), &mut random);
        let count = order.len();
        let post = move |at: usize| shape.wrapped(bodies[order[at]].clone(), order[at] as u64 + 1);
        return Ok((count, Box::new(post)));
    };
    // One order over everything is counted once.
    let keys = if shape.has_one_key() { 1 } else { arguments.keys };
    let events: Vec<Event> = provider::events(count, keys, shape.first(), &mut random);
    let order = disorder.apply(events.len(), &mut random);
    let count = order.len();
    let post = move |at: usize| {
        let event = events[order[at]];
        shape.event(&format!("key-{}", event.key), event.sequence)
    };
    Ok((count, Box::new(post)))
}
