//! Plain implementations of what the product does fast, with other libraries than it uses. They are
//! written from the documentation of schemes and rules, not from the product; slow is fine.

pub(crate) mod event;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod mac;

/// CRC-32 as in Ethernet, bit by bit.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), step);
    !bytes.iter().fold(!0, byte)
}
