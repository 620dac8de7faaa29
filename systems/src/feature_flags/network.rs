//! Addresses and the networks they lie in (CIDR, RFC 4632). Resolves no names.

use std::net::IpAddr;

/// A network, or a single address as the network that has only that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix_bits: u32,
}

impl Network {
    /// Reads `10.1.0.0/16`, `2001:db8::/32` or an address; `None` for anything else. Bits behind the prefix are
    /// ignored.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, prefix) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let base: IpAddr = address.parse().ok()?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            None => width,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
        };
        (prefix_bits <= width).then_some(Network { base, prefix_bits })
    }

    /// Whether `address` lies in it. An IPv4 address is in no IPv6 network and the other way round.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differing = u128::from(base.to_bits() ^ address.to_bits());
                differing.checked_shr(32 - self.prefix_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                (base.to_bits() ^ address.to_bits()).checked_shr(128 - self.prefix_bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether one of `networks` has the address that `text` is. What is no address is in none. An IPv4 client of a
    /// dual-stack socket, `::ffff:10.1.2.3`, counts as what it is.
    pub fn any_contains(networks: &[Network], text: &str) -> bool {
        text.parse().is_ok_and(|address: IpAddr| {
            let address = address.to_canonical();
            networks.iter().any(|network| network.contains(address))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn networks_have_the_addresses_behind_their_prefix() {
        for (network, address, inside) in [
            ("10.1.0.0/16", "10.1.255.255", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("10.1.2.3/16", "10.1.0.0", true),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("::/0", "2001:db8::1", true),
            ("::/0", "10.0.0.1", false),
            ("2001:db8::/32", "2001:db8:1::", true),
            ("2001:db8::/32", "2001:db9::", false),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("10.0.0.1/32", "10.0.0.2", false),
            ("10.0.0.1", "somewhere", false),
        ] {
            let networks = [Network::parse(network).expect(network)];
            assert_eq!(Network::any_contains(&networks, address), inside, "{address} in {network}");
        }
        for text in ["", "10.0.0", "10.0.0.1/33", "10.0.0.1/+8", "10.0.0.1/", "::/129", "a/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }

    proptest! {
        /// The second implementation writes both out as bits.
        #[test]
        fn the_first_bits_decide(base: [u8; 4], address: [u8; 4], prefix in 0usize..=32) {
            let bits = |bytes: [u8; 4]| bytes.map(|byte| format!("{byte:08b}")).concat();
            let network = Network { base: IpAddr::from(base), prefix_bits: prefix as u32 };
            prop_assert_eq!(
                network.contains(IpAddr::from(address)),
                bits(base)[..prefix] == bits(address)[..prefix]
            );
        }
    }
}
