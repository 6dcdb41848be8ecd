//! Workers, a relay and the outbox between them: lease, fence and completion, with crashes, cuts and slow workers.
//!
//! What the store does to a row is in `outbox.rs`. What a worker does is `worker/src/deliver.rs` and
//! `deliver/attempt.rs`, one action for each point at which it can be killed; when to try again, whether twice, and until
//! when are the worker's own functions (`deliver::retry`), and whether a message is wanted is the protocol's
//! (`notice::still_wanted`). A worker that is down is one that does nothing, so restarting is no action of its own. Time
//! is relative: a tick is five seconds, a lease two ticks.

use std::sync::Arc;

use bedside_protocol::duty::Lane;
use bedside_protocol::id::{CaseId, DutyId, NoticeId, PersonId};
use bedside_protocol::notice::{About, AtSending, Message, Notice, Recipient, Who, still_wanted};
use bedside_protocol::time::{Instant, Zone, minutes};
use bedside_worker::deliver::retry;
use stateright::{Model, Property};
use uuid::Uuid;

use crate::broken::Broken;
use crate::delivery_promises;
use crate::exploring::{Trail, mark};
use crate::outbox::{Completion, Mail, Row, RowState};

/// Ticks of a lease: 8 s, of 5 s each.
const LEASE: u8 = 2;
const TICK_S: i64 = 5;
/// Longer waits differ in nothing but their length.
const WAIT_MAX: i64 = 2;
/// `attempt.rs: FAILURES_BEFORE_NEXT_CONTACT`.
const FAILURES_BEFORE_NEXT_CONTACT: u8 = 2;

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Escalation,
    Reminder,
    Information,
}

/// What a worker knows of a row it claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt {
    fence: u8,
    number: u8,
    mail: Option<Mail>,
    stage: Stage,
    /// The source was over, or the message stale, when it was claimed.
    of_no_use: bool,
    /// Which claim of the row this is, whatever the fence says.
    claim: u8,
    /// A second copy by this attempt's misfortune is allowed for.
    excused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Claimed,
    BeforeDot,
    AfterDot,
    /// The relay has it; its reply is on the way.
    Accepted,
    Failing {
        permanent: bool,
        ambiguous: bool,
    },
    /// Ended and not recorded yet.
    Ended(Completion),
}

impl Stage {
    /// A copy may be out, or may still go out.
    fn may_make_a_copy(self) -> bool {
        match self {
            Self::Claimed => false,
            Self::BeforeDot => true,
            _ => self.may_have_made_a_copy(),
        }
    }

    fn may_have_made_a_copy(self) -> bool {
        match self {
            Self::Claimed | Self::BeforeDot => false,
            Self::AfterDot | Self::Accepted => true,
            Self::Failing { ambiguous, .. } => ambiguous,
            Self::Ended(completion) => {
                matches!(completion, Completion::Sent | Completion::Ambiguous { .. })
            }
        }
    }
}

/// A row, its source, and what really happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    pub row: Row,
    pub wanted: bool,
    /// Its use is over.
    pub old: bool,
    pub next_told: bool,
    /// Mails the relay took.
    pub copies: u8,
    /// Faults and crashes after the dot that allow for one more each.
    pub excuses: u8,
    claims: u8,
    sent_mail: Option<Mail>,
    pub wrong: Option<Wrong>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wrong {
    OldFence,
    ChangedAfterItsEnd,
    OtherBytes,
    OfNoUse,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub rows: Vec<Entry>,
    /// What each worker holds of each row.
    workers: Vec<Vec<Option<Attempt>>>,
    /// How much may still go wrong.
    left: u8,
}

/// Numbers are worker and row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Claim(usize, usize),
    Keep(usize, usize),
    KeepRefused(usize, usize),
    FinalDot(usize, usize),
    RelayAccepts(usize, usize),
    Reply(usize, usize),
    Temporary(usize, usize),
    Permanent(usize, usize),
    Cut(usize, usize),
    Decide(usize, usize),
    DecideUntold(usize, usize),
    Record(usize, usize),
    Renew(usize, usize),
    Crash(usize),
    Stop(usize),
    Tick,
    Unwanted(usize),
    GrowsOld(usize),
}

/// The model: what kinds of rows there are, and how much may go wrong.
pub struct Delivery {
    pub kinds: Vec<Kind>,
    pub workers: usize,
    pub mischief: u8,
    /// Whether cases are taken, duties met and messages grow stale meanwhile.
    pub world_moves: bool,
    pub broken: Option<Broken>,
    /// From every state all rows can end without help from outside.
    pub ends: Arc<Trail>,
    notices: Vec<Notice>,
}

impl Delivery {
    pub fn new(kinds: &[Kind], workers: usize, mischief: u8) -> Self {
        Self {
            kinds: kinds.to_vec(),
            workers,
            mischief,
            world_moves: true,
            broken: None,
            ends: Arc::default(),
            notices: kinds.iter().map(|kind| notice(*kind)).collect(),
        }
    }

    fn is_sent_twice(&self, row: usize) -> bool {
        match self.broken {
            Some(Broken::SendsReminderTwice) => true,
            Some(Broken::GivesUpEscalation) => false,
            _ => retry::is_sent_twice_rather_than_never(&self.notices[row]),
        }
    }

    /// `attempt.rs: result_of`: whether the next contact is to be told, and the result.
    fn result_of(&self, row: usize, attempt: &Attempt, old: bool, told: bool) -> (bool, Completion) {
        let Stage::Failing { permanent, ambiguous } = attempt.stage else {
            unreachable!("only failures are decided on");
        };
        let (kind, notice) = (self.kinds[row], &self.notices[row]);
        let twice = self.is_sent_twice(row);
        if ambiguous && self.broken == Some(Broken::TrustsTheCut) {
            return (false, Completion::Sent);
        }
        if ambiguous && !twice {
            return (false, Completion::Ambiguous { wait: None });
        }
        let wait = wait_after(attempt.number);
        let of_case = kind == Kind::Escalation;
        if permanent || !retry::is_of_use(notice, now(old)) {
            if self.broken == Some(Broken::FailsWithoutNextContact) {
                return (false, Completion::Failed);
            }
            // `failed_for_good`: not before somebody else was told.
            let completion = if told || !of_case {
                Completion::Failed
            } else {
                Completion::Retry { wait }
            };
            return (of_case && told, completion);
        }
        let tell = of_case && told && attempt.number >= FAILURES_BEFORE_NEXT_CONTACT;
        if ambiguous {
            (tell, Completion::Ambiguous { wait: Some(wait) })
        } else {
            (tell, Completion::Retry { wait })
        }
    }

    /// `attempt.rs: prepare`, which follows a claim at once.
    fn prepare(&self, row: usize, entry: &Entry, rendered: Option<Mail>) -> (Option<Mail>, Stage) {
        let known = AtSending {
            now: now(entry.old),
            duty_open: entry.wanted,
            case_untaken: entry.wanted,
            // The model's rows are about one thing each.
            told_since: false,
            invitation_open: entry.wanted,
            comms_active: true,
            mail_declined: false,
            in_session: false,
        };
        if still_wanted(&self.notices[row], &known).is_err() && self.broken != Some(Broken::NeverDrops) {
            return (None, Stage::Ended(Completion::Dropped));
        }
        match rendered {
            Some(mail) => (Some(mail), Stage::BeforeDot),
            None => (None, Stage::Claimed),
        }
    }

    fn holds<'w>(&self, world: &'w World) -> impl Iterator<Item = (usize, usize, &'w Attempt)> {
        world.workers.iter().enumerate().flat_map(|(worker, held)| {
            held.iter()
                .enumerate()
                .filter_map(move |(row, attempt)| Some((worker, row, attempt.as_ref()?)))
        })
    }

    /// How many living holders would lose their lease if a tick passed.
    fn lapses_in_a_tick(&self, world: &World) -> u8 {
        let lapses = self.holds(world).filter(|(_, row, attempt)| {
            let entry = &world.rows[*row];
            entry.row.state == RowState::Leased && entry.row.lease_left == 1 && attempt.claim == entry.claims
        });
        u8::try_from(lapses.count()).unwrap()
    }

    fn apply(&self, world: &mut World, action: Action) {
        let broken = self.broken;
        let take = |world: &mut World, worker: usize, row: usize| world.workers[worker][row].take().unwrap();
        match action {
            Action::Claim(worker, row) => {
                let entry = &mut world.rows[row];
                if entry.row.lease_left == 0 {
                    for attempt in world.workers.iter_mut().filter_map(|held| held[row].as_mut()) {
                        if attempt.claim == entry.claims && attempt.stage.may_make_a_copy() {
                            excuse(entry, attempt);
                        }
                    }
                }
                if entry.row.is_over() {
                    entry.wrong = Some(Wrong::ChangedAfterItsEnd);
                }
                entry.claims += 1;
                let claimed = entry.row.claim(LEASE, broken);
                let rendered = claimed.rendered.filter(|_| broken != Some(Broken::NeverKeeps));
                let (mail, stage) = self.prepare(row, entry, rendered);
                world.workers[worker][row] = Some(Attempt {
                    fence: claimed.fence,
                    number: claimed.attempts,
                    mail,
                    stage,
                    of_no_use: !entry.wanted || (entry.old && self.kinds[row] == Kind::Reminder),
                    claim: entry.claims,
                    excused: false,
                });
            }
            Action::Keep(worker, row) => {
                let mut attempt = take(world, worker, row);
                let entry = &mut world.rows[row];
                // Each making is other bytes: nothing relies on a mail being made the same way twice.
                let mail = attempt.claim;
                let is_old = attempt.claim != entry.claims;
                if broken == Some(Broken::NeverKeeps) || entry.row.keep_rendered(attempt.fence, mail, broken)
                {
                    if is_old && broken != Some(Broken::NeverKeeps) {
                        entry.wrong = Some(Wrong::OldFence);
                    }
                    attempt.mail = Some(mail);
                    attempt.stage = Stage::BeforeDot;
                    world.workers[worker][row] = Some(attempt);
                }
            }
            Action::KeepRefused(worker, row) => {
                world.left -= 1;
                let attempt = world.workers[worker][row].as_mut().unwrap();
                attempt.stage = Stage::Ended(Completion::Retry { wait: wait_after(1) });
            }
            Action::FinalDot(worker, row) => {
                let attempt = world.workers[worker][row].as_mut().unwrap();
                attempt.stage = Stage::AfterDot;
                let entry = &mut world.rows[row];
                if entry.sent_mail.is_some() && entry.sent_mail != attempt.mail {
                    entry.wrong = Some(Wrong::OtherBytes);
                }
                if attempt.of_no_use {
                    entry.wrong = Some(Wrong::OfNoUse);
                }
                entry.sent_mail = attempt.mail;
            }
            Action::RelayAccepts(worker, row) => {
                world.workers[worker][row].as_mut().unwrap().stage = Stage::Accepted;
                world.rows[row].copies += 1;
            }
            Action::Reply(worker, row) => {
                world.workers[worker][row].as_mut().unwrap().stage = Stage::Ended(Completion::Sent);
            }
            Action::Temporary(worker, row) | Action::Permanent(worker, row) => {
                world.left -= 1;
                let permanent = action == Action::Permanent(worker, row);
                let stage = Stage::Failing {
                    permanent,
                    ambiguous: false,
                };
                world.workers[worker][row].as_mut().unwrap().stage = stage;
            }
            Action::Cut(worker, row) => {
                world.left -= 1;
                let attempt = world.workers[worker][row].as_mut().unwrap();
                attempt.stage = Stage::Failing {
                    permanent: false,
                    ambiguous: true,
                };
                // A reminder is rather lost than sent twice.
                if self.kinds[row] != Kind::Reminder {
                    excuse(&mut world.rows[row], attempt);
                }
            }
            Action::Decide(worker, row) | Action::DecideUntold(worker, row) => {
                let told = action == Action::Decide(worker, row);
                if !told {
                    world.left -= 1;
                }
                let old = world.rows[row].old;
                let attempt = world.workers[worker][row].as_mut().unwrap();
                let (tell, completion) = self.result_of(row, attempt, old, told);
                attempt.stage = Stage::Ended(completion);
                world.rows[row].next_told |= tell;
                if broken == Some(Broken::ForgetsFailures) && matches!(completion, Completion::Retry { .. }) {
                    attempt.stage = Stage::Failing {
                        permanent: false,
                        ambiguous: false,
                    };
                }
            }
            Action::Record(worker, row) => {
                let attempt = take(world, worker, row);
                let Stage::Ended(completion) = attempt.stage else {
                    unreachable!("only what has ended is recorded");
                };
                let entry = &mut world.rows[row];
                let was_over = entry.row.is_over();
                if entry.row.record(attempt.fence, completion, broken) {
                    if was_over {
                        entry.wrong = Some(Wrong::ChangedAfterItsEnd);
                    } else if attempt.claim != entry.claims {
                        entry.wrong = Some(Wrong::OldFence);
                    }
                }
            }
            Action::Renew(worker, row) => {
                let attempt = world.workers[worker][row].unwrap();
                let ours = world.rows[row].row.renew(attempt.fence, LEASE);
                // `renew_leases` cuts an attempt whose lease is lost; one that has ended is left to find out.
                if !ours && !matches!(attempt.stage, Stage::Ended(_)) {
                    world.workers[worker][row] = None;
                }
            }
            Action::Crash(worker) => {
                world.left -= 1;
                for (row, held) in world.workers[worker].iter_mut().enumerate() {
                    if let Some(mut attempt) = held.take()
                        && attempt.stage.may_have_made_a_copy()
                    {
                        excuse(&mut world.rows[row], &mut attempt);
                    }
                }
            }
            Action::Stop(worker) => {
                world.left -= 1;
                for (row, held) in world.workers[worker].iter_mut().enumerate() {
                    let Some(attempt) = held else { continue };
                    // `attempt.rs: cut_after_dot` and `given_back`.
                    attempt.stage = Stage::Ended(match attempt.stage {
                        Stage::Claimed | Stage::Ended(_) => continue,
                        stage if stage.may_have_made_a_copy() => {
                            excuse(&mut world.rows[row], attempt);
                            let wait = self.is_sent_twice(row).then_some(0);
                            Completion::Ambiguous { wait }
                        }
                        _ => Completion::Retry { wait: 0 },
                    });
                }
            }
            Action::Tick => {
                world.left -= self.lapses_in_a_tick(world);
                for entry in &mut world.rows {
                    entry.row.pass(1);
                }
            }
            Action::Unwanted(row) => world.rows[row].wanted = false,
            Action::GrowsOld(row) => world.rows[row].old = true,
        }
    }

    /// Nothing goes wrong and nobody outside does anything.
    fn leads_on(&self, world: &World, action: Action) -> bool {
        match action {
            Action::Claim(..)
            | Action::Keep(..)
            | Action::FinalDot(..)
            | Action::RelayAccepts(..)
            | Action::Reply(..)
            | Action::Decide(..)
            | Action::Record(..)
            | Action::Renew(..) => true,
            Action::Tick => self.lapses_in_a_tick(world) == 0,
            _ => false,
        }
    }
}

/// One more copy is allowed for, once for each attempt.
fn excuse(entry: &mut Entry, attempt: &mut Attempt) {
    if !attempt.excused {
        attempt.excused = true;
        entry.excuses += 1;
    }
}

fn wait_after(attempt: u8) -> u8 {
    let wait_s = retry::wait_after(u32::from(attempt), 0).num_seconds();
    u8::try_from((wait_s / TICK_S).min(WAIT_MAX)).unwrap()
}

/// The clinical clock while a message is of use, and when its use is over.
fn now(old: bool) -> Instant {
    Instant::UNIX_EPOCH + minutes(if old { 4 * 24 * 60 } else { 0 })
}

fn notice(kind: Kind) -> Notice {
    let id = Uuid::from_u128(1);
    Notice {
        id: NoticeId::from(id),
        key: String::new(),
        lane: match kind {
            Kind::Escalation | Kind::Information => Lane::Escalation,
            Kind::Reminder => Lane::Session,
        },
        to: Recipient {
            who: Who::Staff(PersonId::from(id)),
            email: String::new(),
        },
        about: match kind {
            Kind::Escalation => About::Case {
                case: CaseId::from(id),
                round: 1,
            },
            Kind::Reminder => About::Duty {
                duty: DutyId::from(id),
            },
            Kind::Information => About::Information,
        },
        message: Message::Test {
            at: Instant::UNIX_EPOCH,
            zone: Zone::UTC,
        },
        not_before: Instant::UNIX_EPOCH,
        stale_after: (kind == Kind::Reminder).then(|| Instant::UNIX_EPOCH + minutes(4)),
        thread: None,
    }
}

impl Model for Delivery {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let entry = Entry {
            row: Row::NEW,
            wanted: true,
            old: false,
            next_told: false,
            copies: 0,
            excuses: 0,
            claims: 0,
            sent_mail: None,
            wrong: None,
        };
        vec![World {
            rows: vec![entry; self.kinds.len()],
            workers: vec![vec![None; self.kinds.len()]; self.workers],
            left: self.mischief,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        let mischief = world.left > 0;
        for (row, entry) in world.rows.iter().enumerate() {
            if entry.row.may_be_claimed(self.broken) {
                let free = world.workers.iter().position(|held| held[row].is_none());
                // Idle workers are all alike.
                let idle = |held: &Vec<Option<Attempt>>| held.iter().all(Option::is_none);
                let first_idle = world.workers.iter().position(idle);
                for worker in 0..world.workers.len() {
                    let held = &world.workers[worker];
                    if free.is_some() && held[row].is_none() && (!idle(held) || first_idle == Some(worker)) {
                        actions.push(Action::Claim(worker, row));
                    }
                }
            }
            // What is over is asked for by nobody.
            if self.world_moves && !entry.row.is_over() {
                if entry.wanted && self.kinds[row] != Kind::Information {
                    actions.push(Action::Unwanted(row));
                }
                if !entry.old {
                    actions.push(Action::GrowsOld(row));
                }
            }
        }
        for (worker, row, attempt) in self.holds(world) {
            let at = |action: fn(usize, usize) -> Action| action(worker, row);
            let failures = |actions: &mut Vec<Action>| {
                if mischief {
                    actions.extend([at(Action::Temporary), at(Action::Permanent)]);
                }
            };
            match attempt.stage {
                Stage::Claimed => {
                    actions.push(at(Action::Keep));
                    if mischief {
                        actions.push(at(Action::KeepRefused));
                    }
                }
                Stage::BeforeDot => {
                    actions.push(at(Action::FinalDot));
                    failures(actions);
                }
                Stage::AfterDot => {
                    actions.push(at(Action::RelayAccepts));
                    failures(actions);
                }
                Stage::Accepted => actions.push(at(Action::Reply)),
                Stage::Failing { .. } => {
                    actions.push(at(Action::Decide));
                    if mischief && self.kinds[row] == Kind::Escalation {
                        actions.push(at(Action::DecideUntold));
                    }
                }
                Stage::Ended(_) => actions.push(at(Action::Record)),
            }
            if mischief && matches!(attempt.stage, Stage::AfterDot | Stage::Accepted) {
                actions.push(at(Action::Cut));
            }
            let fresh = attempt.claim == world.rows[row].claims && world.rows[row].row.lease_left == LEASE;
            if !fresh {
                actions.push(at(Action::Renew));
            }
        }
        for (worker, held) in world.workers.iter().enumerate() {
            if mischief && held.iter().any(Option::is_some) {
                actions.extend([Action::Crash(worker), Action::Stop(worker)]);
            }
        }
        let time_matters = world.rows.iter().any(|entry| match entry.row.state {
            RowState::Pending => entry.row.retry_left > 0,
            RowState::Leased => entry.row.lease_left > 0,
            _ => false,
        });
        if time_matters && self.lapses_in_a_tick(world) <= world.left {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        self.apply(&mut next, action);
        next.workers.sort_unstable();
        let (from, to) = (mark(world), mark(&next));
        if self.leads_on(world, action) {
            self.ends.step(from, to);
        }
        self.ends.owes(to);
        if next.rows.iter().all(|entry| entry.row.is_over()) {
            self.ends.goal(to);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        delivery_promises::all()
    }
}
