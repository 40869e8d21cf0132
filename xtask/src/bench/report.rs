//! What was measured beside nginx, as a table for people and as JSON for programs.

use std::fmt;

use super::checked::Checked;
use super::figures::Spread;
use super::latency::Latency;
use super::pairs::{Pair, Run};
use super::table::{Line, Side};

/// Everything measured beside nginx.
pub(crate) struct Report {
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
            "{{\"pairs\":{},\"events\":{},\"keys\":{},\"nginx\":{{{}}},\
             \"sprag\":{{{}}},\"throughput_ratio\":{},\"cpu_ratio\":{},\"checked\":{},\
             \"third_of_peak\":{}}}",
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

    /// The rows of DESIGN section 6 that it has.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let (pairs, events, keys) = (self.pairs.len(), self.events, self.keys);
        let of_pairs = format!("{pairs} alternating pairs of {events} events over {keys} keys");
        let Latency { rate, events, p50_ms, p99_ms, max_ms, .. } = self.third;
        let latency =
            format!("{events} events at {rate:.0}/s; p50 {p50_ms:.1}, most {max_ms:.1} ms");
        vec![
            Line {
                what: "end to end, Sprag ÷ nginx",
                name: "throughput",
                side: Side::AtLeast,
                targets: [0.40, 0.55],
                unit: "",
                precision: 3,
                measured: self.throughput_ratio(),
                how: of_pairs.clone(),
            },
            Line {
                what: "CPU per event, Sprag ÷ nginx",
                name: "cpu",
                side: Side::AtMost,
                targets: [2.6, 2.2],
                unit: "",
                precision: 2,
                measured: self.cpu_ratio(),
                how: of_pairs,
            },
            Line {
                what: "added latency at a third of the peak, p99",
                name: "latency",
                side: Side::AtMost,
                targets: [15.0, 8.0],
                unit: "ms",
                precision: 1,
                measured: Spread::of([p99_ms].into_iter()),
                how: latency,
            },
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        write!(formatter, "order seen by the checking consumer: {}", self.checked)
    }
}
