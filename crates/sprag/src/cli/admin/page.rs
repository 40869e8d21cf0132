//! Lists of the admin API: asked page by page until there are enough.

use super::client::{Client, escaped};
use crate::admin::limits::PAGE_MOST;
use crate::cli::Failure;
use clap::Args;
use serde_json::Value;

/// How many are shown unless asked otherwise.
const SHOWN: u64 = 100;

/// How much of a list is shown, and how.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArguments {
    /// Show at most so many [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(in crate::cli) limit: Option<u64>,
    /// Print a JSON array instead of a table
    #[arg(long, global = true)]
    pub(in crate::cli) json: bool,
}

impl ListArguments {
    /// How many are wanted.
    pub(in crate::cli) fn most(&self) -> usize {
        usize::try_from(self.limit.unwrap_or(SHOWN)).unwrap_or(usize::MAX)
    }
}

/// A list, as far as it was wanted.
#[derive(Debug, Default)]
pub(in crate::cli) struct Listed {
    pub(in crate::cli) items: Vec<Value>,
    /// Whether there are more.
    pub(in crate::cli) more: bool,
}

/// The parameters of a query; those without a value are left out.
pub(in crate::cli) fn query(parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = String::new();
    for (name, value) in parameters {
        if let Some(value) = value {
            let mark = if query.is_empty() { '?' } else { '&' };
            query.push_str(&format!("{mark}{name}={}", escaped(value)));
        }
    }
    query
}

/// As many items of a list as wanted. `path` may have a query.
pub(in crate::cli) async fn list(
    client: &mut Client,
    path: &str,
    most: usize,
) -> Result<Listed, Failure> {
    let mut listed = Listed::default();
    let mut cursor: Option<String> = None;
    loop {
        let mark = if path.contains('?') { '&' } else { '?' };
        let limit = (most - listed.items.len()).min(PAGE_MOST);
        let mut asked = format!("{path}{mark}limit={limit}");
        if let Some(cursor) = &cursor {
            asked.push_str(&format!("&cursor={cursor}"));
        }
        let mut page = client.get(&asked).await?;
        if let Value::Array(items) = page["items"].take() {
            listed.items.extend(items);
        }
        cursor = page["next"].as_str().map(str::to_owned);
        listed.more = cursor.is_some();
        if cursor.is_none() || listed.items.len() >= most {
            return Ok(listed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_what_is_given_and_is_escaped() {
        assert_eq!(query(&[("a", None)]), "");
        assert_eq!(
            query(&[("a", Some("x/%2E")), ("b", None), ("c", Some("1"))]),
            "?a=x%2F%252E&c=1"
        );
    }
}
