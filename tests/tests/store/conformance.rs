//! The rows of the delivery model (`models/src/outbox.rs`) against the real store: two thousand random
//! histories on each engine, compared after each step.
//!
//! One database holds all histories of a run; a step is one call of the store on a random part of them, so each row
//! lives its own life: claimed by this worker or that, kept, renewed, recorded under its fence or an old one.

use std::collections::BTreeMap;
use std::sync::Arc;

use bedside_models::outbox::{Claimed, Completion, Row, RowState};
use bedside_protocol::duty::Lane;
use bedside_protocol::id::NoticeId;
use bedside_protocol::notice::DroppedBecause;
use bedside_store::{ClaimedRow, CompletionResult, Recorded};
use bedside_tests::database::Database;
use bedside_tests::on_both_engines;
use chrono::Duration;

use crate::fixture::Bed;

on_both_engines!(the_store_does_to_a_row_what_the_model_says);

const ROWS: usize = 1_000;
const STEPS: usize = 50;
const TICK_MS: i64 = 1_000;
/// The others' messages to one person are put together, which the model's single rows are not.
const LANES: [Lane; 2] = [Lane::Escalation, Lane::Session];

/// Always the same numbers for a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn ticks(&mut self, up_to: u64) -> u8 {
        u8::try_from(self.roll(up_to)).unwrap()
    }

    fn completion(&mut self) -> Completion {
        match self.roll(8) {
            0 => Completion::Sent,
            1 => Completion::Failed,
            2 => Completion::Dropped,
            3 => Completion::Ambiguous { wait: None },
            4 | 5 => Completion::Ambiguous {
                wait: Some(self.ticks(4)),
            },
            _ => Completion::Retry { wait: self.ticks(4) },
        }
    }
}

/// The model's rows beside the store's.
struct Twins {
    bed: Bed,
    rows: BTreeMap<NoticeId, Row>,
    lanes: BTreeMap<NoticeId, Lane>,
    dice: Dice,
    /// How often each thing happened, so that none is left out by chance.
    seen: BTreeMap<&'static str, usize>,
}

async fn the_store_does_to_a_row_what_the_model_says(engine: Database) {
    for seed in [1, 2] {
        let bed = Bed::made(engine).await;
        let mut twins = Twins {
            bed,
            rows: BTreeMap::new(),
            lanes: BTreeMap::new(),
            dice: Dice(seed),
            seen: BTreeMap::new(),
        };
        twins.queue().await;
        for _ in 0..STEPS {
            match twins.dice.roll(8) {
                0..=3 => twins.claim().await,
                4 | 5 => twins.record().await,
                6 => twins.renew().await,
                _ => twins.pass(),
            }
            twins.are_alike();
        }
        for happened in [
            "claimed",
            "taken over",
            "kept",
            "renewed",
            "not renewed",
            "recorded",
            "too late",
        ] {
            assert!(
                twins.seen.contains_key(happened),
                "never {happened}: {:?}",
                twins.seen
            );
        }
    }
}

impl Twins {
    async fn queue(&mut self) {
        let notices: Vec<_> = (0..ROWS)
            .map(|number| self.bed.notice(&format!("row:{number}"), LANES[number % 2]))
            .collect();
        for notice in &notices {
            self.rows.insert(notice.id, Row::NEW);
            self.lanes.insert(notice.id, notice.lane);
        }
        self.bed.queue(notices).await;
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// A random part of the rows that were claimed at least once, each with a fence of now or of before.
    fn some(&mut self) -> Vec<(NoticeId, u8)> {
        let share = 1 + self.dice.roll(6);
        let mut some = Vec::new();
        for (id, row) in &self.rows {
            if row.fence > 0 && self.dice.roll(share) == 0 {
                let age = if self.dice.roll(4) == 0 {
                    self.dice.ticks(3)
                } else {
                    0
                };
                some.push((*id, row.fence.saturating_sub(age).max(1)));
            }
        }
        some
    }

    async fn claim(&mut self) {
        let lanes: Vec<Lane> = LANES.into_iter().filter(|_| self.dice.roll(3) > 0).collect();
        let limit = [50, 700, 5_000][usize::try_from(self.dice.roll(3)).unwrap()];
        let lease = 1 + self.dice.ticks(5);
        let due: Vec<NoticeId> = (self.rows.iter())
            .filter(|(id, row)| row.may_be_claimed(None) && lanes.contains(&self.lanes[id]))
            .map(|(id, _)| *id)
            .collect();
        let lease_ms = u32::from(lease) * u32::try_from(TICK_MS).unwrap();
        let mail = 1 + self.dice.ticks(200);
        // Some claims make no mail, as when a message is not wanted any more.
        let makes = self.dice.roll(3) > 0;
        let make = move |claimed: &ClaimedRow| {
            let now = makes && claimed.row.rendered.is_none();
            ((), now.then(|| Arc::new(vec![mail])))
        };
        let handed = self
            .bed
            .store
            .claim_and_make("worker", &lanes, limit, lease_ms, make)
            .await
            .unwrap();
        assert_eq!(handed.len(), due.len().min(usize::try_from(limit).unwrap()));
        for (claimed, _) in handed {
            let bedside_store::Claimed::Ready(claimed) = claimed else {
                panic!("a row cannot be read");
            };
            let id = claimed.row.notice.id;
            assert!(
                due.contains(&id),
                "a row was claimed that the model would not claim"
            );
            let real = Claimed {
                fence: u8::try_from(claimed.fence).unwrap(),
                attempts: u8::try_from(claimed.row.attempts).unwrap(),
                rendered: claimed.row.rendered.map(|bytes| bytes[0]),
                ambiguous: claimed.row.ambiguous,
                lease_ran_out: claimed.lease_ran_out,
            };
            let row = self.rows.get_mut(&id).unwrap();
            let model = row.claim(lease, None);
            assert_eq!(real, model);
            if makes && model.rendered.is_none() {
                assert!(row.keep_rendered(model.fence, mail, None));
                self.saw("kept");
            }
            self.saw(if model.lease_ran_out {
                "taken over"
            } else {
                "claimed"
            });
        }
    }

    async fn renew(&mut self) {
        let some = self.some();
        let lease = 1 + self.dice.ticks(5);
        let held = some.iter().map(|(id, fence)| (*id, i64::from(*fence))).collect();
        let lease_ms = u32::from(lease) * u32::try_from(TICK_MS).unwrap();
        let ours = self.bed.store.renew(held, lease_ms).await.unwrap();
        for (id, fence) in some {
            let model = self.rows.get_mut(&id).unwrap().renew(fence, lease);
            assert_eq!(ours.contains(&id), model);
            self.saw(if model { "renewed" } else { "not renewed" });
        }
    }

    async fn record(&mut self) {
        let results: Vec<(NoticeId, u8, Completion)> = (self.some().into_iter())
            .map(|(id, fence)| (id, fence, self.dice.completion()))
            .collect();
        let now = self.bed.store.clocks().machine_now();
        let completions = results
            .iter()
            .map(|(id, fence, completion)| bedside_store::Completion {
                id: *id,
                fence: i64::from(*fence),
                result: in_words(*completion, |wait| {
                    now + Duration::milliseconds(i64::from(wait) * TICK_MS)
                }),
            });
        let recorded = self.bed.store.record(completions.collect()).await.unwrap();
        for ((id, fence, completion), recorded) in results.into_iter().zip(recorded) {
            let model = self.rows.get_mut(&id).unwrap().record(fence, completion, None);
            assert_eq!(recorded == Recorded::Recorded, model);
            self.saw(if model { "recorded" } else { "too late" });
        }
    }

    fn pass(&mut self) {
        let ticks = 1 + self.dice.ticks(3);
        self.bed
            .advance(Duration::milliseconds(i64::from(ticks) * TICK_MS));
        for row in self.rows.values_mut() {
            row.pass(ticks);
        }
    }

    /// Every column the model has, of every row.
    fn are_alike(&self) {
        let now = self.bed.store.clocks().machine_now().timestamp_millis();
        let mut real = self.bed.sql(
            "SELECT id || ' ' || state || ' ' || CAST(fence AS TEXT) || ' ' || CAST(attempts AS TEXT) || ' ' || \
             COALESCE(CAST(lease_until AS TEXT), '-') || ' ' || \
             CASE WHEN state = 'pending' THEN CAST(retry_at AS TEXT) ELSE '-' END || ' ' || \
             CASE WHEN rendered_sealed IS NULL THEN 'unkept' ELSE 'kept' END || ' ' || \
             CASE WHEN ambiguous THEN 'ambiguous' ELSE 'clear' END AS value FROM outbox",
        );
        real.sort_unstable();
        let left = |at: &str| -> i64 {
            let at: i64 = at.parse().unwrap_or(0);
            (at - now).max(0) / TICK_MS
        };
        assert_eq!(real.len(), self.rows.len());
        for (line, (id, row)) in real.iter().zip(&self.rows) {
            let words: Vec<&str> = line.split(' ').collect();
            let leased = row.state == RowState::Leased;
            assert_eq!(
                (words[4] != "-", words[0]),
                (leased, id.to_string().as_str()),
                "{line}"
            );
            let real = (
                words[1],
                words[2].parse().unwrap(),
                words[3].parse().unwrap(),
                left(words[4]),
                left(words[5]),
                words[6] == "kept",
                words[7] == "ambiguous",
            );
            let model = (
                row.state.name(),
                row.fence,
                row.attempts,
                i64::from(row.lease_left),
                i64::from(row.retry_left),
                row.rendered.is_some(),
                row.ambiguous,
            );
            assert_eq!(real, model, "{line}");
        }
    }
}

fn in_words(completion: Completion, at: impl Fn(u8) -> bedside_protocol::time::Instant) -> CompletionResult {
    let class = "class".to_owned();
    match completion {
        Completion::Sent => CompletionResult::Sent { reply_code: 250 },
        Completion::Failed => CompletionResult::Failed {
            class,
            reply_code: Some(550),
        },
        Completion::Dropped => CompletionResult::Dropped(DroppedBecause::Stale),
        Completion::Retry { wait } => CompletionResult::Retry {
            at_machine: at(wait),
            class,
            reply_code: Some(451),
        },
        Completion::Ambiguous { wait } => CompletionResult::Ambiguous {
            retry_at_machine: wait.map(at),
            class,
        },
    }
}
