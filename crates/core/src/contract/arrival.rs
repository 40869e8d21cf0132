//! `arrival`: the source says nothing about order, so events keep the order they came in. `unordered`:
//! it says that there is none; then they are numbered as they come, and sent beside each other.

use super::Judgement;
use crate::fact::Kind;

/// Every event that is no repeat is next.
pub(super) fn judge() -> Judgement {
    Judgement::Release(Kind::Event)
}
