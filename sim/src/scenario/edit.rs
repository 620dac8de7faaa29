//! Changes to a document by dotted paths: what `--set`, `--without` and config changes do. Works on plain values and
//! the schema; whether the result makes sense is for the compiler to say.

use serde_json::{Map, Value};

use super::check::{PLAIN_KIND, link_text};
use super::diagnostic::{Diagnostics, Severity};
use super::parse::parse;
use super::path::{Path, Step};
use super::plan::{Edit, Plan, Setting, Trigger};
use super::quantity::Problem;
use super::schema;
use super::suggest;

/// Keys by which an element of a list is known.
const IDENTITIES: [&str; 4] = ["name", "id", "link", "to"];

/// Reads `path=value`, where the value is written as in a scenario file.
///
/// # Errors
/// A text saying what to write instead.
pub fn parse_setting(text: &str) -> Result<Setting, String> {
    let Some((path, value)) = text.split_once('=') else {
        return Err(format!("`{text}` is not a setting: write `path=value`, as in `checkout.workers=8`"));
    };
    let path = path.trim();
    if path.is_empty() {
        return Err(format!("`{text}` sets nothing: write `path=value`, as in `checkout.workers=8`"));
    }
    if value.trim().is_empty() {
        return Err(format!("`{path}` gets no value: write `{path}=null` to remove it"));
    }
    let unreadable = |diagnostics: &Diagnostics| {
        let reason = diagnostics.iter().next().map_or(String::new(), |diagnostic| diagnostic.message.clone());
        format!("the value of `{path}` cannot be read: {reason}")
    };
    match parse(value.as_bytes()) {
        Ok((value, doubled)) if doubled.is_empty() => {
            Ok(Setting { path: path.to_string(), value: value.to_value() })
        }
        Ok((_, diagnostics)) | Err(diagnostics) => Err(unreadable(&diagnostics)),
    }
}

/// Whether an edit leaves out a timeline entry of the plan.
pub(crate) fn removes_entry(plan: &Plan, edit: &Edit) -> bool {
    match edit {
        Edit::Set(_) => false,
        Edit::Without(id) => plan.timeline.iter().any(|entry| entry.id == *id),
    }
}

/// Changes a document.
pub(crate) fn apply(plan: &Plan, document: &mut Value, edit: &Edit) -> Result<(), Problem> {
    match edit {
        Edit::Set(setting) => set(document, &setting.path, setting.value.clone()).map(|_| ()),
        Edit::Without(id) => without(plan, document, id),
    }
}

/// Gives the key at `text` another value; `null` removes it. Mappings on the way are made where the schema has them.
pub(crate) fn set(document: &mut Value, text: &str, value: Value) -> Result<Path, Problem> {
    let words = words_of(document, text)?;
    place(document, schema::shared(), &words, value, Path::root())
}

/// Whether `text` is the path of something under a service or load of the document.
pub(crate) fn names_a_policy(document: &Value, text: &str) -> bool {
    let Ok(words) = words_of(document, text) else { return false };
    let below = matches!(words.first(), Some(&("services" | "load" | "network"))) && words.len() > 2;
    below && find(document, &words).is_some()
}

/// The words of a path from the top of the document.
fn words_of<'t>(document: &Value, text: &'t str) -> Result<Vec<&'t str>, Problem> {
    let mut words: Vec<&str> = text.split('.').map(str::trim).collect();
    let first = words[0];
    if words.iter().any(|word| word.is_empty()) {
        return Err(Problem::new(
            format!("`{text}` is not a path"),
            "write it as in `checkout.calls.db.timeout`",
        ));
    }
    let top = schema::properties(schema::shared());
    if top.is_some_and(|keys| keys.contains_key(first)) {
        return Ok(words);
    }
    let services = document.get("services").and_then(Value::as_object);
    if services.is_some_and(|services| services.contains_key(first)) {
        words.insert(0, "services");
        return Ok(words);
    }
    let loads = document.get("load").and_then(Value::as_array);
    let load_names: Vec<&str> = loads.map_or(Vec::new(), |loads| {
        loads.iter().filter_map(|load| load.get("name").and_then(Value::as_str)).collect()
    });
    if load_names.contains(&first) {
        words.insert(0, "load");
        return Ok(words);
    }
    let mut known: Vec<&str> =
        services.map_or(Vec::new(), |services| services.keys().map(String::as_str).collect());
    known.extend(load_names);
    known.extend(top.into_iter().flat_map(|keys| keys.keys().map(String::as_str)));
    Err(Problem {
        message: format!("there is no `{first}` in the scenario"),
        help: suggest::help(first, &known),
    })
}

fn find<'v>(value: &'v Value, words: &[&str]) -> Option<&'v Value> {
    let [first, rest @ ..] = words else { return Some(value) };
    match value {
        Value::Object(map) => find(map.get(*first)?, rest),
        Value::Array(items) => {
            let mut inner = value;
            for step in element(items, first)? {
                inner = match step {
                    Inner::Index(index) => inner.get(index)?,
                    Inner::Parallel => inner.get("parallel")?,
                };
            }
            find(inner, rest)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A step down to an element of a list.
#[derive(Clone, Copy)]
enum Inner {
    Index(usize),
    /// Into the calls of a parallel step.
    Parallel,
}

/// The way to the element called `word`: by position or identity, into parallel steps as well.
fn element(items: &[Value], word: &str) -> Option<Vec<Inner>> {
    if let Ok(index) = word.parse::<usize>() {
        return (index < items.len()).then(|| vec![Inner::Index(index)]);
    }
    let (name, wanted) = match word.rsplit_once('#') {
        Some((name, number)) => {
            (name.trim(), number.trim().parse::<usize>().ok().filter(|number| *number > 0)?)
        }
        None => (word, 1),
    };
    let mut seen = 0;
    let mut matches = |item: &Value| {
        seen += usize::from(is_called(item, name));
        is_called(item, name) && seen == wanted
    };
    for (index, item) in items.iter().enumerate() {
        if matches(item) {
            return Some(vec![Inner::Index(index)]);
        }
        for (inner, call) in item.get("parallel").and_then(Value::as_array).into_iter().flatten().enumerate()
        {
            if matches(call) {
                return Some(vec![Inner::Index(index), Inner::Parallel, Inner::Index(inner)]);
            }
        }
    }
    None
}

fn is_called(item: &Value, name: &str) -> bool {
    let called = IDENTITIES.into_iter().find_map(|key| item.get(key).and_then(Value::as_str));
    called.is_some_and(|called| {
        called == name || (link_text(name).is_some() && link_text(called) == link_text(name))
    })
}

fn place(
    current: &mut Value,
    schema: &'static Value,
    words: &[&str],
    new: Value,
    path: Path,
) -> Result<Path, Problem> {
    let [first, rest @ ..] = words else {
        *current = new;
        return Ok(path);
    };
    match current {
        Value::Object(map) => place_in_mapping(map, schema, first, rest, new, path),
        Value::Array(items) => place_in_list(items, schema, first, rest, new, path),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let help = format!("set `{path}` as a whole");
            Err(Problem::new(format!("`{path}` is `{}`, it has no `{first}`", plain(current)), help))
        }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

fn place_in_mapping(
    map: &mut Map<String, Value>,
    schema: &'static Value,
    key: &str,
    rest: &[&str],
    new: Value,
    path: Path,
) -> Result<Path, Problem> {
    let below = path.key(key);
    let value_schema = key_schema(schema, map, key);
    if rest.is_empty() && new.is_null() {
        return match map.shift_remove(key) {
            Some(_) => Ok(below),
            None => Err(no_such_key(schema, map, key, &path)),
        };
    }
    if let Some(value) = map.get_mut(key) {
        return place(value, value_schema.unwrap_or(&Value::Bool(true)), rest, new, below);
    }
    let unknown = is_plain_service(map, &path) && !is_listed(schema, key);
    let Some(value_schema) = value_schema.filter(|_| !unknown && may_be_added(schema, key, rest)) else {
        return Err(no_such_key(schema, map, key, &path));
    };
    if rest.is_empty() {
        map.insert(key.to_string(), new);
        return Ok(below);
    }
    let mut made = if schema::alternatives(value_schema).iter().any(|one| schema::has_type(one, "object")) {
        Value::Object(Map::new())
    } else if schema::alternatives(value_schema).iter().any(|one| schema::has_type(one, "array")) {
        Value::Array(Vec::new())
    } else {
        return Err(Problem::new(format!("`{below}` is a single value"), format!("set `{below}` itself")));
    };
    let placed = place(&mut made, value_schema, rest, new, below)?;
    map.insert(key.to_string(), made);
    Ok(placed)
}

/// Listed keys may be added anywhere; entries of a mapping with free names only as a whole.
fn may_be_added(schema: &'static Value, key: &str, rest: &[&str]) -> bool {
    is_listed(schema, key) || rest.is_empty()
}

fn is_listed(schema: &'static Value, key: &str) -> bool {
    let forms = schema::alternatives(schema);
    forms.into_iter().filter_map(schema::properties).any(|properties| properties.contains_key(key))
}

/// Whether this is a service that has only the keys of the format: those of other kinds have settings of their own.
fn is_plain_service(map: &Map<String, Value>, path: &Path) -> bool {
    let is_service = matches!(path.steps(), [Step::Key(top), Step::Key(_)] if top == "services");
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or(PLAIN_KIND);
    is_service && kind == PLAIN_KIND
}

/// What the value of `key` looks like in the form the mapping has.
fn key_schema(schema: &'static Value, map: &Map<String, Value>, key: &str) -> Option<&'static Value> {
    let forms = schema::alternatives(schema).into_iter().filter(|one| schema::property(one, key).is_some());
    let known =
        |form: &&'static Value| map.keys().filter(|key| schema::property(form, key).is_some()).count();
    let best = forms.rev().max_by_key(known)?;
    schema::property(best, key)
}

fn no_such_key(schema: &'static Value, map: &Map<String, Value>, key: &str, path: &Path) -> Problem {
    let mut known: Vec<&str> = map.keys().map(String::as_str).collect();
    for form in schema::alternatives(schema) {
        known.extend(schema::properties(form).into_iter().flat_map(|keys| keys.keys().map(String::as_str)));
    }
    let place = if path.steps().is_empty() { "the scenario".to_string() } else { format!("`{path}`") };
    Problem { message: format!("there is no `{key}` in {place}"), help: suggest::help(key, &known) }
}

fn place_in_list(
    items: &mut Vec<Value>,
    schema: &'static Value,
    word: &str,
    rest: &[&str],
    new: Value,
    path: Path,
) -> Result<Path, Problem> {
    let item_schema = schema::alternatives(schema).into_iter().find_map(|one| one.get("items"));
    let item_schema = item_schema.unwrap_or(&Value::Bool(true));
    let is_links = path.to_string() == "network.links";
    if is_links && link_text(word).is_some() && element(items, word).is_none() && !rest.is_empty() {
        items.push(Value::Object(Map::from_iter([("link".to_string(), Value::String(word.to_string()))])));
    }
    if path.to_string() == "timeline"
        && rest.is_empty()
        && element(items, word).is_none()
        && let Value::Object(mut entry) = new
    {
        // A further entry under an id of its own.
        entry.insert("id".to_string(), Value::String(word.to_string()));
        items.push(Value::Object(entry));
        return Ok(path.index(items.len() - 1));
    }
    let Some(way) = element(items, word) else {
        let known: Vec<&str> = items
            .iter()
            .filter_map(|item| IDENTITIES.into_iter().find_map(|key| item.get(key).and_then(Value::as_str)))
            .collect();
        let help = suggest::help(word, &known);
        return Err(Problem { message: format!("there is no `{word}` in `{path}`"), help });
    };
    if let ([Inner::Index(index)], [], true) = (way.as_slice(), rest, new.is_null()) {
        items.remove(*index);
        return Ok(path.index(*index));
    }
    match way.as_slice() {
        [Inner::Index(index)] => match items.get_mut(*index) {
            Some(item) => place(item, item_schema, rest, new, path.index(*index)),
            None => Err(Problem { message: format!("there is no `{word}` in `{path}`"), help: None }),
        },
        [Inner::Index(index), Inner::Parallel, Inner::Index(inner)] => {
            let below = path.index(*index).key("parallel").index(*inner);
            match items.get_mut(*index).and_then(|item| item.get_mut("parallel")?.get_mut(*inner)) {
                Some(item) => place(item, item_schema, rest, new, below),
                None => Err(Problem { message: format!("there is no `{word}` in `{path}`"), help: None }),
            }
        }
        _ => Err(Problem { message: format!("there is no `{word}` in `{path}`"), help: None }),
    }
}

/// Leaves out a timeline entry by its id, or an optional key by its path.
fn without(plan: &Plan, document: &mut Value, id: &str) -> Result<(), Problem> {
    if plan.timeline.iter().any(|entry| entry.id == id) {
        remove_entry(plan, document, id);
        return Ok(());
    }
    let not_there =
        |help: Option<String>| Problem { message: format!("there is nothing called `{id}`"), help };
    let ids: Vec<&str> = plan.timeline.iter().map(|entry| entry.id.as_str()).collect();
    let words = match words_of(document, id) {
        Ok(words) if words.len() > 1 => words,
        Ok(_) | Err(_) => return Err(not_there(suggest::help(id, &ids))),
    };
    if find(document, &words).is_none() {
        return Err(not_there(Some(
            "name a timeline entry, or a policy by its path as in `gateway.calls.db.retry`".into(),
        )));
    }
    place(document, schema::shared(), &words, Value::Null, Path::root()).map(|_| ())
}

/// Takes an entry out of the timeline or the swarm. What waited for it starts at the instant it would have.
fn remove_entry(plan: &Plan, document: &mut Value, id: &str) {
    for list in ["timeline", "swarm"] {
        if let Some(entries) = document.get_mut(list).and_then(Value::as_array_mut) {
            remove_entry_of(plan, entries, id);
        }
    }
}

fn remove_entry_of(plan: &Plan, entries: &mut Vec<Value>, id: &str) {
    entries.retain(|entry| entry.get("id").map(plain).as_deref() != Some(id));
    for entry in entries {
        let own = entry.get("id").map(plain).unwrap_or_default();
        let after = entry.get("after").map(plain).unwrap_or_default();
        let awaited = after.split('+').next().and_then(|edge| edge.trim().rsplit_once('.')).map(|(id, _)| id);
        if awaited == Some(id)
            && let (Some(start), Some(entry)) = (fixed_start(plan, &own), entry.as_object_mut())
        {
            entry.shift_remove("after");
            entry.insert("at".to_string(), Value::String(start));
        }
    }
}

/// The instant an entry starts, if it does not depend on what happens in the run.
fn fixed_start(plan: &Plan, id: &str) -> Option<String> {
    let mut pause = crate::kernel::time::Span::ZERO;
    let mut entry = plan.timeline.iter().find(|entry| entry.id == id)?;
    for _ in 0..=plan.timeline.len() {
        match &entry.trigger {
            Trigger::At(at) => return Some((*at + pause).to_string()),
            Trigger::When(..) => return None,
            Trigger::After(edge, more) => {
                entry = plan.timeline.get(edge.entry.index())?;
                pause += *more;
                if edge.phase == super::plan::Phase::End {
                    pause += entry.lasts?;
                }
            }
        }
    }
    None
}

/// Takes out what `errors` are about, if all of it is optional: timeline entries, objectives, links, expectations.
/// Used after an entry was left out, for what made sense with it only.
pub(crate) fn take_out_what_is_broken(document: &mut Value, errors: &Diagnostics) -> bool {
    let mut places: Vec<(Vec<&str>, usize)> = Vec::new();
    for error in errors.iter().filter(|error| error.severity == Severity::Error) {
        let place = OPTIONAL_LISTS.iter().find_map(|(prefix, pointer)| {
            let (index, _) = error.path.strip_prefix(prefix)?.split_once(']')?;
            Some((pointer.to_vec(), index.parse().ok()?))
        });
        match place {
            Some(place) => places.push(place),
            None if error.path.starts_with("expect.") => {
                // One text in place of a list: the key goes.
                let keys: Vec<&str> = error.path.split('.').collect();
                let (last, above) = keys.split_last().unwrap_or((&"", &[]));
                let parent = above.iter().try_fold(&mut *document, |value, key| value.get_mut(*key));
                match parent.and_then(Value::as_object_mut).and_then(|parent| parent.shift_remove(*last)) {
                    Some(_) => {}
                    None => return false,
                }
            }
            None => return false,
        }
    }
    // From the end, so that the other indices stay right.
    places.sort();
    places.dedup();
    for (keys, index) in places.into_iter().rev() {
        let list = keys.iter().try_fold(&mut *document, |value, key| value.get_mut(*key));
        if let Some(list) = list.and_then(Value::as_array_mut).filter(|list| index < list.len()) {
            list.remove(index);
        }
    }
    true
}

/// Lists whose elements a scenario can do without: how paths into them start, and their keys.
const OPTIONAL_LISTS: [(&str, &[&str]); 8] = [
    ("timeline[", &["timeline"]),
    ("swarm[", &["swarm"]),
    ("sometimes[", &["sometimes"]),
    ("slo[", &["slo"]),
    ("network.links[", &["network", "links"]),
    ("expect.failing[", &["expect", "failing"]),
    ("expect.why.root[", &["expect", "why", "root"]),
    ("expect.why.not_root[", &["expect", "why", "not_root"]),
];
