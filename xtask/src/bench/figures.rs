//! Medians and spreads. Must not know what is measured.

use std::fmt;

/// A figure of several runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one value; of none, zeros.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let sorted = sorted(values);
        let (first, last) = (sorted.first(), sorted.last());
        Self {
            median: quantile(&sorted, 0.5),
            min: first.copied().unwrap_or_default(),
            max: last.copied().unwrap_or_default(),
        }
    }

    /// As JSON.
    pub(crate) fn to_json(self) -> String {
        format!("{{\"median\":{:.4},\"min\":{:.4},\"max\":{:.4}}}", self.median, self.min, self.max)
    }
}

/// `median (min–max)`, with the precision of the formatter.
impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = formatter.precision().unwrap_or(2);
        let text = format!(
            "{:.precision$} ({:.precision$}–{:.precision$})",
            self.median, self.min, self.max
        );
        // `pad` would cut the text to the precision.
        write!(formatter, "{text:>width$}", width = formatter.width().unwrap_or_default())
    }
}

/// Where the median of what was drawn from lies, with 95 % at least: between two of the values, whatever
/// their distribution. The whole range when there are fewer than six.
pub(crate) fn interval(values: &[f64]) -> [f64; 2] {
    let sorted = sorted(values.iter().copied());
    let count = sorted.len();
    // Half of the values lie on either side of the median with the chances of a coin.
    let mut chance = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let (mut outside, mut rank) = (chance, 0);
    for number in 1..count / 2 {
        chance *= ratio(count - number + 1, number);
        if 2.0 * (outside + chance) > 0.05 {
            break;
        }
        outside += chance;
        rank = number;
    }
    let at = |at: Option<usize>| at.and_then(|at| sorted.get(at)).copied().unwrap_or_default();
    [at(Some(rank)), at(count.checked_sub(rank + 1))]
}

#[expect(clippy::cast_precision_loss, reason = "numbers of runs")]
fn ratio(one: usize, other: usize) -> f64 {
    one as f64 / other as f64
}

/// Ascending.
pub(crate) fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Of ascending values: the value below which this share of them lies, between two neighbours
/// their mean by distance.
pub(crate) fn quantile(ascending: &[f64], share: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else { return 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "millions of values, far below 2^52")]
    let place = share.clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to `last`")]
    let below = place as usize;
    let above = (below + 1).min(last);
    ascending[below] + (ascending[above] - ascending[below]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_median_least_and_most() {
        let spread = Spread::of([3.0, 1.0, 2.0, 10.0].into_iter());
        assert_eq!(spread, Spread { median: 2.5, min: 1.0, max: 10.0 });
        assert_eq!(format!("{spread:.1}"), "2.5 (1.0–10.0)");
        assert_eq!(spread.to_json(), r#"{"median":2.5000,"min":1.0000,"max":10.0000}"#);
        assert_eq!(Spread::of(std::iter::empty()).median, 0.0);
    }

    #[test]
    fn an_interval_holds_the_median_in_95_of_100() {
        // Of ten coins, at most one is heads in 11 of 1,024 cases, at most two in 56.
        let ten: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(interval(&ten), [2.0, 9.0]);
        let twenty: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(interval(&twenty), [6.0, 15.0]);
        assert_eq!(interval(&[3.0, 1.0]), [1.0, 3.0]);
        assert_eq!(interval(&[]), [0.0, 0.0]);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(quantile(&hundred, 0.99), 99.0);
        assert_eq!(quantile(&hundred, 1.0), 100.0);
        assert_eq!(quantile(&[4.0], 0.99), 4.0);
        assert_eq!(quantile(&[1.0, 3.0], 0.5), 2.0);
    }
}
