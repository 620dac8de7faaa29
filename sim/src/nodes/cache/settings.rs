//! The settings of a cache: read from what the file says, all mistakes at once. Decides nothing.

use foreshock_systems::cache::{
    Admission, CacheConfig, EvictionKind, LoadingConfig, LoadingError, MAX_ENTRIES, OnLoadError,
};
use serde_json::{Map, Value};

use crate::kernel::time::Span;
use crate::scenario::quantity::{Bytes, Duration, Factor, Positive, Problem, Share, scalar_text};

/// How long a lease lasts unless the settings say otherwise: as long as those of memcached at Facebook
/// (Nishtala et al., "Scaling Memcache at Facebook", NSDI 2013).
const LEASE_TIMEOUT: Span = Span::from_secs(10);

/// Larger entries than this are taken for slips.
const LARGEST_ENTRY_BYTES: u64 = 1 << 30;

/// What is wrong with a setting: its key, and what to do.
type Wrong = (String, String);

/// Settings of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    /// How much is kept, for how long, and how it is loaded. Without single flight only the part `cache` counts.
    pub(super) loading: LoadingConfig,
    /// Whether those who miss a key that is being loaded wait for it.
    pub(super) single_flight: bool,
    /// After so long the load of a key counts as lost.
    pub(super) lease_timeout: Span,
    /// Size of an entry in bytes, least and most; `None`: entries are counted.
    pub(super) entry_bytes: Option<(u32, u32)>,
    /// Keys from 0 up to this one are there when the process starts.
    pub(super) preload: u32,
    /// Whether what is there outlives the process.
    pub(super) persistent: bool,
}

/// One setting: its name, and how it is taken up.
type Setting = (&'static str, fn(&mut Settings, &Value) -> Result<(), Problem>);

/// Every setting there is.
const SETTINGS: [Setting; 17] = [
    ("capacity", |settings, value| {
        settings.loading.cache.capacity = capacity(value)?;
        Ok(())
    }),
    ("entry_size", |settings, value| {
        settings.entry_bytes = Some(entry_bytes(value)?);
        Ok(())
    }),
    ("eviction", |settings, value| {
        settings.loading.cache.eviction = eviction(value)?;
        Ok(())
    }),
    ("admits", |settings, value| {
        settings.loading.cache.admission = admission(value)?;
        Ok(())
    }),
    ("ttl", |settings, value| {
        settings.loading.cache.ttl = Some(lifetime(value)?);
        Ok(())
    }),
    ("ttl_jitter", |settings, value| {
        settings.loading.cache.ttl_jitter_ppm = Share::read(&text(value)?)?.0;
        Ok(())
    }),
    ("time_to_idle", |settings, value| {
        settings.loading.cache.time_to_idle = Some(lifetime(value)?);
        Ok(())
    }),
    ("single_flight", |settings, value| {
        settings.single_flight = switch(value)?;
        Ok(())
    }),
    ("lease_timeout", |settings, value| {
        settings.lease_timeout = lifetime(value)?;
        Ok(())
    }),
    ("refresh_after", |settings, value| {
        settings.loading.refresh_after = Some(lifetime(value)?);
        Ok(())
    }),
    ("early_expiry", |settings, value| {
        let factor = Factor::read(&text(value)?)?.0;
        settings.loading.early_expiry_milli = u32::try_from(factor)
            .map_err(|_| Problem::new("such eagerness is out of range", "x1 is usual"))?;
        Ok(())
    }),
    ("stale_while_revalidate", |settings, value| {
        settings.loading.stale_while_revalidate = lifetime(value)?;
        Ok(())
    }),
    ("stale_if_error", |settings, value| {
        settings.loading.stale_if_error = lifetime(value)?;
        Ok(())
    }),
    ("negative_ttl", |settings, value| {
        settings.loading.absent_ttl = Some(lifetime(value)?);
        Ok(())
    }),
    ("failure_ttl", |settings, value| {
        settings.loading.on_error = OnLoadError::Negative(lifetime(value)?);
        Ok(())
    }),
    ("preload", |settings, value| {
        settings.preload = Positive::read(&text(value)?)?.0;
        Ok(())
    }),
    ("persistent", |settings, value| {
        settings.persistent = switch(value)?;
        Ok(())
    }),
];

/// Settings that mean something only if one load is told from another.
const NEED_SINGLE_FLIGHT: [&str; 6] = [
    "lease_timeout",
    "refresh_after",
    "early_expiry",
    "stale_while_revalidate",
    "stale_if_error",
    "failure_ttl",
];

/// The settings, or everything that is wrong with them.
pub(super) fn read(written: &Map<String, Value>) -> Result<Settings, Vec<Wrong>> {
    let mut wrong = Vec::new();
    let mut settings = Settings {
        loading: LoadingConfig {
            cache: CacheConfig { capacity: 0, ..CacheConfig::default() },
            ..LoadingConfig::default()
        },
        single_flight: false,
        lease_timeout: LEASE_TIMEOUT,
        entry_bytes: None,
        preload: 0,
        persistent: false,
    };
    for (key, value) in written {
        let result = match SETTINGS.iter().find(|(name, _)| name == key) {
            Some((_, take)) => take(&mut settings, value),
            None => Err(unknown(key)),
        };
        if let Err(problem) = result {
            wrong.push((key.clone(), problem.sentence()));
        }
    }
    wrong.extend(missing(written));
    if wrong.is_empty() {
        wrong.extend(together(&settings, written));
    }
    if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
}

fn unknown(key: &str) -> Problem {
    let names: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
    let nearest = crate::scenario::suggest::nearest(key, names.iter().copied());
    let help = match nearest {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("it has {}", names.join(", ")),
    };
    Problem { message: format!("a cache has no setting `{key}`"), help: Some(help) }
}

fn missing(written: &Map<String, Value>) -> Option<Wrong> {
    let message = "`capacity` is missing: how many entries the cache holds, such as `50_000`, or their size \
                   together, such as `64MiB`";
    (!written.contains_key("capacity")).then(|| ("capacity".to_string(), message.to_string()))
}

/// What is wrong with settings that are right each for itself.
fn together(settings: &Settings, written: &Map<String, Value>) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut refuse = |key: &str, message: String| wrong.push((key.to_string(), message));
    let in_bytes = written.get("capacity").is_some_and(is_size);
    match (in_bytes, settings.entry_bytes) {
        (true, None) => refuse(
            "capacity",
            "a capacity in bytes needs to know the `entry_size`; write it, such as `entry_size: 2KiB`".to_string(),
        ),
        (false, Some(_)) => refuse(
            "entry_size",
            "a capacity that counts entries takes no notice of their size; write it in bytes, such as `capacity: \
             64MiB`"
                .to_string(),
        ),
        (true, Some(_)) | (false, None) => {}
    }
    if settings.loading.cache.ttl_jitter_ppm > 0 && settings.loading.cache.ttl.is_none() {
        refuse("ttl_jitter", "without a `ttl` there is nothing to spread; add one".to_string());
    }
    if !settings.single_flight {
        for key in NEED_SINGLE_FLIGHT.iter().filter(|key| written.contains_key(**key)) {
            refuse(key, format!("`{key}` needs to tell one load from another; add `single_flight: true`"));
        }
    }
    if let Err(error) = settings.loading.validate() {
        let key = match error {
            LoadingError::RefreshTooLate { .. } => "refresh_after",
            LoadingError::Cache(_) | LoadingError::NoSpan { .. } => "capacity",
        };
        refuse(key, error.to_string());
    }
    wrong
}

fn text(value: &Value) -> Result<String, Problem> {
    let help = "write a single value";
    scalar_text(value)
        .map(|text| text.into_owned())
        .ok_or_else(|| Problem::new("this is no single value", help))
}

fn is_size(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.ends_with('B'))
}

fn capacity(value: &Value) -> Result<u64, Problem> {
    let text = text(value)?;
    if is_size(value) {
        return match Bytes::read(&text)?.0 {
            0 => Err(Problem::new("a capacity of nothing keeps nothing", "use at least 1B")),
            bytes => Ok(bytes),
        };
    }
    let entries = Positive::read(&text)?.0;
    if entries > MAX_ENTRIES {
        return Err(Problem::new(
            format!("{entries} entries are too many"),
            format!("the most is {MAX_ENTRIES}"),
        ));
    }
    Ok(u64::from(entries))
}

fn entry_bytes(value: &Value) -> Result<(u32, u32), Problem> {
    let help = "write a size, such as `2KiB`, or a range, such as `{min: 100B, max: 10KiB}`";
    let range = match value {
        Value::Object(range) if range.len() == 2 => {
            let end =
                |key: &str| range.get(key).ok_or_else(|| Problem::new("this is no range of sizes", help));
            (bytes(end("min")?)?, bytes(end("max")?)?)
        }
        Value::Object(_) | Value::Array(_) => return Err(Problem::new("this is no size", help)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (bytes(value)?, bytes(value)?),
    };
    if range.0 > range.1 {
        return Err(Problem::new("min is above max", "swap them"));
    }
    Ok(range)
}

fn bytes(value: &Value) -> Result<u32, Problem> {
    let bytes = Bytes::read(&text(value)?)?.0;
    if bytes == 0 || bytes > LARGEST_ENTRY_BYTES {
        return Err(Problem::new(format!("an entry of {bytes} B is out of range"), "use 1B to 1GiB"));
    }
    Ok(bytes as u32)
}

fn lifetime(value: &Value) -> Result<Span, Problem> {
    match Duration::read(&text(value)?)?.0 {
        Span::ZERO => Err(Problem::new("no time at all", "use a longer one, or leave it out")),
        span => Ok(span),
    }
}

fn switch(value: &Value) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| Problem::new("this is neither true nor false", "write `true` or `false`"))
}

fn eviction(value: &Value) -> Result<EvictionKind, Problem> {
    let text = text(value)?;
    text.parse().map_err(|_| {
        let names: Vec<String> = EvictionKind::all().map(|kind| kind.to_string()).collect();
        let nearest = crate::scenario::suggest::nearest(&text, names.iter().map(String::as_str));
        let help = match nearest {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("use {}", names.join(", ")),
        };
        Problem { message: format!("`{text}` is no eviction policy"), help: Some(help) }
    })
}

fn admission(value: &Value) -> Result<Admission, Problem> {
    match value.as_str() {
        Some("all") => Ok(Admission::All),
        Some("tinylfu") => Ok(Admission::TinyLfu),
        Some(_) | None => Err(Problem::new("this is no admission policy", "use `all` or `tinylfu`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wrong(settings: &Value) -> Vec<String> {
        let settings = settings.as_object().expect("settings are a mapping");
        let wrong = read(settings).err().unwrap_or_default();
        wrong.into_iter().map(|(key, message)| format!("{key}: {message}")).collect()
    }

    #[test]
    fn a_capacity_is_all_a_cache_needs() {
        let settings = json!({"capacity": "50_000"});
        let read = read(settings.as_object().expect("a mapping")).expect("nothing is wrong");
        assert_eq!(read.loading.cache.capacity, 50_000);
        assert!(!read.single_flight);
        assert_eq!(
            wrong(&json!({})),
            [
                "capacity: `capacity` is missing: how many entries the cache holds, such as `50_000`, or their size \
             together, such as `64MiB`"
            ]
        );
    }

    #[test]
    fn every_eviction_of_the_library_has_its_name_here() {
        for kind in EvictionKind::all() {
            assert_eq!(wrong(&json!({"capacity": 10, "eviction": kind.to_string()})), [""; 0]);
        }
    }

    #[test]
    fn every_mistake_is_told_with_what_to_do() {
        assert_eq!(
            wrong(
                &json!({"capacity": 0, "evction": "lru", "eviction": "s3fifo", "ttl": 5, "single_flight": "yes"})
            ),
            [
                "capacity: must be at least 1, found `0`",
                "evction: a cache has no setting `evction`; did you mean `eviction`?",
                "eviction: `s3fifo` is no eviction policy; did you mean `s3-fifo`?",
                "ttl: `5` has no unit; write `5ms` or `5s`",
                "single_flight: this is neither true nor false; write `true` or `false`",
            ]
        );
        assert_eq!(
            wrong(&json!({"capacity": "64MiB"})),
            [
                "capacity: a capacity in bytes needs to know the `entry_size`; write it, such as `entry_size: 2KiB`"
            ]
        );
        assert_eq!(
            wrong(&json!({"capacity": 10, "ttl_jitter": "10%", "refresh_after": "1s"})),
            [
                "ttl_jitter: without a `ttl` there is nothing to spread; add one",
                "refresh_after: `refresh_after` needs to tell one load from another; add `single_flight: true`"
            ]
        );
        assert_eq!(
            wrong(&json!({"capacity": 10, "single_flight": true, "ttl": "5s", "refresh_after": "5s"})),
            ["refresh_after: refresh_after is 5s, but values expire at 5s: use less than that"]
        );
    }
}
