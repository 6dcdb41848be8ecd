//! Visits every state of a model, and asks what `stateright` does not: can every state still come to its goal?
//!
//! Its own `eventually` is blind to cycles, and a worker that renews its lease for ever is one. So a model notes the
//! steps on which its progress relies in a [`Trail`], and the search goes backward from the goals.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::hash::{Hash, Hasher as _};
use std::sync::Mutex;

use stateright::{Checker as _, Expectation, HasDiscoveries, Model};

/// The steps of a model that lead on, which states owe a goal, and which are one.
#[derive(Default)]
pub struct Trail(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    steps: HashSet<(u64, u64)>,
    owing: HashSet<u64>,
    goals: HashSet<u64>,
}

/// What tells states apart in a [`Trail`].
pub fn mark(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}

impl Trail {
    /// One step leads to the other state without anybody's mischief.
    pub fn step(&self, from: u64, to: u64) {
        self.0.lock().unwrap().steps.insert((from, to));
    }

    /// From this state a goal must be in reach.
    pub fn owes(&self, state: u64) {
        self.0.lock().unwrap().owing.insert(state);
    }

    /// This state is a goal.
    pub fn goal(&self, state: u64) {
        self.0.lock().unwrap().goals.insert(state);
    }

    /// How many states owe a goal and cannot reach one.
    pub fn stranded(&self) -> usize {
        let noted = self.0.lock().unwrap();
        let mut before: HashMap<u64, Vec<u64>> = HashMap::new();
        for (from, to) in &noted.steps {
            before.entry(*to).or_default().push(*from);
        }
        let mut safe = noted.goals.clone();
        let mut fresh: Vec<u64> = safe.iter().copied().collect();
        while let Some(state) = fresh.pop() {
            for earlier in before.get(&state).into_iter().flatten() {
                if safe.insert(*earlier) {
                    fresh.push(*earlier);
                }
            }
        }
        noted.owing.difference(&safe).count()
    }
}

/// What a visit of all states found.
#[derive(Debug)]
pub struct Explored<Action> {
    /// How many different states there are.
    pub states: usize,
    /// Properties that a state breaks, each with the shortest way to it.
    pub broken: Vec<(&'static str, Vec<Action>)>,
    /// What was to happen at least once and never did.
    pub never: Vec<&'static str>,
}

impl<Action> Explored<Action> {
    /// The names of the broken properties.
    pub fn broken_names(&self) -> Vec<&'static str> {
        self.broken.iter().map(|(name, _)| *name).collect()
    }
}

/// Visits every state of a model, or as many as it takes to break a property.
pub fn explore<M>(model: M) -> Explored<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync,
    M::Action: Clone + PartialEq + Debug + Send,
{
    let properties = model.properties();
    let checker = model
        .checker()
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let mut discovered = checker.discoveries();
    let mut explored = Explored {
        states: checker.unique_state_count(),
        broken: Vec::new(),
        never: Vec::new(),
    };
    for property in properties {
        match (property.expectation, discovered.remove(property.name)) {
            (Expectation::Sometimes, None) => explored.never.push(property.name),
            (Expectation::Always | Expectation::Eventually, Some(path)) => {
                explored.broken.push((property.name, path.into_actions()));
            }
            _ => {}
        }
    }
    explored
}

/// Whether the long run was asked for (`./test --long`).
pub fn is_long() -> bool {
    std::env::var_os("BEDSIDE_LONG").is_some_and(|value| value == "1")
}
