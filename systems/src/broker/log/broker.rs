//! A broker: the replicas it has, what it writes to, and how much it lets in. Never sends, and never decides who leads.

use super::super::{BrokerId, PartitionId};
use super::config::{BrokerConfig, Sabotage};
use super::message::{Acks, Input, Output, Produce, Rejected, earliest};
use super::replica::{Replica, Step};
use super::segments::PartitionLog;
use crate::store::{Batch, Store, StoreError};
use crate::time::{Span, Time};
use std::collections::BTreeMap;

/// A broker.
#[derive(Clone, Debug)]
pub struct Broker<S> {
    me: BrokerId,
    config: BrokerConfig,
    replicas: BTreeMap<PartitionId, Replica>,
    store: S,
    batch: Batch,
    failed: Option<StoreError>,
    /// Up to when what was written is paid for by the quota.
    paid_until: Time,
    checkpoint_at: Time,
    clean_at: Time,
    sabotage: Option<Sabotage>,
}

/// What may be written ahead of the quota.
const QUOTA_BURST: Span = Span::from_secs(1);

impl<S: Store> Broker<S> {
    /// A broker over what a store has. It neither leads nor follows until it is told.
    pub fn open(me: BrokerId, config: BrokerConfig, store: S, now: Time) -> Broker<S> {
        let restored = Replica::restored(&store, me, &config).into_iter();
        let replicas = restored.map(|replica| (replica.partition(), replica)).collect();
        Broker {
            me,
            config,
            replicas,
            store,
            batch: Batch::new(),
            failed: None,
            paid_until: Time::ZERO,
            checkpoint_at: now + config.checkpoint_every,
            clean_at: now + config.clean_every,
            sabotage: None,
        }
    }

    /// The same with a defect, for tests of the checks that have to notice it.
    #[must_use]
    pub fn sabotaged(mut self, sabotage: Option<Sabotage>) -> Broker<S> {
        self.sabotage = sabotage;
        self
    }

    /// Its name.
    pub const fn id(&self) -> BrokerId {
        self.me
    }
    /// How it works.
    pub const fn config(&self) -> &BrokerConfig {
        &self.config
    }
    /// What it writes to.
    pub const fn store(&self) -> &S {
        &self.store
    }
    /// What it writes to, to break it.
    pub const fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }
    /// What it wrote to: all that a crash leaves of it.
    pub fn into_store(self) -> S {
        self.store
    }
    /// Its replica of a partition.
    pub fn replica(&self, partition: PartitionId) -> Option<&Replica> {
        self.replicas.get(&partition)
    }
    /// All its replicas.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.replicas.values()
    }
    /// What its records take, in bytes.
    pub fn bytes(&self) -> u64 {
        self.replicas.values().map(|replica| replica.log().bytes()).sum()
    }

    /// Works on with another config; how partitions are kept stays as it was.
    pub fn reconfigure(&mut self, config: BrokerConfig) {
        self.config = BrokerConfig { log: self.config.log, ..config };
    }

    /// Takes in what happened. What is in `out` afterwards is to be carried out in order.
    ///
    /// # Errors
    /// [`Rejected`]; then nothing was written and nothing is to be done.
    pub fn handle(&mut self, now: Time, input: Input, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.alive()?;
        let before = out.len();
        match input {
            Input::Produce { token, produce } => self.produce(now, token, produce, out)?,
            Input::Read { token, read } => {
                let partition = read.partition;
                self.with(now, partition, out, |replica, step| replica.read(token, read, step))??;
            }
            Input::Fetch { token, fetch } => {
                let partition = fetch.partition;
                self.with(now, partition, out, |replica, step| replica.serve_follower(token, fetch, step))?;
            }
            Input::Fetched(fetched) => {
                let partition = fetched.partition;
                self.with(now, partition, out, |replica, step| replica.hear_leader(fetched, step))?;
            }
            Input::FetchFailed { partition, number } => {
                self.with(now, partition, out, |replica, step| replica.ask_failed(number, step))?;
            }
            Input::Assign(assignment) => {
                let (partition, me, log) = (assignment.partition, self.me, self.config.log);
                if !assignment.replicas.contains(&me) {
                    return Err(Rejected::UnknownPartition(partition));
                }
                let fresh = || Replica::new(partition, me, PartitionLog::new(log, 0));
                self.replicas.entry(partition).or_insert_with(fresh);
                self.with(now, partition, out, |replica, step| {
                    replica.assign(&assignment, step);
                    replica.ask_leader(step);
                })?;
            }
            Input::Stop => self.each(now, out, Replica::checkpoint),
        }
        self.write_down(now, before, out)
    }

    /// When [`expire`](Broker::expire) wants to be called next.
    pub fn deadline(&self) -> Option<Time> {
        if self.failed.is_some() {
            return None;
        }
        let replicas = self.replicas.values().filter_map(|replica| replica.deadline(&self.config));
        earliest(replicas.chain([self.checkpoint_at, self.clean_at]).chain(self.store.deadline()))
    }

    /// Does what is due: questions to leaders, answers that have waited long enough, retention, checkpoints.
    ///
    /// # Errors
    /// [`Rejected::Store`]; then nothing is to be done.
    pub fn expire(&mut self, now: Time, out: &mut Vec<Output>) -> Result<(), Rejected> {
        self.alive()?;
        let before = out.len();
        self.each(now, out, Replica::expire);
        if self.checkpoint_at <= now {
            self.checkpoint_at = now + self.config.checkpoint_every.max(Span::from_nanos(1));
            self.each(now, out, Replica::checkpoint);
        }
        if self.clean_at <= now {
            self.clean_at = now + self.config.clean_every.max(Span::from_nanos(1));
            self.each(now, out, Replica::clean);
        }
        self.write_down(now, before, out)?;
        if self.store.deadline().is_some_and(|at| at <= now)
            && let Err(error) = self.store.sync(now)
        {
            return self.fail(error, before, out);
        }
        Ok(())
    }

    fn produce(
        &mut self,
        now: Time,
        token: u64,
        produce: Produce,
        out: &mut Vec<Output>,
    ) -> Result<(), Rejected> {
        if produce.records.is_empty() {
            return Err(Rejected::Empty);
        }
        let sizes = produce.records.iter().map(super::record::NewRecord::size_bytes);
        let bytes = sizes.fold(0u64, u64::saturating_add);
        if bytes > self.config.max_batch_bytes {
            return Err(Rejected::TooLarge { max_bytes: self.config.max_batch_bytes });
        }
        if self.config.storage_bytes.is_some_and(|most| self.bytes().saturating_add(bytes) > most) {
            return Err(Rejected::StorageFull);
        }
        let throttle = self.throttle(now, bytes);
        let (partition, acks) = (produce.partition, produce.acks);
        let done =
            self.with(now, partition, out, |replica, step| replica.produce(token, produce, throttle, step));
        // Nobody hears why a batch that wants no answer was refused, as nobody hears that it was written.
        match done? {
            Err(_) if acks == Acks::None => Ok(()),
            done => done,
        }
    }

    /// How long a producer of that many bytes should be silent.
    fn throttle(&mut self, now: Time, bytes: u64) -> Span {
        let Some(rate) = self.config.quota_bytes_per_s else { return Span::ZERO };
        let cost = Span::from_secs(1).mul_ratio(bytes, rate);
        self.paid_until = self.paid_until.max(now) + cost;
        self.paid_until.since(now).saturating_sub(QUOTA_BURST)
    }

    fn alive(&self) -> Result<(), Rejected> {
        self.failed.clone().map_or(Ok(()), |error| Err(Rejected::Store(error)))
    }

    fn with<T>(
        &mut self,
        now: Time,
        partition: PartitionId,
        out: &mut Vec<Output>,
        run: impl FnOnce(&mut Replica, &mut Step<'_>) -> T,
    ) -> Result<T, Rejected> {
        let replica = self.replicas.get_mut(&partition);
        let replica = replica.ok_or(Rejected::UnknownPartition(partition))?;
        let (config, sabotage, batch) = (&self.config, self.sabotage, &mut self.batch);
        Ok(run(replica, &mut Step { now, config, sabotage, batch, out }))
    }

    fn each(&mut self, now: Time, out: &mut Vec<Output>, run: fn(&mut Replica, &mut Step<'_>)) {
        let (config, sabotage, batch) = (&self.config, self.sabotage, &mut self.batch);
        let mut step = Step { now, config, sabotage, batch, out };
        for replica in self.replicas.values_mut() {
            run(replica, &mut step);
        }
    }

    /// What was decided leaves the house once it is written. A disk that fails stops the broker: what it has then is not
    /// known until it is opened again.
    fn write_down(&mut self, now: Time, before: usize, out: &mut Vec<Output>) -> Result<(), Rejected> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        match self.store.commit(now, &batch) {
            Ok(_) => Ok(()),
            Err(error) => self.fail(error, before, out),
        }
    }

    fn fail(&mut self, error: StoreError, before: usize, out: &mut Vec<Output>) -> Result<(), Rejected> {
        out.truncate(before);
        self.failed = Some(error.clone());
        Err(Rejected::Store(error))
    }
}
