//! `batch`: which destinations may be sent ranges of events as one JSON array (rule L9).

use super::Named;
use super::check_late::feeding;
use super::checked::{Contract, Destination, Source};
use super::raw::Section;
use super::units;
use crate::limits;

/// A range is an array of events that are JSON themselves, and has a bound in bytes.
pub(super) fn batches(
    root: &Section<'_>,
    sources: &Named<Source>,
    destinations: &Named<Destination>,
) {
    for (name, section) in root.named("destinations") {
        let Some(to) = destinations.get(name).and_then(Option::as_ref) else { continue };
        let (Some(batch), Some(entry)) = (to.batch, section.get("batch")) else { continue };
        for name in feeding(name, to, sources) {
            let Some(source) = sources.get(name).and_then(Option::as_ref) else { continue };
            if source.contract == Contract::Unordered {
                entry.error(format!(
                    "a range is events in order, and source `{name}` has none: without `batch` its events go beside each other"
                ));
            }
            if !source.rules.reads_json() {
                entry.error(format!(
                    "source `{name}` reads nothing from a JSON body, so its events cannot be sent as an array"
                ));
            }
            let bytes = source.max_body.saturating_mul(batch);
            if bytes > limits::BATCH_BYTES {
                entry.error(format!(
                    "{batch} events of source `{name}` may have {}, more than {}: lower `batch`, or `max_body` of the source",
                    units::size_text(bytes),
                    units::size_text(limits::BATCH_BYTES)
                ));
            }
        }
    }
}
