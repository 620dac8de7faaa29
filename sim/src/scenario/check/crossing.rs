//! What only shows when everything is known: calls in a circle, retries nobody waits for, policies without effect.

use super::Checker;
use crate::kernel::time::Span;
use crate::scenario::path::Path;
use crate::scenario::plan::{EdgeId, EdgePlan, Party, ServiceId};
use crate::scenario::{Around, Neighbour};
use foreshock_systems::retry::{Backoff, Pauses};

impl Checker<'_> {
    /// Errors and warnings about how things fit together.
    pub(crate) fn cross_check(&mut self) {
        self.check_circles();
        self.check_retry_times();
        self.check_outliers();
        self.check_weights();
        self.check_replicas_of_kinds();
        self.check_surroundings();
    }

    /// What settings of a kind say of other services and of operations.
    fn check_surroundings(&mut self) {
        let operations: Vec<String> = self.names.operations().map(ToString::to_string).collect();
        for index in 0..self.services.len() {
            let Some(service) = self.services.get(index) else { continue };
            if !self.around.kinds.check_settings(&service.kind, &service.settings).is_empty() {
                continue; // said already
            }
            let calls = service.steps.iter().flat_map(|step| &step.branches);
            let callees: Vec<_> = calls
                .filter_map(|branch| self.edges.get(branch.edge.index()))
                .filter_map(|edge| self.services.get(edge.callee.index()))
                .map(|callee| (callee.name.as_str(), &callee.settings))
                .collect();
            let services = self.services.iter().map(|service| Neighbour {
                name: &service.name,
                kind: &service.kind,
                replicas: service.max_replicas,
            });
            let services: Vec<Neighbour<'_>> = services.collect();
            let around = Around {
                operations: &operations,
                callees: &callees,
                name: &service.name,
                services: &services,
            };
            let wrong = self.around.kinds.check_around(&service.kind, &service.settings, &around);
            let path = Path::root().key("services").key(&service.name);
            for (key, message) in wrong {
                let inside = key.split('.').filter(|word| !word.is_empty());
                let path = inside.fold(path.clone(), |path, word| path.key(word));
                self.error_at_key(&path, message, None);
            }
        }
    }

    /// What a kind keeps in one process cannot be spread over several.
    fn check_replicas_of_kinds(&mut self) {
        for index in 0..self.services.len() {
            let Some(service) = self.services.get(index) else { continue };
            let Some(most) = self.around.kinds.traits(&service.kind).most_replicas else { continue };
            if service.max_replicas > most {
                let message = format!(
                    "a service of kind `{}` has at most {most} replica, this one gets {}",
                    service.kind, service.max_replicas
                );
                let path = Path::root().key("services").key(&service.name);
                let help = "what it keeps is in one place: give it more `workers`".to_string();
                self.error_at_key(&path, message, Some(help));
            }
        }
    }

    /// Refuses services that call each other in a circle: no request would ever end.
    fn check_circles(&mut self) {
        let mut calls: Vec<Vec<(EdgeId, usize)>> = vec![Vec::new(); self.services.len()];
        for (index, edge) in self.edges.iter().enumerate() {
            if let Party::Service(caller) = edge.caller
                && !self.makes_calls_by_itself(caller)
                && let Some(list) = calls.get_mut(caller.index())
            {
                list.push((EdgeId(index as u32), edge.callee.index()));
            }
        }
        for (edge, circle) in circles(&calls) {
            let mut names: Vec<&str> = circle
                .iter()
                .filter_map(|service| self.service_names.get(*service))
                .map(String::as_str)
                .collect();
            names.extend(names.first().copied());
            let message = format!("the calls go in a circle: {}", names.join(" -> "));
            let path = self.edge_paths.get(edge.index()).cloned().unwrap_or_default();
            let help = "a request would never end: remove one of these calls".to_string();
            self.error_at_value(&path.key("to"), message, Some(help));
        }
    }

    /// Warns of retries that go on when nobody waits for them any more.
    fn check_retry_times(&mut self) {
        let mut warnings: Vec<(Path, String)> = Vec::new();
        for (index, edge) in self.edges.iter().enumerate() {
            let Some(longest) = longest_with_retries(edge) else { continue };
            let Some(path) = self.edge_paths.get(index) else { continue };
            let path = path.key("retry");
            if let Some(overall) = edge.policy.overall_timeout.filter(|overall| *overall < longest) {
                warnings.push((
                    path.clone(),
                    format!("all attempts and pauses take up to {longest}, the overall timeout is {overall}"),
                ));
                continue;
            }
            let Party::Service(caller) = edge.caller else { continue };
            if self.makes_calls_by_itself(caller) {
                continue; // nobody waits for them in particular
            }
            let impatient = self.edges.iter().filter(|inbound| inbound.callee == caller);
            let shortest = impatient
                .filter_map(|inbound| {
                    Some((inbound.policy.timeout.or(inbound.policy.overall_timeout)?, inbound))
                })
                .min_by_key(|(timeout, _)| *timeout);
            if let Some((timeout, inbound)) = shortest.filter(|(timeout, _)| *timeout < longest) {
                let name = &inbound.name;
                warnings.push((
                    path,
                    format!(
                        "all attempts and pauses take up to {longest}, but `{name}` waits only {timeout}"
                    ),
                ));
            }
        }
        for (path, message) in warnings {
            let help =
                "later attempts are work nobody waits for: retry less, shorten the timeout, or wait longer";
            self.warn(&path, message, Some(help.to_string()));
        }
    }

    fn makes_calls_by_itself(&self, caller: ServiceId) -> bool {
        self.services
            .get(caller.index())
            .is_some_and(|plan| self.around.kinds.traits(&plan.kind).calls_itself)
    }

    fn check_outliers(&mut self) {
        for index in 0..self.services.len() {
            let Some(service) = self.services.get(index) else { continue };
            let Some(outlier) = &service.outlier else { continue };
            let replicas = service.replicas;
            if outlier.max_ejected(replicas as usize) == 0 {
                let message =
                    format!("this share of {replicas} replicas is less than one: nobody is ever ejected");
                let path = Path::root().key("services").key(&service.name).key("outlier_ejection");
                let least = 100_u32.div_ceil(replicas.max(1));
                self.warn(&path, message, Some(format!("use `max_ejected: {least}%` or more")));
            }
        }
    }

    fn check_weights(&mut self) {
        for index in 0..self.services.len() {
            let Some(service) = self.services.get(index) else { continue };
            if service.weights.len() > service.max_replicas as usize {
                let message =
                    format!("{} weights for {} replicas", service.weights.len(), service.max_replicas);
                let path = Path::root().key("services").key(&service.name).key("weights");
                self.error_at_value(&path, message, Some("give one weight for each replica".to_string()));
            }
        }
    }
}

/// Circles in a graph, each with the edge that closes it. Walks without recursion: the graph may be a long chain.
fn circles(calls: &[Vec<(EdgeId, usize)>]) -> Vec<(EdgeId, Vec<usize>)> {
    let mut circles = Vec::new();
    let mut done = vec![false; calls.len()];
    let mut on_way = vec![false; calls.len()];
    for start in 0..calls.len() {
        // Services passed, each with the number of its calls that were followed.
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        while let Some((service, followed)) = way.last_mut() {
            let service = *service;
            on_way[service] = true;
            let following = if done[service] { None } else { calls[service].get(*followed) };
            *followed += 1;
            match following {
                Some((edge, callee)) if on_way[*callee] => {
                    let passed: Vec<usize> = way.iter().map(|(service, _)| *service).collect();
                    let first = passed.iter().position(|service| service == callee).unwrap_or(0);
                    circles.push((*edge, passed[first..].to_vec()));
                }
                Some((_, callee)) if done[*callee] => {}
                Some((_, callee)) => way.push((*callee, 0)),
                None => {
                    done[service] = true;
                    on_way[service] = false;
                    way.pop();
                }
            }
        }
    }
    circles
}

/// How long a call with retries may take when every attempt runs into its timeout.
fn longest_with_retries(edge: &EdgePlan) -> Option<Span> {
    let retry = edge.policy.retry.as_ref()?;
    let timeout = edge.policy.timeout?;
    let attempts = retry.config.max_attempts;
    if attempts < 2 {
        return None;
    }
    // Beyond some number of attempts only the cap counts; and nobody waits that long anyway.
    let counted = attempts.min(MOST_COUNTED);
    let mut longest = timeout;
    let mut pause = Span::ZERO;
    for failed in 1..counted {
        pause = retry.config.backoff.delay(&Pauses { previous: pause, ..Pauses::after(failed) }, u64::MAX);
        longest += pause + timeout;
    }
    let rest = (pause + timeout).saturating_mul(u64::from(attempts - counted));
    Some(longest + rest)
}

/// Attempts whose pauses are added up one by one.
const MOST_COUNTED: u32 = 1_000;
