//! A leader: takes records, hands them to followers and readers, knows how far everybody is, and moves the high
//! watermark. Who counts as in sync it proposes; the controller decides.

use super::super::{BrokerId, LeaderEpoch};
use super::config::{BrokerConfig, Sabotage, TruncateBy};
use super::message::{
    Acks, AlterIsr, Assignment, Fetch, Fetched, Found, Output, Produce, Read, Rejected, earliest,
};
use super::producers::Seen;
use super::record::{Record, Stamp};
use super::replica::{Replica, Role, Step};
use crate::time::{Span, Time};
use std::collections::{BTreeMap, VecDeque};

/// A producer that waits for its records to be everywhere.
#[derive(Clone, Debug)]
struct Waiting {
    token: u64,
    base_offset: Option<u64>,
    count: u64,
    is_duplicate: bool,
    throttle: Span,
}

#[derive(Clone, Copy, Debug)]
struct ParkedRead {
    token: u64,
    read: Read,
    until: Time,
}

#[derive(Clone, Copy, Debug)]
struct ParkedFetch {
    token: u64,
    fetch: Fetch,
    until: Time,
}

/// What a leader knows of a follower.
#[derive(Clone, Debug)]
struct Follower {
    /// Where its log ends; `None` until it has asked in this epoch.
    end: Option<u64>,
    /// When it last had everything.
    caught_up_at: Time,
    asked_at: Time,
    /// Where the leader's log ended then.
    end_when_asked: u64,
    /// Whether it has lost records that it had, and has not caught up since.
    has_fallen: bool,
    parked: Option<ParkedFetch>,
}

/// What a leader keeps beside its log.
#[derive(Clone, Debug)]
pub(super) struct Leading {
    pub(super) isr: Vec<BrokerId>,
    version: u64,
    /// What it has proposed, and when.
    proposed: Option<(Vec<BrokerId>, Time)>,
    /// Where its log ended when it began.
    began_at: u64,
    followers: BTreeMap<BrokerId, Follower>,
    /// By the offset they wait for, then in order.
    waiting: BTreeMap<(u64, u64), Waiting>,
    waiting_until: VecDeque<(Time, (u64, u64))>,
    arrivals: u64,
    reads: Vec<ParkedRead>,
}

impl Leading {
    pub(super) fn new(assignment: &Assignment, end: u64, now: Time) -> Leading {
        let unknown = Follower {
            end: None,
            caught_up_at: now,
            asked_at: now,
            end_when_asked: u64::MAX,
            has_fallen: false,
            parked: None,
        };
        let others = assignment.replicas.iter().filter(|replica| Some(**replica) != assignment.leader);
        Leading {
            isr: assignment.isr.clone(),
            version: assignment.version,
            proposed: None,
            began_at: end,
            followers: others.map(|replica| (*replica, unknown.clone())).collect(),
            waiting: BTreeMap::new(),
            waiting_until: VecDeque::new(),
            arrivals: 0,
            reads: Vec::new(),
        }
    }

    /// The controller has decided.
    pub(super) fn adopt(&mut self, assignment: &Assignment) {
        self.isr.clone_from(&assignment.isr);
        self.version = assignment.version;
        self.proposed = None;
    }

    /// Whether a replica is in sync, or will be if the controller agrees.
    fn may_be_in_sync(&self, replica: BrokerId) -> bool {
        let proposed = self.proposed.as_ref().is_some_and(|(isr, _)| isr.contains(&replica));
        proposed || self.isr.contains(&replica)
    }

    pub(super) fn lowest_end(&self, me: BrokerId, end: u64) -> Option<u64> {
        let mut lowest = Some(end);
        for (replica, follower) in self.followers.iter().filter(|(replica, _)| **replica != me) {
            if self.may_be_in_sync(*replica) {
                lowest = lowest.zip(follower.end).map(|(a, b)| a.min(b));
            }
        }
        lowest
    }

    /// The same without those that have lost what they had: the high watermark does not fall because of them.
    pub(super) fn lowest_end_of_sound(&self, me: BrokerId, end: u64) -> Option<u64> {
        let in_sync = self.followers.iter().filter(|(id, _)| **id != me && self.may_be_in_sync(**id));
        let mut sound = in_sync.filter(|(_, follower)| !follower.has_fallen);
        sound.try_fold(end, |lowest, (_, follower)| Some(lowest.min(follower.end?)))
    }

    /// How many replicas there are.
    pub(super) fn replica_count(&self) -> usize {
        self.followers.len() + 1
    }

    pub(super) fn waiting_count(&self) -> usize {
        let parked = self.followers.values().filter(|follower| follower.parked.is_some()).count();
        self.waiting.len() + self.reads.len() + parked
    }

    /// When a follower that is behind stops counting as in sync.
    fn lags_at(&self, me: BrokerId, end: u64, config: &BrokerConfig) -> Option<Time> {
        let in_sync = self.followers.iter().filter(|(id, _)| **id != me && self.isr.contains(id));
        let behind = in_sync.filter(|(_, follower)| follower.end.is_none_or(|its| its < end));
        behind.map(|(_, follower)| follower.caught_up_at + config.replica_lag + Span::from_nanos(1)).min()
    }

    pub(super) fn deadline(&self, me: BrokerId, end: u64, config: &BrokerConfig) -> Option<Time> {
        let produces = self.waiting_until.front().map(|(until, _)| *until);
        let reads = self.reads.iter().map(|read| read.until).min();
        let fetches = self.followers.values().filter_map(|follower| follower.parked);
        let proposal = match &self.proposed {
            Some((_, at)) => Some(*at + config.fetch_backoff),
            None => self.lags_at(me, end, config),
        };
        earliest([produces, reads, fetches.map(|parked| parked.until).min(), proposal].into_iter().flatten())
    }
}

impl Replica {
    fn not_leader(&self) -> Rejected {
        Rejected::NotLeader { leader: self.leader.filter(|leader| *leader != self.me) }
    }

    /// Stops leading: whoever waits is told.
    pub(super) fn resign(&mut self, step: &mut Step<'_>) {
        let not_leader = self.not_leader();
        let Role::Leads(leading) = std::mem::replace(&mut self.role, Role::Waits) else { return };
        for waiting in leading.waiting.into_values() {
            let reason = Rejected::NoLongerLeader;
            step.out.push(Output::ProduceFailed { token: waiting.token, reason });
        }
        for read in leading.reads {
            step.out.push(Output::ReadFailed { token: read.token, reason: not_leader.clone() });
        }
        for parked in leading.followers.into_values().filter_map(|follower| follower.parked) {
            self.answer_fetch(parked.token, &parked.fetch, Found::Refused, step);
        }
    }

    /// A producer has records.
    pub(super) fn produce(
        &mut self,
        token: u64,
        produce: Produce,
        throttle: Span,
        step: &mut Step<'_>,
    ) -> Result<(), Rejected> {
        let Role::Leads(leading) = &self.role else { return Err(self.not_leader()) };
        let (in_sync, needed) = (leading.isr.len() as u32, step.config.min_insync_replicas.max(1));
        if produce.acks == Acks::All && in_sync < needed {
            return Err(Rejected::NotEnoughReplicas { in_sync, needed });
        }
        if produce.acks == Acks::All && self.waiting() >= step.config.max_waiting as usize {
            return Err(Rejected::TooManyWaiting);
        }
        let count = produce.records.len() as u64;
        let seen = match produce.stamp {
            Some(stamp) if step.sabotage != Some(Sabotage::IgnoresSequences) => {
                self.producers.look(stamp, count)
            }
            Some(_) | None => Seen::New { written: 0 },
        };
        let (base_offset, last_offset, is_duplicate) = match seen {
            Seen::New { written } => self.write(&produce, written, step),
            Seen::Before { base_offset, last_offset } => (base_offset, last_offset, true),
            Seen::TooEarly { expected } => return Err(Rejected::OutOfOrderSequence { expected }),
            Seen::Fenced { current } => return Err(Rejected::ProducerFenced { current }),
        };
        let waiting = Waiting { token, base_offset, count, is_duplicate, throttle };
        let acks = if step.sabotage == Some(Sabotage::AnswersEarly) && produce.acks == Acks::All {
            Acks::Leader
        } else {
            produce.acks
        };
        match acks {
            Acks::None => {}
            Acks::Leader => self.answer_producer(waiting, step),
            Acks::All => self.wait_for_all(last_offset, waiting, step),
        }
        self.advance(step);
        self.wake_followers(step);
        Ok(())
    }

    /// Writes the records of a batch but for the first `written`: the offset of the first one if it is among them, and
    /// that of the last.
    fn write(&mut self, produce: &Produce, written: u64, step: &mut Step<'_>) -> (Option<u64>, u64, bool) {
        let base = self.log.end();
        let first =
            produce.stamp.map(|stamp| Stamp { sequence: stamp.sequence.saturating_add(written), ..stamp });
        let mut offset = base;
        for (place, new) in (0u64..).zip(produce.records.iter().skip(written as usize)) {
            let stamp = first.map(|first| Stamp { sequence: first.sequence.saturating_add(place), ..first });
            offset = base.saturating_add(place);
            let record = Record {
                offset,
                epoch: self.epoch,
                written_at: step.now,
                stamp,
                key: new.key.clone(),
                value: new.value.clone(),
            };
            self.take(record, step);
        }
        if let Some(first) = first {
            let count = (produce.records.len() as u64).saturating_sub(written);
            self.producers.note(first, count, base);
        }
        ((written == 0).then_some(base), offset, false)
    }

    fn wait_for_all(&mut self, last_offset: u64, waiting: Waiting, step: &mut Step<'_>) {
        if last_offset < self.high_watermark {
            self.answer_producer(waiting, step);
            return;
        }
        let Role::Leads(leading) = &mut self.role else { return };
        leading.arrivals += 1;
        let place = (last_offset, leading.arrivals);
        leading.waiting.insert(place, waiting);
        leading.waiting_until.push_back((step.now + step.config.produce_timeout, place));
    }

    fn answer_producer(&self, waiting: Waiting, step: &mut Step<'_>) {
        step.out.push(Output::Produced {
            token: waiting.token,
            partition: self.partition,
            epoch: self.epoch,
            base_offset: waiting.base_offset,
            count: waiting.count,
            is_duplicate: waiting.is_duplicate,
            throttle: waiting.throttle,
        });
    }

    /// Moves the high watermark to where it may be, and tells whoever waits for that.
    pub(super) fn advance(&mut self, step: &mut Step<'_>) {
        let Role::Leads(leading) = &mut self.role else { return };
        let lowest = match step.sabotage {
            Some(Sabotage::HighWatermarkOfLeader) => Some(self.log.end()),
            Some(Sabotage::HighWatermarkOfAllReplicas) => {
                let mut all = leading.followers.values();
                all.try_fold(self.log.end(), |lowest, follower| Some(lowest.min(follower.end?)))
            }
            _ => leading.lowest_end(self.me, self.log.end()),
        };
        let Some(lowest) = lowest.filter(|lowest| *lowest > self.high_watermark) else { return };
        self.high_watermark = lowest;
        let later = leading.waiting.split_off(&(lowest, 0));
        let done = std::mem::replace(&mut leading.waiting, later);
        let is_enough = leading.isr.len() >= step.config.min_insync_replicas.max(1) as usize;
        while leading.waiting_until.front().is_some_and(|(_, place)| place.0 < lowest) {
            leading.waiting_until.pop_front();
        }
        step.out.push(Output::HighWatermark { partition: self.partition, to: lowest });
        for waiting in done.into_values() {
            if is_enough {
                self.answer_producer(waiting, step);
            } else {
                let reason = Rejected::NotEnoughReplicasAfterAppend;
                step.out.push(Output::ProduceFailed { token: waiting.token, reason });
            }
        }
        self.wake_readers(step);
        self.wake_followers(step);
    }

    /// A consumer wants records.
    pub(super) fn read(&mut self, token: u64, read: Read, step: &mut Step<'_>) -> Result<(), Rejected> {
        if !self.leads() {
            return Err(self.not_leader());
        }
        let (start, end) = (self.log.start(), self.readable_end(step));
        if read.from < start || read.from > end {
            return Err(Rejected::OffsetOutOfRange { start, end });
        }
        if self.waiting() >= step.config.max_waiting as usize {
            return Err(Rejected::TooManyWaiting);
        }
        let records = self.readable(&read, end, step);
        if records.is_empty() && !read.max_wait.is_zero() {
            let until = step.now + read.max_wait;
            if let Role::Leads(leading) = &mut self.role {
                leading.reads.push(ParkedRead { token, read, until });
            }
            return Ok(());
        }
        self.answer_reader(token, records, end, step);
        Ok(())
    }

    fn readable_end(&self, step: &Step<'_>) -> u64 {
        match step.sabotage {
            Some(Sabotage::ReadsBeyondHighWatermark) => self.log.end(),
            _ => self.high_watermark,
        }
    }

    fn readable(&self, read: &Read, end: u64, step: &Step<'_>) -> Vec<Record> {
        let skips = step.sabotage == Some(Sabotage::SkipsRecords);
        let all = self.log.from(read.from).take_while(|record| record.offset < end);
        let kept = all.filter(|record| !skips || !record.offset.is_multiple_of(7));
        kept.take(read.max_records.max(1) as usize).cloned().collect()
    }

    fn answer_reader(&self, token: u64, records: Vec<Record>, end: u64, step: &mut Step<'_>) {
        let partition = self.partition;
        step.out.push(Output::Records { token, partition, records, high_watermark: end });
    }

    fn wake_readers(&mut self, step: &mut Step<'_>) {
        let end = self.readable_end(step);
        let Role::Leads(leading) = &mut self.role else { return };
        let woken: Vec<ParkedRead> = leading.reads.extract_if(.., |parked| parked.read.from < end).collect();
        for parked in woken {
            let records = self.readable(&parked.read, end, step);
            self.answer_reader(parked.token, records, end, step);
        }
    }

    /// A follower wants records, and says by that what it has.
    pub(super) fn serve_follower(&mut self, token: u64, fetch: Fetch, step: &mut Step<'_>) {
        let is_mine = fetch.epoch == self.epoch;
        let (start, end) = (self.log.start(), self.log.end());
        let Role::Leads(leading) = &mut self.role else {
            return self.answer_fetch(token, &fetch, Found::Refused, step);
        };
        let Some(follower) = leading.followers.get_mut(&fetch.replica).filter(|_| is_mine) else {
            return self.answer_fetch(token, &fetch, Found::Refused, step);
        };
        if let Some(parked) = follower.parked.take() {
            let nothing = Found::Records { records: Vec::new(), high_watermark: self.high_watermark };
            self.answer_fetch(parked.token, &parked.fetch, nothing, step);
        }
        if let Some(found) = self.difference(&fetch) {
            return self.answer_fetch(token, &fetch, found, step);
        }
        if fetch.from > end || fetch.from < start {
            return self.answer_fetch(token, &fetch, Found::OutOfRange { start, end }, step);
        }
        if step.sabotage == Some(Sabotage::HighWatermarkFalls) && fetch.from < self.high_watermark {
            self.high_watermark = fetch.from;
        }
        if self.note_follower(&fetch, step) {
            self.propose_leaving(step);
        }
        self.propose_joining(fetch.replica, step);
        self.advance(step);
        let has_everything = fetch.from == end && fetch.high_watermark >= self.high_watermark;
        if has_everything && !step.config.fetch_wait.is_zero() {
            let until = step.now + step.config.fetch_wait;
            if let Role::Leads(leading) = &mut self.role
                && let Some(follower) = leading.followers.get_mut(&fetch.replica)
            {
                follower.parked = Some(ParkedFetch { token, fetch, until });
            }
            return;
        }
        self.answer_with_records(token, &fetch, step);
    }

    /// Where the follower's log parts from this one, if it does.
    fn difference(&self, fetch: &Fetch) -> Option<Found> {
        let theirs: LeaderEpoch = fetch.last_epoch?;
        match self.log.epochs().end_of(theirs, self.log.end()) {
            Some((epoch, end)) if epoch == theirs && end >= fetch.from => None,
            Some((epoch, end)) => Some(Found::Diverges { epoch: Some(epoch), end }),
            None => Some(Found::Diverges { epoch: None, end: self.log.start() }),
        }
    }

    /// Notes how far a follower is, and says whether it has lost records that it had: its disk was not synced (KIP-903).
    fn note_follower(&mut self, fetch: &Fetch, step: &Step<'_>) -> bool {
        let (now, end, committed) = (step.now, self.log.end(), self.high_watermark);
        let Role::Leads(leading) = &mut self.role else { return false };
        let Some(follower) = leading.followers.get_mut(&fetch.replica) else { return false };
        if fetch.from >= committed {
            follower.has_fallen = false;
        } else if fetch.from < follower.end.unwrap_or(committed) {
            follower.has_fallen = step.config.truncate_by == TruncateBy::LeaderEpoch;
        }
        if fetch.from >= end {
            follower.caught_up_at = follower.caught_up_at.max(now);
        } else if fetch.from >= follower.end_when_asked {
            follower.caught_up_at = follower.caught_up_at.max(follower.asked_at);
        }
        follower.end = Some(fetch.from);
        (follower.asked_at, follower.end_when_asked) = (now, end);
        follower.has_fallen
    }

    fn answer_with_records(&self, token: u64, fetch: &Fetch, step: &mut Step<'_>) {
        let most = step.config.fetch_records.max(1) as usize;
        let records = self.log.from(fetch.from).take(most).cloned().collect();
        let found = Found::Records { records, high_watermark: self.high_watermark };
        self.answer_fetch(token, fetch, found, step);
    }

    fn answer_fetch(&self, token: u64, fetch: &Fetch, found: Found, step: &mut Step<'_>) {
        let fetched = Fetched { partition: self.partition, epoch: self.epoch, number: fetch.number, found };
        step.out.push(Output::Fetched { token, fetched });
    }

    /// Answers the followers for whom there is something new.
    fn wake_followers(&mut self, step: &mut Step<'_>) {
        let (end, high_watermark) = (self.log.end(), self.high_watermark);
        let Role::Leads(leading) = &mut self.role else { return };
        let is_news =
            |parked: &ParkedFetch| parked.fetch.from < end || parked.fetch.high_watermark < high_watermark;
        let followers = leading.followers.values_mut();
        let woken: Vec<ParkedFetch> =
            followers.filter_map(|follower| follower.parked.take_if(|parked| is_news(parked))).collect();
        for parked in woken {
            self.answer_with_records(parked.token, &parked.fetch, step);
        }
    }

    /// A follower that has everything that is committed may join those in sync.
    fn propose_joining(&mut self, replica: BrokerId, step: &mut Step<'_>) {
        let high_watermark = self.high_watermark;
        let Role::Leads(leading) = &mut self.role else { return };
        let Some(end) = leading.followers.get(&replica).and_then(|follower| follower.end) else { return };
        if leading.proposed.is_some()
            || leading.isr.contains(&replica)
            || end < high_watermark.max(leading.began_at)
        {
            return;
        }
        let mut isr = leading.isr.clone();
        isr.push(replica);
        self.propose(isr, step);
    }

    fn propose(&mut self, isr: Vec<BrokerId>, step: &mut Step<'_>) {
        let Role::Leads(leading) = &mut self.role else { return };
        leading.proposed = Some((isr.clone(), step.now));
        step.out.push(Output::AlterIsr(AlterIsr {
            partition: self.partition,
            leader: self.me,
            epoch: self.epoch,
            version: leading.version,
            isr,
        }));
    }

    /// What has waited too long, and who has been behind too long.
    pub(super) fn expire_leader(&mut self, step: &mut Step<'_>) {
        let now = step.now;
        let Role::Leads(leading) = &mut self.role else { return };
        while let Some((_, place)) = leading.waiting_until.pop_front_if(|(until, _)| *until <= now) {
            if let Some(waiting) = leading.waiting.remove(&place) {
                let reason = Rejected::TimedOut;
                step.out.push(Output::ProduceFailed { token: waiting.token, reason });
            }
        }
        let reads: Vec<ParkedRead> = leading.reads.extract_if(.., |read| read.until <= now).collect();
        let followers = leading.followers.values_mut();
        let fetches: Vec<ParkedFetch> =
            followers.filter_map(|follower| follower.parked.take_if(|fetch| fetch.until <= now)).collect();
        let end = self.readable_end(step);
        for read in reads {
            self.answer_reader(read.token, Vec::new(), end, step);
        }
        for parked in fetches {
            self.answer_with_records(parked.token, &parked.fetch, step);
        }
        self.propose_leaving(step);
    }

    fn propose_leaving(&mut self, step: &mut Step<'_>) {
        let end = self.log.end();
        let (me, now, lag) = (self.me, step.now, step.config.replica_lag);
        let Role::Leads(leading) = &mut self.role else { return };
        if let Some((isr, _)) = leading.proposed.take_if(|(_, at)| *at + step.config.fetch_backoff <= now) {
            // The controller has not answered: ask again.
            self.propose(isr, step);
            return;
        }
        if leading.proposed.is_some() {
            return;
        }
        let keeps_up = |replica: &BrokerId| {
            let follower = leading.followers.get(replica);
            *replica == me
                || follower.is_some_and(|its| {
                    !its.has_fallen && (its.end == Some(end) || now.since(its.caught_up_at) <= lag)
                })
        };
        let isr: Vec<BrokerId> = leading.isr.iter().copied().filter(keeps_up).collect();
        if isr.len() < leading.isr.len() {
            self.propose(isr, step);
        }
    }
}
