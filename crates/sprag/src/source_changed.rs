//! `source-changed`: what of a source is other than its history was written with, and whether a
//! configuration would be refused for it by the gateway of its data directory.
//!
//! Whether it is, the core says, here as at a start. Must not know: the node.

use std::path::Path;

use sprag_core::plan::SourceChanged;

use crate::config::Config;
use crate::plan;
use crate::state;

/// What an identity is made of (`plan::identity`), in its order; each but the first has a space before it.
const PARTS: [&str; 6] = ["id=", "key=", "position=", "contract=", "first=", "split="];

/// What is other than it was, and what to do.
pub(crate) fn told(changed: &SourceChanged) -> String {
    let (was, is) = (parts(&changed.was), parts(&changed.is));
    let differs = |at: &usize| was[*at] != is[*at];
    let of = |parts: &[Option<&str>; PARTS.len()]| {
        let told = (0..PARTS.len()).filter(differs).map(|at| {
            let name = PARTS[at].trim_end_matches('=');
            parts[at].map_or_else(|| format!("no {name}"), |value| format!("{name} {value}"))
        });
        told.collect::<Vec<_>>().join(", ")
    };
    format!(
        "source-changed: source {:?} was started with {} and is now configured with {}: its keys and \
         positions would be misread; rename the source, or take the change back",
        changed.name,
        of(&was),
        of(&is)
    )
}

/// The contract that an identity names; empty where it names none.
pub(crate) fn contract(identity: &str) -> &str {
    parts(identity)[3].unwrap_or_default()
}

/// The parts of an identity; none for one it does not have.
fn parts(identity: &str) -> [Option<&str>; PARTS.len()] {
    let mut parts = [None; PARTS.len()];
    // From behind: each ends where the next one begins.
    let mut rest = identity;
    for (part, name) in parts.iter_mut().zip(PARTS).rev() {
        let begins = rest.rfind(&format!(" {name}")).map(|at| (at, at + 1));
        let begins = begins.or_else(|| rest.starts_with(name).then_some((0, 0)));
        if let Some((ends, at)) = begins {
            *part = rest.get(at + name.len()..);
            rest = &rest[..ends];
        }
    }
    parts
}

/// The sources that a start in the data directory of this configuration would refuse; none where it has no
/// log yet.
///
/// # Errors
/// In words, why that cannot be told. Nothing in the directory is changed, and a gateway may run in it.
pub(crate) fn of(config: &Config) -> Result<Vec<SourceChanged>, String> {
    let Some(known) = known(&config.server.data)? else { return Ok(Vec::new()) };
    let mut plan = plan::plan(config, None);
    let mut changed = Vec::new();
    while let Err(one) = plan.resolve(&known) {
        plan.sources.retain(|source| source.settings.name != one.name);
        changed.push(one);
    }
    Ok(changed)
}

fn known(data: &Path) -> Result<Option<sprag_core::record::Directory>, String> {
    match data.join("log").try_exists() {
        Ok(false) => Ok(None),
        Ok(true) => state::known_names(data).map(Some),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(was: &str, is: &str) -> String {
        told(&SourceChanged { name: "shop".into(), was: was.into(), is: is.into() })
    }

    #[test]
    fn only_what_differs_is_told() {
        const WAS: &str =
            "id=header:id key=body:/order position=sequence body:/n contract=fifo first=1 strictly";
        let told = changed(WAS, &WAS.replace("/order", "/a key"));
        assert!(
            told.contains(
                "started with key body:/order and is now configured with key body:/a key:"
            ),
            "{told}"
        );
        let told = changed(WAS, &WAS.replace("fifo first=1 strictly", "latest"));
        let was = "started with contract fifo, first 1 strictly and is now";
        assert!(told.contains(was) && told.contains("with contract latest, no first:"), "{told}");
        assert_eq!((contract(WAS), contract("x")), ("fifo", ""));
        let told = changed(WAS, &format!("{WAS} split=body:/items"));
        assert!(
            told.contains("with no split and is now configured with split body:/items:"),
            "{told}"
        );
    }
}
