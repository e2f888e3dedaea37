//! Which ones an operator named, and what is wrong with some of them.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::id::ParkedId;

/// As many are told in one line; of the others, how many they are.
const MOST_TOLD: usize = 5;

/// The ones an operator named.
pub enum Wanted<Id> {
    All,
    These(BTreeSet<Id>),
}

impl<Id> Wanted<Id> {
    pub fn is_none(&self) -> bool {
        matches!(self, Self::These(ids) if ids.is_empty())
    }
}

/// Message ids, and names of parked events.
pub fn by_kind(ids: Vec<String>) -> (Wanted<String>, Wanted<ParkedId>) {
    let (mut messages, mut parked) = (BTreeSet::new(), BTreeSet::new());
    for id in ids {
        match ParkedId::parse(&id) {
            Some(id) => parked.insert(id),
            None => messages.insert(id),
        };
    }
    (Wanted::These(messages), Wanted::These(parked))
}

/// Complains about everything at once: what went well is not undone by what did not.
pub fn complain(problems: &[String]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let mut told = problems.iter().take(MOST_TOLD).cloned().collect::<Vec<_>>().join("; ");
    if let Some(more) = problems.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        told.push_str(&format!("; and {more} more"));
    }
    bail!(told)
}
