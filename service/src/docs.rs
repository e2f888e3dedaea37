//! The description of an API, and the page that shows it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde_json::Error;
use utoipa::openapi::{InfoBuilder, OpenApi};
use utoipa_swagger_ui::Config;

/// The version v1 gives for its APIs (the v1 wire contract).
const VERSION: &str = "0.1.0";

/// `/openapi.json`, Swagger UI at `/docs` (its files are part of the executable, so it works
/// offline), and `/redoc`, which leads there too.
///
/// `title` is one of v1's, such as `ManMan Experience API`. Fails if the description cannot be
/// written as JSON.
pub fn router(title: &str, openapi: OpenApi) -> Result<Router, Error> {
    let description: Arc<str> = described(title, openapi).to_json()?.into();
    let page: Arc<str> = page(title).into();
    let config =
        Arc::new(Config::from("/openapi.json").oauth2_redirect_url("/docs/oauth2-redirect"));
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok(Router::new()
        .route("/openapi.json", get(async move || (json, description.to_string())))
        .route("/docs", get(async move || Html(page.to_string())))
        .route("/docs/oauth2-redirect", get(oauth2_redirect))
        .route("/docs/{file}", get(async move |Path(file): Path<String>| serve(&file, &config)))
        .route("/redoc", get(async || Redirect::temporary("/docs"))))
}

/// The description with v1's title and version in place of a crate's.
#[must_use]
pub fn described(title: &str, mut openapi: OpenApi) -> OpenApi {
    openapi.info = InfoBuilder::new().title(title).version(VERSION).build();
    openapi
}

/// Served at `/docs` itself, as v1 does, so the files it names are found one level further down.
fn page(title: &str) -> String {
    format!(
        r##"<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="UTF-8">
    <title>{title} - Swagger UI</title>
    <link rel="stylesheet" href="/docs/swagger-ui.css">
    <link rel="stylesheet" href="/docs/index.css">
    <link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/swagger-ui-bundle.js" charset="UTF-8"></script>
    <script src="/docs/swagger-ui-standalone-preset.js" charset="UTF-8"></script>
    <script src="/docs/swagger-initializer.js" charset="UTF-8"></script>
  </body>
</html>
"##
    )
}

async fn oauth2_redirect() -> Redirect {
    Redirect::temporary("/docs/oauth2-redirect.html")
}

fn serve(file: &str, config: &Arc<Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(file, Arc::clone(config)) {
        Ok(Some(file)) => {
            let content_type = [(header::CONTENT_TYPE, file.content_type)];
            (content_type, file.bytes.into_owned()).into_response()
        }
        Ok(None) => crate::v1::V1Error::not_found("Not Found").into_response(),
        Err(error) => {
            tracing::error!(%error, file, "could not serve a file of the documentation");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{Method, StatusCode, header};
    use utoipa::openapi::OpenApi;

    use super::Router;
    use crate::http::testing::{Answer, send};
    use crate::http::{Limits, defaults};

    fn docs() -> Router {
        let docs = super::router("ManMan Status API", OpenApi::default()).unwrap();
        defaults(docs, &Limits::default())
    }

    async fn get(path: &str) -> Answer {
        send(&docs(), Method::GET, path, "").await
    }

    #[tokio::test]
    async fn the_description_has_v1s_title_and_version() {
        let description = get("/openapi.json").await.json();
        assert_eq!(description["openapi"], "3.1.0");
        assert_eq!(description["info"]["title"], "ManMan Status API");
        assert_eq!(description["info"]["version"], "0.1.0");
    }

    #[tokio::test]
    async fn every_file_the_page_names_is_there() {
        let page = get("/docs").await;
        assert_eq!(page.status, StatusCode::OK);
        let files = page.text.split('"').filter(|text| text.starts_with("/docs/"));
        let mut count = 0;
        for file in files {
            assert_eq!(get(file).await.status, StatusCode::OK, "{file}");
            count += 1;
        }
        assert_eq!(count, 6);
    }

    #[tokio::test]
    async fn the_page_shows_this_description() {
        let script = get("/docs/swagger-initializer.js").await.text;
        assert!(script.contains("/openapi.json"), "{script}");
    }

    #[tokio::test]
    async fn the_other_addresses_of_v1_lead_to_the_page() {
        for (path, target) in [
            ("/redoc", "/docs"),
            ("/docs/", "/docs"),
            ("/docs/oauth2-redirect", "/docs/oauth2-redirect.html"),
        ] {
            assert_eq!(get(path).await.headers[header::LOCATION], target, "{path}");
        }
        assert_eq!(get("/docs/nothing").await.status, StatusCode::NOT_FOUND);
    }
}
