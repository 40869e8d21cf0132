//! Rates (rule L8): `100/s`, `600/m`, `1000/h`.

use std::time::Duration;

use sprag_core::rate::Rate;

use super::raw::{Entry, Section, or};

/// The rate under a key; absent, there is none.
pub(super) fn rate(section: &Section<'_>, name: &str) -> Option<Option<Rate>> {
    or(section.get(name), None, |entry: &Entry<'_>| entry.parsed(parse).map(Some))
}

fn parse(text: &str) -> Result<Rate, &'static str> {
    const FORM: &str = "a rate is written as 100/s, 600/m or 1000/h";
    let (count, unit) = text.split_once('/').ok_or(FORM)?;
    let period = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        _ => return Err(FORM),
    };
    match count.parse() {
        Ok(0) | Err(_) => Err(FORM),
        Ok(count) => Ok(Rate { count, period }),
    }
}
