//! Reads the part of the query language that the scripts about plain numbers need. Anything else is refused with
//! the reason why.

use super::script::{number, span};
use super::store::LabelSet;
use foreshock_systems::{Span, Time};

/// An expression.
#[derive(Debug)]
pub(super) enum Expression {
    Number(f64),
    Instant(Selector),
    Range(Selector, Span),
    Call(String, Vec<Expression>),
    Aggregate { operator: String, by: Vec<String>, inner: Box<Expression> },
    Binary { operator: &'static str, left: Box<Expression>, right: Box<Expression> },
}

/// Which series, and when.
#[derive(Debug)]
pub(super) struct Selector {
    pub(super) matchers: Vec<Matcher>,
    pub(super) at: Option<Time>,
    pub(super) offset: Span,
}

/// One condition on a label; a label that is not there is empty.
#[derive(Debug)]
pub(super) struct Matcher {
    pub(super) label: String,
    pub(super) wanted: bool,
    pub(super) test: Test,
}

/// What a label is compared with.
#[derive(Debug)]
pub(super) enum Test {
    Equals(String),
    Matches(regex::Regex),
}

impl Matcher {
    pub(super) fn accepts(&self, labels: &LabelSet) -> bool {
        let value = labels.get(&self.label).map_or("", String::as_str);
        let holds = match &self.test {
            Test::Equals(text) => text == value,
            Test::Matches(pattern) => pattern.is_match(value),
        };
        holds == self.wanted
    }
}

type Read<T> = Result<T, &'static str>;

const UNKNOWN: &str = "more of the language than is read here";

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Read<Expression> {
    let mut reader = Reader { rest: text.trim() };
    let expression = reader.binary(0)?;
    if reader.rest.is_empty() { Ok(expression) } else { Err(UNKNOWN) }
}

/// Operators from the loosest to the tightest; all bind to the left.
const OPERATORS: [&[&str]; 3] = [&["==", "!=", "<=", ">=", "<", ">"], &["+", "-"], &["*", "/"]];

const AGGREGATES: [&str; 5] = ["sum", "avg", "min", "max", "count"];

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn binary(&mut self, level: usize) -> Read<Expression> {
        let Some(operators) = OPERATORS.get(level) else { return self.operand() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.eat(operator)) {
            let right = self.binary(level + 1)?;
            left = Expression::Binary { operator, left: Box::new(left), right: Box::new(right) };
        }
        Ok(left)
    }

    fn operand(&mut self) -> Read<Expression> {
        if self.eat("(") {
            let inner = self.binary(0)?;
            self.expect(")")?;
            return if self.rest.starts_with('[') { Err("a subquery") } else { Ok(inner) };
        }
        if self.eat("-") {
            let inner = self.operand()?;
            let zero = Box::new(Expression::Number(0.0));
            return Ok(match inner {
                Expression::Number(number) => Expression::Number(-number),
                inner => Expression::Binary { operator: "-", left: zero, right: Box::new(inner) },
            });
        }
        let _plus = self.eat("+");
        if self.rest.starts_with('{') {
            return self.selector("");
        }
        let word = self.word();
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') || number(word).is_some() {
            let seconds = || span(word).map(|span| span.as_nanos() as f64 / 1e9);
            return number(word).or_else(seconds).map(Expression::Number).ok_or(UNKNOWN);
        }
        if word.is_empty() {
            return Err(UNKNOWN);
        }
        if AGGREGATES.contains(&word) {
            return self.aggregate(word);
        }
        if self.eat("(") {
            return self.call(word);
        }
        self.selector(word)
    }

    fn call(&mut self, name: &str) -> Read<Expression> {
        let mut arguments = Vec::new();
        while !self.eat(")") {
            if self.rest.starts_with(['"', '\'']) {
                return Err("functions of texts");
            }
            arguments.push(self.binary(0)?);
            if !self.eat(",") && !self.rest.starts_with(')') {
                return Err(UNKNOWN);
            }
        }
        if self.rest.starts_with('[') {
            return Err("a subquery");
        }
        Ok(Expression::Call(name.to_string(), arguments))
    }

    fn aggregate(&mut self, operator: &str) -> Read<Expression> {
        let mut by = self.grouping()?;
        self.expect("(")?;
        let inner = Box::new(self.binary(0)?);
        self.expect(")")?;
        if by.is_empty() {
            by = self.grouping()?;
        }
        Ok(Expression::Aggregate { operator: operator.to_string(), by, inner })
    }

    /// `by (a, b)`, if it is there.
    fn grouping(&mut self) -> Read<Vec<String>> {
        if self.rest.starts_with("without") {
            return Err("aggregation without labels");
        }
        let mut labels = Vec::new();
        if self.eat("by") {
            self.expect("(")?;
            while !self.eat(")") {
                labels.push(self.word().to_string());
                let _more = self.eat(",");
            }
        }
        Ok(labels)
    }

    fn selector(&mut self, name: &str) -> Read<Expression> {
        let mut matchers = Vec::new();
        if !name.is_empty() {
            matchers.push(Matcher {
                label: "__name__".to_string(),
                wanted: true,
                test: Test::Equals(name.to_string()),
            });
        }
        if self.eat("{") {
            while !self.eat("}") {
                matchers.push(self.matcher()?);
                if !self.eat(",") && !self.rest.starts_with('}') {
                    return Err(UNKNOWN);
                }
            }
        }
        let mut length = None;
        if self.eat("[") {
            let (inner, after) = self.rest.split_once(']').ok_or(UNKNOWN)?;
            if inner.contains(':') {
                return Err("a subquery");
            }
            length = Some(span(inner.trim()).ok_or("a computed duration")?);
            self.rest = after.trim_start();
        }
        let mut selector = Selector { matchers, at: None, offset: Span::ZERO };
        loop {
            if self.eat("offset") {
                selector.offset = span(self.word()).ok_or("a negative or computed offset")?;
            } else if self.eat("@") {
                selector.at = Some(Time::ZERO + span(self.word()).ok_or("a computed time")?);
            } else {
                break;
            }
        }
        let modifiers = ["and ", "or ", "unless ", "on(", "ignoring(", "anchored", "smoothed", "fill"];
        if modifiers.iter().any(|modifier| self.rest.starts_with(modifier)) {
            return Err("set operators and other modifiers");
        }
        Ok(match length {
            Some(length) => Expression::Range(selector, length),
            None => Expression::Instant(selector),
        })
    }

    fn matcher(&mut self) -> Read<Matcher> {
        let label = self.word().to_string();
        let operator =
            ["=~", "!~", "!=", "="].into_iter().find(|operator| self.eat(operator)).ok_or(UNKNOWN)?;
        let (text, after) = quoted(self.rest).ok_or(UNKNOWN)?;
        self.rest = after.trim_start();
        let test = match operator {
            "=" | "!=" => Test::Equals(text),
            _ => Test::Matches(regex::Regex::new(&format!("^(?:{text})$")).map_err(|_| UNKNOWN)?),
        };
        Ok(Matcher { label, wanted: operator.starts_with('='), test })
    }

    /// Letters, digits and what numbers and names are made of; an exponent may have a sign.
    fn word(&mut self) -> &'a str {
        let mut before = ' ';
        let is_number = self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        let end = self.rest.find(|c: char| {
            let exponent = is_number && matches!(before, 'e' | 'E') && matches!(c, '+' | '-');
            before = c;
            !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':') || exponent)
        });
        let (word, after) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = after.trim_start();
        word
    }

    /// Takes `token` if it comes next; a word only as a whole.
    fn eat(&mut self, token: &str) -> bool {
        let Some(after) = self.rest.strip_prefix(token) else { return false };
        let is_word = token.ends_with(|c: char| c.is_ascii_alphanumeric());
        if is_word && after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = after.trim_start();
        true
    }

    fn expect(&mut self, token: &str) -> Read<()> {
        if self.eat(token) { Ok(()) } else { Err(UNKNOWN) }
    }
}

/// The labels after `{`, and the rest after `}`.
pub(super) fn label_pairs(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut pairs = Vec::new();
    let mut reader = Reader { rest: text.trim_start() };
    while !reader.eat("}") {
        let (name, value) = if reader.rest.starts_with('"') {
            // A name in quotes stands for the metric's name.
            let (name, after) = quoted(reader.rest)?;
            reader.rest = after.trim_start();
            ("__name__".to_string(), name)
        } else {
            let name = reader.word().to_string();
            if !reader.eat("=") {
                return None;
            }
            let (value, after) = quoted(reader.rest)?;
            reader.rest = after.trim_start();
            (name, value)
        };
        pairs.push((name, value));
        let _more = reader.eat(",");
    }
    Some((pairs, reader.rest))
}

/// A text in quotes, and what comes after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let mut value = String::new();
    let mut escaped = false;
    for (place, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => {
                value.push(if c == 'n' { '\n' } else { c });
                escaped = false;
            }
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return Some((value, &text[place + 1..])),
            c => value.push(c),
        }
    }
    None
}
