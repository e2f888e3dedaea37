//! The fields of a body, and what is taken for their values.

use serde_json::{Value, json};

use super::*;

#[tokio::test]
async fn numbers_are_coerced_the_way_pydantic_does() {
    for (given, read) in [
        ("77", 77),
        ("\"77\"", 77),
        ("\" +7 \"", 7),
        ("\"1_0\"", 10),
        ("\"1.0\"", 1),
        ("2.0", 2),
        ("1e3", 1000),
        ("-0.0", 0),
        ("true", 1),
        ("18446744073709551615", i64::MAX),
        ("\"99999999999999999999\"", i64::MAX),
        ("\"-99999999999999999999\"", -i64::MAX),
    ] {
        let body = format!("{{\"command_type\": \"a\", \"command_id\": {given}}}");
        let answer = post_json("/execute", body).await;
        assert_accepted(&answer, json!(["a", read, null]));
    }
}

#[tokio::test]
async fn what_is_no_whole_number_says_why() {
    let (int, size) = (
        "Input should be a valid integer",
        "Unable to parse input string as an integer, exceeded maximum size",
    );
    let fraction = "Input should be a valid integer, got a number with a fractional part";
    for (input, kind, msg) in [
        (json!("x"), "int_parsing", INT_PARSING),
        (json!(""), "int_parsing", INT_PARSING),
        (json!("1.5"), "int_parsing", INT_PARSING),
        (json!(2.5), "int_from_float", fraction),
        (json!(1e19), "int_parsing_size", size),
        (Value::Null, "int_type", int),
        (json!([]), "int_type", int),
        (json!({}), "int_type", int),
    ] {
        let body = json!({"command_type": "a", "command_id": input});
        let items = json!([item(kind, json!(["body", "command_id"]), msg, input)]);
        assert_invalid(&post_json("/execute", body.to_string()).await, items);
    }
}

#[tokio::test]
async fn truth_values_are_coerced_the_way_pydantic_does() {
    for (given, read) in [
        (json!("yes"), true),
        (json!("Off"), false),
        (json!("tRue"), true),
        (json!(1), true),
        (json!(0.0), false),
        (json!("n"), false),
    ] {
        let body = json!({"name": "n", "is_visible": given}).to_string();
        assert_accepted(&post_json("/command/1", body).await, json!([1, "n", read]));
    }
    let answer = post_json("/command/1", "{\"name\": \"n\"}").await;
    assert_accepted(&answer, json!([1, "n", true]));
}

#[tokio::test]
async fn what_is_no_truth_value_says_why() {
    let bool_type = "Input should be a valid boolean";
    for (input, kind, msg) in [
        (json!(""), "bool_parsing", BOOL_PARSING),
        (json!(" true "), "bool_parsing", BOOL_PARSING),
        (json!(2), "bool_parsing", BOOL_PARSING),
        (json!(3.0), "bool_parsing", BOOL_PARSING),
        (json!(0.5), "bool_type", bool_type),
        (json!(u64::MAX), "bool_type", bool_type),
        (Value::Null, "bool_type", bool_type),
        (json!([]), "bool_type", bool_type),
    ] {
        let body = json!({"name": "n", "is_visible": input}).to_string();
        let items = json!([item(kind, json!(["body", "is_visible"]), msg, input)]);
        assert_invalid(&post_json("/command/1", body).await, items);
    }
}

#[tokio::test]
async fn numbers_are_not_taken_for_texts() {
    let body = json!({"command_type": 1, "command_id": 1, "custom_value": 3});
    let text = "Input should be a valid string";
    let items = json!([
        item("string_type", json!(["body", "command_type"]), text, json!(1)),
        item("string_type", json!(["body", "custom_value"]), text, json!(3)),
    ]);
    assert_invalid(&post_json("/execute", body.to_string()).await, items);
}

#[tokio::test]
async fn a_field_that_may_be_null_may_also_be_absent() {
    for body in [json!({"custom_value": null}), json!({})] {
        let mut body = body;
        body["command_type"] = json!("a");
        body["command_id"] = json!(1);
        assert_accepted(&post_json("/execute", body.to_string()).await, json!(["a", 1, null]));
    }
    for (body, id) in [
        ("{}", json!(null)),
        ("{\"worker_id\": null, \"x\": 1}", json!(null)),
        ("{\"worker_id\": 6}", json!(6)),
    ] {
        assert_accepted(&post_json("/worker", body).await, id);
    }
}

#[tokio::test]
async fn lists_and_their_items_are_checked() {
    let loc = json!(["body", "commands"]);
    for input in [json!("x"), Value::Null, json!({}), json!(5)] {
        let body = json!({"commands": input}).to_string();
        let items = json!([item("list_type", loc.clone(), "Input should be a valid list", input)]);
        assert_invalid(&post_json("/stdin", body).await, items);
    }
    let text = "Input should be a valid string";
    let items = json!([
        item("string_type", json!(["body", "commands", 0]), text, json!(1)),
        item("string_type", json!(["body", "commands", 2]), text, Value::Null),
    ]);
    assert_invalid(&post_json("/stdin", "{\"commands\": [1, \"a\", null]}").await, items);
}
