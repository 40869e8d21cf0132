//! The number lists of `sprag-missing` and `sprag-omitted`: `4-6;filtered,8;dead` (rules C2–C4).
//!
//! It must not know what the numbers stand for.

use sprag_core::ranges::{Range, Ranges};

/// Reads a list. Words after `;` (reasons, `more`) widen nothing: a merged range covers all it
/// encloses, which is the most a consumer can check. `None` when it is no such list.
pub(super) fn parse(text: &str) -> Option<Ranges> {
    text.split(',').map(range).collect::<Option<Vec<_>>>().map(Ranges::from_ranges)
}

fn range(item: &str) -> Option<Range> {
    let numbers = item.split(';').next()?.trim();
    let (from, to) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let range = Range { from: from.parse().ok()?, to: to.parse().ok()? };
    (range.from <= range.to).then_some(range)
}

/// The last number that a list says with this word; none where it does not.
pub(super) fn last_with(text: &str, word: &str) -> Option<u64> {
    let says = |item: &&str| item.split(';').skip(1).any(|found| found.trim() == word);
    text.split(',').filter(says).filter_map(|item| Some(range(item)?.to)).max()
}

/// The first number of `from..=to` that is not in the set.
pub(super) fn first_uncovered(from: u64, to: u64, set: &Ranges) -> Option<u64> {
    let mut next = from;
    for range in set.as_slice().iter().filter(|range| range.to >= from) {
        if next > to || range.from > next {
            break;
        }
        next = range.to.checked_add(1)?;
    }
    (next <= to).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_with_and_without_words() {
        let set = parse("4-6;filtered,8;dead,10-12;dead;more").unwrap();
        let expected = [Range { from: 4, to: 6 }, Range::one(8), Range { from: 10, to: 12 }];
        assert_eq!(set.as_slice(), expected);
        assert_eq!(parse("3-5, 8").unwrap().count(), 4);
        for text in ["", "x", "5-3", "1,,2", "1-2-3"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_last_number_with_a_word_is_found() {
        assert_eq!(last_with("1-6;boundary,8;dead", "boundary"), Some(6));
        assert_eq!(last_with("1-6;boundary;more", "boundary"), Some(6));
        assert_eq!(last_with("1-6;filtered", "boundary"), None);
    }

    #[test]
    fn the_first_uncovered_number_is_found() {
        let set = parse("4-6,8").unwrap();
        assert_eq!(first_uncovered(4, 6, &set), None);
        assert_eq!(first_uncovered(4, 8, &set), Some(7));
        assert_eq!(first_uncovered(3, 3, &set), Some(3));
        assert_eq!(first_uncovered(5, 4, &set), None, "an empty range is covered");
        assert_eq!(first_uncovered(1, u64::MAX, &parse("1-18446744073709551615").unwrap()), None);
    }
}
