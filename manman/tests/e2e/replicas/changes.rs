//! Every change of a checkpoint, written down by the database itself, with the process that made it: whoever looks now
//! and then can miss one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use crate::support::Database;

/// Each process is told its name with the address of its database, and so tells it to the database.
pub const PROCESS: &str = "test.process";

const BEGIN: &str = "
    CREATE TABLE public.changes (
        id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at      timestamptz NOT NULL DEFAULT clock_timestamp(),
        process text NOT NULL,
        name    text NOT NULL,
        before  bigint NOT NULL,
        after   bigint NOT NULL,
        owner   text,
        epoch   bigint NOT NULL
    );
    CREATE FUNCTION public.note_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO public.changes (process, name, before, after, owner, epoch)
        VALUES (coalesce(current_setting('test.process', true), 'a stranger'), NEW.name,
                CASE WHEN TG_OP = 'UPDATE' THEN OLD.position ELSE 0 END, NEW.position, NEW.owner, NEW.epoch);
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_births AFTER INSERT ON checkpoints
        FOR EACH ROW EXECUTE FUNCTION public.note_change();
    CREATE TRIGGER note_changes AFTER UPDATE ON checkpoints FOR EACH ROW
        WHEN ((OLD.name, OLD.position, OLD.owner, OLD.epoch)
               IS DISTINCT FROM (NEW.name, NEW.position, NEW.owner, NEW.epoch))
        EXECUTE FUNCTION public.note_change();
    -- What is so when it begins.
    INSERT INTO public.changes (process, name, before, after, owner, epoch)
    SELECT 'the past', name, position, position, owner, epoch FROM checkpoints;";

/// One change of one checkpoint.
#[derive(Debug, Clone, FromRow)]
pub struct Change {
    pub at: DateTime<Utc>,
    /// Who made it.
    pub process: String,
    pub name: String,
    /// The position before.
    pub before: i64,
    /// The position from then on.
    pub after: i64,
    pub owner: Option<String>,
    pub epoch: i64,
}

/// The changes of each checkpoint, in the order in which they were made.
pub struct Changes(BTreeMap<String, Vec<Change>>);

/// Begins to write them down.
pub async fn begin(database: &Database) {
    sqlx::raw_sql(BEGIN).execute(&database.pool).await.unwrap();
}

impl Change {
    pub fn moves(&self) -> bool {
        self.after != self.before
    }
}

impl Changes {
    pub async fn read(database: &Database) -> Self {
        // The row's lock orders the changes of one checkpoint, and so their ids.
        let query =
            "SELECT at, process, name, before, after, owner, epoch FROM public.changes ORDER BY id";
        let all: Vec<Change> = sqlx::query_as(query).fetch_all(&database.pool).await.unwrap();
        let mut changes: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        for change in all {
            changes.entry(change.name.clone()).or_default().push(change);
        }
        Self(changes)
    }

    /// Those of each checkpoint.
    pub fn by_name(&self) -> impl Iterator<Item = (&str, &[Change])> {
        self.0.iter().map(|(name, changes)| (name.as_str(), &changes[..]))
    }

    pub fn in_words(&self) -> String {
        let all = || self.0.values().flatten();
        let moves = all().filter(|change| change.moves()).count();
        let processes: BTreeSet<_> = all().map(|change| &change.process).collect();
        let epochs: i64 = self.0.values().filter_map(|its| Some(its.last()?.epoch)).sum();
        format!(
            "{moves} moves of {} checkpoints by {} processes in {epochs} epochs",
            self.0.len(),
            processes.len() - 1,
        )
    }

    /// A position is moved by who holds the lease, and in the epoch in which it was taken.
    pub fn no_position_went_back_and_none_was_moved_by_a_stranger(&self) {
        for changes in self.0.values() {
            let mut holder = None;
            for pair in changes.windows(2) {
                let [last, next] = pair else { unreachable!() };
                assert_eq!(next.before, last.after, "{last:?} then {next:?}");
                assert!(next.after >= next.before, "it went back: {next:?}");
                assert!(next.epoch >= last.epoch, "an old epoch: {last:?} then {next:?}");
                if next.owner.is_some() && next.owner != last.owner {
                    assert!(
                        next.epoch > last.epoch,
                        "taken in an old epoch: {last:?} then {next:?}"
                    );
                    holder = Some(&next.process);
                }
                if next.moves() {
                    assert_eq!(
                        Some(&next.process),
                        holder,
                        "not by its holder: {last:?} then {next:?}"
                    );
                }
            }
        }
    }
}

/// Who held a checkpoint at an instant: what it is called in the table, and the process.
pub fn holder_at(changes: &[Change], at: DateTime<Utc>) -> Option<(&str, &str)> {
    let until = &changes[..changes.partition_point(|change| change.at <= at)];
    let owner = until.last()?.owner.as_deref()?;
    let before = until.iter().rposition(|change| change.owner.as_deref() != Some(owner));
    let taken = &until[before.map_or(0, |before| before + 1)];
    Some((owner, &taken.process))
}
