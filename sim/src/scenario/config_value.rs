//! Values of settings that a configuration server publishes, as a scenario writes them. A few names mean something to a
//! simulated service and have their units; all others are what they look like.

use foreshock_systems::config_manager::Value;

use super::quantity::{Duration, Factor, Problem, Share, scalar_text};

/// A multiple of the service time: an integer in thousandths.
pub(crate) const SLOWDOWN: &str = "slowdown";
/// A share of requests answered with an error: an integer in parts per million.
pub(crate) const ERROR_RATE: &str = "error_rate";
/// Calls made from then on are given up after this long: a duration.
pub(crate) const CALL_DEADLINE: &str = "call_deadline";

/// Reads the value that stands under a name.
pub(crate) fn read(name: &str, written: &serde_json::Value) -> Result<Value, Problem> {
    let text = scalar_text(written).unwrap_or_default();
    let integer = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    match (name, written) {
        (SLOWDOWN, _) => Factor::read(&text).map(|factor| integer(factor.0)),
        (ERROR_RATE, _) => Share::read(&text).map(|share| integer(u64::from(share.0))),
        (CALL_DEADLINE, _) => Duration::read(&text).map(|span| Value::Duration(span.0)),
        (_, serde_json::Value::Bool(value)) => Ok(Value::Boolean(*value)),
        (_, serde_json::Value::Number(number)) => {
            let whole = number.as_i64().map(Value::Integer);
            whole.ok_or_else(|| Problem::new("this is no whole number", "write a whole number, or a text"))
        }
        (_, serde_json::Value::String(text)) => {
            let span = Duration::read(text).map(|span| Value::Duration(span.0));
            Ok(span.unwrap_or_else(|_| Value::text(text)))
        }
        (_, serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_)) => {
            Err(Problem::new("this is no single value", "write a number, a duration, a text, true or false"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_that_mean_something_have_their_units_and_others_are_what_they_look_like() {
        for (name, written, value) in [
            (SLOWDOWN, json!("x2.5"), Value::Integer(2_500)),
            (ERROR_RATE, json!("20%"), Value::Integer(200_000)),
            (CALL_DEADLINE, json!("100ms"), Value::Duration(crate::kernel::time::Span::from_millis(100))),
            ("batch", json!(7), Value::Integer(7)),
            ("fast", json!(true), Value::Boolean(true)),
            ("mode", json!("eager"), Value::text("eager")),
            ("pause", json!("3s"), Value::Duration(crate::kernel::time::Span::from_secs(3))),
        ] {
            assert_eq!(read(name, &written).ok(), Some(value), "{name}");
        }
        for (name, written) in [(SLOWDOWN, json!("fast")), (ERROR_RATE, json!("120%")), ("batch", json!([1]))]
        {
            assert!(read(name, &written).is_err(), "{name}");
        }
    }
}
