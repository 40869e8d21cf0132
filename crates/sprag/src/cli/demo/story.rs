//! Provider, gateway and consumer, from the first event to the last delivery.

use super::super::Failure;
use super::super::words::say;
use super::Arguments;
use super::api::{self, Api};
use super::contracts::{self, Seen, Watching};
use super::ledger::{Deeds, Ledger, Promises, key_name};
use super::report::{Counted, Report};
use super::setting::{HOLD, SOURCE, Setting};
use crate::clock::Clock;
use crate::config::{Config, Source};
use crate::provider::{self, Disorder, Event, Run, Shape, Tally, Target};
use crate::serve;
use crate::share::Share;
use crate::sink::{self, Faults, Inspector, Settings};
use indicatif::{ProgressBar, ProgressStyle};
use sprag_core::random::Random;
use std::collections::HashSet;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Positions the provider never sends.
const DROPPED: Share = Share::per_thousand(2);

/// What happens to the others on their way.
const DISORDER: Disorder =
    Disorder { window: 40, repeated: Share::per_thousand(30), delayed: Share::per_thousand(20) };

/// Connections of the provider.
const CONCURRENCY: usize = 64;

/// How long nothing may be delivered before the rest counts as lost: the wait for a gap, the
/// longest backoff many times over, and a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(HOLD.as_secs() + 20);

/// How often progress is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Everything that runs.
pub(super) struct Story {
    /// Removes the data directory at the end.
    _setting: Setting,
    config: Config,
    clock: Clock,
    gateway: serve::Running,
    /// The one that is flaky, and the one of the other contracts.
    consumers: [sink::Running; 2],
    api: JoinHandle<()>,
    ledger: Arc<Ledger>,
    seen: Arc<Seen>,
    cast: Arc<Cast>,
}

/// The events of the story.
struct Cast {
    events: Vec<Event>,
    order: Vec<usize>,
    never_sent: HashSet<Event>,
}

impl Cast {
    fn draw(arguments: &Arguments) -> Self {
        let mut random = Random::new(arguments.seed);
        let mut events = provider::events(arguments.events, arguments.keys, 1, &mut random);
        let never_sent = provider::drop_some(&mut events, DROPPED, &mut random);
        let order = DISORDER.apply(events.len(), &mut random);
        Self { events, order, never_sent }
    }
}

impl Story {
    /// Starts the consumer, then the gateway with a configuration that it prints.
    pub(super) async fn begin(arguments: &Arguments) -> Result<Self, Failure> {
        let setting = Setting::make()?;
        let clock = Clock::start();
        let cast = Arc::new(Cast::draw(arguments));
        let ledger = Arc::new(Ledger::new(clock, &cast.events, cast.order.clone()));
        let consumer =
            sink::start(consumer_settings(&setting, arguments.seed)?, clock, Deeds(ledger.clone()));
        let consumer = consumer.await.map_err(Failure::new)?;
        let seen = Arc::new(Seen::default());
        let other = sink::start(steady_settings(&setting)?, clock, Watching(seen.clone()));
        let other = other.await.map_err(Failure::new)?;
        let (listener, address) = api::listen().await?;
        let text = setting.text(consumer.address, other.address, address);
        eprintln!("{text}");
        let config = Setting::check(&text)?;
        let api = Api::new(&cast.events, &cast.never_sent, shape(&config)?).start(listener);
        let gateway = serve::start(config.clone()).await.map_err(Failure::new)?;
        let consumers = [consumer, other];
        Ok(Self { _setting: setting, config, clock, gateway, consumers, api, ledger, seen, cast })
    }

    /// Sends everything and waits until everything acknowledged was delivered, or nothing more
    /// comes.
    pub(super) async fn tell(&self, on_terminal: bool) -> Result<Report, Failure> {
        let provider = tokio::spawn(provider::run(self.provider()?));
        let bar = progress_bar(self.cast.events.len() as u64, on_terminal);
        self.watch(&provider, &bar).await;
        bar.finish_and_clear();
        let tally: Tally = provider.await.map_err(Failure::new)?;
        let shown = contracts::show(self.gateway.listen, self.clock, &self.seen, PATIENCE).await?;
        Ok(Report::new(Counted {
            ledger: &self.ledger,
            tally,
            summary: self.consumers[0].summary(),
            shown,
            reordered: provider::reordered(&self.cast.events, &self.cast.order),
            never_sent: self.cast.never_sent.len() as u64,
        }))
    }

    /// Returns once provider and gateway are done, or nothing was delivered for too long after
    /// the provider was.
    async fn watch(&self, provider: &JoinHandle<Tally>, bar: &ProgressBar) {
        let (mut kept, mut since) = (0, self.clock.now().elapsed);
        loop {
            let now = self.clock.now().elapsed;
            if !provider.is_finished() || self.ledger.kept() > kept {
                (kept, since) = (self.ledger.kept(), now);
            }
            bar.set_position(kept);
            let is_done = provider.is_finished() && kept >= self.ledger.promised();
            if is_done || now.since(since) > PATIENCE {
                return;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn provider(&self) -> Result<Run<Promises>, Failure> {
        let source = source(&self.config)?;
        let shape = shape(&self.config)?;
        let url = format!("http://{}/in/{SOURCE}", self.gateway.listen);
        let cast = self.cast.clone();
        Ok(Run {
            target: Target::parse(&url).map_err(Failure::new)?,
            signer: source.signer().map_err(Failure::new)?,
            count: cast.order.len(),
            supply: Box::new(move |at| {
                let event = cast.events[cast.order[at]];
                shape.event(&key_name(event.key), event.sequence)
            }),
            concurrency: CONCURRENCY,
            clock: self.clock,
            listener: Promises(self.ledger.clone()),
        })
    }

    /// Where the gateway can be looked at while it stays.
    pub(super) fn say_addresses(&self) {
        say(format!("listen http://{}/in/{SOURCE}", self.gateway.listen));
        say(format!("admin  http://{}", self.gateway.admin));
        if let Some(token) = &self.gateway.made_token {
            say(format!("token  {token}"));
        }
    }

    /// Stops everything and removes the data directory.
    pub(super) async fn end(self) {
        self.gateway.stop().await;
        for consumer in self.consumers {
            consumer.stop().await;
        }
        self.api.abort();
    }
}

fn source(config: &Config) -> Result<&Source, Failure> {
    let source = config.sources.get(SOURCE);
    source.ok_or_else(|| Failure::new("the source is not configured"))
}

fn shape(config: &Config) -> Result<Shape, Failure> {
    Shape::new(source(config)?, "customer.updated").map_err(Failure::new)
}

/// A consumer that fails, is slow, and acts without answering; and checks everything.
fn consumer_settings(setting: &Setting, seed: u64) -> Result<Settings, Failure> {
    Ok(Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        inspector: Inspector::new(from_ref(&setting.destination_secret)).map_err(Failure::new)?,
        from_first: true,
        faults: Faults {
            fail: Share::per_thousand(20),
            silent: Share::per_thousand(5),
            slow: Share::per_thousand(10),
            delay: Duration::from_millis(20),
            seed,
        },
    })
}

/// A consumer that takes everything.
fn steady_settings(setting: &Setting) -> Result<Settings, Failure> {
    Ok(Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        inspector: Inspector::new(from_ref(&setting.destination_secret)).map_err(Failure::new)?,
        from_first: true,
        faults: Faults::default(),
    })
}

/// Shown on a terminal only.
fn progress_bar(events: u64, on_terminal: bool) -> ProgressBar {
    if !on_terminal {
        return ProgressBar::hidden();
    }
    let template = "{bar:40} {pos}/{len} events delivered, {per_sec}, {elapsed}";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(events).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
