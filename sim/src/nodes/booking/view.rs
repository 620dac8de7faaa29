//! What guests are shown of a house: rooms that are free, night by night, as they were a while ago. Decides nothing.

use foreshock_systems::hotel::{Night, RoomType};

use crate::kernel::time::{Span, Time};

/// Rooms that were free, by type and night.
#[derive(Default)]
pub(super) struct View {
    taken_at: Option<Time>,
    first: i32,
    /// For each type one after the other, so many nights.
    nights: usize,
    free: Vec<u32>,
}

impl View {
    /// Looks again if it is older than `ttl`: at so many nights of so many types, from the night `first` on.
    pub(super) fn refresh(
        &mut self,
        now: Time,
        ttl: Span,
        (first, nights, types): (i32, usize, u32),
        free: impl Fn(RoomType, Night) -> u32,
    ) {
        let is_young = self.taken_at.is_some_and(|at| now.since(at) < ttl);
        if is_young && self.nights == nights {
            return;
        }
        (self.taken_at, self.first, self.nights) = (Some(now), first, nights);
        self.free.clear();
        for kind in 0..types {
            let nights = (first..).take(nights).map(Night);
            self.free.extend(nights.map(|night| free(RoomType(kind as u16), night)));
        }
    }

    /// What is shown of a night; nothing of those that it does not cover.
    pub(super) fn free(&self, kind: RoomType, night: Night) -> u32 {
        let number = usize::try_from(night.0.saturating_sub(self.first)).ok();
        let place = number.filter(|number| *number < self.nights);
        place
            .and_then(|number| self.free.get(usize::from(kind.0) * self.nights + number))
            .copied()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY_NIGHT_OF_TWO_TYPES: (i32, usize, u32) = (5, 3, 2);

    #[test]
    fn what_is_shown_is_as_old_as_it_may_be() {
        let mut view = View::default();
        let at = |seconds| Time::ZERO + Span::from_secs(seconds);
        let ttl = Span::from_secs(10);
        view.refresh(at(1), ttl, EVERY_NIGHT_OF_TWO_TYPES, |kind, night| {
            u32::from(kind.0) * 100 + night.0 as u32
        });
        assert_eq!(view.free(RoomType(1), Night(6)), 106);
        view.refresh(at(10), ttl, EVERY_NIGHT_OF_TWO_TYPES, |_, _| 1);
        assert_eq!(view.free(RoomType(0), Night(7)), 7, "nine seconds are not ten");
        view.refresh(at(11), ttl, EVERY_NIGHT_OF_TWO_TYPES, |_, _| 1);
        assert_eq!(view.free(RoomType(0), Night(7)), 1);
        for (kind, night) in [(0, 4), (0, 8), (1, 8), (2, 5)] {
            assert_eq!(view.free(RoomType(kind), Night(night)), 0, "type {kind}, night {night}");
        }
    }
}
