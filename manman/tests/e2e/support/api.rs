//! HTTP as v1's clients speak it.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// What the management UI waits; nothing may take longer, whatever is away.
const PATIENCE: Duration = Duration::from_secs(10);

/// One API at one prefix.
#[derive(Clone)]
pub struct Api {
    pub port: u16,
    client: Client,
    base: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Api {
    pub fn at(port: u16) -> Self {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { port, client, base: format!("http://127.0.0.1:{port}") }
    }

    /// The same API below a prefix.
    pub fn below(&self, prefix: &str) -> Self {
        Self { base: format!("{}{prefix}", self.base), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// POST without a body.
    pub async fn post(&self, path: &str) -> Answer {
        self.send(Method::POST, path, None).await
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Answer {
        self.send_json(Method::POST, path, body).await
    }

    pub async fn send_json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(method, path, Some((body, true))).await
    }

    /// JSON that does not say so, as the workers of the earlier generations send it.
    pub async fn send_untyped(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(method, path, Some((body, false))).await
    }

    /// Whether somebody answers there, and with success.
    pub async fn is_well(&self, path: &str) -> bool {
        let answer = self.client.get(format!("{}{path}", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The same with headers, to somebody who may die meanwhile: `None` if there was no whole answer.
    pub async fn try_send_json(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: &Value,
    ) -> Option<Answer> {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.ok()?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Some(Answer { status, headers, text: answer.text().await.ok()? })
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&Value, bool)>) -> Answer {
        let request = self.client.request(method.clone(), format!("{}{path}", self.base));
        let request = match body {
            Some((body, true)) => {
                request.header(CONTENT_TYPE, "application/json").body(body.to_string())
            }
            Some((body, false)) => request.body(body.to_string()),
            None => request,
        };
        let answer =
            request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    }
}

impl Answer {
    /// The JSON of a success, as the strict clients want it: exactly 200 and `application/json`.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        assert_eq!(self.headers[CONTENT_TYPE], "application/json");
        serde_json::from_str(&self.text).unwrap()
    }

    /// The JSON of something new, as native clients get it.
    #[track_caller]
    pub fn created(&self) -> Value {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    /// Where on the log this was written.
    pub fn position(&self) -> i64 {
        self.headers["manman-position"].to_str().unwrap().parse().unwrap()
    }

    /// The `detail` of a refusal with this status.
    #[track_caller]
    pub fn refused(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let body: Value = serde_json::from_str(&self.text).unwrap();
        body["detail"].as_str().unwrap().to_owned()
    }
}
