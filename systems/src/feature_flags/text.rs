//! Texts as operands: sets of them, and prefixes, suffixes and parts, with and without regard to case. Nothing is put
//! into lower case on the heap: characters are compared as they are read.

/// Texts that something has to be one of.
#[derive(Clone, Debug)]
pub(super) struct Set(Vec<Box<str>>);

impl Set {
    pub(super) fn new<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Set {
        let mut texts: Vec<Box<str>> = texts.into_iter().map(|text| text.as_ref().into()).collect();
        texts.sort_unstable();
        texts.dedup();
        Set(texts)
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.0.binary_search_by(|own| (**own).cmp(text)).is_ok()
    }
}

/// Where the operand has to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextMatch {
    StartsWith,
    EndsWith,
    Contains,
}

/// An operand; in lower case if case is not regarded.
#[derive(Clone, Debug)]
pub(super) struct Text {
    text: Box<str>,
    any_case: bool,
}

impl Text {
    pub(super) fn new(text: &str, any_case: bool) -> Text {
        let text = if any_case { lower(text).collect::<String>().into() } else { text.into() };
        Text { text, any_case }
    }

    pub(super) fn matches(&self, how: TextMatch, value: &str) -> bool {
        let text = &*self.text;
        match (how, self.any_case) {
            (TextMatch::StartsWith, false) => value.starts_with(text),
            (TextMatch::EndsWith, false) => value.ends_with(text),
            (TextMatch::Contains, false) => value.contains(text),
            (TextMatch::StartsWith, true) => begins(lower(value), text.chars()),
            (TextMatch::EndsWith, true) => begins(lower(value).rev(), text.chars().rev()),
            (TextMatch::Contains, true) => {
                let mut rest = lower(value);
                loop {
                    if begins(rest.clone(), text.chars()) {
                        return true;
                    }
                    if rest.next().is_none() {
                        return false;
                    }
                }
            }
        }
    }
}

/// Character by character, whatever stands around it: a final sigma is a sigma.
fn lower(text: &str) -> impl DoubleEndedIterator<Item = char> + Clone {
    text.chars().flat_map(char::to_lowercase)
}

fn begins(mut whole: impl Iterator<Item = char>, mut part: impl Iterator<Item = char>) -> bool {
    part.all(|expected| whole.next() == Some(expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The second implementation copies both into lower case.
        #[test]
        fn without_regard_to_case_it_is_as_with_both_in_lower_case(
            value in "[abAB éÉİß]{0,6}",
            text in "[abAB éÉİß]{0,3}"
        ) {
            let low = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
            let (low_value, low_text) = (low(&value), low(&text));
            let operand = Text::new(&text, true);
            prop_assert_eq!(operand.matches(TextMatch::StartsWith, &value), low_value.starts_with(&low_text));
            prop_assert_eq!(operand.matches(TextMatch::EndsWith, &value), low_value.ends_with(&low_text));
            prop_assert_eq!(operand.matches(TextMatch::Contains, &value), low_value.contains(&low_text));
        }

        #[test]
        fn a_set_has_what_was_put_in(texts in prop::collection::vec("[ab]{0,2}", 0..6), text in "[ab]{0,2}") {
            prop_assert_eq!(Set::new(&texts).contains(&text), texts.contains(&text));
        }
    }
}
