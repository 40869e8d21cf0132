//! docs/reference/configuration.md, from the table of keys. Must not know how a configuration is read.

use super::changes::{Change, change_of};
use super::reference::{KEYS, Omitted};

const HEAD: &str = "# Configuration\n\n\
Generated from the table the program checks with; change it there (`config/reference/`).\n\n\
TOML. An unknown key is refused with the nearest known one; every error names file, line and \
reason, and all are reported at once. Durations and sizes carry units (`250ms`, `5s`, `10m`, \
`72h`, `7d`; `512B`, `64KiB`, `1MiB`, `2GiB`). A secret is `env:NAME` or `file:PATH`. A location is \
`header:NAME`, `body:/json/pointer`, `form:NAME`, `query:NAME` or `const:VALUE`. Names of sources \
and destinations are made of `a-z`, `0-9`, `-` and `_`, at most 64.\n\n\
The column *change* says how another value takes effect: by `reload` (SIGHUP, or a restart), only by \
`restart`, or `never`: history was written with it, or the data directory made. A reload that changes a \
key it cannot change is refused, and nothing changes.\n";

/// The text of docs/reference/configuration.md.
#[must_use]
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        let (table, name) = split(key.path);
        if table != section {
            section = table;
            page.push_str(&format!(
                "\n## `[{}]`\n\n| key | value | default | change | meaning |\n|---|---|---|---|---|\n",
                table.replace('*', "NAME")
            ));
        }
        let default = match key.default {
            Omitted::Required => "required".to_owned(),
            Omitted::Absent(meaning) => meaning.to_owned(),
            Omitted::Value(value) => format!("`{value}`"),
        };
        let change = match change_of(key.path) {
            Change::Reload => "reload",
            Change::Restart => "restart",
            Change::Never => "never",
        };
        let (kind, meaning) = (key.kind, key.meaning);
        page.push_str(&format!("| `{name}` | {kind} | {default} | {change} | {meaning} |\n"));
    }
    page
}

/// `sources.*` and `hold.wait`; `server` and `listen`.
fn split(path: &str) -> (&str, &str) {
    let named = path.match_indices(".*.").next().map(|(at, _)| at + 2);
    let at = named.or_else(|| path.find('.')).unwrap_or(0);
    (&path[..at], &path[at + 1..])
}
