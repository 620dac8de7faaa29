//! The way of notes between the parties of a broker: over the link of a call that the sender has to the receiver, else
//! over that of the answers to a call of the receiver. Reads and answers nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::CONTROLLER;
use super::wire::{Address, Mail, Said};
use crate::cluster::{Cx, Message, Note, Reply};
use crate::kernel::draw::{Lineage, name_hash};
use crate::measure::OutcomeKind;
use crate::scenario::plan::{LinkId, Party, Plan, ServiceId};

/// A party's post office.
pub(super) struct Post {
    own: Address,
    plan: Arc<Plan>,
    ways: BTreeMap<ServiceId, Option<LinkId>>,
    /// Notes to each so far: what names them in draws.
    sent: BTreeMap<Address, u64>,
}

impl Post {
    pub(super) fn new(service: ServiceId, replica: u32, plan: &Arc<Plan>) -> Post {
        let own = Address { service, replica };
        Post { own, plan: Arc::clone(plan), ways: BTreeMap::new(), sent: BTreeMap::new() }
    }

    /// The controller of this party: the one that it calls.
    pub(super) fn controller(&self) -> Option<ServiceId> {
        controller_of(self.own.service, &self.plan)
    }

    /// The brokers of a controller, in the order of its calls: their ids.
    pub(super) fn brokers(&self) -> Vec<ServiceId> {
        let is_controller = is_controller(self.own.service, &self.plan);
        let controller = if is_controller { Some(self.own.service) } else { self.controller() };
        controller.map_or_else(Vec::new, |controller| callees(controller, &self.plan))
    }

    pub(super) fn send(&mut self, to: Address, said: Said, cx: &mut Cx<'_>) {
        let (own, plan) = (self.own, &self.plan);
        let way = self.ways.entry(to.service).or_insert_with(|| way(own.service, to.service, plan));
        let Some(link) = *way else { return };
        let sent = self.sent.entry(to).or_insert(0);
        *sent += 1;
        let name = |of: Address| format!("{}/{}", self.plan.services[of.service.index()].name, of.replica);
        let identity = Lineage::root(name_hash(&format!("mail/{}/{}", name(own), name(to))), *sent).raw();
        let note = cx.write(Note::Broker(Box::new(Mail { from: own, said })));
        let node = cx.replica_of(to.service, to.replica);
        cx.send_note(link, node, note, identity);
        cx.forget(note);
    }

    pub(super) fn send_to_service(&mut self, to: ServiceId, said: Said, cx: &mut Cx<'_>) {
        self.send(Address { service: to, replica: 0 }, said, cx);
    }
}

/// The letter in a message, if it is one. Who lives by letters takes no requests.
pub(super) fn opened(message: Message, cx: &mut Cx<'_>) -> Option<Mail> {
    match message {
        Message::Note(at) => match cx.note(at) {
            Some(Note::Broker(mail)) => Some(Mail::clone(mail)),
            _ => None,
        },
        Message::Request(request) => {
            cx.reply(&request, Reply::refusal(OutcomeKind::Error));
            None
        }
        Message::Done(_)
        | Message::Cancel(_)
        | Message::Fill(_)
        | Message::Invalidate { .. }
        | Message::Flag(_)
        | Message::Entry { .. }
        | Message::Load(_) => None,
    }
}

fn callees(caller: ServiceId, plan: &Plan) -> Vec<ServiceId> {
    let own = plan.edges.iter().filter(|edge| edge.caller == Party::Service(caller) && edge.occurrence == 0);
    own.map(|edge| edge.callee).collect()
}

fn is_controller(service: ServiceId, plan: &Plan) -> bool {
    plan.services[service.index()].kind.ends_with(CONTROLLER)
}

fn controller_of(service: ServiceId, plan: &Plan) -> Option<ServiceId> {
    callees(service, plan).into_iter().find(|callee| is_controller(*callee, plan))
}

fn way(from: ServiceId, to: ServiceId, plan: &Plan) -> Option<LinkId> {
    let links = |caller, callee| {
        let mut edges = plan.edges.iter();
        let found = edges.find(|edge| edge.caller == Party::Service(caller) && edge.callee == callee);
        found.map(|edge| (edge.request_link, edge.response_link))
    };
    links(from, to).map(|(request, _)| request).or_else(|| links(to, from).map(|(_, response)| response))
}
