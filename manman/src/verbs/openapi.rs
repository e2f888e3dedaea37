//! `openapi`: the document of an API on stdout. Needs no database and no broker.

use anyhow::Result;
use event_store::{EventStore, LogOptions};
use service::docs;
use sqlx::postgres::PgPoolOptions;

use crate::cli::Api;
use crate::roles::{Apis, title};

/// Prints the document, indented.
pub fn print(api: Api) -> Result<()> {
    // Nothing is asked of this pool: the description follows from the routers alone.
    let pool = PgPoolOptions::new().connect_lazy("postgresql://localhost/nowhere")?;
    let store = EventStore::start(pool.clone(), LogOptions::default());
    let apis = Apis::start(store, &pool, None);
    let description = docs::described(title(api), apis.api(api).into_openapi());
    println!("{}", description.to_pretty_json()?);
    Ok(())
}
