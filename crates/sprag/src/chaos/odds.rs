//! What happens to a request on its way: drawn from the seed and its number, and from nothing else.

use crate::share::Share;
use sprag_core::random::Random;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::limits;
use crate::config::units;

/// How much disorder there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Odds {
    /// Lets later requests pass.
    pub reorder: Share,
    /// Leaves a second time.
    pub duplicate: Share,
    /// Never leaves.
    pub drop: Share,
    /// How long each waits.
    pub delay: Delay,
    /// So many later requests pass one at most.
    pub window: u64,
    /// One waits at most so long for them, beyond its delay: it may be the last.
    pub patience: Duration,
    /// What the draws begin with.
    pub seed: u64,
}

/// One time that a request leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// After it came.
    pub delay: Duration,
    /// So many later requests come first.
    pub behind: u64,
}

impl Odds {
    /// The ways of the request with this number: none when it is dropped, two when it is repeated.
    ///
    /// Every request takes the same draws whatever the shares are: with one share changed, what the
    /// others do to it stays.
    #[must_use]
    pub fn ways(&self, number: u64) -> Vec<Way> {
        let mut random = Random::new(Random::new(self.seed).draw() ^ number);
        let is_dropped = self.drop.hits(&mut random);
        let is_reordered = self.reorder.hits(&mut random);
        let is_repeated = self.duplicate.hits(&mut random);
        let mut way = || {
            let delay = self.delay.draw(&mut random);
            Way { delay, behind: 1 + random.below(self.window) }
        };
        let (first, repeat) = (way(), way());
        match (is_dropped, is_repeated) {
            (true, _) => Vec::new(),
            (false, repeated) => {
                let behind = if is_reordered { first.behind } else { 0 };
                let first = Way { behind, ..first };
                if repeated { vec![first, repeat] } else { vec![first] }
            }
        }
    }
}

/// A time between two, in whole milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delay {
    least_ms: u64,
    most_ms: u64,
}

impl Delay {
    fn draw(self, random: &mut Random) -> Duration {
        let more = random.below(self.most_ms - self.least_ms + 1);
        Duration::from_millis(self.least_ms + more)
    }
}

impl FromStr for Delay {
    type Err = String;

    /// Reads `0..5s`, `100ms..2s`, `1s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (least, most) = text.split_once("..").unwrap_or((text, text));
        let (least_ms, most_ms) = (milliseconds(least)?, milliseconds(most)?);
        if least_ms > most_ms {
            return Err("the first time is longer than the second".into());
        }
        Ok(Self { least_ms, most_ms })
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |milliseconds| match milliseconds {
            0 => "0".to_owned(),
            milliseconds => units::duration_text(Duration::from_millis(milliseconds)),
        };
        write!(formatter, "{}..{}", text(self.least_ms), text(self.most_ms))
    }
}

fn milliseconds(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    let expected = || r#"a time or two are needed, such as "200ms" or "0..5s""#.to_owned();
    let duration = units::duration(text).map_err(|_| expected())?;
    if duration > limits::DELAY {
        return Err(format!("at most {}", units::duration_text(limits::DELAY)));
    }
    u64::try_from(duration.as_millis()).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odds() -> Odds {
        Odds {
            reorder: Share::per_thousand(300),
            duplicate: Share::per_thousand(100),
            drop: Share::per_thousand(50),
            delay: "0..5s".parse().unwrap(),
            window: 16,
            patience: Duration::from_secs(2),
            seed: 7,
        }
    }

    #[test]
    fn each_happens_as_often_as_its_share_says_and_within_its_bounds() {
        let all: Vec<Vec<Way>> = (1..=10_000).map(|number| odds().ways(number)).collect();
        let count = |of: fn(&[Way]) -> bool| all.iter().filter(|ways| of(ways)).count();
        assert!((400..600).contains(&count(<[Way]>::is_empty)));
        assert!((850..1_050).contains(&count(|ways| ways.len() == 2)));
        let passed = count(|ways| ways.first().is_some_and(|way| way.behind > 0));
        assert!((2_700..3_000).contains(&passed), "{passed}");
        let ways = || all.iter().flatten();
        assert_eq!(ways().map(|way| way.behind).max(), Some(16));
        assert!(ways().all(|way| way.delay <= Duration::from_secs(5)));
        assert!(ways().any(|way| way.delay > Duration::from_millis(4_900)));
    }

    #[test]
    fn the_seed_and_the_number_decide_and_no_other_share_does() {
        assert_eq!(odds().ways(17), odds().ways(17));
        let other = Odds { seed: 8, ..odds() };
        assert!((1..100).any(|number| odds().ways(number) != other.ways(number)));
        let calmer = Odds { duplicate: Share::NONE, drop: Share::NONE, ..odds() };
        for number in 1..1_000 {
            if let Some(first) = odds().ways(number).first() {
                assert_eq!(calmer.ways(number), [*first]);
            }
        }
    }

    #[test]
    fn delays_are_one_time_or_two() {
        for (text, shown) in [("0..5s", "0..5s"), ("100ms..2s", "100ms..2s"), ("1s", "1s..1s")] {
            assert_eq!(text.parse::<Delay>().unwrap().to_string(), shown);
        }
        assert_eq!("0".parse::<Delay>().unwrap(), Delay::default());
        for text in ["", "5", "5s..1s", "..5s", "1s..", "1s..2s..3s", "2h", "-1s", "0..1.5s"] {
            assert!(text.parse::<Delay>().is_err(), "{text}");
        }
    }
}
