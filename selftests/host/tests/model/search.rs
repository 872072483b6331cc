// SPDX-License-Identifier: GPL-2.0

//! A search through all states of a model, breadth first, so that what it finds is shortest.

use std::{
    collections::{hash_map::Entry, HashMap},
    fmt::Display,
    hash::Hash,
    rc::Rc,
};

pub(crate) trait Model {
    type State: Clone + Eq + Hash;
    type Step: Display;

    fn start(&self) -> Self::State;

    /// All that may happen next. An error says which promise is broken by it.
    fn steps(&self, state: &Self::State) -> Vec<(Self::Step, Result<Self::State, String>)>;
}

/// What was found when no promise was broken.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    /// The states from which no end is ever reached. An end is where nothing happens any more.
    pub(crate) endless: usize,
}

/// The way to a broken promise.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) promise: String,
    pub(crate) way: Vec<String>,
}

pub(crate) fn explore<M: Model>(model: &M) -> Result<Explored, Broken> {
    let start = Rc::new(model.start());
    let mut known = HashMap::from([(start.clone(), 0)]);
    let mut states = vec![start];
    let mut from: Vec<(usize, String)> = vec![(0, String::new())];
    let mut before: Vec<Vec<usize>> = vec![Vec::new()];
    let mut ends = Vec::new();
    let mut taken = 0;
    let mut at = 0;

    while at < states.len() {
        let steps = model.steps(&states[at].clone());

        if steps.is_empty() {
            ends.push(at);
        }
        taken += steps.len();
        for (step, state) in steps {
            let state = match state {
                Ok(state) => Rc::new(state),
                Err(promise) => return Err(broken(promise, step.to_string(), at, &from)),
            };

            match known.entry(state) {
                Entry::Occupied(entry) => before[*entry.get()].push(at),
                Entry::Vacant(entry) => {
                    states.push(entry.key().clone());
                    from.push((at, step.to_string()));
                    before.push(vec![at]);
                    entry.insert(states.len() - 1);
                }
            }
        }
        at += 1;
    }

    let mut ending = vec![false; states.len()];
    while let Some(at) = ends.pop() {
        if !std::mem::replace(&mut ending[at], true) {
            ends.extend(&before[at]);
        }
    }
    Ok(Explored {
        states: states.len(),
        steps: taken,
        endless: ending.iter().filter(|&&ends| !ends).count(),
    })
}

fn broken(promise: String, last: String, mut at: usize, from: &[(usize, String)]) -> Broken {
    let mut way = vec![last];

    while at != 0 {
        way.push(from[at].1.clone());
        at = from[at].0;
    }
    way.reverse();
    Broken { promise, way }
}
