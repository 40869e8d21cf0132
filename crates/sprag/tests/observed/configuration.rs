//! `GET /v1/configuration`: what is in force, and what became of the last reload.

use std::process::Command;

use serde_json::{Value, json};

use super::record::observed;
use super::server::{Server, post, problem, taken};

const SECTIONS: &str = r#"
[sources.a]
verify = { scheme = "none" }
id = "none"
key = "body:/key"
contract = "arrival"
"#;

const ANOTHER: &str = r#"
[sources.b]
verify = { scheme = "none" }
id = "none"
key = "body:/key"
contract = "arrival"
"#;

/// The file is another, and SIGHUP has it read.
fn reloaded(server: &Server, text: &str, outcome: &str) -> Value {
    std::fs::write(server.setup.directory.path().join("sprag.toml"), text).unwrap();
    let pid = server.gateway.process.child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    let is_it = |shown: &Value| shown["last_reload"]["outcome"] == outcome;
    let shown = server.until("/v1/configuration", outcome, is_it);
    observed("reload", outcome);
    shown
}

#[test]
fn what_is_in_force_and_what_became_of_reloads() {
    let server = Server::start(SECTIONS);
    let first = server.show("/v1/configuration");
    assert!(first["revision"].is_u64() && first["since"].is_string(), "{first}");
    assert_eq!(first.get("last_reload"), Some(&Value::Null), "{first}");
    let text = std::fs::read_to_string(server.setup.directory.path().join("sprag.toml")).unwrap();
    // A key that needs a restart: nothing changes, the source that stands beside it neither.
    let fixed = format!("{}{ANOTHER}", text.replace("/data\"", "/other\""));
    let refused = reloaded(&server, &fixed, "refused");
    let findings = refused["last_reload"]["findings"].to_string();
    assert!(findings.contains("server.data") && findings.contains("sprag.toml"), "{refused}");
    assert_eq!((&refused["revision"], &refused["since"]), (&first["revision"], &first["since"]));
    problem(&server.ask(&post("/in/b", "", r#"{"key":"k"}"#)), "unknown-source");
    let accepted = reloaded(&server, &format!("{text}{ANOTHER}"), "accepted");
    assert_ne!(accepted["revision"], first["revision"], "{accepted}");
    assert_eq!(accepted["last_reload"]["changes"], json!(["sources.b added"]), "{accepted}");
    taken(&server.ask(&post("/in/b", "", r#"{"key":"k"}"#)), "released");
}
