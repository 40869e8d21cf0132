//! A range of addresses, `127.0.0.0/8` or `fd00::/8`: what a destination may connect to although
//! it is private.

use std::net::IpAddr;

/// An address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkProblem;

impl std::fmt::Display for NetworkProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(r#"a range of addresses is needed, such as "127.0.0.0/8" or "::1/128""#)
    }
}

impl Network {
    /// Reads `address/bits`. Bits beyond the prefix must be zero: `10.0.0.1/8` is a mistake.
    pub fn parse(text: &str) -> Result<Self, NetworkProblem> {
        let (address, bits) = text.split_once('/').ok_or(NetworkProblem)?;
        let address: IpAddr = address.parse().map_err(|_| NetworkProblem)?;
        let bits: u8 = bits.parse().map_err(|_| NetworkProblem)?;
        let (value, width) = value_and_width(address);
        let rest = u32::from(width).checked_sub(u32::from(bits)).ok_or(NetworkProblem)?;
        let network = Self { address, bits };
        if rest == 0 || value & (u128::MAX >> (128 - rest)) == 0 {
            Ok(network)
        } else {
            Err(NetworkProblem)
        }
    }

    /// Is the address in the range? An IPv4 address mapped into IPv6 is judged as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, width) = value_and_width(self.address);
        let (other, other_width) = value_and_width(address.to_canonical());
        let rest = u32::from(width) - u32::from(self.bits);
        width == other_width && (rest == 128 || own >> rest == other >> rest)
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.address, self.bits)
    }
}

fn value_and_width(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn prefixes_of_both_families() {
        assert!(contains("127.0.0.0/8", "127.255.0.1"));
        assert!(!contains("127.0.0.0/8", "128.0.0.1"));
        assert!(contains("10.1.2.3/32", "10.1.2.3"));
        assert!(!contains("10.1.2.3/32", "10.1.2.2"));
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("::/0", "fd00::1"));
        assert!(contains("fd00::/8", "fdff::1"));
        assert!(!contains("fd00::/8", "fe80::1"));
        assert!(!contains("0.0.0.0/0", "::1"));
        assert!(contains("127.0.0.0/8", "::ffff:127.0.0.1"));
    }

    #[test]
    fn texts_that_are_no_ranges() {
        for text in [
            "127.0.0.1",
            "127.0.0.1/8",
            "127.0.0.0/33",
            "::1/129",
            "host/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert_eq!(Network::parse(text), Err(NetworkProblem), "{text}");
        }
    }
}
