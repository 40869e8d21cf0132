//! nginx and Sprag in turn under the same load, pair by pair: what drifts on the machine during
//! the minutes of a measurement meets both.

use super::consumer::{self, Nginx};
use super::load::{LoadFile, Sent};
use super::{Bench, cpu, gateway};
use crate::failure::Failure;
use crate::process;

/// One run of one side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) events: u64,
    /// From the first request until everything was done: answered by the proxy, or delivered and
    /// recorded by Sprag.
    pub(crate) seconds: f64,
    pub(crate) sent: Sent,
    /// CPU seconds of the proxy or of Sprag.
    pub(crate) cpu: f64,
    /// CPU seconds of the consumer.
    pub(crate) consumer_cpu: f64,
    /// CPU seconds of everything else on the machine, the load generator not counted.
    pub(crate) other_cpu: f64,
}

/// One of each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) nginx: Run,
    pub(crate) sprag: Run,
}

impl Run {
    /// Events per second, end to end.
    pub(crate) fn per_second(&self) -> f64 {
        self.count() / self.seconds
    }

    /// Answers per second.
    pub(crate) fn answers_per_second(&self) -> f64 {
        self.count() / (self.sent.ended - self.sent.began)
    }

    /// Microseconds of CPU per event, of so many seconds.
    pub(crate) fn per_event_us(&self, seconds: f64) -> f64 {
        seconds * 1e6 / self.count()
    }

    #[expect(clippy::cast_precision_loss, reason = "at most millions of events")]
    fn count(&self) -> f64 {
        self.events as f64
    }
}

impl Pair {
    /// Sprag's throughput as a share of nginx's.
    pub(crate) fn throughput_ratio(&self) -> f64 {
        self.sprag.per_second() / self.nginx.per_second()
    }

    /// Sprag's CPU per event as a multiple of nginx's.
    pub(crate) fn cpu_ratio(&self) -> f64 {
        self.sprag.per_event_us(self.sprag.cpu) / self.nginx.per_event_us(self.nginx.cpu)
    }
}

/// Measures the pairs, one after another.
pub(crate) fn measure(bench: &Bench, load: &LoadFile, rounds: u32) -> Result<Vec<Pair>, Failure> {
    let consumer = consumer::consumer(bench, false)?;
    let proxy = consumer::proxy(bench, consumer.address)?;
    let mut pairs = Vec::new();
    for round in 1..=rounds {
        let nginx = through_nginx(&proxy, &consumer, load)?;
        let sprag = through_sprag(bench, &consumer, load)?;
        let pair = Pair { nginx, sprag };
        println!(
            "  pair {round} of {rounds}: nginx {:.0}/s, Sprag {:.0}/s, ratio {:.2}; CPU per event \
             {:.1} and {:.1} µs, ratio {:.2}",
            nginx.per_second(),
            sprag.per_second(),
            pair.throughput_ratio(),
            nginx.per_event_us(nginx.cpu),
            sprag.per_event_us(sprag.cpu),
            pair.cpu_ratio()
        );
        pairs.push(pair);
    }
    Ok(pairs)
}

/// CPU seconds until now.
struct Readings {
    side: f64,
    consumer: f64,
    machine: f64,
}

impl Readings {
    fn take(side: &super::server::Server, consumer: &Nginx) -> Result<Self, Failure> {
        let machine = cpu::of_machine()?;
        Ok(Self { side: side.cpu()?, consumer: consumer.server.cpu()?, machine })
    }

    /// The run between two readings.
    fn until(&self, after: &Self, events: u64, seconds: f64, sent: Sent) -> Run {
        let cpu = after.side - self.side;
        let consumer_cpu = after.consumer - self.consumer;
        let other_cpu = after.machine - self.machine - cpu - consumer_cpu - sent.cpu;
        Run { events, seconds, sent, cpu, consumer_cpu, other_cpu: other_cpu.max(0.0) }
    }
}

fn through_nginx(proxy: &Nginx, consumer: &Nginx, load: &LoadFile) -> Result<Run, Failure> {
    let before = Readings::take(&proxy.server, consumer)?;
    let mut sending = load.send(proxy.address, 0.0)?;
    sending.wait()?;
    let after = Readings::take(&proxy.server, consumer)?;
    let sent = sending.finish()?;
    Ok(before.until(&after, load.events, sent.ended - sent.began, sent))
}

/// One run of Sprag on an empty data directory.
pub(crate) fn through_sprag(
    bench: &Bench,
    consumer: &Nginx,
    load: &LoadFile,
) -> Result<Run, Failure> {
    let mut gateway = gateway::start(bench, consumer.address)?;
    let before = Readings::take(&gateway.server, consumer)?;
    let mut sending = load.send(gateway.listen, 0.0)?;
    sending.wait()?;
    let progress = gateway.drained(load.events)?;
    let ended = process::unix_seconds();
    let after = Readings::take(&gateway.server, consumer)?;
    let sent = sending.finish()?;
    if progress.delivered != load.events || progress.failed > 0 {
        let events = load.events;
        return Err(Failure::new(format!("of {events} acknowledged events: {progress:?}")));
    }
    Ok(before.until(&after, load.events, ended - sent.began, sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seconds: f64, cpu: f64) -> Run {
        let sent = Sent { began: 10.0, ended: 12.0, cpu: 0.5, p50_ms: 1.0, p99_ms: 2.0 };
        let before = Readings { side: 1.0, consumer: 1.0, machine: 100.0 };
        let after = Readings { side: 1.0 + cpu, consumer: 1.5, machine: 110.0 };
        before.until(&after, 100_000, seconds, sent)
    }

    #[test]
    fn ratios_are_of_the_same_events() {
        let pair = Pair { nginx: run(2.0, 2.0), sprag: run(4.0, 5.0) };
        assert_eq!(pair.throughput_ratio(), 0.5);
        assert_eq!(pair.cpu_ratio(), 2.5);
        assert_eq!(pair.sprag.per_event_us(pair.sprag.cpu), 50.0);
        assert_eq!(pair.sprag.answers_per_second(), 50_000.0);
    }

    #[test]
    fn what_others_used_is_what_is_left() {
        assert_eq!(run(4.0, 5.0).other_cpu, 10.0 - 5.0 - 0.5 - 0.5);
        assert_eq!(run(4.0, 50.0).other_cpu, 0.0);
    }
}
