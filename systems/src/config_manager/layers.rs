//! Layers of settings and which of them counts: defaults < file < environment < remote < override. Resolves
//! placeholders, reads texts as what the schema says, and says of each value where it comes from.

use super::key::{Revision, Scope};
use super::schema::{Problem, Schema, Violation};
use super::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Where a value comes from; of two layers the later one here counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// What the program itself says.
    Defaults,
    /// A file beside it.
    File,
    /// The environment that it was started in.
    Environment,
    /// The configuration server.
    Remote,
    /// Somebody on the spot, for now.
    Override,
}

/// Where an effective value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Which layer.
    pub layer: Layer,
    /// For remote values: whose.
    pub scope: Option<Scope>,
    /// For remote values: which revision wrote it.
    pub revision: Option<Revision>,
}

/// A value that counts, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The value, placeholders resolved.
    pub value: Arc<Value>,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// All layers but the remote one: what a process knows by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalLayers {
    /// What the program itself says.
    pub defaults: BTreeMap<String, Value>,
    /// What a file says.
    pub file: BTreeMap<String, Value>,
    /// What the environment says.
    pub environment: BTreeMap<String, Value>,
    /// What somebody says on the spot.
    pub overrides: BTreeMap<String, Value>,
}

/// Reads lines of `name = value`; empty ones and those beginning with `#` or `!` are passed over, and so is what has no
/// `=`. The later of two counts.
pub fn read_properties(text: &str) -> BTreeMap<String, Value> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', '!']));
    let settings = lines.filter_map(|line| line.split_once('='));
    settings.map(|(name, value)| (name.trim().to_string(), Value::text(value.trim()))).collect()
}

/// Takes what begins with `prefix` out of an environment: with the prefix `SHOP_`, `SHOP_DB_POOL` is `db.pool`.
pub fn read_environment<'a>(
    prefix: &str,
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, Value> {
    let ours = variables.into_iter().filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)));
    ours.filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_lowercase().replace('_', "."), Value::text(value)))
        .collect()
}

/// A value in its layer, placeholders and all.
#[derive(Clone, Debug)]
pub(super) struct Raw {
    pub(super) value: Arc<Value>,
    pub(super) provenance: Provenance,
}

/// Puts layers on each other, name by name.
pub(super) fn merged(local: &LocalLayers, remote: BTreeMap<String, Raw>) -> BTreeMap<String, Raw> {
    let mut all = BTreeMap::new();
    let mut lay = |layer: Layer, values: &BTreeMap<String, Value>| {
        for (name, value) in values {
            let provenance = Provenance { layer, scope: None, revision: None };
            all.insert(name.clone(), Raw { value: Arc::new(value.clone()), provenance });
        }
    };
    lay(Layer::Defaults, &local.defaults);
    lay(Layer::File, &local.file);
    lay(Layer::Environment, &local.environment);
    let mut all: BTreeMap<String, Raw> = all;
    all.extend(remote);
    for (name, value) in &local.overrides {
        let provenance = Provenance { layer: Layer::Override, scope: None, revision: None };
        all.insert(name.clone(), Raw { value: Arc::new(value.clone()), provenance });
    }
    all
}

/// Resolves every value by itself: those that may be used, and what is wrong with the others.
pub(super) fn resolved(
    raw: &BTreeMap<String, Raw>,
    schema: &Schema,
) -> (BTreeMap<String, Effective>, Vec<Violation>) {
    let (mut effective, mut violations) = (BTreeMap::new(), Vec::new());
    for (name, layered) in raw {
        match resolved_value(raw, schema, name, layered) {
            Ok(value) => {
                let provenance = layered.provenance.clone();
                effective.insert(name.clone(), Effective { value, provenance });
            }
            Err(violation) => violations.push(violation),
        }
    }
    violations.extend(schema.missing(|name| raw.contains_key(name)));
    (effective, violations)
}

fn resolved_value(
    raw: &BTreeMap<String, Raw>,
    schema: &Schema,
    name: &str,
    layered: &Raw,
) -> Result<Arc<Value>, Violation> {
    let wrong = |problem| Violation { name: name.to_string(), problem };
    let mut value = Arc::clone(&layered.value);
    if let Value::Text(text) = &*layered.value {
        let mut under_way = BTreeSet::from([name.to_string()]);
        let mut budget = MOST_RESOLVED_BYTES;
        let text = filled_in(raw, text, &mut under_way, &mut budget).map_err(wrong)?;
        value = Arc::new(match schema.fields.get(name) {
            // Files and environments know only texts.
            Some(field) if layered.provenance.layer != Layer::Remote => {
                let expected = field.kind.clone();
                field.kind.read(&text).ok_or_else(|| wrong(Problem::Unreadable { expected }))?
            }
            Some(_) | None => Value::Text(text),
        });
    }
    schema.check(name, &value)?;
    Ok(value)
}

/// A text with placeholders is no longer than this when they are filled in: they can double and double again.
const MOST_RESOLVED_BYTES: usize = 64 * 1024;

/// Fills in `${name}` and `${name:default}`; `$${` stands for `${` itself.
fn filled_in(
    raw: &BTreeMap<String, Raw>,
    text: &str,
    under_way: &mut BTreeSet<String>,
    budget: &mut usize,
) -> Result<String, Problem> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("${") {
        let (before, placeholder) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            filled.push_str(before);
            filled.push_str("${");
            rest = &placeholder[2..];
            continue;
        }
        filled.push_str(before);
        let Some(end) = placeholder.find('}') else {
            return Err(Problem::Unresolved { name: placeholder[2..].to_string() });
        };
        let inner = &placeholder[2..end];
        filled.push_str(&looked_up(raw, inner, under_way, budget)?);
        rest = &placeholder[end + 1..];
    }
    filled.push_str(rest);
    let left = budget.checked_sub(filled.len());
    *budget = left.ok_or_else(|| Problem::Unresolved { name: text.chars().take(40).collect() })?;
    Ok(filled)
}

fn looked_up(
    raw: &BTreeMap<String, Raw>,
    inner: &str,
    under_way: &mut BTreeSet<String>,
    budget: &mut usize,
) -> Result<String, Problem> {
    let (name, default) = match inner.split_once(':') {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    let unresolved = || Problem::Unresolved { name: name.to_string() };
    let Some(found) = raw.get(name) else { return default.map(str::to_string).ok_or_else(unresolved) };
    match &*found.value {
        Value::Text(text) => {
            // The depth is bounded as well as the size.
            if under_way.len() >= MOST_DEPTH || !under_way.insert(name.to_string()) {
                return Err(unresolved());
            }
            let filled = filled_in(raw, text, under_way, budget);
            under_way.remove(name);
            filled
        }
        Value::Secret(_) => Err(unresolved()), // a secret does not become a text that is printed
        value @ (Value::Integer(_) | Value::Boolean(_) | Value::Duration(_) | Value::List(_)) => {
            Ok(value.to_string())
        }
    }
}

/// Placeholders in values of placeholders are followed this deep.
const MOST_DEPTH: usize = 16;
