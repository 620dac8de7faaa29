//! Whom a flag is evaluated for. Borrows everything: a context costs nothing to make and to pass on.

use super::hash::{Digits, Murmur3};

/// What is known about the request: Unleash's fields, and properties of your own.
///
/// Time and chance are part of it. The same context gives the same answer on every node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// `userId`
    pub user_id: Option<&'a str>,
    /// `sessionId`
    pub session_id: Option<&'a str>,
    /// `remoteAddress`: an IPv4 or IPv6 address.
    pub remote_address: Option<&'a str>,
    /// `environment`
    pub environment: Option<&'a str>,
    /// `appName`
    pub app_name: Option<&'a str>,
    /// `currentTime`, as RFC 3339 writes it. Nobody fills it in for you.
    pub current_time: Option<&'a str>,
    /// Properties by name; the first of a name counts.
    pub properties: &'a [(&'a str, &'a str)],
    /// A uniformly distributed word, for whoever is bucketed at random.
    pub random_word: u64,
    /// Where to look for what is not here: what the client knows, behind it what the process knows. The random word is
    /// not inherited.
    pub outer: Option<&'a Context<'a>>,
}

/// How far a context reaches into its outer ones.
const MOST_LAYERS: usize = 16;

impl<'a> Context<'a> {
    /// The value of `field`, from the innermost layer that has one.
    pub fn value(&self, field: &Field) -> Option<&'a str> {
        let mut layer = *self;
        for _ in 0..MOST_LAYERS {
            if let Some(value) = layer.own(field) {
                return Some(value);
            }
            layer = *layer.outer?;
        }
        None
    }

    fn own(&self, field: &Field) -> Option<&'a str> {
        match field {
            Field::UserId => self.user_id,
            Field::SessionId => self.session_id,
            Field::RemoteAddress => self.remote_address,
            Field::Environment => self.environment,
            Field::AppName => self.app_name,
            Field::CurrentTime => self.current_time,
            Field::Property(name) => {
                self.properties.iter().find(|(own, _)| **own == **name).map(|(_, value)| *value)
            }
        }
    }
}

/// Which part of a context a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `userId`
    UserId,
    /// `sessionId`
    SessionId,
    /// `remoteAddress`
    RemoteAddress,
    /// `environment`
    Environment,
    /// `appName`
    AppName,
    /// `currentTime`
    CurrentTime,
    /// A property by its name.
    Property(Box<str>),
}

impl Field {
    /// The field of that name in Unleash's format.
    pub fn named(name: &str) -> Field {
        match name {
            "userId" => Field::UserId,
            "sessionId" => Field::SessionId,
            "remoteAddress" => Field::RemoteAddress,
            "environment" => Field::Environment,
            "appName" => Field::AppName,
            "currentTime" => Field::CurrentTime,
            name => Field::Property(name.into()),
        }
    }
}

/// By what a bucket stays the same for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stickiness {
    /// The user, else the session, else the random word.
    Default,
    /// The context's random word: not sticky at all.
    Random,
    /// One field.
    Field(Field),
}

/// Who is bucketed when the field of the stickiness is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingSticky {
    /// Nobody: not in the rollout. Unleash.
    #[default]
    NotInRollout,
    /// The user, else the session, else the random word.
    Default,
    /// The random word. Unleash for variants: who is in the rollout has to get one of them.
    Random,
}

impl Stickiness {
    /// The stickiness of that name in Unleash's format.
    pub fn named(name: &str) -> Stickiness {
        match name {
            "" | "default" => Stickiness::Default,
            "random" => Stickiness::Random,
            name => Stickiness::Field(Field::named(name)),
        }
    }

    /// The hash that `prefix` becomes with whoever is bucketed behind it.
    pub(super) fn hash(&self, prefix: Murmur3, context: &Context<'_>, missing: MissingSticky) -> Option<u32> {
        let by_default = || context.value(&Field::UserId).or_else(|| context.value(&Field::SessionId));
        let id = match (self, missing) {
            (Stickiness::Random, _) => None,
            (Stickiness::Default, _) => by_default(),
            (Stickiness::Field(field), MissingSticky::NotInRollout) => Some(context.value(field)?),
            (Stickiness::Field(field), MissingSticky::Default) => context.value(field).or_else(by_default),
            (Stickiness::Field(field), MissingSticky::Random) => context.value(field),
        };
        Some(match id {
            Some(id) => prefix.with(id).finish(),
            None => prefix.with(Digits::of(context.random_word).as_str()).finish(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_layer_that_knows_answers() {
        let process = Context { environment: Some("prod"), app_name: Some("shop"), ..Context::default() };
        let client = Context { properties: &[("region", "eu")], outer: Some(&process), ..Context::default() };
        let request = Context {
            app_name: Some("cart"),
            properties: &[("plan", "pro")],
            outer: Some(&client),
            ..Context::default()
        };
        for (name, expected) in [
            ("appName", Some("cart")),
            ("environment", Some("prod")),
            ("region", Some("eu")),
            ("userId", None),
        ] {
            assert_eq!(request.value(&Field::named(name)), expected, "{name}");
        }
    }

    #[test]
    fn by_default_the_user_is_bucketed_then_the_session_then_chance() {
        let hash = |context: Context<'_>| {
            Stickiness::Default.hash(Murmur3::new(0), &context, MissingSticky::NotInRollout)
        };
        let expected = |id: &str| Some(Murmur3::new(0).with(id).finish());
        let session = Context { session_id: Some("s"), random_word: 12, ..Context::default() };
        assert_eq!(hash(Context { user_id: Some("u"), ..session }), expected("u"));
        assert_eq!(hash(session), expected("s"));
        assert_eq!(hash(Context { session_id: None, ..session }), expected("12"));
    }

    #[test]
    fn without_its_field_a_bucket_is_nobodys_or_the_next_ones() {
        let stickiness = Stickiness::named("tenant");
        let user = Context { user_id: Some("u"), ..Context::default() };
        assert_eq!(stickiness.hash(Murmur3::new(0), &user, MissingSticky::NotInRollout), None);
        let next = stickiness.hash(Murmur3::new(0), &user, MissingSticky::Default);
        assert_eq!(next, Some(Murmur3::new(0).with("u").finish()));
    }
}
