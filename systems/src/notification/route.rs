//! The routing tree: which receivers an alert goes to, and with which timing. Pure: the same labels give the same routes.
//!
//! Depth first, in the order of the tree. If a child matches, it answers instead of its parent; a child that matched
//! ends the search among its siblings unless it says `continue`. The root matches everything.

use super::label::Labels;
use super::matcher::{Matcher, Matchers};
use crate::time::Span;
use std::fmt;

/// By which labels alerts are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By these; none puts all alerts of the route into one group.
    Labels(Vec<String>),
    /// By all, written `...`: every alert is its own group.
    All,
}

/// A node of the tree as it is written down. What is `None` comes from the parent, in the root from
/// [`RouteOptions::default`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteConfig {
    /// Who is told. The root needs one.
    pub receiver: Option<String>,
    /// For which alerts. The root has none.
    pub matchers: Vec<Matcher>,
    /// How alerts are put together.
    pub group_by: Option<GroupBy>,
    /// See [`RouteOptions::group_wait`].
    pub group_wait: Option<Span>,
    /// See [`RouteOptions::group_interval`].
    pub group_interval: Option<Span>,
    /// See [`RouteOptions::repeat_interval`].
    pub repeat_interval: Option<Span>,
    /// Whether the siblings after it are tried as well.
    pub continues: bool,
    /// Names of intervals in which it is silent. Not inherited.
    pub mute_intervals: Vec<String>,
    /// Names of intervals outside of which it is silent; none is always. Not inherited.
    pub active_intervals: Vec<String>,
    /// Its children.
    pub routes: Vec<RouteConfig>,
}

/// A route with everything it inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteOptions {
    /// Who is told.
    pub receiver: String,
    /// How alerts are put together.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts. Alertmanager: 30 s.
    pub group_wait: Span,
    /// How long after that, and between ticks, a change of the group waits. Above zero. Alertmanager: 5 m.
    pub group_interval: Span,
    /// After how long an unchanged group is told again, at the next tick. Above zero. Alertmanager: 4 h.
    pub repeat_interval: Span,
    /// When it is silent.
    pub mute_intervals: Vec<String>,
    /// When it is not; none is always.
    pub active_intervals: Vec<String>,
}

impl Default for RouteOptions {
    fn default() -> RouteOptions {
        RouteOptions {
            receiver: String::new(),
            group_by: GroupBy::Labels(Vec::new()),
            group_wait: Span::from_secs(30),
            group_interval: Span::from_secs(5 * 60),
            repeat_interval: Span::from_secs(4 * 3_600),
            mute_intervals: Vec::new(),
            active_intervals: Vec::new(),
        }
    }
}

impl RouteOptions {
    /// The labels of the group an alert belongs to.
    pub fn group_of(&self, labels: &Labels) -> Labels {
        match &self.group_by {
            GroupBy::Labels(names) => labels.only(names),
            GroupBy::All => labels.clone(),
        }
    }

    fn inherited(&self, config: &RouteConfig) -> RouteOptions {
        RouteOptions {
            receiver: config.receiver.clone().unwrap_or_else(|| self.receiver.clone()),
            group_by: config.group_by.clone().unwrap_or_else(|| self.group_by.clone()),
            group_wait: config.group_wait.unwrap_or(self.group_wait),
            group_interval: config.group_interval.unwrap_or(self.group_interval),
            repeat_interval: config.repeat_interval.unwrap_or(self.repeat_interval),
            mute_intervals: config.mute_intervals.clone(),
            active_intervals: config.active_intervals.clone(),
        }
    }
}

/// A route's place in the order of the tree; the root is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(pub u32);

/// One route of a tree.
#[derive(Clone, Debug)]
pub struct Route {
    pub(super) matchers: Matchers,
    pub(super) continues: bool,
    pub(super) parent: Option<RouteId>,
    children: Vec<RouteId>,
    /// Its options.
    pub options: RouteOptions,
    /// Matcher sets from the root down to it, joined by `/`; the root is `{}`.
    pub key: String,
}

/// The deepest tree that is accepted.
pub const MAX_DEPTH: u32 = 64;

/// The tree, ready to be asked.
#[derive(Clone, Debug)]
pub struct RouteTree {
    /// In tree order: a route stands before its children, and they before its next sibling.
    routes: Vec<Route>,
}

impl RouteTree {
    /// Builds it.
    ///
    /// # Errors
    /// [`RouteError`] names the first thing that is wrong, and the key of the route.
    pub fn new(root: &RouteConfig) -> Result<RouteTree, RouteError> {
        if root.receiver.is_none() {
            return Err(RouteError::NoReceiver);
        }
        if !root.matchers.is_empty() {
            return Err(RouteError::RootMatches);
        }
        let mut tree = RouteTree { routes: Vec::new() };
        tree.add(root, None, &RouteOptions::default(), 0)?;
        Ok(tree)
    }

    fn add(
        &mut self,
        config: &RouteConfig,
        parent: Option<RouteId>,
        above: &RouteOptions,
        depth: u32,
    ) -> Result<RouteId, RouteError> {
        let matchers = Matchers::new(config.matchers.clone());
        let key = match parent {
            Some(parent) => format!("{}/{matchers}", self.routes[parent.0 as usize].key),
            None => matchers.to_string(),
        };
        if depth >= MAX_DEPTH {
            return Err(RouteError::TooDeep);
        }
        let options = above.inherited(config);
        if options.group_interval.is_zero() || options.repeat_interval.is_zero() {
            return Err(RouteError::NoInterval { key });
        }
        let id = RouteId(u32::try_from(self.routes.len()).map_err(|_| RouteError::TooMany)?);
        let continues = config.continues;
        self.routes.push(Route { matchers, continues, parent, children: Vec::new(), options, key });
        let options = self.routes[id.0 as usize].options.clone();
        for child in &config.routes {
            let child = self.add(child, Some(id), &options, depth + 1)?;
            self.routes[id.0 as usize].children.push(child);
        }
        Ok(id)
    }

    /// The routes of an alert in tree order, at least one. Allocates only what it returns.
    pub fn matching(&self, labels: &Labels) -> Vec<RouteId> {
        let mut found = Vec::new();
        self.visit(RouteId(0), labels, true, &mut found);
        found
    }

    /// The same, as if nobody said `continue`.
    #[cfg(test)]
    pub(super) fn matching_without_continue(&self, labels: &Labels) -> Vec<RouteId> {
        let mut found = Vec::new();
        self.visit(RouteId(0), labels, false, &mut found);
        found
    }

    fn visit(&self, id: RouteId, labels: &Labels, may_continue: bool, found: &mut Vec<RouteId>) -> bool {
        let route = &self.routes[id.0 as usize];
        if !route.matchers.matches(labels) {
            return false;
        }
        let before = found.len();
        for child in &route.children {
            let matched = self.visit(*child, labels, may_continue, found);
            if matched && !(may_continue && self.routes[child.0 as usize].continues) {
                break;
            }
        }
        if found.len() == before {
            found.push(id);
        }
        true
    }

    /// A route; `None` for an id of another tree.
    pub fn get(&self, id: RouteId) -> Option<&Route> {
        self.routes.get(id.0 as usize)
    }

    /// All routes in tree order.
    pub fn iter(&self) -> impl Iterator<Item = (RouteId, &Route)> {
        (0..).map(RouteId).zip(&self.routes)
    }
}

/// Why a tree is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// The root has no receiver.
    NoReceiver,
    /// The root has matchers.
    RootMatches,
    /// A route has a group or repeat interval of zero.
    NoInterval {
        /// Which.
        key: String,
    },
    /// A route names an interval that is not defined.
    UnknownInterval {
        /// Which route.
        key: String,
        /// Which interval.
        name: String,
    },
    /// It is deeper than [`MAX_DEPTH`].
    TooDeep,
    /// It has more routes than can be counted.
    TooMany,
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::NoReceiver => {
                f.write_str("the root route needs a receiver: it gets what no other does")
            }
            RouteError::RootMatches => {
                f.write_str("the root route matches everything: move its matchers to a child")
            }
            RouteError::NoInterval { key } => {
                write!(f, "route {key}: group_interval and repeat_interval have to be above zero")
            }
            RouteError::UnknownInterval { key, name } => {
                write!(f, "route {key}: there is no time interval `{name}`: define it, or correct the name")
            }
            RouteError::TooDeep => {
                write!(f, "the tree is deeper than {MAX_DEPTH} routes: put matchers together")
            }
            RouteError::TooMany => f.write_str("the tree has more than 4294967296 routes"),
        }
    }
}

impl std::error::Error for RouteError {}
