//! Addresses of proxies that are believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One address, or all that share its first bits: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IpRange {
    address: IpAddr,
    prefix: u8,
}

/// Not an address or range.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IpRangeError {
    /// It cannot be read.
    #[error(
        "`{0}` is not an address or a range; write it as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32"
    )]
    Unreadable(String),
    /// The address says more than the range holds, so one of the two is not what was meant.
    #[error("`{0}` has bits beyond its prefix; the range is {1}")]
    Beyond(String, IpRange),
}

impl IpRange {
    /// Whether the address lies within. An IPv4 address that came in through an IPv6 socket
    /// (`::ffff:192.0.2.7`) is the IPv4 address.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address with every bit beyond the prefix set to zero.
fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    let beyond = u32::from(bits(address).saturating_sub(prefix));
    match address {
        IpAddr::V4(v4) => {
            IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(beyond).unwrap_or(0)).into())
        }
        IpAddr::V6(v6) => {
            IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(beyond).unwrap_or(0)).into())
        }
    }
}

impl FromStr for IpRange {
    type Err = IpRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = || {
            let (address, prefix) = text
                .split_once('/')
                .map_or((text, None), |(a, p)| (a, Some(p)));
            let address: IpAddr = address.parse().ok()?;
            let prefix = match prefix {
                None => bits(address),
                Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => {
                    prefix.parse().ok()?
                }
                Some(_) => return None,
            };
            (prefix <= bits(address)).then_some(Self { address, prefix })
        };
        let range = range().ok_or_else(|| IpRangeError::Unreadable(text.to_owned()))?;
        let address = masked(range.address, range.prefix);
        if address != range.address {
            return Err(IpRangeError::Beyond(
                text.to_owned(),
                Self { address, ..range },
            ));
        }
        Ok(range)
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            write!(f, "{}", self.address)
        } else {
            write!(f, "{}/{}", self.address, self.prefix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> IpRange {
        text.parse().unwrap()
    }

    fn holds(text: &str, address: &str) -> bool {
        range(text).contains(address.parse().unwrap())
    }

    #[test]
    fn holds_what_shares_its_first_bits() {
        assert!(holds("10.0.0.0/8", "10.255.255.255"));
        assert!(!holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("192.0.2.7", "192.0.2.7"));
        assert!(!holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("0.0.0.0/0", "203.0.113.9"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1"));
        assert!(!holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("::/0", "2001:db9::1"));
    }

    #[test]
    fn ipv4_is_the_same_through_an_ipv6_socket() {
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!holds("::/0", "10.1.2.3"));
        assert!(!holds("0.0.0.0/0", "2001:db8::1"));
    }

    #[test]
    fn says_itself_again() {
        for text in ["192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "::1"] {
            assert_eq!(range(text).to_string(), text);
        }
        assert_eq!(range("192.0.2.7/32").to_string(), "192.0.2.7");
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "proxy.example",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0/8",
            "10.0.0.0/8/8",
        ] {
            assert!(
                matches!(text.parse::<IpRange>(), Err(IpRangeError::Unreadable(_))),
                "{text}"
            );
        }
        let error = "10.0.0.1/8".parse::<IpRange>().unwrap_err();
        assert!(
            error.to_string().ends_with("the range is 10.0.0.0/8"),
            "{error}"
        );
    }
}
