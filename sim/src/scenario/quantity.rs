//! Quantities as people write them: `800ms`, `20%`, `600/s`, `512MiB`. Read exactly, in integers, or refused with a
//! reason; one table names every format, so that the schema, the checker and the reader agree.

use std::borrow::Cow;

use foreshock_systems::time::{ParseSpanError, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

/// Why a text is not the quantity wanted, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: Option<String>,
}

impl Problem {
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Problem {
        Problem { message: message.into(), help: Some(help.into()) }
    }

    /// Both in one sentence.
    pub(crate) fn sentence(self) -> String {
        match self.help {
            Some(help) => format!("{}; {help}", self.message),
            None => self.message,
        }
    }
}

/// A format of scalars, as the schema's `format` key names it.
pub(crate) struct Format {
    /// Its name in the schema.
    pub(crate) name: &'static str,
    /// What it is, for messages: `a duration such as `800ms``.
    pub(crate) what: &'static str,
    /// Whether a scalar, as text, has this format.
    pub(crate) check: fn(&str) -> Result<(), Problem>,
}

/// The format of this name.
pub(crate) fn format_named(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// A scalar as the text it was written as; `None` for lists, mappings, null, true and false.
pub(crate) fn scalar_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

macro_rules! quantities {
    ($( $(#[$doc:meta])* $name:ident($inner:ty) = $format:literal, $types:tt, $what:literal, $example:literal, $read:path; )*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq)]
            pub(crate) struct $name(pub(crate) $inner);

            impl $name {
                /// Reads it from text.
                #[allow(dead_code, reason = "not every quantity stands inside a longer text")]
                pub(crate) fn read(text: &str) -> Result<$name, Problem> {
                    $read(text).map($name)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                    let value = Value::deserialize(deserializer)?;
                    let text = scalar_text(&value).ok_or_else(|| D::Error::custom(concat!("expected ", $what)))?;
                    $read(&text).map($name).map_err(|problem| D::Error::custom(problem.message))
                }
            }

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({"type": $types, "format": $format, "description": $what, "examples": [$example]})
                }
            }
        )*

        /// Every format there is.
        pub(crate) const FORMATS: &[Format] = &[
            $( Format { name: $format, what: $what, check: |text| $read(text).map(|_| ()) }, )*
        ];
    };
}

quantities! {
    /// A length of time.
    Duration(Span) = "foreshock-duration", ["string", "integer"], "a duration such as `800ms`", "800ms", read_duration;
    /// A length of time with a sign, in nanoseconds.
    Offset(i64) = "foreshock-offset", ["string", "integer"], "a time offset such as `+500ms` or `-5s`", "+500ms", read_offset;
    /// A share of a whole in parts per million, at most all of it.
    Share(u32) = "foreshock-share", ["string"], "a share such as `20%`", "20%", read_share;
    /// A percentage in parts per million that may exceed 100 %.
    Percentage(u64) = "foreshock-percentage", ["string"], "a percentage such as `20%`", "20%", read_percentage;
    /// Events per 1000 s.
    Rate(u64) = "foreshock-rate", ["string"], "a rate such as `600/s`", "600/s", read_rate;
    /// A size in bytes.
    Bytes(u64) = "foreshock-bytes", ["string"], "a size such as `512MiB`", "512MiB", read_bytes;
    /// Bytes per second.
    ByteRate(u64) = "foreshock-byte-rate", ["string"], "a transfer rate such as `10MiB/s`", "10MiB/s", read_byte_rate;
    /// A number of things, possibly none.
    Count(u32) = "foreshock-count", ["integer", "string"], "a whole number such as `128`", "128", read_count;
    /// A number of things, at least one.
    Positive(u32) = "foreshock-positive", ["integer", "string"], "a whole number of at least 1", "3", read_positive;
    /// A number of things that may be very large.
    Total(u64) = "foreshock-total", ["integer", "string"], "a whole number such as `1_000_000`", "1_000_000", read_total;
    /// A number of things, or `u32::MAX` for no bound.
    Limit(u32) = "foreshock-limit", ["integer", "string"], "a whole number or `unlimited`", "128", read_limit;
    /// A multiple in thousandths.
    Factor(u64) = "foreshock-factor", ["string", "number"], "a factor such as `x3` or `2.5x`", "x3", read_factor;
    /// Processor cores in thousandths.
    Cores(u64) = "foreshock-cores", ["number", "string"], "a number of cores such as `4` or `2.5`", "4", read_cores;
    /// A clock's error in parts per billion.
    Drift(i64) = "foreshock-drift", ["string"], "a clock drift such as `200ppm`", "200ppm", read_drift;
    /// A number with or without a fraction.
    Real(f64) = "foreshock-real", ["number", "string"], "a number such as `1.05`", "1.05", read_real;
    /// Any scalar as text.
    Text(String) = "foreshock-text", ["string", "number"], "a text", "v42", read_text;
}

fn cleaned(text: &str) -> String {
    text.trim().chars().filter(|c| *c != '_' && *c != ' ').collect()
}

/// Why digits are not a number of the wanted fineness.
enum Digits {
    NotANumber,
    TooFine,
    TooLarge,
}

/// `text * 10^digits` exactly.
fn decimal(text: &str, digits: u32) -> Result<u64, Digits> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(Digits::NotANumber);
    }
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > digits as usize {
        return Err(Digits::TooFine);
    }
    let padded = format!("{whole}{fraction:0<width$}", width = digits as usize);
    padded.parse().map_err(|_| Digits::TooLarge)
}

fn describe(digits: Digits, text: &str, what: &str, finest: &str) -> Problem {
    match digits {
        Digits::NotANumber => Problem { message: format!("`{text}` is not {what}"), help: None },
        Digits::TooFine => {
            Problem::new(format!("`{text}` is too fine"), format!("the finest step is {finest}"))
        }
        Digits::TooLarge => Problem { message: format!("`{text}` is too large"), help: None },
    }
}

fn is_number(text: &str) -> bool {
    !matches!(decimal(text, 9), Err(Digits::NotANumber))
}

fn read_duration(text: &str) -> Result<Span, Problem> {
    text.parse().map_err(|error: ParseSpanError| match &error {
        ParseSpanError::MissingUnit(text) => {
            let number = text.trim();
            Problem::new(format!("`{number}` has no unit"), format!("write `{number}ms` or `{number}s`"))
        }
        ParseSpanError::UnknownUnit(unit) => Problem::new(
            format!("unknown unit `{unit}` in `{text}`"),
            "the units of time are ns us ms s m h d",
        ),
        ParseSpanError::NotANumber(text) => Problem::new(
            format!("`{text}` is not a duration"),
            "write a number and a unit, as in `800ms` or `4m30s`",
        ),
        ParseSpanError::OutOfRange(text) => Problem::new(
            format!("`{text}` is out of range"),
            "a duration has whole nanoseconds and at most 584 years",
        ),
    })
}

fn read_offset(text: &str) -> Result<i64, Problem> {
    let trimmed = text.trim();
    let (negative, magnitude) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let ns = read_duration(magnitude)?.as_nanos();
    let ns = i64::try_from(ns)
        .map_err(|_| Problem::new(format!("`{text}` is out of range"), "an offset has at most 292 years"))?;
    Ok(if negative { -ns } else { ns })
}

fn read_percentage(text: &str) -> Result<u64, Problem> {
    let cleaned = cleaned(text);
    let Some(number) = cleaned.strip_suffix('%') else {
        if is_number(&cleaned) {
            return Err(Problem::new(
                format!("`{text}` has no unit"),
                format!("write it as a percentage: `{}`", as_percentage(&cleaned)),
            ));
        }
        return Err(Problem::new(format!("`{text}` is not a percentage"), "write it as in `20%` or `0.5%`"));
    };
    decimal(number, 4).map_err(|digits| describe(digits, text, "a percentage", "0.0001%"))
}

/// What the author of a bare number probably meant: fractions are shares of one.
fn as_percentage(number: &str) -> String {
    match decimal(number, 6) {
        Ok(ppm) if ppm <= 1_000_000 && number.contains('.') => show_percentage(ppm),
        Ok(_) | Err(_) => format!("{number}%"),
    }
}

/// Parts per million as people write them.
pub(crate) fn show_percentage(ppm: u64) -> String {
    let whole = ppm / 10_000;
    let fraction = format!("{:04}", ppm % 10_000);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{whole}%") } else { format!("{whole}.{fraction}%") }
}

fn read_share(text: &str) -> Result<u32, Problem> {
    let ppm = read_percentage(text)?;
    if ppm > 1_000_000 {
        return Err(Problem::new(format!("`{text}` is more than everything"), "a share is at most 100%"));
    }
    Ok(ppm as u32)
}

fn read_rate(text: &str) -> Result<u64, Problem> {
    let cleaned = cleaned(text);
    let Some((number, unit)) = cleaned.split_once('/') else {
        if is_number(&cleaned) {
            return Err(Problem::new(format!("`{text}` has no unit"), format!("write `{cleaned}/s`")));
        }
        return Err(Problem::new(
            format!("`{text}` is not a rate"),
            "write a number and a unit, as in `600/s`",
        ));
    };
    // Thousandths per second times the divisor of the unit.
    let (digits, divisor) = match unit {
        "s" => (3, 1),
        "m" | "min" => (3, 60),
        "h" => (3, 3_600),
        "d" => (3, 86_400),
        "ms" => (6, 1),
        _ => {
            return Err(Problem::new(
                format!("unknown unit `/{unit}` in `{text}`"),
                "the units of a rate are /ms /s /m /h /d",
            ));
        }
    };
    let scaled = decimal(number, digits).map_err(|digits| describe(digits, text, "a rate", "0.001/s"))?;
    if scaled % divisor != 0 {
        return Err(Problem::new(format!("`{text}` is too fine"), "the finest step is 0.001/s"));
    }
    let milli = scaled / divisor;
    if milli > MOST_MILLI_PER_S {
        return Err(Problem::new(format!("`{text}` is too large"), "a rate is at most 1_000_000_000/s"));
    }
    Ok(milli)
}

/// One request per nanosecond.
const MOST_MILLI_PER_S: u64 = 1_000_000_000_000;

/// Units of size with their bytes.
const BYTE_UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

fn read_bytes(text: &str) -> Result<u64, Problem> {
    let cleaned = cleaned(text);
    let number_length = cleaned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(cleaned.len());
    let (number, unit) = cleaned.split_at(number_length);
    if number.is_empty() {
        return Err(Problem::new(
            format!("`{text}` is not a size"),
            "write a number and a unit, as in `512MiB`",
        ));
    }
    if unit.is_empty() {
        return Err(Problem::new(
            format!("`{text}` has no unit"),
            format!("write `{number}B` or `{number}KiB`"),
        ));
    }
    let Some((_, bytes)) = BYTE_UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(Problem::new(
            format!("unknown unit `{unit}` in `{text}`"),
            "the units of size are B kB MB GB TB KiB MiB GiB TiB",
        ));
    };
    let micro = decimal(number, 6).map_err(|digits| describe(digits, text, "a size", "1B"))?;
    let wide = u128::from(micro) * u128::from(*bytes);
    if wide % 1_000_000 != 0 {
        return Err(Problem::new(format!("`{text}` is too fine"), "a size has whole bytes"));
    }
    u64::try_from(wide / 1_000_000)
        .map_err(|_| Problem { message: format!("`{text}` is too large"), help: None })
}

fn read_byte_rate(text: &str) -> Result<u64, Problem> {
    let cleaned = cleaned(text);
    let Some(size) = cleaned.strip_suffix("/s") else {
        return Err(match read_bytes(text) {
            Ok(_) => Problem::new(format!("`{text}` has no unit of time"), format!("write `{cleaned}/s`")),
            Err(_) => Problem::new(format!("`{text}` is not a transfer rate"), "write it as in `10MiB/s`"),
        });
    };
    match read_bytes(size)? {
        0 => Err(Problem::new(format!("`{text}` lets nothing through"), "use a partition to cut a link")),
        bytes => Ok(bytes),
    }
}

fn read_total(text: &str) -> Result<u64, Problem> {
    let cleaned = cleaned(text);
    decimal(&cleaned, 0).map_err(|digits| match digits {
        Digits::NotANumber if cleaned.starts_with('-') => {
            Problem { message: format!("`{text}` is less than 0"), help: None }
        }
        Digits::NotANumber | Digits::TooFine => {
            Problem { message: format!("`{text}` is not a whole number"), help: None }
        }
        Digits::TooLarge => Problem { message: format!("`{text}` is too large"), help: None },
    })
}

fn read_count(text: &str) -> Result<u32, Problem> {
    match u32::try_from(read_total(text)?) {
        Ok(u32::MAX) | Err(_) => {
            Err(Problem::new(format!("`{text}` is too large"), "the largest number here is 4_294_967_294"))
        }
        Ok(count) => Ok(count),
    }
}

fn read_positive(text: &str) -> Result<u32, Problem> {
    match read_count(text)? {
        0 => Err(Problem { message: format!("must be at least 1, found `{}`", text.trim()), help: None }),
        count => Ok(count),
    }
}

fn read_limit(text: &str) -> Result<u32, Problem> {
    if text.trim() == "unlimited" {
        return Ok(u32::MAX);
    }
    read_count(text).map_err(|problem| Problem {
        help: Some("write a whole number or `unlimited`".to_string()),
        message: problem.message,
    })
}

fn read_factor(text: &str) -> Result<u64, Problem> {
    let cleaned = cleaned(text);
    let number = cleaned.strip_prefix('x').or_else(|| cleaned.strip_suffix('x')).unwrap_or(&cleaned);
    decimal(number, 3).map_err(|digits| describe(digits, text, "a factor such as `x3`", "0.001"))
}

fn read_cores(text: &str) -> Result<u64, Problem> {
    let milli =
        decimal(&cleaned(text), 3).map_err(|digits| describe(digits, text, "a number of cores", "0.001"))?;
    if milli == 0 || milli > 1_000_000_000 {
        return Err(Problem::new(format!("`{text}` cores"), "the range is 0.001 to 1_000_000"));
    }
    Ok(milli)
}

fn read_drift(text: &str) -> Result<i64, Problem> {
    let cleaned = cleaned(text);
    let (negative, magnitude) = match cleaned.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, cleaned.strip_prefix('+').unwrap_or(&cleaned)),
    };
    let (number, digits) = match (magnitude.strip_suffix("ppm"), magnitude.strip_suffix("ppb")) {
        (Some(number), _) => (number, 3),
        (None, Some(number)) => (number, 0),
        (None, None) => {
            return Err(Problem::new(
                format!("`{text}` is not a clock drift"),
                "write it as in `200ppm` or `-50ppb`",
            ));
        }
    };
    let ppb = decimal(number, digits).map_err(|digits| describe(digits, text, "a clock drift", "1ppb"))?;
    if ppb >= 1_000_000_000 {
        return Err(Problem::new(
            format!("`{text}` is too large"),
            "a clock drifts by less than 1_000_000ppm",
        ));
    }
    Ok(if negative { -(ppb as i64) } else { ppb as i64 })
}

fn read_real(text: &str) -> Result<f64, Problem> {
    match cleaned(text).parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) | Err(_) => Err(Problem { message: format!("`{text}` is not a number"), help: None }),
    }
}

fn read_text(text: &str) -> Result<String, Problem> {
    Ok(text.to_string())
}
