//! A destination was dead, a backlog waits for it, and it lives: how fast that drains in order while new events of the
//! same keys come in.

use std::net::SocketAddr;
use std::time::Duration;

use super::checked::Sink;
use super::figures::Spread;
use super::fill::{Attempts, Fill};
use super::gateway::{Gateway, Place, Source};
use super::load::{LoadFile, Sending};
use super::run::Run;
use super::server::free_address;
use super::table::{Line, Side};
use super::{Bench, Load, consumer, cpu, gateway, server};
use crate::failure::Failure;
use crate::process::now;

/// Until a gateway is ready on a backlog.
const PATIENCE: Duration = Duration::from_secs(300);
/// Until the first event comes through to one that lives again: probes are a minute apart at most.
const FOUND: Duration = Duration::from_secs(90);
/// New events come at the normal rate divided by this, and are as many as the backlog divided by it: as long as the
/// backlog takes at the normal rate.
const COMING: u64 = 4;

/// A filled directory, and what comes while it drains.
struct Backlog {
    place: Place,
    coming: LoadFile,
    events: u64,
}

/// One drain.
#[derive(Debug, Clone, Copy)]
struct Drain {
    /// From the first delivery to the last.
    per_second: f64,
    /// From when the consumer listens to the first delivery.
    found: f64,
    seconds: f64,
}

/// Measures a backlog of so many events beside runs of `normal` events.
pub(crate) fn measure(
    bench: &Bench,
    events: u64,
    normal: u64,
    keys: u32,
    rounds: u32,
) -> Result<Vec<Line>, Failure> {
    let backlog = Backlog::fill(bench, events, keys)?;
    let load = bench.load_of("normal", Load::new(normal, keys))?;
    let (mut ratios, mut found) = (Vec::new(), Vec::new());
    for number in 1..=rounds {
        let consumer = consumer::consumer(bench, false)?;
        let mut gateway = gateway::start(bench, consumer.address)?;
        let usual = Run::of(&mut gateway, &load, load.events)?.per_second;
        drop((gateway, consumer));
        let drain = backlog.drain_to_nginx(bench, usual)?;
        println!(
            "  recovery, round {number} of {rounds}: {usual:.0}/s, draining {:.0}/s, first delivery after {:.1} s",
            drain.per_second, drain.found
        );
        ratios.push(drain.per_second / usual);
        found.push(drain.found);
        if number == rounds {
            println!("  {}", backlog.judge(bench, usual)?);
        }
    }
    Ok(vec![Line {
        what: "recovery: drain of a backlog ÷ normal throughput",
        name: "recovery",
        side: Side::AtLeast,
        targets: [0.7, 0.9],
        unit: "",
        precision: 2,
        measured: Spread::of(ratios.into_iter()),
        how: format!(
            "{rounds} rounds, {events} events over {keys} keys wait, {} more of them come at a quarter of the normal \
             rate; first delivery {:.1} s after the consumer listens; order checked in a run of its own",
            events / COMING,
            Spread::of(found.into_iter())
        ),
    }])
}

impl Backlog {
    fn fill(bench: &Bench, events: u64, keys: u32) -> Result<Self, Failure> {
        let place = Place::empty(bench, "backlog", Source::Made)?;
        let each = events / u64::from(keys);
        let events = each * u64::from(keys);
        let attempts = Attempts::Unreachable;
        Fill { events, keys: keys.into(), attempts, corpus: None }.write(bench, &place)?;
        let coming = Load::new(events / COMING, keys);
        let coming = Load { first_event: events + 1, first_sequence: each + 1, ..coming };
        let coming = bench.load_of("coming", coming)?;
        Ok(Self { place, coming, events })
    }

    /// A gateway on a fresh copy, to which events come, and whose consumer does not listen.
    fn wait(
        &self,
        bench: &Bench,
        consumer: SocketAddr,
        usual: f64,
    ) -> Result<(Gateway, Sending), Failure> {
        let place = self.place.copy(bench, "gateway")?;
        let gateway = place.serve(bench, consumer, PATIENCE)?;
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let sending = self.coming.send(gateway.listen, usual / COMING as f64)?;
        Ok((gateway, sending))
    }

    fn drain_to_nginx(&self, bench: &Bench, usual: f64) -> Result<Drain, Failure> {
        let address = free_address()?;
        let (mut gateway, mut sending) = self.wait(bench, address, usual)?;
        let _consumer = consumer::consumer_at(bench, address)?;
        let drain = self.drain(&mut gateway)?;
        sending.wait()?;
        sending.finish()?;
        Ok(drain)
    }

    fn drain(&self, gateway: &mut Gateway) -> Result<Drain, Failure> {
        let listens = now();
        let first = server::wait_for(FOUND, || {
            let delivered = gateway.progress()?.delivered;
            Ok((delivered > 0).then_some(delivered))
        })?;
        let first =
            first.ok_or_else(|| Failure::new("nothing is delivered to what lives again"))?;
        let (found, began) = (listens.elapsed().as_secs_f64(), now());
        let all = self.events + self.coming.events;
        let delivered = gateway.drained(all)?.delivered;
        if delivered < all {
            return Err(Failure::new(format!("{delivered} of {all} events are delivered")));
        }
        let seconds = began.elapsed().as_secs_f64();
        Ok(Drain { per_second: cpu::per(all - first, seconds), found, seconds })
    }

    /// The same to a consumer that checks every delivery.
    fn judge(&self, bench: &Bench, usual: f64) -> Result<super::checked::Checked, Failure> {
        let address = free_address()?;
        let (mut gateway, mut sending) = self.wait(bench, address, usual)?;
        let sink = Sink::start(bench, address, &[])?;
        let drain = self.drain(&mut gateway)?;
        sending.wait()?;
        sending.finish()?;
        let checked = sink.end(self.events + self.coming.events, drain.seconds)?;
        checked.judge()?;
        Ok(checked)
    }
}
