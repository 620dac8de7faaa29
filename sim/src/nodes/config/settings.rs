//! The settings of kind `config-server`: how it keeps and forgets, what it costs, and whose settings it has from the
//! start.

use std::collections::BTreeMap;

use foreshock_systems::config_manager::{Field, Kind, Schema, ServerConfig, Value as Setting};
use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::nodes::settings::{Reader, Wrong};
use crate::nodes::store::StoreKind;
use crate::scenario::quantity::Positive;
use crate::scenario::{config_scope, config_value};

/// Settings of kind `config-server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) config: ServerConfig,
    pub(super) store: StoreKind,
    /// What a whole configuration costs beside the service time.
    pub(super) snapshot_time: Span,
    pub(super) applications: BTreeMap<String, Application>,
}

/// Whose settings, and what they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Application {
    pub(super) schema: Option<Schema>,
    /// Published when the store is empty.
    pub(super) values: BTreeMap<String, Setting>,
}

const KEYS: [&str; 8] = [
    "store",
    "fsync",
    "bookmark_every",
    "keep_revisions",
    "keep_releases",
    "most_hold",
    "snapshot_time",
    "applications",
];

/// Reads settings, or says everything that is wrong with them.
pub(super) fn read(settings: &Map<String, Value>) -> Result<Settings, Wrong> {
    let mut wrong = Wrong::new();
    let mut reader = Reader { map: settings, at: String::new(), wrong: &mut wrong };
    reader.refuse_unknown(&KEYS, "kind `config-server`");
    let usual = ServerConfig::default();
    let config = ServerConfig {
        progress_interval: reader.positive_span("bookmark_every").unwrap_or(usual.progress_interval),
        keep_revisions: reader.value("keep_revisions", Positive::read).map(|keep| u64::from(keep.0)),
        keep_releases: reader
            .value("keep_releases", Positive::read)
            .map_or(usual.keep_releases, |keep| u64::from(keep.0)),
        most_hold: reader.positive_span("most_hold").unwrap_or(usual.most_hold),
        ..usual
    };
    if let Err(error) = config.validate() {
        reader.missing(&error.to_string());
    }
    let snapshot_time = reader.span("snapshot_time").unwrap_or(Span::ZERO);
    let store = reader.store();
    let help = "write `checkout: {values: {slowdown: x1}}`";
    let applications = reader
        .mappings("applications", help, |name, reader| Some((name.to_string(), application(name, reader))));
    let applications = applications.into_iter().collect();
    match wrong.is_empty() {
        true => Ok(Settings { config, store, snapshot_time, applications }),
        false => Err(wrong),
    }
}

fn application(name: &str, reader: &mut Reader<'_>) -> Application {
    if config_scope(name).is_none() {
        reader.missing("cannot be the name of an application: leave out `/` and control characters");
    }
    reader.refuse_unknown(&["schema", "values"], "an application");
    let fields = reader.mappings("schema", "write `slowdown: {min: x0.5, max: x4}`", |name, reader| {
        Some((name.to_string(), field(name, reader)?))
    });
    let has_schema = reader.map.contains_key("schema");
    let schema = has_schema.then(|| Schema { fields: fields.into_iter().collect(), is_closed: true });
    let values = values(reader);
    if let Some(schema) = &schema {
        for violation in schema.violations(&values) {
            reader.wrong_at(&format!("values.{}", violation.name), violation.problem.to_string());
        }
    }
    Application { schema, values }
}

fn values(reader: &mut Reader<'_>) -> BTreeMap<String, Setting> {
    let written = match reader.map.get("values") {
        None => return BTreeMap::new(),
        Some(Value::Object(written)) => written,
        Some(_) => {
            reader.wrong_at("values", "has a value for each name: write `{slowdown: x1}`");
            return BTreeMap::new();
        }
    };
    let mut values = BTreeMap::new();
    for (name, value) in written {
        match config_value::read(name, value) {
            Ok(value) => drop(values.insert(name.clone(), value)),
            Err(problem) => reader.wrong_at(&format!("values.{name}"), problem.sentence()),
        }
    }
    values
}

/// What one setting may be: bounds in its own unit, and the kind of the bounds.
fn field(name: &str, reader: &mut Reader<'_>) -> Option<Field> {
    reader.refuse_unknown(&["kind", "min", "max", "one_of", "required"], "a field of a schema");
    let mut bound = |key: &str| {
        let value = match config_value::read(name, reader.map.get(key)?) {
            Ok(value) => value,
            Err(problem) => {
                reader.wrong_at(key, problem.sentence());
                return None;
            }
        };
        let size = match &value {
            Setting::Integer(number) => *number,
            Setting::Duration(span) => i64::try_from(span.as_nanos()).unwrap_or(i64::MAX),
            Setting::Text(_) | Setting::Boolean(_) | Setting::List(_) | Setting::Secret(_) => {
                reader.wrong_at(key, "is no bound: write a number or a duration");
                return None;
            }
        };
        let kind = if value.as_duration().is_some() { Kind::Duration } else { Kind::Integer };
        Some((size, kind))
    };
    let (least, most) = (bound("min"), bound("max"));
    let of_bounds = least.as_ref().or(most.as_ref()).map(|(_, kind)| kind.clone());
    let choices = reader.map.get("one_of").and_then(Value::as_array).cloned().unwrap_or_default();
    let one_of: Vec<Setting> =
        choices.iter().filter_map(|choice| config_value::read(name, choice).ok()).collect();
    let kinds = [
        ("text", Kind::Text),
        ("integer", Kind::Integer),
        ("boolean", Kind::Boolean),
        ("duration", Kind::Duration),
    ];
    let names: Vec<(&str, usize)> = kinds.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
    let written = reader.choice("kind", &names).map(|at| kinds[at].1.clone());
    let of_choices = one_of.first().map(kind_of);
    let kind = written.or(of_bounds).or(of_choices).or_else(|| known_kind(name));
    let is_required = reader.switch("required").unwrap_or(false);
    let Some(kind) = kind else {
        reader.missing("says nothing about its values: add `kind`, `min`, `max` or `one_of`");
        return None;
    };
    let (least, most) = (least.map(|(least, _)| least), most.map(|(most, _)| most));
    Some(Field { least, most, one_of, is_required, ..Field::of(kind) })
}

fn known_kind(name: &str) -> Option<Kind> {
    match name {
        config_value::SLOWDOWN | config_value::ERROR_RATE => Some(Kind::Integer),
        config_value::CALL_DEADLINE => Some(Kind::Duration),
        _ => None,
    }
}

fn kind_of(value: &Setting) -> Kind {
    match value {
        Setting::Integer(_) => Kind::Integer,
        Setting::Boolean(_) => Kind::Boolean,
        Setting::Duration(_) => Kind::Duration,
        Setting::Text(_) | Setting::List(_) | Setting::Secret(_) => Kind::Text,
    }
}
