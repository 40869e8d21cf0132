//! `sprag chaos`: disorder in front of somebody's own consumer.

use super::signal::Signals;
use super::words::say;
use super::{Failure, Verdict, block_on, configuration, input, send};
use crate::chaos::{
    self, Counts, Delay, Events, Line, Odds, Queue, Schedule, Settings, Watch, limits,
};
use crate::clock::Clock;
use crate::config::units;
use crate::provider::{self, Post, Shape, Supply, Target};
use crate::share::Share;
use crate::verify::Signer;
use bytes::Bytes;
use clap::Args;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};
use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bring requests on their way to a consumer into disorder
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    sprag chaos --target http://127.0.0.1:3000/hooks --listen 127.0.0.1:3001 --reorder 0.3 --seed 7\n  \
    sprag chaos --target http://127.0.0.1:3000 --events events.jsonl --duplicate 0.1 > run.txt\n  \
    sprag chaos --target http://127.0.0.1:3000 --events events.jsonl --schedule run.txt\n\n\
    With --listen, each POST is answered 200 at once and goes on later with its headers and body as\n\
    they came; other requests pass at once. With --events, the events of the files are posted.\n\
    429, 5xx and lost connections are tried again.\n\
    What left in which order is printed, and --schedule takes it back. The counts stand at the end\n\
    (SIGINT with --listen).\n\
    Exit code: 0 everything that left was acknowledged, 1 some was not, 2 could not run")]
pub(super) struct Arguments {
    /// The consumer: a plain http URL; what is asked of the proxy stands behind its path
    #[arg(long, value_name = "URL")]
    target: String,
    /// Where requests are taken
    #[arg(
        long,
        value_name = "ADDRESS",
        required_unless_present = "events",
        conflicts_with = "events"
    )]
    listen: Option<SocketAddr>,
    /// Post these instead: as `sprag send` reads them, - for standard input; may be given again
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    #[command(flatten)]
    disorder: Disorder,
    #[command(flatten)]
    made: Made,
    /// Connections to the target, each with one request under way; 1 keeps the order
    #[arg(long, value_name = "C", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=i64::from(provider::limits::CONCURRENCY)))]
    concurrency: u16,
    /// Print the counts as one JSON object, and no schedule
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Disorder {
    /// Let later ones pass this fraction
    #[arg(long, value_name = "FRACTION", default_value = "0", conflicts_with = "schedule")]
    reorder: Share,
    /// Let so many pass at most; where requests are about many resources, more are needed
    #[arg(long, value_name = "N", default_value_t = 16, conflicts_with = "schedule",
        value_parser = clap::value_parser!(u64).range(1..=limits::WINDOW))]
    window: u64,
    /// Wait at most so long for them to come, beyond the delay
    #[arg(long, value_name = "DURATION", value_parser = bounded, default_value = "2s",
        conflicts_with = "schedule")]
    patience: Duration,
    /// Let this fraction leave a second time
    #[arg(long, value_name = "FRACTION", default_value = "0", conflicts_with = "schedule")]
    duplicate: Share,
    /// Answer this fraction 200 and never let it leave
    #[arg(long, value_name = "FRACTION", default_value = "0", conflicts_with = "schedule")]
    drop: Share,
    /// Let each wait so long, such as 200ms, or between two times, such as 0..5s
    #[arg(long, value_name = "TIME", default_value = "0", conflicts_with = "schedule")]
    delay: Delay,
    /// What happens to each is drawn from this and its number
    #[arg(long, default_value_t = 1, conflicts_with = "schedule")]
    seed: u64,
    /// Do what was printed before instead
    #[arg(long, value_name = "FILE")]
    schedule: Option<PathBuf>,
}

/// How events of files become requests.
#[derive(Debug, Args)]
struct Made {
    /// Let events come so far apart; 0ms is all at once
    #[arg(long, value_name = "DURATION", value_parser = bounded, conflicts_with = "listen",
        default_value = "0ms")]
    every: Duration,
    /// Sign and shape them as the provider of this source does
    #[arg(long, value_name = "NAME", conflicts_with = "listen")]
    source: Option<String>,
    /// The configuration that has the source
    #[arg(long, value_name = "FILE", requires = "source", default_value = configuration::DEFAULT)]
    config: PathBuf,
    /// The type of the events, where the source does not read it from the body
    #[arg(long, value_name = "TYPE", requires = "source", default_value = "customer.updated")]
    r#type: String,
    /// A header of every event, such as "authorization: Bearer x"; may be given again
    #[arg(long, value_name = "NAME: VALUE", conflicts_with = "listen", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || "a header is needed, such as \"x-topic: orders\"".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    Ok((name, value.trim().parse().map_err(|_| wrong())?))
}

fn bounded(text: &str) -> Result<Duration, String> {
    let duration = units::duration(text).map_err(|problem| problem.to_string())?;
    if duration > limits::DELAY {
        return Err(format!("at most {}", units::duration_text(limits::DELAY)));
    }
    Ok(duration)
}

pub(super) fn run(arguments: &Arguments) -> Result<Verdict, Failure> {
    let (url, json) = (&arguments.target, arguments.json);
    let target = Target::parse(url).map_err(|problem| Failure::new(format!("{url}: {problem}")))?;
    let settings = Settings { target, concurrency: arguments.concurrency };
    let counts = match arguments.listen {
        Some(address) => {
            let queue = queue(&arguments.disorder, None)?;
            block_on(listen(address, settings, queue, Printer::begin(arguments)))?
        }
        None => {
            let events = events(arguments)?;
            let queue = queue(&arguments.disorder, Some(events.count))?;
            block_on(generate(events, settings, queue, Printer::begin(arguments)))?
        }
    };
    if json {
        say(counts.to_json());
    } else {
        counts.to_string().lines().for_each(|line| say(format_args!("# {line}")));
    }
    Ok(Verdict::found_if(!counts.is_fine()))
}

async fn listen(
    address: SocketAddr,
    settings: Settings,
    queue: Queue,
    printer: Printer,
) -> Result<Counts, Failure> {
    let mut signals = Signals::listen()?;
    let running = chaos::listen(address, settings, queue, Clock::start(), printer).await;
    let running = running.map_err(|error| Failure::new(format!("{address}: {error}")))?;
    eprintln!("listen http://{}", running.address);
    signals.wait().await;
    signals.end_at_once();
    Ok(running.stop().await)
}

async fn generate(
    events: Events,
    settings: Settings,
    queue: Queue,
    printer: Printer,
) -> Result<Counts, Failure> {
    let mut signals = Signals::listen()?;
    let mut generating = chaos::generate(events, settings, queue, Clock::start(), printer);
    tokio::select! {
        counts = generating.finished() => return Ok(counts),
        () = signals.wait() => {}
    }
    signals.end_at_once();
    Ok(generating.stop().await)
}

/// What happens; `count` is how many events there are, where that is known.
fn queue(disorder: &Disorder, count: Option<u64>) -> Result<Queue, Failure> {
    let Some(file) = &disorder.schedule else {
        return Ok(Queue::drawn(disorder.odds()));
    };
    let schedule = schedule(file)?;
    if let Some(count) = count.filter(|count| schedule.last() > *count) {
        let (file, last) = (file.display(), schedule.last());
        return Err(Failure::new(format!("{file} names request {last}; there are {count} events")));
    }
    let patience = if count.is_some() { None } else { Some(limits::ABSENT_TIME) };
    Ok(Queue::scheduled(schedule, patience))
}

impl Disorder {
    fn odds(&self) -> Odds {
        Odds {
            reorder: self.reorder,
            duplicate: self.duplicate,
            drop: self.drop,
            delay: self.delay,
            window: self.window,
            patience: self.patience,
            seed: self.seed,
        }
    }
}

fn schedule(path: &Path) -> Result<Schedule, Failure> {
    let name = path.display();
    let failed = |error: std::io::Error| Failure::new(format!("{name}: {error}"));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limits::SCHEDULE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > limits::SCHEDULE_BYTES {
        return Err(Failure::new(format!("{name}: more than {} bytes", limits::SCHEDULE_BYTES)));
    }
    Schedule::parse(&text)
        .map_err(|problem| Failure::new(format!("{name}:{}: {}", problem.line, problem.what)))
}

fn events(arguments: &Arguments) -> Result<Events, Failure> {
    let bodies = input::read(&arguments.events)?;
    let count = bodies.len() as u64;
    let headers = arguments.made.header.clone();
    let (shape, signer) = match &arguments.made.source {
        Some(name) => {
            let (shape, signer) = played(&arguments.made, name)?;
            (Some(shape), Some(signer))
        }
        None => (None, None),
    };
    let supply: Supply = Box::new(move |at| {
        let body = bodies.get(at).cloned().unwrap_or_default();
        let mut post = match &shape {
            Some(shape) => shape.wrapped(body, at as u64 + 1),
            None => plain(body),
        };
        post.headers.retain(|(name, _)| !headers.iter().any(|(given, _)| given == name));
        post.headers.extend(headers.iter().cloned());
        post
    });
    Ok(Events { count, supply, signer, every: arguments.made.every })
}

/// The provider of a source: how it shapes events and signs them.
fn played(made: &Made, name: &str) -> Result<(Shape, Signer), Failure> {
    let config = configuration::load(Some(made.config.clone()))?.config;
    let (_, source) = send::source(&config, Some(name))?;
    let wrong = |problem: &dyn fmt::Display| Failure::new(format!("source {name:?}: {problem}"));
    let signer = source.signer().map_err(|problem| wrong(&problem))?;
    let shape = Shape::of_rules(source, &made.r#type).map_err(|problem| wrong(&problem))?;
    Ok((shape, signer))
}

/// A body as it is.
fn plain(body: Bytes) -> Post {
    let headers = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Post { id: String::new(), sequence: 0, headers, query: String::new(), body }
}

/// Prints the schedule as it happens.
struct Printer {
    json: bool,
}

impl Printer {
    /// The first line says how to draw the same again.
    fn begin(arguments: &Arguments) -> Self {
        let json = arguments.json;
        if !json {
            say(format_args!("# sprag chaos {}", arguments.disorder));
        }
        Self { json }
    }
}

impl fmt::Display for Disorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.schedule {
            return write!(formatter, "--schedule {}", file.display());
        }
        write!(
            formatter,
            "--reorder {} --window {} --patience {} --duplicate {} --drop {} --delay {} --seed {}",
            self.reorder,
            self.window,
            units::duration_text(self.patience),
            self.duplicate,
            self.drop,
            self.delay,
            self.seed
        )
    }
}

impl Watch for Printer {
    fn line(&self, line: Line) {
        if !self.json {
            say(line);
        }
    }
}
