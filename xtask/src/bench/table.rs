//! The table of DESIGN section 6: what is measured, what it should be, what it is.
//! Must not know how anything is measured.

use std::fmt;

use super::figures::Spread;

/// On which side of its target a figure should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    AtLeast,
    AtMost,
}

/// A row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// What was measured.
    pub(crate) what: &'static str,
    /// In JSON.
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    /// What it should be first, then.
    pub(crate) targets: [f64; 2],
    pub(crate) unit: &'static str,
    /// Digits behind the point.
    pub(crate) precision: usize,
    pub(crate) measured: Spread,
    /// How often, and whatever a reader must know beside the figure.
    pub(crate) how: String,
}

impl Line {
    fn meets(&self, target: f64) -> bool {
        match self.side {
            Side::AtLeast => self.measured.median >= target,
            Side::AtMost => self.measured.median <= target,
        }
    }

    fn verdict(&self) -> &'static str {
        match self.targets.map(|target| self.meets(target)) {
            [_, true] => "met, both",
            [true, false] => "met, the first",
            [false, false] => "NOT MET",
        }
    }

    fn target(&self) -> String {
        let sign = match self.side {
            Side::AtLeast => '≥',
            Side::AtMost => '≤',
        };
        let [first, then] = self.targets;
        format!("{sign} {first}, then {then} {}", self.unit).trim_end().to_owned()
    }

    fn measured(&self) -> String {
        let precision = self.precision;
        if self.measured.min == self.measured.max {
            return format!("{:.precision$} {}", self.measured.median, self.unit);
        }
        format!("{:.precision$} {}", self.measured, self.unit)
    }

    fn to_json(&self) -> String {
        let [first, then] = self.targets;
        format!(
            "{{\"name\":{:?},\"first\":{first},\"then\":{then},\"unit\":{:?},\"measured\":{},\
             \"met_first\":{},\"met_then\":{},\"how\":{:?}}}",
            self.name,
            self.unit,
            self.measured.to_json(),
            self.meets(first),
            self.meets(then),
            self.how
        )
    }
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, target, measured) = (self.what, self.target(), self.measured());
        let (measured, verdict, how) = (measured.trim_end(), self.verdict(), &self.how);
        write!(formatter, "| {what} | {target} | {measured} | {verdict} | {how} |")
    }
}

/// The rows, as a table in Markdown.
pub(crate) struct Table<'a>(pub(crate) &'a [Line]);

impl Table<'_> {
    /// As a JSON array.
    pub(crate) fn to_json(&self) -> String {
        format!("[{}]", self.0.iter().map(Line::to_json).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "| what | target | measured: median (min–max) | | how |")?;
        write!(formatter, "|---|---|---|---|---|")?;
        self.0.iter().try_for_each(|line| write!(formatter, "\n{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(side: Side, measured: f64) -> Line {
        let (what, name, unit, how) = ("speed", "speed", "s", "once".to_owned());
        let measured = Spread::of([measured].into_iter());
        Line { what, name, side, targets: [5.0, 2.0], unit, precision: 1, measured, how }
    }

    #[test]
    fn each_target_is_met_on_its_side() {
        assert_eq!(line(Side::AtMost, 2.0).verdict(), "met, both");
        assert_eq!(line(Side::AtMost, 5.0).verdict(), "met, the first");
        assert_eq!(line(Side::AtMost, 5.1).verdict(), "NOT MET");
        let ratio = Line { targets: [0.4, 0.55], ..line(Side::AtLeast, 0.5) };
        assert_eq!(ratio.verdict(), "met, the first");
    }

    #[test]
    fn a_row_says_all() {
        let text = line(Side::AtMost, 5.1).to_string();
        assert_eq!(text, "| speed | ≤ 5, then 2 s | 5.1 s | NOT MET | once |");
        assert!(
            line(Side::AtMost, 3.0).to_json().contains("\"met_first\":true,\"met_then\":false")
        );
    }
}
