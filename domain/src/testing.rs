//! What the tests of all aggregates share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use cqrs_es::{Aggregate, DomainEvent};
use serde::de::value::Error;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::{Event, Instant};

/// `seconds` after the moment all tests begin at.
pub fn at(seconds: i64) -> Instant {
    let start: Instant = "2026-01-02T03:04:05.678901Z".parse().unwrap();
    start + TimeDelta::seconds(seconds)
}

pub fn given<A: Aggregate<Services = ()>>(events: Vec<A::Event>) -> AggregateTestExecutor<A> {
    TestFramework::with(()).given(events)
}

pub fn replayed<A: Aggregate>(events: Vec<A::Event>) -> A {
    events.into_iter().fold(A::default(), |mut aggregate, event| {
        aggregate.apply(event);
        aggregate
    })
}

/// Sends a command to an aggregate in each of its states, and to its snapshot in that state.
pub fn in_every_state<A, S, R>(
    states: &[S],
    history: impl Fn(S) -> Vec<A::Event>,
    command: impl Fn() -> A::Command,
    expected: impl Fn(S) -> Result<Vec<A::Event>, R>,
) where
    A: Aggregate<Services = (), Error = R> + Debug + PartialEq,
    S: Copy + Debug,
    R: std::error::Error + PartialEq,
{
    for &state in states {
        let decided = given::<A>(history(state)).when(command()).inspect_result();
        assert_eq!(decided, expected(state), "in state {state:?}");

        let live = replayed::<A>(history(state));
        let snapshot = serde_json::to_string(&live).unwrap();
        let restored: A = serde_json::from_str(&snapshot).unwrap();
        assert_eq!(restored, live, "snapshot {snapshot} of state {state:?}");
    }
}

/// The folder of stored samples: `<aggregate type>/<event type>.<event version>.jsonl`, one stored
/// payload per line. The log keeps these for ever, so a file here is never edited once released.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

/// Checks that every event in its newest version is stored exactly as its sample says, is read back
/// as the same event, and that no event type lacks a sample.
pub fn assert_stored_as_sampled<A>(events: Vec<A::Event>, decoded: impl Fn(A::Event) -> Event)
where
    A: Aggregate,
    for<'de> A::Event: Deserialize<'de>,
{
    let mut stored: BTreeMap<PathBuf, String> = BTreeMap::new();
    let mut sampled = BTreeSet::new();
    for event in events {
        let (event_type, version) = (event.event_type(), event.event_version());
        let payload = serde_json::to_string(&event).unwrap();
        let path = samples().join(A::TYPE).join(format!("{event_type}.{version}.jsonl"));
        stored.entry(path).or_default().push_str(&format!("{payload}\n"));
        let read_back = Event::decode(A::TYPE, &event_type, &version, &payload).unwrap();
        assert_eq!(read_back, decoded(event));
        assert_eq!(read_back.event_type(), event_type);
        sampled.insert(event_type);
    }
    let differing: String = stored
        .iter()
        .filter(|(path, now)| std::fs::read_to_string(path).ok().as_ref() != Some(now))
        .map(|(path, now)| format!("\n{}\n{now}", path.display()))
        .collect();
    assert!(
        differing.is_empty(),
        "not stored as sampled; a new event needs the sample below, a new shape of an old one a \
         new version and an upcaster:{differing}",
    );
    let declared: BTreeSet<_> =
        variants::<A::Event>().iter().map(|&name| name.to_owned()).collect();
    assert_eq!(sampled, declared, "every event type has a sample, named as its variant");
}

/// The variants of an enum, as its derived `Deserialize` knows them.
fn variants<E: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    struct Introspection<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Introspection<'_> {
        type Error = Error;

        fn deserialize_enum<V: Visitor<'de>>(
            self,
            _: &'static str,
            variants: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            *self.0 = variants;
            Err(Error::custom("only the names were wanted"))
        }

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("not an enum"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
        }
    }

    let mut variants: &'static [&'static str] = &[];
    drop(E::deserialize(Introspection(&mut variants)));
    variants
}
