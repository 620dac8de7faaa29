//! Who follows which configuration server, and what is released.

use foreshock_systems::config_manager::{
    Apply, CanaryRule, ClientConfig, OnStoreDown, Scope, Transport, Value, View,
};
use indexmap::IndexMap;

use super::calls::Caller;
use super::run::span_or;
use super::{Checker, PLAIN_KIND};
use crate::kernel::draw::name_hash;
use crate::kernel::time::Span;
use crate::scenario::config_value;
use crate::scenario::path::Path;
use crate::scenario::plan::{Action, ConfigClientPlan, ConfigRole, PublishPlan, ServiceId, Setting};
use crate::scenario::raw::{
    RawApply, RawConfigClient, RawOnStoreDown, RawPolicy, RawPublish, RawService, RawTransport,
};
use crate::scenario::suggest;

/// The namespace of all settings: a scenario has one for each application.
const NAMESPACE: &str = "application";
/// The cluster.
const CLUSTER: &str = "default";
/// A long poll waits for so long, unless said otherwise.
const HOLD: Span = Span::from_secs(30);
/// The longest: what fits a request.
const MOST_HOLD: Span = Span::from_secs(3_600);

/// The scope of an application's settings.
pub(crate) fn scope_of(application: &str) -> Option<Scope> {
    Scope::new(application, CLUSTER, NAMESPACE).ok()
}

impl Checker<'_> {
    /// How a service follows a server; the questions are one more of its calls.
    pub(crate) fn config_client(
        &mut self,
        path: &Path,
        service: &RawService,
        caller: &mut Caller<'_>,
    ) -> Option<ConfigClientPlan> {
        let raw = service.config_client.as_ref()?;
        let at = path.key("config_client");
        let kind = service.kind.as_deref().unwrap_or(PLAIN_KIND);
        let is_known = self.around.kinds.names().iter().any(|known| known == kind);
        if is_known && self.around.kinds.traits(kind).config != ConfigRole::Follows {
            let message = format!("a service of kind `{kind}` follows no configuration server");
            self.error_at_key(&at, message, Some("remove `config_client`".to_string()));
        }
        let edge = self.edge(&at, &raw.to, &RawPolicy::default(), caller)?;
        let server = self.edges.get(edge.index()).map(|edge| edge.callee)?;
        self.check_config_server(&at.key("to"), server, &raw.to);
        let name = self.party_name(caller.party).to_string();
        let application = raw.application.clone().unwrap_or(name);
        self.check_application(&at.key("application"), server, &application);
        let defaults = self.config_values(&at.key("defaults"), &raw.defaults);
        let client = self.client_config(&at, raw, &application)?;
        let hold = match client.transport {
            Transport::Stream => Span::ZERO,
            Transport::Poll { hold, .. } => hold,
        };
        if let Some(edge) = self.edges.get_mut(edge.index()) {
            // As long as the client itself waits.
            edge.policy.timeout = Some(client.request_timeout + hold);
        }
        Some(ConfigClientPlan { edge, client, is_cached: raw.cache.unwrap_or(true), defaults })
    }

    fn client_config(
        &mut self,
        path: &Path,
        raw: &RawConfigClient,
        application: &str,
    ) -> Option<ClientConfig> {
        let scope = match Scope::new(application, CLUSTER, NAMESPACE) {
            Ok(scope) => scope,
            Err(error) => {
                self.error_at_key(path, error.to_string(), None);
                return None;
            }
        };
        let usual = ClientConfig::new(View { instance: String::new(), scopes: vec![scope] });
        let transport = match raw.transport {
            None | Some(RawTransport::Stream) => Transport::Stream,
            Some(RawTransport::Poll) => Transport::Poll {
                hold: span_or(raw.hold.as_ref(), HOLD),
                pause: span_or(raw.pause.as_ref(), Span::ZERO),
            },
        };
        self.check_transport(path, raw, transport);
        let config = ClientConfig {
            transport,
            request_timeout: span_or(raw.request_timeout.as_ref(), usual.request_timeout),
            silence_timeout: span_or(raw.silence_timeout.as_ref(), usual.silence_timeout),
            retry_base: span_or(raw.retry_base.as_ref(), usual.retry_base),
            retry_cap: span_or(raw.retry_cap.as_ref(), usual.retry_cap),
            resync_jitter: span_or(raw.resync_jitter.as_ref(), usual.resync_jitter),
            boot_timeout: span_or(raw.boot_timeout.as_ref(), usual.boot_timeout),
            on_store_down: match raw.on_store_down {
                None | Some(RawOnStoreDown::LastKnownGood) => OnStoreDown::LastKnownGood,
                Some(RawOnStoreDown::FailFastAtBoot) => OnStoreDown::FailFastAtBoot,
            },
            debounce: span_or(raw.debounce.as_ref(), usual.debounce),
            apply: match raw.apply {
                None | Some(RawApply::AtRequestBoundary) => Apply::AtRequestBoundary,
                Some(RawApply::Immediately) => Apply::Immediately,
            },
            is_recorded: true,
            ..usual
        };
        if let Err(error) = config.validate() {
            self.error_at_key(path, error.to_string(), None);
        }
        Some(config)
    }

    fn check_transport(&mut self, path: &Path, raw: &RawConfigClient, transport: Transport) {
        match transport {
            Transport::Stream => {
                for (key, given) in [("hold", raw.hold.is_some()), ("pause", raw.pause.is_some())] {
                    if given && self.lost.is_whole(path) {
                        let message = format!("`{key}` has an effect with `transport: poll` only");
                        self.error_at_key(&path.key(key), message, None);
                    }
                }
            }
            Transport::Poll { hold, .. } if hold > MOST_HOLD => {
                let help = Some(format!("the most is {MOST_HOLD}"));
                self.error_at_value(&path.key("hold"), "too long a wait".to_string(), help);
            }
            Transport::Poll { .. } => {}
        }
    }

    /// Says so if a service keeps no settings of others.
    fn check_config_server(&mut self, path: &Path, server: ServiceId, name: &str) {
        let Some(plan) = self.services.get(server.index()) else { return };
        if self.around.kinds.traits(&plan.kind).config != ConfigRole::Serves {
            let message = format!("`{name}` is of kind `{}`, which keeps no settings of others", plan.kind);
            let help = "name a service of kind `config-server`".to_string();
            self.error_at_value(path, message, Some(help));
        }
    }

    /// Says so if a server does not know an application.
    fn check_application(&mut self, path: &Path, server: ServiceId, application: &str) {
        let Some(plan) = self.services.get(server.index()) else { return };
        if self.around.kinds.traits(&plan.kind).config != ConfigRole::Serves {
            return;
        }
        let applications = plan.settings.get("applications").and_then(serde_json::Value::as_object);
        let known: Vec<String> = applications.map_or_else(Vec::new, |known| known.keys().cloned().collect());
        if !known.iter().any(|name| name == application) {
            let message = format!("`{}` has no settings of `{application}`", plan.name);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = suggest::help(application, &known)
                .or_else(|| Some(format!("add `applications: {{{application}: {{values: {{}}}}}}` to it")));
            self.error_at_value(path, message, help);
        }
    }

    fn config_values(
        &mut self,
        path: &Path,
        raw: &IndexMap<String, serde_json::Value>,
    ) -> Vec<(String, Value)> {
        let mut values = Vec::with_capacity(raw.len());
        for (name, written) in raw {
            match config_value::read(name, written) {
                Ok(value) => values.push((name.clone(), value)),
                Err(problem) => self.error_at_value(&path.key(name), problem.message, problem.help),
            }
        }
        values
    }

    /// A release.
    pub(crate) fn publish(&mut self, path: &Path, raw: &RawPublish, id: &str) -> Option<Action> {
        let server = self.service(&path.key("to"), &raw.to)?;
        self.check_config_server(&path.key("to"), server, &raw.to);
        self.check_application(&path.key("application"), server, &raw.application);
        if raw.set.is_empty() {
            self.missing(&path.key("set"), "no setting changes".to_string(), None);
        }
        let set = self.config_values(&path.key("set"), &raw.set);
        let is_canary = raw.canary.is_some() || raw.instances.is_some();
        let canary = is_canary.then(|| CanaryRule {
            instances: raw.instances.iter().flatten().cloned().collect(),
            share_ppm: raw.canary.as_ref().map_or(0, |share| share.0),
            // Not the same instances are canaries of everything.
            salt: name_hash(id),
        });
        if let Some(Err(error)) = canary.as_ref().map(CanaryRule::validate) {
            self.error_at_key(&path.key("canary"), error.to_string(), None);
        }
        for (index, instance) in raw.instances.iter().flatten().enumerate() {
            self.check_instance(&path.key("instances").index(index), instance);
        }
        let setting = |(name, value): (&String, &serde_json::Value)| Setting {
            path: name.clone(),
            value: value.clone(),
        };
        let (application, written) = (raw.application.clone(), raw.set.iter().map(setting).collect());
        Some(Action::Publish(PublishPlan { server, application, set, written, canary }))
    }

    /// An instance is `service/replica`, from 1.
    fn check_instance(&mut self, path: &Path, instance: &str) {
        let Some((name, replica)) = instance.split_once('/') else {
            let help = "write it as in `checkout/2`".to_string();
            return self.error_at_value(path, format!("`{instance}` is no replica"), Some(help));
        };
        let Some(service) = self.service(path, name) else { return };
        let replicas = self.services.get(service.index()).map_or(0, |service| service.max_replicas);
        if !replica.parse::<u32>().is_ok_and(|number| (1..=replicas).contains(&number)) {
            let message = format!("`{name}` has no replica `{replica}`");
            self.error_at_value(path, message, Some(format!("they are 1 to {replicas}")));
        }
    }
}
