//! Parameters of the path and of the query.

use axum::http::StatusCode;
use serde_json::json;

use super::*;

#[tokio::test]
async fn path_numbers_may_be_dressed_up() {
    for (path, id) in [
        ("/one/7", 7),
        ("/one/%20+7%20", 7),
        ("/one/-7", -7),
        ("/one/1.0", 1),
        ("/one/1_0", 10),
        ("/one/007", 7),
        ("/one/0__1", 1),
    ] {
        assert_accepted(&get_json(path).await, json!(id));
    }
}

#[tokio::test]
async fn other_paths_are_422_under_v1s_name_for_the_parameter() {
    for (path, input) in [
        ("/one/x", "x"),
        ("/one/1.5", "1.5"),
        ("/one/1__0", "1__0"),
        ("/one/_1", "_1"),
        ("/one/1.", "1."),
        ("/one/1e3", "1e3"),
        ("/one/--1", "--1"),
        ("/one/+-1", "+-1"),
        ("/one/0_", "0_"),
        ("/one/%EF%BC%91", "１"),
        ("/one/%ff", "\u{fffd}"),
    ] {
        let loc = json!(["path", "instance_id"]);
        let items = json!([item("int_parsing", loc, INT_PARSING, json!(input))]);
        assert_invalid(&get_json(path).await, items);
    }
}

#[tokio::test]
async fn a_number_too_large_for_an_id_is_the_endpoints_to_answer() {
    for id in ["2147483648", "-2147483649", "99999999999999999999"] {
        let answer = get_json(&format!("/one/{id}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.json(), json!({"detail": "Instance not found"}));
    }
}

#[tokio::test]
async fn query_values_are_read_with_their_words() {
    for (query, limit, crashed) in [
        ("", 10, false),
        ("?limit=5&include_crashed=TRUE", 5, true),
        ("?limit=%2B7&include_crashed=on", 7, true),
        ("?limit=+7&include_crashed=f", 7, false),
        ("?limit=1&limit=2&unknown=x", 2, false),
        ("?LIMIT=x", 10, false),
    ] {
        assert_accepted(&get_json(&format!("/list{query}")).await, json!([limit, crashed]));
    }
}

#[tokio::test]
async fn query_values_that_do_not_fit_are_422() {
    for (query, int, truth) in [
        ("?limit=&include_crashed=", "", ""),
        ("?limit&include_crashed", "", ""),
        ("?limit=x&include_crashed=2", "x", "2"),
        ("?limit=%ff&include_crashed=+true", "\u{fffd}", " true"),
    ] {
        let items = json!([
            item("int_parsing", json!(["query", "limit"]), INT_PARSING, json!(int)),
            item("bool_parsing", json!(["query", "include_crashed"]), BOOL_PARSING, json!(truth)),
        ]);
        assert_invalid(&get_json(&format!("/list{query}")).await, items);
    }
}
