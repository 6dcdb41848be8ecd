//! Who may send now: places for each lane, and the pace when the relay has asked us to slow down.
//!
//! Guarantees
//! - There are never more sends than [`PLACES`]; stuck ones, which gave their place away, are not counted.
//! - The most urgent lane that waits goes first. Each lane has places that no other takes ([`RESERVED`]), so an escalation
//!   starts at once under any number of reminders, and reminders do not end under any number of escalations.
//! - Under a pace the same order holds for each turn, but that a lane which was passed over [`PASSED_OVER_MAX`] times has one.
//! - A place comes back whatever becomes of the send: it is freed when it is dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::pace::Pace;

/// Sends at once, all lanes together: as many connections as large relays allow one client.
pub(super) const PLACES: usize = 20;

/// Places that no other lane takes, most urgent first. The rest is for whoever is the most urgent.
const RESERVED: [usize; 4] = [8, 1, 1, 1];

/// How often a waiting lane is passed over under a pace before it has a turn: more urgent ones get 37 of 40 turns at least.
const PASSED_OVER_MAX: u32 = 40;

/// How long a pace's window is.
const WINDOW: Duration = Duration::from_secs(1);

/// The places and those who wait for one. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    in_use: [usize; 4],
    waiting: [VecDeque<oneshot::Sender<Place>>; 4],
    passed_over: [u32; 4],
    pace: Option<Pace>,
    /// Under a pace: the next turn has not come yet.
    turn_pending: bool,
}

/// A place in a lane; free again when it is dropped.
pub(super) struct Place {
    gate: Gate,
    lane: usize,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.gate.lock();
        state.in_use[self.lane] = state.in_use[self.lane].saturating_sub(1);
        self.gate.hand_out(state);
    }
}

impl State {
    /// Whether a lane could have one more place without touching what is kept for the others.
    fn has_room(&self, lane: usize) -> bool {
        let kept: usize = (0..4)
            .filter(|other| *other != lane)
            .map(|other| RESERVED[other].saturating_sub(self.in_use[other]))
            .sum();
        self.in_use.iter().sum::<usize>() + kept < PLACES
    }

    /// The lane whose turn it is, if any has one.
    fn next(&mut self) -> Option<usize> {
        if self.turn_pending {
            return None;
        }
        let can = |lane: &usize| !self.waiting[*lane].is_empty() && self.has_room(*lane);
        let first = (0..4).find(can)?;
        let neglected = (0..4)
            .filter(can)
            .find(|lane| self.pace.is_some() && self.passed_over[*lane] >= PASSED_OVER_MAX);
        let chosen = neglected.unwrap_or(first);
        for lane in 0..4 {
            if lane == chosen || self.waiting[lane].is_empty() {
                self.passed_over[lane] = 0;
            } else {
                self.passed_over[lane] += 1;
            }
        }
        Some(chosen)
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place. `None` only if the gate is gone.
    pub(super) async fn enter(&self, lane: usize) -> Option<Place> {
        self.queue(lane).await.ok()
    }

    fn queue(&self, lane: usize) -> oneshot::Receiver<Place> {
        let (hand, place) = oneshot::channel();
        let mut state = self.lock();
        state.waiting[lane].push_back(hand);
        self.hand_out(state);
        place
    }

    /// Gives free places to those who wait, as far as there are any.
    fn hand_out(&self, mut state: MutexGuard<'_, State>) {
        let mut given = Vec::new();
        while let Some(lane) = state.next() {
            let Some(hand) = state.waiting[lane].pop_front() else {
                break;
            };
            if hand.is_closed() {
                continue;
            }
            state.in_use[lane] += 1;
            if let Some(interval) = state.pace.as_ref().map(Pace::interval) {
                state.turn_pending = true;
                self.after(interval, Self::next_turn);
            }
            given.push((hand, lane));
        }
        drop(state);
        for (hand, lane) in given {
            // Somebody who went away in this moment drops the place, which hands it on.
            let _handed_back = hand.send(Place {
                gate: self.clone(),
                lane,
            });
        }
    }

    fn next_turn(&self) {
        let mut state = self.lock();
        state.turn_pending = false;
        self.hand_out(state);
    }

    /// How many places are taken.
    pub(super) fn in_use(&self) -> usize {
        self.lock().in_use.iter().sum()
    }

    /// The relay took a mail.
    pub(super) fn accepted(&self) {
        if let Some(pace) = &mut self.lock().pace {
            pace.accepted();
        }
    }

    /// The relay said that we are too fast.
    pub(super) fn throttled(&self) {
        let mut state = self.lock();
        if let Some(pace) = &mut state.pace {
            pace.throttled();
            return;
        }
        tracing::warn!("the relay wants fewer mails at a time; sending slows down");
        state.pace = Some(Pace::start());
        self.after(WINDOW, Self::next_window);
    }

    fn next_window(&self) {
        let mut state = self.lock();
        let goes_on = state.pace.as_mut().is_some_and(Pace::next_window);
        if goes_on {
            self.after(WINDOW, Self::next_window);
        } else {
            state.pace = None;
            tracing::info!("the relay takes mails as they come again");
        }
    }

    fn after(&self, wait: Duration, then: fn(&Self)) {
        let gate = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            then(&gate);
        });
    }

    /// How many rows of a lane should be at hand. Few when they would wait: what was known of a row at its claim grows old.
    pub(super) fn rows_at_hand(&self, lane: usize) -> usize {
        let state = self.lock();
        if state.waiting[..lane].iter().any(|waiting| !waiting.is_empty()) {
            return RESERVED[lane];
        }
        match &state.pace {
            Some(pace) => pace.of_half_a_second(),
            None => 2 * (PLACES - RESERVED.iter().sum::<usize>() + RESERVED[lane]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(gate: &Gate, lane: usize, count: usize) -> Vec<oneshot::Receiver<Place>> {
        (0..count).map(|_| gate.queue(lane)).collect()
    }

    fn in_use(gate: &Gate) -> [usize; 4] {
        gate.lock().in_use
    }

    #[tokio::test]
    async fn a_lane_borrows_what_is_free_and_each_keeps_its_own() {
        let gate = Gate::default();
        let _reminders = waiting(&gate, 2, 100);
        assert_eq!(in_use(&gate), [0, 0, 10, 0]);
        let _escalations = waiting(&gate, 0, 100);
        assert_eq!(in_use(&gate), [8, 0, 10, 0]);
        let _session = waiting(&gate, 1, 1);
        assert_eq!(in_use(&gate), [8, 1, 10, 0]);
    }

    #[tokio::test]
    async fn a_place_that_comes_back_goes_to_the_most_urgent_and_the_last_ones_stay() {
        let gate = Gate::default();
        let mut reminders = waiting(&gate, 2, 100);
        let _escalations = waiting(&gate, 0, 100);
        for _ in 0..100 {
            drop(reminders.remove(0));
        }
        assert_eq!(in_use(&gate), [17, 0, 0, 0]);
        let _more = waiting(&gate, 2, 5);
        assert_eq!(in_use(&gate), [17, 0, 1, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn under_a_pace_escalations_go_first_and_a_reminder_has_a_turn_now_and_then() {
        let gate = Gate::default();
        gate.throttled();
        let (mut reminders, mut escalations) = (waiting(&gate, 2, 3), waiting(&gate, 0, 200));
        let mut order = Vec::new();
        while order.len() < 100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            for (lane, waits) in [(2, &mut reminders), (0, &mut escalations)] {
                waits.retain_mut(|place| {
                    let got = place.try_recv().is_ok();
                    if got {
                        order.push(lane);
                    }
                    !got
                });
            }
        }
        let reminders = order.iter().filter(|lane| **lane == 2).count();
        assert!((1..=3).contains(&reminders), "{order:?}");
        assert_eq!(order[1..41], [0; 40]);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_refusal_turns_come_one_by_one_and_later_all_at_once_again() {
        let gate = Gate::default();
        gate.throttled();
        let _first = waiting(&gate, 0, 50);
        assert_eq!(in_use(&gate)[0], 1);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!((9..=12).contains(&in_use(&gate)[0]), "{:?}", in_use(&gate));
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(gate.lock().pace.is_none());
    }
}
