//! The page of a provider, docs/guides/providers/NAME.md: what it promises, how it is configured;
//! and the list of them all.

use super::{Preset, TEXT};

/// The text of the page.
#[must_use]
pub fn page(preset: &Preset) -> String {
    let Preset { name, title, about, secret, promise, .. } = preset;
    let mut page = format!(
        "# {title}\n\n\
         Generated from the table of presets; change it there (`preset/presets.toml`).\n\n\
         {about}\n\n\
         ## What order it can promise\n\n{promise}\n\n\
         ## Configuration\n\n```toml\n{}```\n\n\
         `verify.secrets` holds {secret}; with two of them the secret can be changed without a \
         pause. The preset stands for the settings below. Each can be overridden in the source: \
         `verify` and `hold` key by key, `position` and `contract` together with what goes with \
         them, all others one by one.\n\n```toml\n{}```\n",
        example(preset),
        settings(name),
    );
    if !preset.notes.is_empty() {
        page.push_str("\n## Good to know\n\n");
        preset.notes.iter().for_each(|note| page.push_str(&format!("- {note}\n")));
    }
    page
}

const INDEX: &str = "# Providers\n\n\
Generated from the table of presets; change it there (`preset/presets.toml`).\n\n\
`preset = \"NAME\"` in a source stands for what the webhooks of a provider need: how they are \
verified, where id, key, type and position are, and the contract that fits what the provider says \
about order. Each page tells what that is worth.\n\n\
| preset | provider | which webhooks | contract |\n|---|---|---|---|\n";

/// The list of all providers.
#[must_use]
pub fn index() -> String {
    let mut page = INDEX.to_owned();
    for preset in super::all() {
        let Preset { name, title, about, source, .. } = preset;
        let contract = source.get("contract").and_then(|value| value.get_ref().as_str());
        let contract = contract.unwrap_or("fifo");
        page.push_str(&format!("| [`{name}`]({name}.md) | {title} | {about} | `{contract}` |\n"));
    }
    page
}

/// A source as somebody writes it who uses the preset.
pub(super) fn example(preset: &Preset) -> String {
    let name = preset.name;
    let add = preset.add.replace("NAME", name);
    format!("[sources.{name}]\npreset = \"{name}\"\n{add}\n")
}

/// The settings as written in the table.
fn settings(name: &str) -> &'static str {
    let head = format!("[{name}.source]\n");
    let at = TEXT.find(&head).map_or(TEXT.len(), |at| at + head.len());
    let rest = &TEXT[at..];
    // A table ends before the blank line that precedes the next.
    rest.split_inclusive("\n\n")
        .next()
        .map_or(rest, |text| if text.ends_with("\n\n") { &text[..text.len() - 1] } else { text })
}
