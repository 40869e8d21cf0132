//! The metrics of one moment: OpenMetrics text, as far as `/metrics` uses it.
//!
//! Must not know what a metric means.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of one moment by name.
#[derive(Debug, Default)]
pub(super) struct Scrape(BTreeMap<String, Vec<Sample>>);

#[derive(Debug)]
struct Sample {
    labels: Vec<(String, String)>,
    value: f64,
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == Some(value))
    }
}

impl Scrape {
    /// Reads the text; lines that are none of its form are passed over.
    pub(super) fn read(text: &str) -> Self {
        let mut scrape = Self::default();
        for (name, sample) in text.lines().filter_map(sample) {
            scrape.0.entry(name).or_default().push(sample);
        }
        scrape
    }

    fn samples<'a>(
        &'a self,
        name: &str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        let samples = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        samples.iter().filter(move |sample| sample.has(labels))
    }

    /// The sum of all samples with these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name, labels).map(|sample| sample.value).sum()
    }

    /// The highest of them; none where there is none.
    pub(super) fn highest(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.samples(name, labels).map(|sample| sample.value).reduce(f64::max)
    }

    /// By how much a counter rose since `before`. One that fell began anew with its process.
    pub(super) fn rise(&self, before: &Self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let (was, is) = (before.sum(name, labels), self.sum(name, labels));
        if is < was { is } else { is - was }
    }

    /// The values a label has, with the sum of the samples of each.
    pub(super) fn by(
        &self,
        name: &str,
        label: &str,
        labels: &[(&str, &str)],
    ) -> BTreeMap<String, f64> {
        let mut by = BTreeMap::new();
        for sample in self.samples(name, labels) {
            if let Some(value) = sample.label(label) {
                *by.entry(value.to_owned()).or_default() += sample.value;
            }
        }
        by
    }

    /// The values a label has.
    pub(super) fn values(&self, name: &str, label: &str) -> BTreeSet<String> {
        self.by(name, label, &[]).into_keys().collect()
    }

    /// The value below which a share of what a histogram counted since `before` lies; none where it
    /// counted nothing. Within a bucket values are taken to lie evenly.
    pub(super) fn quantile(
        &self,
        before: &Self,
        name: &str,
        labels: &[(&str, &str)],
        share: f64,
    ) -> Option<f64> {
        let bucket = format!("{name}_bucket");
        let was = before.buckets(&bucket, labels);
        let is = self.buckets(&bucket, labels);
        let began_anew = was.last().zip(is.last()).is_some_and(|(was, is)| is.1 < was.1);
        let counted = |(bound, count): &(f64, f64)| {
            let known = was.iter().find(|(other, _)| other.total_cmp(bound).is_eq());
            let known = known.filter(|_| !began_anew).map_or(0.0, |(_, count)| *count);
            (*bound, (count - known).max(0.0))
        };
        let risen: Vec<(f64, f64)> = is.iter().map(counted).collect();
        let wanted = risen.last().map(|(_, all)| *all).filter(|all| *all > 0.0)? * share;
        let mut below = (0.0, 0.0);
        for (bound, count) in risen {
            if count >= wanted {
                let within = (wanted - below.1) / (count - below.1).max(f64::MIN_POSITIVE);
                let is_open = bound.is_infinite();
                return Some(if is_open { below.0 } else { below.0 + (bound - below.0) * within });
            }
            below = (bound, count);
        }
        None
    }

    /// Upper bounds with how many were not above, ascending, over all series.
    fn buckets(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(f64, f64)> {
        let by = self.by(name, "le", labels).into_iter();
        let mut buckets: Vec<(f64, f64)> = by
            .filter_map(|(bound, count)| Some((bound.trim_start_matches('+').parse().ok()?, count)))
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        buckets
    }
}

/// `name{label="value",…} number`
fn sample(line: &str) -> Option<(String, Sample)> {
    if line.starts_with('#') {
        return None;
    }
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let value = value.split_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), Sample { labels, value }))
}

/// Labels up to their brace, and what follows it.
fn labels(mut text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        text = text.trim_start_matches(',');
        if let Some(rest) = text.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, rest) = text.split_once("=\"")?;
        let (value, rest) = quoted(rest)?;
        labels.push((name.to_owned(), value));
        text = rest;
    }
}

/// A value up to its quotation mark, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, character) in text.char_indices() {
        match (escaped, character) {
            (true, 'n') => value.push('\n'),
            (true, _) => value.push(character),
            (false, '\\') => {}
            (false, '"') => return Some((value, &text[at + 1..])),
            (false, _) => value.push(character),
        }
        escaped = !escaped && character == '\\';
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::metrics::Observed;
    use sprag_core::id::PartitionId;
    use sprag_core::output::Status;
    use std::time::Duration;

    #[test]
    fn what_metrics_write_is_read() {
        let metrics = Metrics::new();
        let (source, to) = (metrics.source("a \"b\" {c}"), metrics.destination("app"));
        let scrape = |metrics: &Metrics| Scrape::read(&metrics.text(&Observed::default()));
        let before = scrape(&metrics);
        source.event(Status::Released);
        source.event(Status::Held);
        for millis in 1..=100 {
            let lag = Duration::from_millis(u64::from(millis));
            to.delivered(PartitionId(millis % 2), [lag].into_iter());
        }
        let now = scrape(&metrics);
        let labels = [("source", "a \"b\" {c}")];
        let rise = now.rise(&before, "sprag_events_total", &labels);
        assert!((rise - 2.0).abs() < 1e-9, "{now:?}");
        let median = now.quantile(&before, "sprag_lag_seconds", &[("destination", "app")], 0.5);
        assert!((0.016..0.064).contains(&median.unwrap()), "{median:?}");
        assert_eq!(now.quantile(&now, "sprag_lag_seconds", &[], 0.5), None, "nothing since");
        assert_eq!(now.values("sprag_lag_seconds_count", "partition").len(), 2);
        assert_eq!(now.highest("sprag_head_age_seconds", &[]), None);
    }

    #[test]
    fn a_process_that_began_anew_is_counted_from_its_start() {
        let text = |count: u32| {
            format!(
                "# TYPE x histogram\nx_bucket{{le=\"1.0\"}} {count}\nx_bucket{{le=\"+Inf\"}} {count}\ny_total {count}\n"
            )
        };
        let (before, now) = (Scrape::read(&text(100)), Scrape::read(&text(4)));
        assert!((now.rise(&before, "y_total", &[]) - 4.0).abs() < 1e-9);
        assert!(now.quantile(&before, "x", &[], 0.5).is_some_and(|half| (half - 0.5).abs() < 1e-9));
    }

    #[test]
    fn what_is_beyond_the_last_bound_is_not_guessed() {
        let now = Scrape::read("x_bucket{le=\"1.0\"} 1\nx_bucket{le=\"+Inf\"} 9\n");
        assert_eq!(now.quantile(&Scrape::default(), "x", &[], 0.99), Some(1.0));
        assert!(Scrape::read("broken{le=\"1 2\nx y\n{}\n").0.is_empty());
    }
}
