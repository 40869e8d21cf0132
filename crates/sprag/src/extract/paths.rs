//! The JSON pointers of a source as one tree, so that a body is read once for all of them.
//!
//! It must not know how a body is read; `json` walks the tree along with the text.

use super::Pointer;
use super::json::{Found, unescape};
use crate::limits::POINTERS;

/// A tree of member names and element indexes.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    /// The first is the root.
    nodes: Vec<Node>,
    slots: usize,
}

/// A place in documents that a pointer leads to or through.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    pub(super) children: Vec<Child>,
    /// Where the result of the pointer that ends here goes.
    pub(super) slot: Option<usize>,
}

/// One step further on a pointer.
#[derive(Debug, Clone)]
pub(super) struct Child {
    name: String,
    /// The name as an index of an array, where it is one.
    pub(super) index: Option<usize>,
    pub(super) node: usize,
}

impl Paths {
    /// Adds a pointer; false, and nothing added, when `limits::POINTERS` others are followed
    /// already: one `u64` holds which members of an object were seen.
    pub fn add(&mut self, pointer: &Pointer) -> bool {
        if self.slot(pointer).is_some() {
            return true;
        }
        if self.slots == POINTERS {
            return false;
        }
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let end = pointer.segments().iter().fold(0, |node, segment| self.step(node, segment));
        self.nodes[end].slot = Some(self.slots);
        self.slots += 1;
        true
    }

    /// What a pointer that was added led to in the result of [`super::json::scan`].
    #[must_use]
    pub fn find<'a>(&self, pointer: &Pointer, found: &[Found<'a>]) -> Found<'a> {
        let slot = self.slot(pointer);
        slot.and_then(|slot| found.get(slot)).copied().unwrap_or(Found::Missing)
    }

    /// Is there nothing to look for?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots == 0
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    pub(super) fn root(&self) -> Option<&Node> {
        self.nodes.first()
    }

    pub(super) fn node(&self, child: &Child) -> &Node {
        &self.nodes[child.node]
    }

    fn slot(&self, pointer: &Pointer) -> Option<usize> {
        let step = |node: &Node, segment: &String| {
            let child = node.children.iter().find(|child| child.name == *segment)?;
            self.nodes.get(child.node)
        };
        pointer.segments().iter().try_fold(self.root()?, step)?.slot
    }

    fn step(&mut self, node: usize, segment: &str) -> usize {
        if let Some(known) = self.nodes[node].children.iter().find(|child| child.name == segment) {
            return known.node;
        }
        let next = self.nodes.len();
        self.nodes.push(Node::default());
        let (name, index) = (segment.to_owned(), element_index(segment));
        self.nodes[node].children.push(Child { name, index, node: next });
        next
    }
}

impl Node {
    /// Which child has this member name? Its place fits a `u64` of bits.
    pub(super) fn named(&self, quoted: &str, escaped: bool) -> Option<usize> {
        if escaped {
            // Half a UTF-16 pair equals no segment of a pointer, for those are UTF-8.
            let name = unescape(quoted)?;
            return self.children.iter().position(|child| child.name == name);
        }
        let name = &quoted.as_bytes()[1..quoted.len() - 1];
        self.children.iter().position(|child| child.name.as_bytes() == name)
    }
}

/// RFC 6901: digits without leading zeros.
fn element_index(segment: &str) -> Option<usize> {
    let canonical = segment == "0" || !segment.starts_with('0');
    let digits = segment.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits { segment.parse().ok() } else { None }
}
