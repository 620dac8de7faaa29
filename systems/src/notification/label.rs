//! What an alert is known by: names with values, in the order of the names. Never changes once made.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Names with values. Cheap to clone; two sets with the same pairs are equal. An absent label and one with an empty
/// value are the same thing, as in Alertmanager, so empty values are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<(String, String)>", into = "Vec<(String, String)>")]
pub struct Labels {
    pairs: Arc<[(String, String)]>,
}

impl Labels {
    /// The labels of these pairs; of several with one name the last counts.
    pub fn new(pairs: Vec<(String, String)>) -> Labels {
        let mut pairs = pairs;
        // Stable, and from the back: the last of one name comes first and stays.
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, kept| later.0 == kept.0);
        pairs.retain(|(_, value)| !value.is_empty());
        Labels { pairs: pairs.into() }
    }

    /// The same, from texts that stand in the code.
    pub fn of(pairs: &[(&str, &str)]) -> Labels {
        Labels::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
    }

    /// A label's value; empty if there is no such label.
    pub fn get(&self, name: &str) -> &str {
        match self.pairs.binary_search_by(|(other, _)| other.as_str().cmp(name)) {
            Ok(at) => &self.pairs[at].1,
            Err(_) => "",
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Only these, in the order of the names.
    #[must_use]
    pub fn only(&self, names: &[String]) -> Labels {
        let wanted = |name: &String| names.contains(name);
        Labels { pairs: self.pairs.iter().filter(|(name, _)| wanted(name)).cloned().collect() }
    }

    /// A number that stands for them where the labels themselves are too long to keep or send: FNV-1a over names and
    /// values with separators, as Prometheus does it.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut feed = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        for text in self.pairs.iter().flat_map(|(name, value)| [name, value]) {
            text.bytes().for_each(&mut feed);
            // No UTF-8 text has this byte.
            feed(0xff);
        }
        hash
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

impl From<Vec<(String, String)>> for Labels {
    fn from(pairs: Vec<(String, String)>) -> Labels {
        Labels::new(pairs)
    }
}

impl From<Labels> for Vec<(String, String)> {
    fn from(labels: Labels) -> Vec<(String, String)> {
        labels.pairs.to_vec()
    }
}

impl fmt::Display for Labels {
    /// `{alertname="down",job="db"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, (name, value)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{name}={}", Quoted(value))?;
        }
        f.write_str("}")
    }
}

/// A text between double quotes, with what would end it escaped.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for letter in self.0.chars() {
            match letter {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_absent_label_and_an_empty_one_are_the_same() {
        assert_eq!(Labels::of(&[("a", ""), ("b", "1")]), Labels::of(&[("b", "1")]));
        assert_eq!(Labels::of(&[("b", "1")]).get("a"), "");
    }

    #[test]
    fn labels_print_in_the_order_of_their_names() {
        let labels = Labels::of(&[("job", "a \"b\""), ("env", "x\\y")]);
        assert_eq!(labels.to_string(), r#"{env="x\\y",job="a \"b\""}"#);
    }

    proptest! {
        #[test]
        fn labels_read_as_a_map_does(pairs in proptest::collection::vec(("[a-d]", "[x-z]{0,1}"), 0..8)) {
            let map: BTreeMap<String, String> = pairs.iter().cloned().collect();
            let labels = Labels::new(pairs);
            for name in ["a", "b", "c", "d", "e"] {
                prop_assert_eq!(labels.get(name), map.get(name).map_or("", String::as_str));
            }
            prop_assert_eq!(labels.len(), map.values().filter(|value| !value.is_empty()).count());
        }
    }
}
