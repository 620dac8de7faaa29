//! Stories of queues: visibility, handles, delays, dead letters, groups, deduplication; and the defects that are noticed.

use crate::broker::queue::*;
use crate::store::MemoryStore;
use crate::time::{Span, Time};

pub(super) struct Desk {
    pub(super) now: Time,
    pub(super) queue: Queue<MemoryStore>,
    pub(super) audit: QueueAudit,
    pub(super) broken: Option<QueueViolation>,
    pub(super) dead: Vec<(MessageId, u32)>,
    token: u64,
}

pub(super) fn ms(ms: u64) -> Span {
    Span::from_millis(ms)
}

impl Desk {
    pub(super) fn new(config: QueueConfig, sabotage: Option<QueueSabotage>) -> Desk {
        assert_eq!(config.validate(), Ok(()));
        let queue = Queue::open(config, MemoryStore::new()).sabotaged(sabotage);
        let audit = QueueAudit::new(config.max_receives);
        Desk { now: Time::ZERO, queue, audit, broken: None, dead: Vec::new(), token: 0 }
    }

    fn note(&mut self, verdict: Result<(), QueueViolation>) {
        self.broken = self.broken.or(verdict.err());
    }

    fn say(&mut self, input: QueueInput) -> Result<Vec<QueueOutput>, QueueRejected> {
        let mut out = Vec::new();
        let done = self.queue.handle(self.now, input, &mut out);
        self.hear(&out);
        done.map(|()| out)
    }

    fn hear(&mut self, out: &[QueueOutput]) {
        for output in out {
            let verdict = self.audit.said(self.now, output);
            self.note(verdict);
            if let QueueOutput::Dead { message, receives, .. } = output {
                self.dead.push((*message, *receives));
            }
        }
        let balance = self.queue.balance();
        self.note(balance);
    }

    pub(super) fn pass(&mut self, span: Span) -> Vec<QueueOutput> {
        self.now += span;
        let mut out = Vec::new();
        self.queue.expire(self.now, &mut out).expect("memory does not fail");
        self.hear(&out);
        out
    }

    pub(super) fn send(&mut self, message: NewMessage) -> Result<MessageId, QueueRejected> {
        self.token += 1;
        let group = message.group.clone();
        let out = self.say(QueueInput::Send { token: self.token, message })?;
        let sent = out.iter().find_map(|output| match output {
            QueueOutput::Sent { message, is_duplicate, .. } => Some((*message, *is_duplicate)),
            _ => None,
        });
        let (message, is_duplicate) = sent.expect("whoever sends is answered");
        if let (Some(group), false) = (group, is_duplicate) {
            self.audit.sent_to_group(message, group);
        }
        Ok(message)
    }

    pub(super) fn receive(&mut self, max: u32) -> Result<Vec<Handle>, QueueRejected> {
        self.token += 1;
        let ask = QueueInput::Receive { token: self.token, max, wait: Span::ZERO, visibility: None };
        let out = self.say(ask)?;
        Ok(received(&out))
    }

    pub(super) fn delete(&mut self, handle: Handle) -> Result<(), QueueRejected> {
        let allowed = self.audit.deletes(handle);
        let done = self.say(QueueInput::Delete { handle }).map(|_| ());
        if done.is_ok() {
            self.note(allowed);
        }
        done
    }

    pub(super) fn change(&mut self, handle: Handle, visibility: Span) -> Result<(), QueueRejected> {
        let before = self.now;
        self.say(QueueInput::ChangeVisibility { handle, visibility })?;
        if !visibility.is_zero() {
            self.audit.changed(handle, before + visibility);
        }
        Ok(())
    }
}

pub(super) fn received(out: &[QueueOutput]) -> Vec<Handle> {
    let messages = out.iter().filter_map(|output| match output {
        QueueOutput::Received { messages, .. } => Some(messages),
        _ => None,
    });
    messages.flatten().map(|delivery| delivery.handle).collect()
}

pub(super) fn says(body: u8) -> NewMessage {
    NewMessage { body: [body].as_slice().into(), ..NewMessage::default() }
}

pub(super) fn of_group(group: u8, body: u8) -> NewMessage {
    NewMessage { group: Some([group].as_slice().into()), ..says(body) }
}

fn fifo() -> QueueConfig {
    QueueConfig { is_fifo: true, ..QueueConfig::default() }
}

#[test]
fn a_received_message_is_nobody_elses_until_its_time_is_over() {
    let mut desk = Desk::new(QueueConfig::default(), None);
    desk.send(says(1)).expect("there is room");
    let first = desk.receive(10).expect("nothing is in flight")[0];
    assert_eq!(desk.receive(10), Ok(vec![]));
    desk.pass(ms(29_999));
    assert_eq!(desk.receive(10), Ok(vec![]));
    desk.pass(ms(1));
    let second = desk.receive(10).expect("nothing is in flight")[0];
    assert_eq!((first.receive, second.receive), (1, 2));
    assert_eq!(desk.delete(first), Err(QueueRejected::StaleHandle { current: 2 }));
    assert_eq!(desk.delete(second), Ok(()));
    assert_eq!(desk.delete(second), Err(QueueRejected::UnknownMessage(second.message)));
    let counts = desk.queue.counts();
    assert_eq!((counts.received, counts.redelivered, counts.deleted, counts.stale), (2, 1, 1, 2));
    assert_eq!(desk.broken, None);
}

#[test]
fn a_handle_counts_after_its_time_as_long_as_nobody_else_has_received() {
    let mut desk = Desk::new(QueueConfig::default(), None);
    desk.send(says(1)).expect("there is room");
    let handle = desk.receive(1).expect("nothing is in flight")[0];
    desk.pass(ms(31_000));
    assert_eq!(desk.change(handle, ms(1_000)), Err(QueueRejected::NotInFlight(handle.message)));
    assert_eq!(desk.delete(handle), Ok(()));
}

#[test]
fn more_time_counts_from_the_call_and_none_gives_the_message_back() {
    let mut desk = Desk::new(QueueConfig::default(), None);
    desk.send(says(1)).expect("there is room");
    let handle = desk.receive(1).expect("nothing is in flight")[0];
    desk.pass(ms(20_000));
    desk.change(handle, ms(15_000)).expect("it has the message");
    desk.pass(ms(14_999));
    assert_eq!(desk.receive(1), Ok(vec![]));
    desk.change(handle, Span::ZERO).expect("it has the message");
    assert_eq!(desk.receive(1).map(|handles| handles.len()), Ok(1));
    let too_long = desk.change(handle, Span::from_secs(12 * 3_600 + 1));
    assert!(matches!(too_long, Err(QueueRejected::TooLong { .. })));
    assert_eq!(desk.broken, None);
}

#[test]
fn processing_longer_than_visibility_runs_each_message_about_as_often_as_it_fits() {
    // Work of 100 s, visibility of 30 s: whoever comes every second starts ceil(100 / 30) = 4 runs before one is done.
    let mut desk = Desk::new(QueueConfig::default(), None);
    desk.send(says(1)).expect("there is room");
    let mut running: Vec<(Time, Handle)> = Vec::new();
    let mut runs = 0;
    while desk.queue.counts().deleted == 0 {
        for handle in desk.receive(1).expect("there is room in flight") {
            running.push((desk.now + Span::from_secs(100), handle));
            runs += 1;
        }
        desk.pass(Span::from_secs(1));
        let done: Vec<Handle> =
            running.extract_if(.., |(at, _)| *at <= desk.now).map(|(_, handle)| handle).collect();
        for handle in done {
            let _ = desk.delete(handle);
        }
        if desk.now > Time::ZERO + Span::from_secs(1_000) {
            break;
        }
    }
    // Nobody ever has the latest handle when it is done: the work is never over.
    assert_eq!(desk.queue.counts().deleted, 0);
    assert_eq!(runs, 34);
    assert!(desk.queue.counts().stale >= 30);
}

#[test]
fn what_is_received_too_often_goes_to_the_dead_letters_after_so_many_visibilities_and_comes_back_when_asked()
{
    let config = QueueConfig { max_receives: Some(3), ..QueueConfig::default() };
    let mut desk = Desk::new(config, None);
    let poison = desk.send(says(1)).expect("there is room");
    for _ in 0..3 {
        assert_eq!(desk.receive(1).map(|handles| handles.len()), Ok(1));
        desk.pass(ms(30_000));
    }
    assert_eq!(desk.dead, [(poison, 3)]);
    assert_eq!(desk.now, Time::ZERO + ms(90_000));
    assert_eq!((desk.receive(1), desk.queue.live(), desk.queue.dead()), (Ok(vec![]), 0, 1));
    desk.say(QueueInput::Redrive { max: 10 }).expect("memory does not fail");
    let handle = desk.receive(1).expect("nothing is in flight")[0];
    assert_eq!(handle.receive, 1);
    desk.delete(handle).expect("it has the message");
    assert_eq!((desk.broken, desk.queue.audit()), (None, Ok(())));
}

#[test]
fn a_delayed_message_waits_and_a_long_poll_gets_it_the_moment_it_may() {
    let mut desk = Desk::new(QueueConfig { delay: ms(5_000), ..QueueConfig::default() }, None);
    desk.send(says(1)).expect("there is room");
    let ask = QueueInput::Receive { token: 9, max: 1, wait: ms(20_000), visibility: Some(ms(1_000)) };
    assert_eq!(desk.say(ask.clone()), Ok(vec![]));
    assert_eq!(received(&desk.pass(ms(4_999))), []);
    assert_eq!(received(&desk.pass(ms(1))).len(), 1);
    assert_eq!(desk.say(ask), Ok(vec![]));
    assert_eq!(received(&desk.pass(ms(1_000))).len(), 1, "its visibility is over before the wait is");
    let ask = QueueInput::Receive { token: 10, max: 1, wait: ms(500), visibility: None };
    assert_eq!(desk.say(ask), Ok(vec![]));
    assert_eq!(desk.pass(ms(500)), [QueueOutput::Received { token: 10, messages: vec![] }]);
    assert_eq!(desk.broken, None);
}

#[test]
fn messages_of_a_group_come_in_order_and_a_batch_of_it_blocks_the_rest_and_no_other_group() {
    let mut desk = Desk::new(fifo(), None);
    for (group, body) in [(1, 1), (1, 2), (2, 3), (1, 4)] {
        desk.send(of_group(group, body)).expect("there is room");
    }
    let batch = desk.receive(2).expect("nothing is in flight");
    assert_eq!(batch.iter().map(|handle| handle.message.0).collect::<Vec<_>>(), [0, 1]);
    let other = desk.receive(10).expect("there is room in flight");
    assert_eq!(other.iter().map(|handle| handle.message.0).collect::<Vec<_>>(), [2]);
    assert_eq!(desk.receive(10), Ok(vec![]));
    desk.delete(batch[0]).expect("it has the message");
    assert_eq!(desk.receive(10), Ok(vec![]), "the rest of the batch is not done");
    desk.pass(ms(30_000));
    let again = desk.receive(1).expect("there is room in flight");
    assert_eq!(again[0].message.0, 1, "the head of the group comes first");
    assert_eq!(desk.send(says(9)), Err(QueueRejected::Group));
    assert_eq!((desk.broken, desk.queue.audit()), (None, Ok(())));
}

#[test]
fn the_same_id_is_the_same_message_within_the_window_and_another_after_it() {
    let mut desk = Desk::new(QueueConfig::default(), None);
    let named = || NewMessage { dedup: Some([7].as_slice().into()), ..says(1) };
    let first = desk.send(named()).expect("there is room");
    let handle = desk.receive(1).expect("nothing is in flight")[0];
    desk.delete(handle).expect("it has the message");
    desk.pass(ms(299_999));
    assert_eq!(desk.send(named()), Ok(first), "though it is done long since");
    desk.pass(ms(1));
    assert_ne!(desk.send(named()), Ok(first));
    assert_eq!((desk.queue.counts().duplicates, desk.queue.counts().sent), (1, 2));
}

#[test]
fn bounds_are_kept_in_flight_in_size_and_in_number() {
    let config =
        QueueConfig { max_in_flight: 2, max_messages: 3, max_message_bytes: 1, ..QueueConfig::default() };
    let mut desk = Desk::new(config, None);
    for body in 0..3 {
        desk.send(says(body)).expect("there is room");
    }
    assert_eq!(desk.send(says(4)), Err(QueueRejected::Full { max_messages: 3 }));
    let large = NewMessage { body: [1, 2].as_slice().into(), ..NewMessage::default() };
    assert_eq!(desk.send(large), Err(QueueRejected::TooLarge { max_bytes: 1 }));
    assert_eq!(desk.receive(10).map(|handles| handles.len()), Ok(2));
    assert_eq!(desk.receive(10), Err(QueueRejected::OverLimit { max_in_flight: 2 }));
}

#[test]
fn what_is_kept_long_enough_goes_dead_or_alive() {
    let config =
        QueueConfig { retention: Span::from_secs(60), max_receives: Some(1), ..QueueConfig::default() };
    let mut desk = Desk::new(config, None);
    desk.send(says(1)).expect("there is room");
    desk.receive(1).expect("nothing is in flight");
    desk.send(says(2)).expect("there is room");
    desk.pass(ms(30_000));
    assert_eq!(desk.queue.dead(), 1);
    desk.pass(ms(30_000));
    assert_eq!((desk.queue.live(), desk.queue.dead()), (0, 1));
    desk.pass(ms(30_000));
    assert_eq!((desk.queue.dead(), desk.queue.counts().dead_expired, desk.broken), (0, 1, None));
}

#[test]
fn every_defect_of_a_queue_is_noticed() {
    fn run(config: QueueConfig, sabotage: QueueSabotage) -> Option<QueueViolation> {
        let mut desk = Desk::new(config, Some(sabotage));
        for body in 0..3 {
            desk.send(if config.is_fifo { of_group(1, body) } else { says(body) }).expect("there is room");
        }
        let first = desk.receive(1).expect("nothing is in flight");
        desk.receive(1).expect("there is room in flight");
        for _ in 0..4 {
            desk.pass(ms(30_000));
            desk.receive(10).expect("there is room in flight");
        }
        for handle in first {
            let _ = desk.delete(handle);
        }
        desk.broken
    }
    let bounded = QueueConfig { max_receives: Some(2), ..QueueConfig::default() };
    type Catches = fn(&QueueViolation) -> bool;
    let defects: [(QueueConfig, QueueSabotage, Catches); 5] = [
        (QueueConfig::default(), QueueSabotage::IgnoresHandles, |v| {
            matches!(v, QueueViolation::StaleDelete(_))
        }),
        (QueueConfig::default(), QueueSabotage::GivesTwice, |v| matches!(v, QueueViolation::TwoHolders(_))),
        (fifo(), QueueSabotage::OvertakesInGroups, |v| matches!(v, QueueViolation::Overtaken(_))),
        (bounded, QueueSabotage::NeverDead, |v| matches!(v, QueueViolation::TooManyReceives(_))),
        (QueueConfig::default(), QueueSabotage::ForgetsOnTimeout, |v| {
            matches!(v, QueueViolation::Lost { .. })
        }),
    ];
    for (config, sabotage, catches) in defects {
        let found = run(config, sabotage);
        assert!(found.as_ref().is_some_and(catches), "{sabotage:?}: {found:?}");
    }
}
