//! A follower: asks its leader for what comes next, and gives up what the leader does not have.

use super::super::BrokerId;
use super::config::{Sabotage, TruncateBy};
use super::message::{Fetch, Fetched, Found, Output};
use super::replica::{Replica, Role, Step};
use crate::time::Time;

#[derive(Clone, Copy, Debug)]
enum Asks {
    /// The next time then.
    At(Time),
    /// This question, and it counts as lost then.
    Asked { number: u64, at: Time, until: Time },
}

/// What a follower knows of its leader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Following {
    leader: BrokerId,
    asks: Asks,
}

impl Following {
    pub(super) const fn new(leader: BrokerId, now: Time) -> Following {
        Following { leader, asks: Asks::At(now) }
    }

    pub(super) const fn deadline(&self) -> Time {
        match self.asks {
            Asks::At(at) => at,
            Asks::Asked { until, .. } => until,
        }
    }
}

impl Replica {
    /// Asks if it is time to.
    pub(super) fn ask_leader(&mut self, step: &mut Step<'_>) {
        let Role::Follows(following) = &mut self.role else { return };
        if following.deadline() > step.now {
            return;
        }
        self.questions += 1;
        let number = self.questions;
        let until = step.now + step.config.fetch_timeout;
        following.asks = Asks::Asked { number, at: step.now, until };
        let compares = step.config.truncate_by == TruncateBy::LeaderEpoch
            && step.sabotage != Some(Sabotage::KeepsDivergentTail);
        let fetch = Fetch {
            partition: self.partition,
            replica: self.me,
            epoch: self.epoch,
            from: self.log.end(),
            last_epoch: self.log.last_epoch().filter(|_| compares),
            high_watermark: self.high_watermark,
            number,
        };
        step.out.push(Output::Fetch { leader: following.leader, fetch });
    }

    /// The leader has not answered.
    pub(super) fn ask_failed(&mut self, number: u64, step: &mut Step<'_>) {
        let Role::Follows(following) = &mut self.role else { return };
        if matches!(following.asks, Asks::Asked { number: asked, .. } if asked == number) {
            following.asks = Asks::At(step.now + step.config.fetch_backoff);
        }
    }

    /// The leader has answered; what answers no open question is ignored.
    pub(super) fn hear_leader(&mut self, fetched: Fetched, step: &mut Step<'_>) {
        let Role::Follows(following) = &mut self.role else { return };
        let Asks::Asked { number, at, .. } = following.asks else { return };
        if number != fetched.number || fetched.epoch != self.epoch {
            return;
        }
        let before = (self.log.end(), self.high_watermark);
        let is_refused = fetched.found == Found::Refused;
        self.follow(fetched.found, step);
        // Whoever got nothing, and got it at once, must not ask again at once.
        let is_idle = before == (self.log.end(), self.high_watermark) && at == step.now;
        let pause = if is_refused || is_idle { step.config.fetch_backoff } else { crate::time::Span::ZERO };
        if let Role::Follows(following) = &mut self.role {
            following.asks = Asks::At(step.now + pause);
        }
        self.ask_leader(step);
    }

    fn follow(&mut self, found: Found, step: &mut Step<'_>) {
        match found {
            Found::Records { records, high_watermark } => {
                for record in records {
                    self.producers.copy(&record);
                    self.take(record, step);
                }
                self.high_watermark = self.high_watermark.max(high_watermark.min(self.log.end()));
            }
            Found::Diverges { epoch, end } => {
                let own = epoch.and_then(|epoch| self.log.epochs().end_of(epoch, self.log.end()));
                let common = own.map_or(self.log.start(), |(_, own_end)| own_end.min(end));
                self.truncate(common, step);
            }
            Found::OutOfRange { start, end } => {
                if self.log.end() > end {
                    self.truncate(end.max(self.log.start()), step);
                }
                if self.log.end() < start || self.log.end() > end {
                    self.restart_at(start, step);
                }
            }
            Found::Refused => {}
        }
    }
}
