//! The command line of operators: what is asked of a running system, beside the roles.
//!
//! All of these exit with 0 when all is well, with 1 when they found what they look for (or failed, like
//! everything else here: then the reason is on stderr and no document on stdout), with 2 when misused.

mod dead_letters;
mod projections;

use clap::Args;

pub use dead_letters::{
    DeadLettersVerb, Kind, ListOptions, RetryOptions, ShowOptions, SkipOptions,
};
pub use projections::{
    CancelOptions, DiffOptions, LagOptions, ProjectionsVerb, RebuildOptions, VerifyOptions,
};

#[derive(Debug, Args)]
pub struct Json {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct By {
    /// Who decides so (default: the user who runs this)
    #[arg(long, value_name = "NAME", value_parser = words)]
    pub actor: Option<String>,
}

fn words(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    if text.is_empty() { Err("say it in words") } else { Ok(text.to_owned()) }
}
