//! Conditions on labels: `=`, `!=`, `=~`, `!~`, and several of them at once. A pattern has to match the whole value.

use super::label::{Labels, Quoted};
use regex::Regex;
use std::fmt;
use std::str::FromStr;

/// How a label's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MatchOp {
    /// `=`: it is this.
    Equal,
    /// `!=`: it is not this.
    NotEqual,
    /// `=~`: the whole of it matches this pattern.
    Matches,
    /// `!~`: it does not.
    MatchesNot,
}

impl MatchOp {
    const fn sign(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Matches => "=~",
            MatchOp::MatchesNot => "!~",
        }
    }
}

/// One condition on one label. An absent label has the empty value, so `a!="x"` and `a=~".*"` hold without an `a`.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    /// What it was made from: for a pattern without the anchors.
    value: String,
    pattern: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl Matcher {
    /// A condition.
    ///
    /// # Errors
    /// [`MatcherError`] if there is no name, or if a pattern is none.
    pub fn new(
        name: impl Into<String>,
        op: MatchOp,
        value: impl Into<String>,
    ) -> Result<Matcher, MatcherError> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() {
            return Err(MatcherError::NoName);
        }
        let pattern = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Matches | MatchOp::MatchesNot => {
                Some(Regex::new(&anchored(&value)).map_err(|error| MatcherError::Pattern {
                    pattern: value.clone(),
                    why: error.to_string(),
                })?)
            }
        };
        Ok(Matcher { name, op, value, pattern })
    }

    /// `name="value"`, which cannot be wrong as long as there is a name.
    ///
    /// # Errors
    /// [`MatcherError::NoName`].
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Result<Matcher, MatcherError> {
        Matcher::new(name, MatchOp::Equal, value)
    }

    /// The label it is about.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    pub const fn op(&self) -> MatchOp {
        self.op
    }

    /// What it compares with; a pattern without anchors.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it holds.
    pub fn matches(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.name);
        let by_pattern = || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(found));
        match self.op {
            MatchOp::Equal => found == self.value,
            MatchOp::NotEqual => found != self.value,
            MatchOp::Matches => by_pattern(),
            MatchOp::MatchesNot => !by_pattern(),
        }
    }
}

fn anchored(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

impl fmt::Display for Matcher {
    /// `env=~"^(?:prod.*)$"`, as Alertmanager writes it in the key of a route.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let anchored = self.pattern.as_ref().map(|_| anchored(&self.value));
        let value = anchored.as_deref().unwrap_or(&self.value);
        write!(f, "{}{}{}", self.name, self.op.sign(), Quoted(value))
    }
}

impl FromStr for Matcher {
    type Err = MatcherError;

    /// Reads `env=~"prod.*"` or `env=prod`; a quoted value may hold `\"`, `\\` and `\n`.
    fn from_str(text: &str) -> Result<Matcher, MatcherError> {
        let unreadable = || MatcherError::Unreadable(text.to_string());
        let at = text.find(['=', '!']).ok_or_else(unreadable)?;
        let (name, rest) = text.split_at(at);
        let ops = [MatchOp::Matches, MatchOp::MatchesNot, MatchOp::NotEqual, MatchOp::Equal];
        let op = ops.into_iter().find(|op| rest.starts_with(op.sign())).ok_or_else(unreadable)?;
        let value = rest[op.sign().len()..].trim();
        Matcher::new(name.trim(), op, unquoted(value).ok_or_else(unreadable)?)
    }
}

fn unquoted(text: &str) -> Option<String> {
    let Some(inside) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_string());
    };
    let mut value = String::new();
    let mut letters = inside.chars();
    loop {
        match letters.next()? {
            '"' => return letters.next().is_none().then_some(value),
            '\\' => match letters.next()? {
                'n' => value.push('\n'),
                escaped @ ('"' | '\\') => value.push(escaped),
                // Part of a pattern, such as `\d`.
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
}

/// Conditions that have to hold all together; none at all holds for everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matchers(Vec<Matcher>);

impl Matchers {
    /// All of these, kept in the order of their names.
    pub fn new(mut matchers: Vec<Matcher>) -> Matchers {
        matchers.sort_by(|a, b| (&a.name, a.op, &a.value).cmp(&(&b.name, b.op, &b.value)));
        Matchers(matchers)
    }

    /// Reads each of them.
    ///
    /// # Errors
    /// The first [`MatcherError`].
    pub fn parse(texts: &[&str]) -> Result<Matchers, MatcherError> {
        texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map(Matchers::new)
    }

    /// Whether all hold.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|matcher| matcher.matches(labels))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Matcher> {
        self.0.iter()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Matchers {
    /// `{env="prod",job=~"^(?:.*)$"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (at, matcher) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{matcher}")?;
        }
        f.write_str("}")
    }
}

/// Why a condition is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatcherError {
    /// It names no label.
    NoName,
    /// The pattern is none.
    Pattern {
        /// As it was given.
        pattern: String,
        /// What is wrong with it.
        why: String,
    },
    /// The text is not a condition.
    Unreadable(String),
}

impl fmt::Display for MatcherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MatcherError::NoName => f.write_str("a matcher needs the name of a label: write `env=\"prod\"`"),
            MatcherError::Pattern { pattern, why } => write!(f, "`{pattern}` is not a pattern: {why}"),
            MatcherError::Unreadable(text) => write!(
                f,
                "`{text}` is not a matcher: write a label, one of = != =~ !~, and a value, as in `env=~\"prod.*\"`"
            ),
        }
    }
}

impl std::error::Error for MatcherError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_matches_the_whole_value_and_absence_is_the_empty_value() {
        let labels = Labels::of(&[("env", "production"), ("job", "db")]);
        let cases = [
            (r#"env="production""#, true),
            (r#"env="prod""#, false),
            (r#"env!="prod""#, true),
            (r#"env=~"prod""#, false),
            (r#"env=~"prod.*""#, true),
            (r#"env=~"test|production""#, true),
            (r#"env=~"prod|uction""#, false),
            (r#"env!~"prod""#, true),
            (r#"env!~"p.*""#, false),
            ("job=db", true),
            (r#"gone="""#, true),
            (r#"gone!="x""#, true),
            (r#"gone=~".*""#, true),
            (r#"gone=~".+""#, false),
            (r#"gone!~".+""#, true),
        ];
        for (text, expected) in cases {
            let matcher: Matcher = text.parse().unwrap();
            assert_eq!(matcher.matches(&labels), expected, "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_write_instead() {
        assert!(matches!("=x".parse::<Matcher>(), Err(MatcherError::NoName)));
        assert!(matches!("env=~\"(\"".parse::<Matcher>(), Err(MatcherError::Pattern { .. })));
        for text in ["env", "env=\"a", "env=\"a\"b", "env=a\"b\"", "env!x"] {
            let refused = text.parse::<Matcher>().unwrap_err();
            assert_eq!(refused, MatcherError::Unreadable(text.to_string()), "{text}");
            assert!(refused.to_string().contains("env=~"));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in ".{0,40}") {
            let _ = text.parse::<Matcher>();
        }

        #[test]
        fn the_negated_operator_holds_exactly_when_the_other_does_not(value in "[a-c.*|]{0,4}", found in "[a-c]{0,3}") {
            let labels = Labels::of(&[("l", &found)]);
            for (op, not) in [(MatchOp::Equal, MatchOp::NotEqual), (MatchOp::Matches, MatchOp::MatchesNot)] {
                if let (Ok(a), Ok(b)) = (Matcher::new("l", op, value.clone()), Matcher::new("l", not, value.clone())) {
                    prop_assert_ne!(a.matches(&labels), b.matches(&labels));
                }
            }
        }
    }
}
