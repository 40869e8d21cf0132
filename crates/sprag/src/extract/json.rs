//! Finds the values of several JSON pointers in one pass over a body, without building it.
//!
//! The whole text is checked against RFC 8259 (UTF-8, syntax, nesting), members that repeat on a
//! followed path are told, nothing is allocated per value. Two things are left to whoever reads a
//! found value: the range of numbers, and surrogate halves in strings that are not asked for (a
//! truncated emoji somewhere in a payload is no reason to refuse an event).
//!
//! It must not know what the values are for.

use super::paths::{Child, Node, Paths};
use crate::limits::JSON_DEPTH;

/// What a pointer led to. Texts are slices of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'a> {
    /// Nothing.
    Missing,
    /// An object on the path has the followed member twice.
    Duplicate,
    /// A string: with its quotes, and whether it has escapes.
    String {
        /// The text from quote to quote.
        quoted: &'a str,
        /// Does it hold a backslash?
        escaped: bool,
    },
    /// A number as written.
    Number(&'a str),
    /// `true` or `false`.
    Boolean(bool),
    /// `null`
    Null,
    /// `{…}` as written.
    Object(&'a str),
    /// `[…]` as written.
    Array(&'a str),
}

/// The text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable {
    /// Bytes before the fault.
    pub offset: usize,
    /// What was found or missing there.
    pub reason: &'static str,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "the body is not JSON: {} at byte {}", self.reason, self.offset)
    }
}

/// Reads the body once; [`Paths::find`] looks up what each pointer led to.
pub fn scan<'a>(body: &'a [u8], paths: &Paths) -> Result<Vec<Found<'a>>, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|fault| Unreadable {
        offset: fault.valid_up_to(),
        reason: "a byte is not UTF-8",
    })?;
    let found = vec![Found::Missing; paths.slots()];
    let mut scanner = Scanner { text, bytes: body, at: 0, paths, found };
    scanner.blank();
    match paths.root() {
        Some(root) => scanner.value(root, 0)?,
        None => scanner.skip(0)?,
    }
    scanner.blank();
    if scanner.at < body.len() {
        return scanner.fault("text after the end of the document");
    }
    Ok(scanner.found)
}

/// The elements of an array that [`scan`] found, as written, `most` and one at the most.
pub fn elements(array: &str, most: usize) -> Result<Vec<&str>, Unreadable> {
    let paths = Paths::default();
    let mut scanner =
        Scanner { text: array, bytes: array.as_bytes(), at: 0, paths: &paths, found: Vec::new() };
    let mut elements = Vec::new();
    scanner.enter(1)?;
    if scanner.peek() == Some(b']') {
        return Ok(elements);
    }
    loop {
        let start = scanner.at;
        scanner.skip(1)?;
        elements.push(&array[start..scanner.at]);
        if elements.len() > most || !scanner.comma(b']')? {
            return Ok(elements);
        }
    }
}

/// The members of an object that [`scan`] found, `most` and one at the most: each name, unescaped, and its value. None
/// where a name holds half of a UTF-16 pair.
pub fn members(object: &str, most: usize) -> Result<Vec<(Option<String>, Found<'_>)>, Unreadable> {
    let paths = Paths::default();
    let mut scanner =
        Scanner { text: object, bytes: object.as_bytes(), at: 0, paths: &paths, found: Vec::new() };
    let mut members = Vec::new();
    scanner.enter(1)?;
    if scanner.peek() == Some(b'}') {
        return Ok(members);
    }
    loop {
        let (quoted, _) = scanner.name()?;
        let start = scanner.at;
        let found = match scanner.peek() {
            Some(b'{') => {
                scanner.skip(1)?;
                Found::Object(&object[start..scanner.at])
            }
            Some(b'[') => {
                scanner.skip(1)?;
                Found::Array(&object[start..scanner.at])
            }
            _ => scanner.scalar()?,
        };
        members.push((unescape(quoted), found));
        if members.len() > most || !scanner.comma(b'}')? {
            return Ok(members);
        }
    }
}

struct Scanner<'a, 'p> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    paths: &'p Paths,
    found: Vec<Found<'a>>,
}

impl<'a, 'p> Scanner<'a, 'p> {
    fn fault<T>(&self, reason: &'static str) -> Result<T, Unreadable> {
        Err(Unreadable { offset: self.at, reason })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over one expected byte.
    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), Unreadable> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            self.fault(reason)
        }
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// A value that a pointer leads to or through.
    fn value(&mut self, node: &'p Node, depth: usize) -> Result<(), Unreadable> {
        let start = self.at;
        let found = match self.peek() {
            Some(b'{') => {
                self.container(node, depth)?;
                Found::Object(&self.text[start..self.at])
            }
            Some(b'[') => {
                self.container(node, depth)?;
                Found::Array(&self.text[start..self.at])
            }
            _ => self.scalar()?,
        };
        if let Some(slot) = node.slot {
            self.found[slot] = found;
        }
        Ok(())
    }

    /// An object or array: entered only where a pointer leads through it.
    fn container(&mut self, node: &'p Node, depth: usize) -> Result<(), Unreadable> {
        match self.peek() {
            _ if node.children.is_empty() => self.skip(depth),
            Some(b'{') => self.object(node, depth + 1),
            _ => self.array(node, depth + 1),
        }
    }

    fn object(&mut self, node: &'p Node, depth: usize) -> Result<(), Unreadable> {
        self.enter(depth)?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut seen = 0_u64;
        loop {
            let (name, escaped) = self.name()?;
            match node.named(name, escaped) {
                Some(at) if seen & (1 << at) != 0 => {
                    self.mark_duplicate(&node.children[at]);
                    self.skip(depth)?;
                }
                Some(at) => {
                    seen |= 1 << at;
                    self.value(self.paths.node(&node.children[at]), depth)?;
                }
                None => self.skip(depth)?,
            }
            if !self.comma(b'}')? {
                return Ok(());
            }
        }
    }

    fn array(&mut self, node: &'p Node, depth: usize) -> Result<(), Unreadable> {
        self.enter(depth)?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        let mut index = 0;
        loop {
            match node.children.iter().find(|child| child.index == Some(index)) {
                Some(child) => self.value(self.paths.node(child), depth)?,
                None => self.skip(depth)?,
            }
            index += 1;
            if !self.comma(b']')? {
                return Ok(());
            }
        }
    }

    /// Steps over an opening bracket.
    fn enter(&mut self, depth: usize) -> Result<(), Unreadable> {
        if depth > JSON_DEPTH {
            return self.fault("too many nested arrays and objects");
        }
        self.at += 1;
        self.blank();
        Ok(())
    }

    /// After a member or element: is there another one?
    fn comma(&mut self, close: u8) -> Result<bool, Unreadable> {
        self.blank();
        let more = self.peek() == Some(b',');
        if !more && self.peek() != Some(close) {
            return self.fault("a comma or closing bracket is missing");
        }
        self.at += 1;
        if more {
            self.blank();
        }
        Ok(more)
    }

    /// The name of a member, up to the start of its value.
    fn name(&mut self) -> Result<(&'a str, bool), Unreadable> {
        let start = self.at;
        let (end, escaped) = self.pass_name()?;
        Ok((&self.text[start..end], escaped))
    }

    /// The same for one that nobody reads; where it ended, and whether it has escapes.
    fn pass_name(&mut self) -> Result<(usize, bool), Unreadable> {
        if self.peek() != Some(b'"') {
            return self.fault("a member name is missing");
        }
        let escaped = self.pass_string()?;
        let end = self.at;
        self.blank();
        self.expect(b':', "a colon is missing")?;
        self.blank();
        Ok((end, escaped))
    }

    fn mark_duplicate(&mut self, child: &Child) {
        let node = self.paths.node(child);
        if let Some(slot) = node.slot {
            self.found[slot] = Found::Duplicate;
        }
        for child in &node.children {
            self.mark_duplicate(child);
        }
    }

    /// A value no pointer is interested in: without recursion, one bit per open bracket.
    fn skip(&mut self, depth: usize) -> Result<(), Unreadable> {
        let mut objects = 0_u128;
        let mut open = 0;
        loop {
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    self.enter(depth + open + 1)?;
                    let is_object = bracket == b'{';
                    if self.peek() == Some(if is_object { b'}' } else { b']' }) {
                        self.at += 1;
                    } else {
                        objects = objects << 1 | u128::from(is_object);
                        open += 1;
                        if is_object {
                            self.pass_name()?;
                        }
                        continue;
                    }
                }
                Some(b'"') => {
                    self.pass_string()?;
                }
                _ => {
                    self.scalar()?;
                }
            }
            while open > 0 {
                let is_object = objects & 1 == 1;
                if self.comma(if is_object { b'}' } else { b']' })? {
                    if is_object {
                        self.pass_name()?;
                    }
                    break;
                }
                objects >>= 1;
                open -= 1;
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    fn scalar(&mut self) -> Result<Found<'a>, Unreadable> {
        match self.peek() {
            Some(b'"') => {
                let (quoted, escaped) = self.string()?;
                Ok(Found::String { quoted, escaped })
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Found::Boolean(true)),
            Some(b'f') => self.word("false", Found::Boolean(false)),
            Some(b'n') => self.word("null", Found::Null),
            Some(_) => self.fault("a value is missing"),
            None => self.fault("the text ends early"),
        }
    }

    fn word(&mut self, word: &'static str, found: Found<'a>) -> Result<Found<'a>, Unreadable> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.fault("a value is missing");
        }
        self.at += word.len();
        Ok(found)
    }

    fn number(&mut self) -> Result<Found<'a>, Unreadable> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Found::Number(&self.text[start..self.at]))
    }

    fn digits(&mut self) -> Result<(), Unreadable> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { self.fault("a digit is missing") } else { Ok(()) }
    }

    /// A string from quote to quote, and whether it has escapes.
    fn string(&mut self) -> Result<(&'a str, bool), Unreadable> {
        let start = self.at;
        let escaped = self.pass_string()?;
        Ok((&self.text[start..self.at], escaped))
    }

    /// Steps over a string; whether it has escapes.
    fn pass_string(&mut self) -> Result<bool, Unreadable> {
        let mut escaped = false;
        self.at += 1;
        loop {
            self.at += plain_bytes(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.fault("a control character in a string"),
                None => return self.fault("the text ends early"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Unreadable> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.fault("an escape without four digits");
                }
                self.at += 5;
            }
            _ => return self.fault("an unknown escape"),
        }
        Ok(())
    }
}

/// The text of a string with escapes; `None` when it holds half of a UTF-16 pair.
#[must_use]
pub fn unescape(quoted: &str) -> Option<String> {
    serde_json::from_str(quoted).ok()
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// How many bytes come before the first quote, backslash or control character: eight at a time.
/// The lowest flagged byte is exact; a borrow can flag only bytes above it.
fn plain_bytes(bytes: &[u8]) -> usize {
    let mut count = 0;
    for chunk in bytes.as_chunks::<8>().0 {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
        let flags = (below(word, 0x20) | below(quote, 1) | below(backslash, 1)) & HIGHS;
        if flags != 0 {
            return count + flags.trailing_zeros() as usize / 8;
        }
        count += 8;
    }
    let rest = &bytes[count..];
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    count + rest.iter().position(special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_elements_are_listed_than_tell_that_there_are_too_many() {
        assert_eq!(elements("[1,{},[2]]", 3).unwrap(), ["1", "{}", "[2]"]);
        assert_eq!(elements("[1,2,3,4,5]", 2).unwrap(), ["1", "2", "3"]);
    }
}
