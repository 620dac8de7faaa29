//! Precedence of versions by SemVer 2.0.0, section 11. Reads a version where it stands: nothing is copied. A leading
//! `v`, a missing part or a leading zero is no version.

use std::cmp::Ordering;

/// A version, split. Build metadata is checked and then forgotten: it has no part in precedence.
#[derive(Clone, Copy, Debug)]
pub struct Version<'a> {
    core: [u64; 3],
    prerelease: &'a str,
}

/// A version that is kept.
#[derive(Clone, Debug)]
pub(super) struct OwnedVersion {
    core: [u64; 3],
    prerelease: Box<str>,
}

impl OwnedVersion {
    pub(super) fn parse(text: &str) -> Option<OwnedVersion> {
        let Version { core, prerelease } = Version::parse(text)?;
        Some(OwnedVersion { core, prerelease: prerelease.into() })
    }

    pub(super) fn as_version(&self) -> Version<'_> {
        Version { core: self.core, prerelease: &self.prerelease }
    }
}

impl<'a> Version<'a> {
    /// Splits `text`; `None` if it is not a version by SemVer 2.0.0, or one of its three numbers exceeds 2^64 - 1.
    pub fn parse(text: &'a str) -> Option<Version<'a>> {
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (core, prerelease) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
        let mut numbers = core.split('.');
        let core = [number(numbers.next()?)?, number(numbers.next()?)?, number(numbers.next()?)?];
        let well_formed = numbers.next().is_none()
            && build.is_none_or(|build| build.split('.').all(is_identifier))
            && prerelease
                .is_none_or(|pre| pre.split('.').all(|part| is_identifier(part) && !has_leading_zero(part)));
        well_formed.then_some(Version { core, prerelease: prerelease.unwrap_or("") })
    }

    /// Which of the two comes first.
    pub fn precedence(&self, other: &Version<'_>) -> Ordering {
        self.core.cmp(&other.core).then_with(|| match (self.prerelease, other.prerelease) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater, // a release comes after its pre-releases
            (_, "") => Ordering::Less,
            (own, others) => own
                .split('.')
                .map(Identifier)
                .partial_cmp(others.split('.').map(Identifier))
                .unwrap_or(Ordering::Equal),
        })
    }
}

/// A part of a pre-release; numbers come before words, and are compared by value however long they are.
struct Identifier<'a>(&'a str);

impl PartialEq for Identifier<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl PartialOrd for Identifier<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(match (is_numeric(self.0), is_numeric(other.0)) {
            (true, true) => self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(other.0)),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self.0.cmp(other.0),
        })
    }
}

fn number(text: &str) -> Option<u64> {
    match text.as_bytes() {
        b"0" => Some(0),
        [b'1'..=b'9', ..] => text.parse().ok(),
        _ => None,
    }
}

fn is_numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn has_leading_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && is_numeric(text)
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_specifications_example_is_in_order() {
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "2.0.0",
            "2.1.0",
            "2.1.1",
        ];
        let versions: Vec<_> = ordered.iter().map(|text| Version::parse(text).expect(text)).collect();
        for (at, version) in versions.iter().enumerate() {
            for (other_at, other) in versions.iter().enumerate() {
                assert_eq!(version.precedence(other), at.cmp(&other_at));
            }
        }
    }

    /// Mostly versions, and what is nearly one.
    fn texts() -> impl Strategy<Value = String> {
        let part = prop_oneof!["[0-9]{1,2}", "[0-9a-zA-Z-]{0,4}", Just("99999999999999999999".to_string())];
        let parts = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("."));
        let core = prop_oneof![8 => "[0-3]\\.[0-3]\\.[0-3]", 1 => "v?[0-9]{1,21}(\\.[0-9]{1,2}){0,3}"];
        (core, prop::option::of(parts.clone()), prop::option::of(parts)).prop_map(|(core, pre, build)| {
            let pre = pre.map(|pre| format!("-{pre}")).unwrap_or_default();
            let build = build.map(|build| format!("+{build}")).unwrap_or_default();
            core + &pre + &build
        })
    }

    proptest! {
        #[test]
        fn the_semver_crate_decides_alike(one in texts(), two in texts()) {
            let theirs = (semver::Version::parse(&one), semver::Version::parse(&two));
            let ours = (Version::parse(&one), Version::parse(&two));
            prop_assert_eq!(ours.0.is_some(), theirs.0.is_ok(), "{}", one);
            prop_assert_eq!(ours.1.is_some(), theirs.1.is_ok(), "{}", two);
            if let ((Some(one), Some(two)), (Ok(their_one), Ok(their_two))) = (ours, theirs) {
                prop_assert_eq!(one.precedence(&two), their_one.cmp_precedence(&their_two));
            }
        }
    }
}
