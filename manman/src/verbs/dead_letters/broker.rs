//! Messages that could not be made into events: back into their queues, or put aside.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use domain::dead_letter::DeadLetterCommand;
use event_store::ExecuteError;
use futures::{StreamExt, stream};
use messaging::{DeadLetter, DeadLetters, Handled};

use super::decider::Decider;
use super::wanted::{Wanted, complain};
use crate::verbs::output::print;

/// Decisions on their way to the log at once: they are written together.
const AT_ONCE: usize = 64;

/// Said when the log has it and the broker does not.
const UNDONE: &str = "the decision is on the log, but not all of it is done; it may be repeated";

/// Puts messages back into their queues.
pub async fn retry(
    letters: &DeadLetters,
    decider: &Decider,
    wanted: &Wanted<String>,
) -> Result<()> {
    let command = |queue, reason_dead| DeadLetterCommand::Retry { queue, reason_dead };
    let mut recorded = Recorded::record(letters, decider, wanted, command).await?;
    let decision = decider.decision();
    let handled =
        letters.redrive(&decision, |letter| recorded.has(letter)).await.context(UNDONE)?;
    print(&format!("{} back in their queues", handled.moved))?;
    recorded.all_moved(handled)
}

/// Puts messages aside.
pub async fn skip(letters: &DeadLetters, decider: &Decider, wanted: &Wanted<String>) -> Result<()> {
    let command = |queue, reason_dead| DeadLetterCommand::Skip { queue, reason_dead };
    let mut recorded = Recorded::record(letters, decider, wanted, command).await?;
    let decision = decider.decision();
    let skipped = letters.skip(&decision, |letter| recorded.has(letter)).await;
    let handled = skipped.context(UNDONE)?;
    print(&format!("{} put aside", handled.moved))?;
    recorded.all_moved(handled)
}

/// The messages about which the log has the decision.
struct Recorded {
    ids: BTreeSet<String>,
    /// Those of them that were come across; several messages may have one id.
    seen: BTreeSet<String>,
    found: usize,
    problems: Vec<String>,
}

impl Recorded {
    /// Looks for the messages that are wanted, and has the decision recorded about each.
    async fn record(
        letters: &DeadLetters,
        decider: &Decider,
        wanted: &Wanted<String>,
        command: impl Fn(String, String) -> DeadLetterCommand,
    ) -> Result<Self> {
        let present = letters.list(usize::MAX).await?.into_iter();
        let mut present: BTreeMap<_, _> =
            present.map(|letter| (letter.message_id.clone(), letter)).collect();
        let mut problems = Vec::new();
        if let Wanted::These(ids) = wanted {
            let missing = ids.iter().filter(|id| !present.contains_key(*id));
            problems.extend(missing.map(|id| format!("there is no dead letter {id}")));
            present.retain(|id, _| ids.contains(id));
        }
        let decisions = present.into_iter().map(|(id, letter)| {
            let command = command(letter.queue, letter.reason);
            async move {
                let stream = domain::DeadLetter::id_of(&id).into_owned();
                let context = decider.context();
                let recorded = decider.store.dead_letters.execute(&stream, command, &context).await;
                (id, recorded)
            }
        });
        let mut decisions = stream::iter(decisions).buffered(AT_ONCE);
        let mut ids = BTreeSet::new();
        while let Some((id, recorded)) = decisions.next().await {
            match recorded {
                Ok(_) => {
                    ids.insert(id);
                }
                Err(ExecuteError::Refused(refusal)) => {
                    problems.push(format!("dead letter {id}: {refusal}"));
                }
                Err(error) => {
                    return Err(error)
                        .context("the log did not take the decision; nothing was done");
                }
            }
        }
        Ok(Self { ids, seen: BTreeSet::new(), found: 0, problems })
    }

    fn has(&mut self, letter: &DeadLetter) -> bool {
        let has = self.ids.contains(&letter.message_id);
        if has {
            self.seen.insert(letter.message_id.clone());
            self.found += 1;
        }
        has
    }

    /// Complains about what was to be moved and is not.
    fn all_moved(mut self, handled: Handled) -> Result<()> {
        let gone = self.ids.difference(&self.seen);
        self.problems.extend(gone.map(|id| format!("{id} is no dead letter any more")));
        let stuck = self.found.saturating_sub(handled.moved);
        if stuck > 0 {
            let problem = "stay dead letters: the queue they came from does not exist";
            self.problems.push(format!("{stuck} {problem}"));
        }
        complain(&self.problems)
    }
}
