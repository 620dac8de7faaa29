//! Names: revisions, scopes (application x cluster x namespace) and the keys in them. Plain data, cheap to copy.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A point in the history of a whole store: every write that changes something makes the next one. One for all keys,
/// as etcd's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub u64);

impl Revision {
    /// Before the first write.
    pub const ZERO: Revision = Revision(0);

    /// The revision after this one.
    #[must_use]
    pub const fn next(self) -> Revision {
        Revision(self.0.saturating_add(1))
    }

    /// The revision before this one; zero stays zero.
    #[must_use]
    pub const fn previous(self) -> Revision {
        Revision(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A scope has three parts.
    Scope(String),
    /// A key is a scope and a name.
    Key(String),
    /// A part is empty, longer than 255 bytes, or has a slash or a control character. Holds the part.
    Part(String),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Scope(text) => {
                write!(
                    f,
                    "`{text}` is no scope: write application/cluster/namespace, as shop/default/checkout"
                )
            }
            KeyError::Key(text) => {
                write!(f, "`{text}` is no key: write a scope and a name, as shop/default/checkout/timeout")
            }
            KeyError::Part(part) => {
                write!(
                    f,
                    "`{}` is no name: 1 to 255 bytes without `/` and control characters",
                    part.escape_debug()
                )
            }
        }
    }
}

impl std::error::Error for KeyError {}

/// The longest part of a name, in bytes.
const MOST_PART_BYTES: usize = 255;

fn check_part(part: &str) -> Result<(), KeyError> {
    let is_good = !part.is_empty()
        && part.len() <= MOST_PART_BYTES
        && !part.chars().any(|letter| letter == '/' || letter.is_control());
    if is_good { Ok(()) } else { Err(KeyError::Part(part.to_string())) }
}

/// Whose settings: an application, in a cluster, in a namespace. What is published is published for one scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope(Arc<str>);

/// The cluster that counts where another one says nothing (Apollo's word).
pub const DEFAULT_CLUSTER: &str = "default";

impl Scope {
    /// A scope.
    ///
    /// # Errors
    /// [`KeyError::Part`].
    pub fn new(application: &str, cluster: &str, namespace: &str) -> Result<Scope, KeyError> {
        for part in [application, cluster, namespace] {
            check_part(part)?;
        }
        Ok(Scope(format!("{application}/{cluster}/{namespace}").into()))
    }

    /// A scope and what counts where it says nothing: the same namespace in the default cluster. First wins.
    ///
    /// # Errors
    /// [`KeyError::Part`].
    pub fn with_fallback(application: &str, cluster: &str, namespace: &str) -> Result<Vec<Scope>, KeyError> {
        let mut scopes = vec![Scope::new(application, cluster, namespace)?];
        if cluster != DEFAULT_CLUSTER {
            scopes.push(Scope::new(application, DEFAULT_CLUSTER, namespace)?);
        }
        Ok(scopes)
    }

    /// A key in it.
    ///
    /// # Errors
    /// [`KeyError::Part`].
    pub fn key(&self, name: &str) -> Result<Key, KeyError> {
        check_part(name)?;
        Ok(Key { scope: self.clone(), name: name.into() })
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The least of all keys in it; itself no key.
    pub(super) fn floor(&self) -> Key {
        Key { scope: self.clone(), name: "".into() }
    }
}

impl FromStr for Scope {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Scope, KeyError> {
        let parts: Vec<&str> = text.split('/').collect();
        let [application, cluster, namespace] = parts[..] else {
            return Err(KeyError::Scope(text.to_string()));
        };
        Scope::new(application, cluster, namespace)
    }
}

impl TryFrom<String> for Scope {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Scope, KeyError> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> String {
        scope.0.to_string()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One setting of a scope. In order of scopes, then of names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key {
    scope: Scope,
    name: Arc<str>,
}

impl Key {
    /// Whose.
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Its name in its scope: what a program asks for.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        let (scope, name) = text.rsplit_once('/').ok_or_else(|| KeyError::Key(text.to_string()))?;
        scope.parse::<Scope>().map_err(|_| KeyError::Key(text.to_string()))?.key(name)
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Key, KeyError> {
        text.parse()
    }
}

impl From<Key> for String {
    fn from(key: Key) -> String {
        key.to_string()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.name)
    }
}
