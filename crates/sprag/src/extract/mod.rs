//! Id, key, type and position of an event, read from where the configuration says (rules K1, K3).
//!
//! Pure functions of (rules, headers, query, body, digest). Nothing here decides about order, and
//! nothing here knows JSON beyond finding the values: the document is never built.
//!
//! | file | what |
//! |---|---|
//! | `location` | `header:`, `body:`, `form:`, `query:`, `const:` |
//! | `pointer`, `paths`, `json` | RFC 6901, the pointers of a source, the scanner that follows them in one pass |
//! | `form` | `application/x-www-form-urlencoded` bodies and queries |
//! | `pattern` | globs over types |
//! | `instant` | times that order events |
//! | `encode` | how key parts are written; the `webhook-id` of a delivery |
//! | `fields`, `clock` | positions that are objects of a body |
//! | `rules`, `extractor` | what a source configures, and its use on a request |
//! | `invalid` | why a value is not usable, each reason with its place |

mod clock;
pub mod encode;
mod extractor;
mod fields;
pub(crate) mod form;
mod instant;
mod invalid;
pub mod json;
mod location;
mod paths;
mod pointer;
mod rules;

pub use encode::webhook_id;
pub use extractor::{BodyForm, Extracted, ExtractedPosition, Extraction, Extractor, Received};
pub use instant::{INSTANT_UNITS, InstantUnit};
pub use invalid::{ExtractError, Invalid, Reason, Subject};
pub use location::{Location, LocationProblem};
pub use paths::Paths;
pub use pointer::{Pointer, PointerProblem};
pub use rules::{IdRule, KeyRule, PositionRule, Rules, RulesProblem, StateAt};
pub use sprag_core::pattern::{Pattern, PatternProblem};
