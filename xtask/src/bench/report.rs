//! What was measured, as a table for people and as JSON for programs.

use std::fmt;

use super::checked::Checked;
use super::figures::Spread;
use super::latency::Latency;
use super::machine::Machine;
use super::pairs::{Pair, Run};

/// Throughput as a share of nginx's, at least (DESIGN section 6).
const THROUGHPUT_TARGET: f64 = 0.40;
/// CPU per event as a multiple of nginx's, at most.
const CPU_TARGET: f64 = 2.6;
/// Milliseconds added at a third of the peak, p99, at most.
const LATENCY_TARGET_MS: f64 = 15.0;

/// Everything one call measured.
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) events: u64,
    pub(crate) keys: u32,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) checked: Checked,
    pub(crate) third: Latency,
}

/// A row of the table: a figure of each run.
pub(crate) struct Row {
    /// In the table.
    pub(crate) title: &'static str,
    /// In JSON.
    name: &'static str,
    pub(crate) precision: usize,
    pub(crate) figure: fn(&Run) -> f64,
}

/// What the tables show of each run.
pub(crate) const ROWS: &[Row] = &[
    Row {
        title: "end to end, events/s",
        name: "events_per_second",
        precision: 0,
        figure: Run::per_second,
    },
    Row {
        title: "answers/s",
        name: "answers_per_second",
        precision: 0,
        figure: Run::answers_per_second,
    },
    Row { title: "answer p50, ms", name: "answer_p50_ms", precision: 2, figure: |r| r.sent.p50_ms },
    Row { title: "answer p99, ms", name: "answer_p99_ms", precision: 2, figure: |r| r.sent.p99_ms },
    Row {
        title: "CPU per event, µs",
        name: "cpu_us",
        precision: 1,
        figure: |r| r.per_event_us(r.cpu),
    },
    Row {
        title: "… of the generator",
        name: "generator_cpu_us",
        precision: 1,
        figure: |r| r.per_event_us(r.sent.cpu),
    },
    Row {
        title: "… of the consumer",
        name: "consumer_cpu_us",
        precision: 1,
        figure: |r| r.per_event_us(r.consumer_cpu),
    },
    Row {
        title: "… of all others",
        name: "other_cpu_us",
        precision: 1,
        figure: |r| r.per_event_us(r.other_cpu),
    },
];

impl Report {
    fn throughput_ratio(&self) -> Spread {
        Spread::of(self.pairs.iter().map(Pair::throughput_ratio))
    }

    fn cpu_ratio(&self) -> Spread {
        Spread::of(self.pairs.iter().map(Pair::cpu_ratio))
    }

    fn side(&self, row: &Row, side: fn(&Pair) -> &Run) -> Spread {
        Spread::of(self.pairs.iter().map(|pair| (row.figure)(side(pair))))
    }

    /// One object on one line.
    pub(crate) fn to_json(&self) -> String {
        let side = |side: fn(&Pair) -> &Run| {
            let members =
                ROWS.iter().map(|row| format!("{:?}:{}", row.name, self.side(row, side).to_json()));
            members.collect::<Vec<_>>().join(",")
        };
        format!(
            "{{\"machine\":{},\"pairs\":{},\"events\":{},\"keys\":{},\"nginx\":{{{}}},\
             \"sprag\":{{{}}},\"throughput_ratio\":{},\"cpu_ratio\":{},\"checked\":{},\
             \"third_of_peak\":{}}}",
            self.machine.to_json(),
            self.pairs.len(),
            self.events,
            self.keys,
            side(|pair| &pair.nginx),
            side(|pair| &pair.sprag),
            self.throughput_ratio().to_json(),
            self.cpu_ratio().to_json(),
            self.checked.to_json(),
            self.third.to_json()
        )
    }

    fn write_ratios(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (throughput, cpu) = (self.throughput_ratio(), self.cpu_ratio());
        let verdict = met(throughput.median >= THROUGHPUT_TARGET);
        writeln!(
            formatter,
            "throughput, Sprag ÷ nginx  {throughput:.3}, target at least {THROUGHPUT_TARGET:.2}: {verdict}"
        )?;
        let verdict = met(cpu.median <= CPU_TARGET);
        writeln!(
            formatter,
            "CPU per event, Sprag ÷ nginx  {cpu:.2}, target at most {CPU_TARGET:.1}: {verdict}"
        )
    }

    fn write_third(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { rate, events, p50_ms, p99_ms, max_ms, answer_p50_ms, answer_p99_ms } =
            self.third;
        let verdict = met(p99_ms <= LATENCY_TARGET_MS);
        write!(
            formatter,
            "a third of the peak ({rate:.0}/s, {events} events): received to answered by the \
             consumer p50 {p50_ms:.1}, p99 {p99_ms:.1}, max {max_ms:.1} ms, target p99 at most \
             {LATENCY_TARGET_MS:.0}: {verdict}; acknowledged p50 {answer_p50_ms:.1}, p99 \
             {answer_p99_ms:.1} ms"
        )
    }
}

fn met(met: bool) -> &'static str {
    if met { "met" } else { "NOT MET" }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.machine)?;
        let (pairs, events, keys) = (self.pairs.len(), self.events, self.keys);
        writeln!(
            formatter,
            "{pairs} pairs of {events} events of 1 kB over {keys} keys; median (min–max)\n"
        )?;
        writeln!(formatter, "{:<24}{:>28}{:>28}", "", "nginx as reverse proxy", "Sprag")?;
        for row in ROWS {
            let precision = row.precision;
            let nginx = self.side(row, |pair| &pair.nginx);
            let sprag = self.side(row, |pair| &pair.sprag);
            let title = row.title;
            writeln!(formatter, "{title:<24}{nginx:>28.precision$}{sprag:>28.precision$}")?;
        }
        writeln!(formatter)?;
        self.write_ratios(formatter)?;
        writeln!(formatter, "order seen by the checking consumer: {}", self.checked)?;
        self.write_third(formatter)
    }
}
