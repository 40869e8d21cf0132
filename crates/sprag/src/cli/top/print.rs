//! A picture as lines for people.

use super::picture::{Destination, Latency, Partition, Picture};
use crate::cli::admin::selector::duration;
use crate::cli::admin::table::Rows;

/// The lines, with so many partitions at the most.
pub(super) fn lines(picture: &Picture, partitions: usize) -> String {
    let parts = [
        summary(picture),
        sources(picture),
        destinations(picture),
        lanes(picture),
        of_partitions(picture, partitions),
    ];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n\n")
}

fn summary(picture: &Picture) -> String {
    let (serving, all) = (picture.partitions_serving, picture.partitions.len());
    let (middle, high) = latency(&picture.commit);
    format!(
        "sprag, the last {}: {serving} of {all} partitions serve; the store is {} \
         behind; commit {middle} (p99 {high}); bodies {}/s",
        duration(picture.seconds),
        duration(picture.store_behind_seconds),
        bytes(picture.body_bytes_per_second),
    )
}

fn sources(picture: &Picture) -> String {
    let mut rows =
        Rows::new(&["source", "events/s", "refused/s", "held", "keys waiting", "oldest gap"]);
    for source in &picture.sources {
        rows.add(&[
            source.name.clone(),
            rate(source.events_per_second),
            rate(source.refused_per_second),
            source.held_events.to_string(),
            source.gaps_open.to_string(),
            source.oldest_gap_seconds.map(duration).unwrap_or_default(),
        ]);
    }
    rows.text()
}

fn destinations(picture: &Picture) -> String {
    let mut rows = Rows::new(&[
        "destination",
        "delivered/s",
        "failed/s",
        "in flight",
        "p50",
        "p99",
        "oldest head",
        "backlog",
        "dead",
    ]);
    for to in &picture.destinations {
        let (middle, high) = latency(&to.lag);
        rows.add(&[
            to.name.clone(),
            rate(to.delivered_per_second),
            rate(to.failed_per_second),
            to.in_flight.to_string(),
            middle,
            high,
            to.oldest_head_seconds.map(duration).unwrap_or_default(),
            bytes_of(to.backlog_bytes),
            to.dead_letters.to_string(),
        ]);
    }
    rows.text()
}

/// What lanes wait for, those of each destination in a line; most of them first.
fn lanes(picture: &Picture) -> String {
    let mut rows = Rows::new(&["lanes to", "wait for"]);
    let waiting = |to: &&Destination| to.breaker_open || !to.lanes_waiting.is_empty();
    let mut any = false;
    for to in picture.destinations.iter().filter(waiting) {
        any = true;
        let mut reasons: Vec<(&String, &u64)> = to.lanes_waiting.iter().collect();
        reasons.sort_by_key(|(_, lanes)| std::cmp::Reverse(**lanes));
        let reasons = reasons.iter().map(|(reason, lanes)| format!("{reason} {lanes}"));
        let mut reasons: Vec<String> = reasons.collect();
        if to.breaker_open {
            reasons.insert(0, "its breaker is open".to_owned());
        }
        rows.add(&[to.name.clone(), reasons.join(", ")]);
    }
    if any { rows.text() } else { String::new() }
}

/// The partitions whose next event has waited longest, and of others those that deliver most.
fn of_partitions(picture: &Picture, most: usize) -> String {
    let mut all: Vec<&Partition> = picture.partitions.iter().collect();
    all.sort_by(|one, other| {
        let age = |of: &Partition| of.oldest_head_seconds.unwrap_or_default();
        let by_age = age(other).total_cmp(&age(one));
        let serving = one.serving.cmp(&other.serving);
        serving.then(by_age).then(other.delivered_per_second.total_cmp(&one.delivered_per_second))
    });
    let mut rows = Rows::new(&[
        "partition",
        "serves",
        "keys in memory",
        "delivered/s",
        "p50",
        "p99",
        "oldest head",
    ]);
    for of in all.iter().take(most) {
        let (middle, high) = latency(&of.lag);
        rows.add(&[
            of.partition.to_string(),
            if of.serving { "yes" } else { "no" }.to_owned(),
            of.keys_in_memory.to_string(),
            rate(of.delivered_per_second),
            middle,
            high,
            of.oldest_head_seconds.map(duration).unwrap_or_default(),
        ]);
    }
    if most == 0 { String::new() } else { rows.text() }
}

fn latency(latency: &Latency) -> (String, String) {
    let text = |millis: Option<f64>| match millis {
        None => "-".to_owned(),
        Some(millis) if millis < 10.0 => format!("{millis:.1} ms"),
        Some(millis) if millis < 1_000.0 => format!("{millis:.0} ms"),
        Some(millis) => duration(millis / 1_000.0),
    };
    (text(latency.ms_p50), text(latency.ms_p99))
}

fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

fn bytes_of(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "it is rounded anyway")]
    bytes(count as f64)
}

fn bytes(count: f64) -> String {
    let mut count = count;
    for unit in ["B", "kB", "MB", "GB"] {
        if count < 1_000.0 {
            return if unit == "B" {
                format!("{count:.0} B")
            } else {
                format!("{count:.1} {unit}")
            };
        }
        count /= 1_000.0;
    }
    format!("{count:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::scrape::Scrape;
    use std::time::Duration;

    #[test]
    fn the_lines_fit_and_the_most_waiting_come_first() {
        let now = Scrape::read(
            "sprag_events_total{source=\"billing\",fate=\"released\"} 3000\n\
             sprag_attempts_total{destination=\"app\",outcome=\"2xx\"} 9\n\
             sprag_backlog_bytes{destination=\"app\"} 1500000\n\
             sprag_lanes_waiting{destination=\"app\",reason=\"retry\"} 4\n\
             sprag_lanes_waiting{destination=\"app\",reason=\"stopped\"} 40\n\
             sprag_partition_owned{partition=\"0\"} 1\n\
             sprag_partition_owned{partition=\"1\"} 1\n\
             sprag_head_age_seconds{destination=\"app\",partition=\"1\"} 70\n",
        );
        let picture = Picture::between(&Scrape::default(), &now, Duration::from_secs(1));
        let text = lines(&picture, 1);
        assert!(text.contains("stopped 40, retry 4") && text.contains("1.5 MB"), "{text}");
        assert!(text.contains("3000") && text.contains("1 min 10 s"), "{text}");
        let partition = text.lines().last().unwrap();
        assert!(partition.starts_with('1'), "{text}");
        let tables = text.lines().skip(1);
        assert!(tables.map(|line| line.chars().count()).all(|width| width <= 100), "{text}");
        assert!(!lines(&picture, 0).contains("PARTITION"));
    }

    #[test]
    fn figures_are_short() {
        let all = [rate(0.25), rate(31.4), bytes(12.0), bytes(2_345.0), bytes(5e12)];
        assert_eq!(all, ["0.2", "31", "12 B", "2.3 kB", "5.0 TB"]);
        let texts = latency(&Latency { ms_p50: Some(1.26), ms_p99: Some(65_000.0) });
        assert_eq!(texts, ("1.3 ms".to_owned(), "1 min 5 s".to_owned()));
    }
}
