//! Tables for people: columns that fit 100 characters.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Characters of a line; pasted into a ticket it stays readable.
const WIDTH: u16 = 100;

/// A table that is filled row by row.
pub(in crate::cli) struct Rows(Table);

impl Rows {
    pub(in crate::cli) fn new(columns: &[&str]) -> Self {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(WIDTH)
            .set_header(columns.iter().map(|column| column.to_uppercase()));
        Self(table)
    }

    pub(in crate::cli) fn add(&mut self, cells: &[String]) {
        self.0.add_row(cells);
    }

    /// The lines, without the spaces a table fills its last column with.
    pub(in crate::cli) fn text(&self) -> String {
        let lines = self.0.lines();
        // A table that has no borders begins each line with a space; an empty first cell is its column's.
        let lines = lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned());
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// A member as text: itself, a number, yes or no; empty when it is absent.
pub(in crate::cli) fn member(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) | Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A time to the second: `2026-11-25 21:35:00`.
pub(in crate::cli) fn moment(value: &Value, name: &str) -> String {
    let text = member(value, name);
    match text.split_once('T') {
        Some((day, time)) => format!("{day} {}", time.get(..8).unwrap_or(time)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_stays_within_its_width() {
        let mut rows = Rows::new(&["key", "why"]);
        rows.add(&["k".repeat(200), "word ".repeat(100)]);
        let text = rows.text();
        assert!(text.lines().all(|line| line.chars().count() <= usize::from(WIDTH)), "{text}");
        assert!(text.starts_with("KEY"), "{text}");
    }

    #[test]
    fn an_empty_first_cell_keeps_its_column() {
        let mut rows = Rows::new(&["to", "attempt"]);
        rows.add(&["app".to_owned(), "1".to_owned()]);
        rows.add(&[String::new(), "2".to_owned()]);
        assert_eq!(rows.text(), "TO   ATTEMPT\napp  1\n     2");
    }

    #[test]
    fn members_are_text() {
        let value =
            json!({"a": "x", "n": 7, "yes": true, "no": false, "t": "2026-11-25T21:35:00.5Z"});
        let texts = ["a", "n", "yes", "no", "none"].map(|name| member(&value, name));
        assert_eq!(texts, ["x", "7", "yes", "", ""]);
        assert_eq!(moment(&value, "t"), "2026-11-25 21:35:00");
    }
}
