//! Reads the settings of a kind by a table: one line for each setting, all mistakes at once. Knows no kind.

use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::nodes::store::{STORE_KEYS, StoreKind, store_kind};
use crate::scenario::quantity::{Duration, Positive, Problem, Share, scalar_text};
use crate::scenario::suggest;

/// What is wrong with a setting: its key, and what to do.
pub(super) type Wrong = (String, String);

/// One setting: its name, and how it is taken up.
pub(super) type Setting<S> = (&'static str, fn(&mut S, &Value) -> Result<(), Problem>);

/// Takes up everything that is written; `what` is the kind in a sentence, such as `a provider`.
pub(super) fn read<S>(
    what: &str,
    table: &[Setting<S>],
    settings: S,
    written: &Map<String, Value>,
) -> Result<S, Vec<Wrong>> {
    taken((what, &[]), table, settings, written)
}

/// The same for a kind that has a store, which `store` finds in its settings.
pub(super) fn read_stored<S>(
    what: &str,
    table: &[Setting<S>],
    mut settings: S,
    store: fn(&mut S) -> &mut StoreKind,
    written: &Map<String, Value>,
) -> Result<S, Vec<Wrong>> {
    let kept = store_kind(written).map(|kept| *store(&mut settings) = kept);
    let taken = taken((what, &STORE_KEYS), table, settings, written);
    match (kept, taken) {
        (Ok(()), taken) => taken,
        (Err(wrong), Ok(_)) => Err(wrong),
        (Err(wrong), Err(others)) => Err(wrong.into_iter().chain(others).collect()),
    }
}

/// Takes up what is in the table; the settings `others` are taken up elsewhere.
fn taken<S>(
    (what, others): (&str, &[&'static str]),
    table: &[Setting<S>],
    mut settings: S,
    written: &Map<String, Value>,
) -> Result<S, Vec<Wrong>> {
    let mut wrong = Vec::new();
    for (key, value) in written.iter().filter(|(key, _)| !others.contains(&key.as_str())) {
        let result = match table.iter().find(|(name, _)| name == key) {
            Some((_, take)) => take(&mut settings, value),
            None => {
                let names = others.iter().copied().chain(table.iter().map(|(name, _)| *name));
                Err(unknown(what, names.collect(), key))
            }
        };
        if let Err(problem) = result {
            wrong.push((key.clone(), problem.sentence()));
        }
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

fn unknown(what: &str, names: Vec<&'static str>, key: &str) -> Problem {
    let help = match suggest::nearest(key, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("it has {}", names.join(", ")),
    };
    Problem { message: format!("{what} has no setting `{key}`"), help: Some(help) }
}

pub(super) fn text(value: &Value) -> Result<String, Problem> {
    let text = scalar_text(value).map(|text| text.into_owned());
    text.ok_or_else(|| Problem::new("this is no single value", "write a single value"))
}

/// More than no time.
pub(super) fn lifetime(value: &Value) -> Result<Span, Problem> {
    match Duration::read(&text(value)?)?.0 {
        Span::ZERO => Err(Problem::new("no time at all", "use a longer one, or leave it out")),
        span => Ok(span),
    }
}

/// Any time, none included.
pub(super) fn span(value: &Value) -> Result<Span, Problem> {
    Ok(Duration::read(&text(value)?)?.0)
}

pub(super) fn share(value: &Value) -> Result<u32, Problem> {
    Ok(Share::read(&text(value)?)?.0)
}

pub(super) fn positive(value: &Value) -> Result<u32, Problem> {
    Ok(Positive::read(&text(value)?)?.0)
}

/// At least one, and at most `most`.
pub(super) fn up_to(value: &Value, most: u32) -> Result<u32, Problem> {
    match positive(value)? {
        number if number > most => {
            Err(Problem::new(format!("{number} is too many"), format!("the most is {most}")))
        }
        number => Ok(number),
    }
}

pub(super) fn switch(value: &Value) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| Problem::new("this is neither true nor false", "write `true` or `false`"))
}

/// One of several words.
pub(super) fn choice<T: Copy>(value: &Value, of: &[(&'static str, T)]) -> Result<T, Problem> {
    let written = text(value)?;
    let found = of.iter().find(|(word, _)| *word == written);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = of.iter().map(|(word, _)| *word).collect();
        let help = match suggest::nearest(&written, words.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("use {}", words.join(" or ")),
        };
        Problem { message: format!("`{written}` is not known here"), help: Some(help) }
    })
}

/// The smallest and the largest of a range, `499` or `{min: 100, max: 5_000}`.
pub(super) fn range(value: &Value, most: u32) -> Result<(u32, u32), Problem> {
    let Value::Object(written) = value else {
        let number = up_to(value, most)?;
        return Ok((number, number));
    };
    let end = |key: &str| {
        let missing = || Problem::new("this is no range", "write `{min: 100, max: 5_000}`");
        written.get(key).ok_or_else(missing).and_then(|value| up_to(value, most))
    };
    match (end("min")?, end("max")?) {
        _ if written.len() != 2 => Err(Problem::new("this is no range", "write `{min: 100, max: 5_000}`")),
        (min, max) if min > max => Err(Problem::new("min is above max", "swap them")),
        range => Ok(range),
    }
}
