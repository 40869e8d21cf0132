//! The two ends of every encoding of this crate: a [`Writer`] that appends to a buffer and a
//! [`Reader`] that never panics, whatever bytes it is given.
//!
//! Fixed integers are little-endian. A *number* is an unsigned LEB128 varint in its shortest
//! form, so that every value has one encoding and hashes are over values, not over habits. Texts
//! and bytes are a number (their length) and their bytes; every length is checked against its
//! limit and against what is left before anything is allocated.

use std::fmt;

use sprag_core::id::Hash;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    /// How far the reading came, in bytes from the start of what was read.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
    /// The value that is wrong, where there is one: an unknown tag, a version, a length.
    pub found: Option<u64>,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found {
            Some(found) => write!(formatter, "{} ({found}) at byte {}", self.what, self.at),
            None => write!(formatter, "{} at byte {}", self.what, self.at),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A value too large for the format; nothing of it may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// Which value.
    pub what: &'static str,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is larger than the format allows", self.what)
    }
}

impl std::error::Error for TooLarge {}

/// Appends values to a buffer.
///
/// A value beyond its limit is remembered instead of written wrongly: [`Writer::finish`] tells.
#[derive(Debug)]
pub struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    too_large: Option<TooLarge>,
}

impl<'a> Writer<'a> {
    /// Appends to what the buffer holds already.
    pub fn new(bytes: &'a mut Vec<u8>) -> Self {
        Self { bytes, too_large: None }
    }

    /// Whether everything written kept its limits; if not, the buffer's tail is worthless.
    ///
    /// # Errors
    /// The first value that was too large.
    pub fn finish(self) -> Result<(), TooLarge> {
        self.too_large.map_or(Ok(()), Err)
    }

    /// How many bytes the buffer holds.
    #[must_use]
    pub fn position(&self) -> usize {
        self.bytes.len()
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// A truth value: 0 or 1.
    pub fn flag(&mut self, flag: bool) {
        self.bytes.push(u8::from(flag));
    }

    /// Bytes without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// A varint.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push((value & 0x7f) as u8);
    }

    /// A varint from a count or length, refused beyond `most`.
    pub fn count(&mut self, what: &'static str, count: usize, most: usize) {
        if count > most {
            self.refuse(what);
        }
        self.number(count as u64);
    }

    /// A length and the bytes.
    pub fn bytes(&mut self, what: &'static str, bytes: &[u8], most: usize) {
        self.count(what, bytes.len(), most);
        self.raw(bytes);
    }

    /// A length and the text's bytes.
    pub fn text(&mut self, what: &'static str, text: &str, most: usize) {
        self.bytes(what, text.as_bytes(), most);
    }

    /// The 32 bytes of a hash.
    pub fn hash(&mut self, hash: &Hash) {
        self.raw(&hash.0);
    }

    /// Whether there is a value, and the value.
    pub fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// Four bytes for a length that [`Writer::close_length`] fills in.
    #[must_use]
    pub fn open_length(&mut self) -> usize {
        self.u32(0);
        self.bytes.len()
    }

    /// Fills in the length of what was written since `opened`.
    pub fn close_length(&mut self, what: &'static str, opened: usize) {
        match u32::try_from(self.bytes.len() - opened) {
            Ok(length) => self.bytes[opened - 4..opened].copy_from_slice(&length.to_le_bytes()),
            Err(_) => self.refuse(what),
        }
    }

    fn refuse(&mut self, what: &'static str) {
        self.too_large.get_or_insert(TooLarge { what });
    }
}

/// Takes values from bytes, in the order they were written.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, end: bytes.len() }
    }

    /// How many bytes were read.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[must_use]
    pub fn left(&self) -> usize {
        self.end - self.at
    }

    /// An error at this point.
    #[must_use]
    pub fn error(&self, what: &'static str, found: Option<u64>) -> DecodeError {
        DecodeError { at: self.at, what, found }
    }

    /// That nothing is left.
    ///
    /// # Errors
    /// When bytes are left.
    pub fn end(&self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.error("bytes beyond the end", Some(left as u64))),
        }
    }

    /// Bytes without a length.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        if length > self.left() {
            return Err(self.error("ends too early", None));
        }
        let bytes = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(N)?);
        Ok(array)
    }

    /// A part of its own: its four-byte length, then a reader that ends with it.
    ///
    /// # Errors
    /// When fewer bytes are left than its length says.
    pub fn part(&mut self, what: &'static str) -> Result<Self, DecodeError> {
        let length = self.u32()?;
        let start = self.at;
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        match end.filter(|end| *end <= self.end) {
            Some(end) => {
                self.at = end;
                Ok(Self { bytes: self.bytes, at: start, end })
            }
            None => Err(self.error(what, Some(u64::from(length)))),
        }
    }

    /// One byte.
    ///
    /// # Errors
    /// When none is left.
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A truth value.
    ///
    /// # Errors
    /// When it is neither 0 nor 1.
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.error("neither 0 nor 1", Some(u64::from(other)))),
        }
    }

    /// Two bytes, little-endian.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    ///
    /// # Errors
    /// When fewer are left.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    /// A varint.
    ///
    /// # Errors
    /// When it ends too early, exceeds 64 bits or is longer than it need be.
    pub fn number(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return if shortest { Ok(value) } else { Err(self.error("overlong number", None)) };
            }
        }
        Err(self.error("number exceeds 64 bits", None))
    }

    /// A varint of a narrower type.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn narrow<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, DecodeError> {
        let number = self.number()?;
        T::try_from(number).map_err(|_| self.error(what, Some(number)))
    }

    /// A count of things that follow, each of at least one byte.
    ///
    /// # Errors
    /// When it is beyond its limit or beyond what is left.
    pub fn count(&mut self, what: &'static str, most: usize) -> Result<usize, DecodeError> {
        let count = self.number()?;
        match usize::try_from(count).ok().filter(|n| *n <= most && *n <= self.left()) {
            Some(count) => Ok(count),
            None => Err(self.error(what, Some(count))),
        }
    }

    /// A length and the bytes.
    ///
    /// # Errors
    /// When the length is beyond its limit or beyond what is left.
    pub fn bytes(&mut self, what: &'static str, most: usize) -> Result<&'a [u8], DecodeError> {
        let length = self.count(what, most)?;
        self.raw(length)
    }

    /// A length and a text.
    ///
    /// # Errors
    /// As [`Reader::bytes`], and when it is not UTF-8.
    pub fn text(&mut self, what: &'static str, most: usize) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes(what, most)?;
        str::from_utf8(bytes).map_err(|_| self.error("text is not UTF-8", None))
    }

    /// A hash.
    ///
    /// # Errors
    /// When fewer than 32 bytes are left.
    pub fn hash(&mut self) -> Result<Hash, DecodeError> {
        self.array().map(Hash)
    }

    /// A value that may be absent.
    ///
    /// # Errors
    /// Those of the flag and of the value.
    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    /// A list: its count, then its things.
    ///
    /// # Errors
    /// Those of the count and of the things.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(what, most)?;
        // A count is believed for the allocation only as far as a page goes.
        let mut list = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        write(&mut writer);
        writer.finish().unwrap();
        bytes
    }

    proptest! {
        #[test]
        fn numbers_read_back(number: u64) {
            let bytes = written(|writer| writer.number(number));
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.number(), Ok(number));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn a_number_that_reads_has_no_other_encoding(
            bytes in proptest::collection::vec(any::<u8>(), 0..12)
        ) {
            let mut reader = Reader::new(&bytes);
            if let Ok(number) = reader.number() {
                let again = written(|writer| writer.number(number));
                prop_assert_eq!(&bytes[..reader.position()], &again[..]);
            }
        }
    }

    #[test]
    fn overlong_and_oversized_numbers_are_refused() {
        assert_eq!(Reader::new(&[0x80, 0x00]).number().unwrap_err().what, "overlong number");
        let oversized = [0xff; 10];
        assert_eq!(Reader::new(&oversized).number().unwrap_err().what, "number exceeds 64 bits");
    }

    #[test]
    fn a_value_beyond_its_limit_is_told_and_not_read() {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.text("key", "abcd", 3);
        assert_eq!(writer.finish(), Err(TooLarge { what: "key" }));
        let error = Reader::new(&bytes).text("key", 3).unwrap_err();
        assert_eq!(error, DecodeError { at: 1, what: "key", found: Some(4) });
    }

    #[test]
    fn a_length_beyond_the_end_allocates_nothing() {
        let bytes = written(|writer| writer.number(u64::MAX));
        assert!(Reader::new(&bytes).bytes("value", usize::MAX).is_err());
        assert!(Reader::new(&[255, 255, 255, 255, 1]).part("fact").is_err());
    }
}
