//! The agent on a game host, as a process, with the processes it runs.
//!
//! ```text
//! demo        what `up --demo` offers to try
//! away        game servers while no agent runs
//! installs    installs that are interrupted
//! ends        how a worker ends
//! names       which agent may be which worker
//! several     many workers at once, of both surfaces
//! restarts    what follows a crash
//! failures    what cannot be started
//! outcomes    how commands end
//! ```

mod away;
mod demo;
mod ends;
mod failures;
mod installs;
mod names;
mod outcomes;
mod restarts;
mod several;
