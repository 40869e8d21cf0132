//! What decides one simulation, as a text that can be kept: `sim/seeds/*.txt`.

use std::fmt;

use crate::dice::Throw;

/// A seed, and throws of its dice that are set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Case {
    /// The seed.
    pub seed: u64,
    /// The throws.
    pub set: Vec<Throw>,
}

impl Case {
    /// Reads lines `seed N` and `throw ORGAN NTH SHOWS`; those that begin with `#` say why.
    ///
    /// # Errors
    /// When a line is none of these, or no seed is named.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut case = Self::default();
        let mut named = false;
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
            let wrong = || format!("`{line}` is neither `seed N` nor `throw ORGAN NTH SHOWS`");
            let mut words = line.split_whitespace();
            let word = words.next();
            let numbers = words.map(str::parse).collect::<Result<Vec<u64>, _>>();
            match (word, numbers.map_err(|_| wrong())?.as_slice()) {
                (Some("seed"), [seed]) => (case.seed, named) = (*seed, true),
                (Some("throw"), [organ, nth, shows]) => {
                    case.set.push(Throw { organ: *organ, nth: *nth, shows: *shows });
                }
                _ => return Err(wrong()),
            }
        }
        if named { Ok(case) } else { Err("it names no seed".to_owned()) }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "seed {}", self.seed)?;
        self.set.iter().try_for_each(|Throw { organ, nth, shows }| {
            writeln!(formatter, "throw {organ} {nth} {shows}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let throw = Throw { organ: 8, nth: 12, shows: u64::MAX };
        let case = Case { seed: 7, set: vec![throw, throw] };
        assert_eq!(Case::parse(&format!("# why\n\n{case}")), Ok(case));
    }

    #[test]
    fn a_line_that_says_nothing_is_refused() {
        for text in ["", "# seed 7", "seed", "seed x", "seed 7\nthrow 1 2", "sed 7"] {
            assert!(Case::parse(text).is_err(), "{text}");
        }
    }
}
