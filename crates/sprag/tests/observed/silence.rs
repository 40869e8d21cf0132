//! `expect_every`: a source that posts nothing for longer is an alert, until it does.

use serde_json::Value;

use super::record::observed;
use super::server::{Server, post, taken};
use crate::wire::until;

const SECTIONS: &str = r#"
[sources.expected]
verify = { scheme = "none" }
id = "none"
key = "body:/key"
contract = "arrival"
expect_every = "2s"
[sources.whenever]
verify = { scheme = "none" }
id = "none"
key = "body:/key"
contract = "arrival"
"#;

/// The sources that are said to be silent.
fn silent(alerts: &Value) -> Vec<String> {
    let items = alerts["items"].as_array().into_iter().flatten();
    let silent = items.filter(|alert| alert["alert"] == "source-silent");
    silent.map(|alert| alert["source"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_source_that_is_silent_for_longer_than_expected_is_an_alert() {
    let server = Server::start(SECTIONS);
    let alerts = server.until("/v1/alerts", "silent", |alerts| !silent(alerts).is_empty());
    assert_eq!(silent(&alerts), ["expected"]);
    let items = alerts["items"].as_array().expect("a list");
    let alert = items.iter().find(|alert| alert["alert"] == "source-silent").expect("one");
    assert!(alert["text"].as_str().is_some_and(|text| text.contains("every 2 s")), "{alert}");
    assert!(alert["since"].is_string(), "{alert}");
    // What is refused is no sign of life.
    let refused = server.ask(&post("/in/expected", "", r#"{"other":1}"#));
    assert!(refused.start.contains("422"), "{refused:?}");
    assert_eq!(silent(&server.show("/v1/alerts")), ["expected"]);
    let event = post("/in/expected", "", r#"{"key":"k"}"#);
    until("it is heard", || {
        taken(&server.ask(&event), "released");
        silent(&server.show("/v1/alerts")).is_empty().then_some(())
    });
    server.until("/v1/alerts", "silent again", |alerts| !silent(alerts).is_empty());
    observed("key", "sources.*.expect_every");
}
