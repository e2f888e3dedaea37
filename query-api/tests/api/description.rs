//! The OpenAPI descriptions: clients are generated from them.

use query_api::{Freshness, QueryApi, experience, native, status, worker_dal};
use sqlx::PgPool;

#[tokio::test]
async fn the_descriptions_are_those_that_were_agreed_on() {
    // Describing needs no database.
    let nowhere = PgPool::connect_lazy("postgres://nobody@127.0.0.1:1/nothing").unwrap();
    let state = QueryApi::new(nowhere.clone(), Freshness::new(nowhere, None));
    for (name, router) in [
        ("experience", experience::router(state.clone())),
        ("worker_dal", worker_dal::router(state.clone())),
        ("status", status::router(state.clone())),
        ("native", native::router(state)),
    ] {
        let mut openapi = router.into_openapi();
        // Titles and versions are the programs'.
        openapi.info = Default::default();
        insta::assert_json_snapshot!(format!("description_of_{name}"), openapi);
    }
}
