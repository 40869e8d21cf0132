//! What is refused, and how it is said.

use serde_json::json;

use crate::node::{Consumer, TOKEN, World};

#[tokio::test]
async fn probes_and_metrics_are_open_and_the_rest_needs_the_token() {
    let world = World::start().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.request("GET", path, "", "").await.status, 200, "{path}");
    }
    let denied = [
        ("", "missing-token"),
        ("authorization: Bearer another\r\n", "token-mismatch"),
        ("authorization: Basic a token of this test\r\n", "token-mismatch"),
        ("authorization: short\r\n", "token-mismatch"),
    ];
    for path in ["/v1/sources", "/v1/nothing", "/v1/destinations/app/pause"] {
        for (headers, code) in denied {
            let reply = world.request("GET", path, headers, "").await;
            assert_eq!(reply.problem(), (401, code.to_owned()), "{path} {headers}");
            assert!(reply.head.contains("www-authenticate: bearer"), "{reply:?}");
        }
        let twice = format!("authorization: Bearer {TOKEN}\r\nauthorization: Bearer x\r\n");
        assert_eq!(world.request("GET", path, &twice, "").await.status, 401);
    }
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::start().await;
    world.receive(1, "a", 1, "e1").await;
    for (path, code) in [
        ("/nothing", "unknown-path"),
        ("/v1/nothing", "unknown-path"),
        ("/v1/sources/none/keys", "unknown-source"),
        ("/v1/sources/none/keys/a", "unknown-source"),
        ("/v1/sources/billing/keys/none", "unknown-key"),
        ("/v1/sources/billing/keys/%FF", "unknown-path"),
        ("/v1/events?source=billing&key=none", "unknown-key"),
        ("/v1/events/0-77777-0", "unknown-event"),
        ("/v1/events/9-1-0", "unknown-event"),
        ("/v1/events/billing:a:2", "unknown-event"),
        ("/v1/events/none:a:1", "unknown-source"),
        ("/v1/events/nonsense/body", "unknown-event"),
        ("/v1/dead-letters?destination=none", "unknown-destination"),
    ] {
        assert_eq!(world.get(path).await.problem(), (404, code.to_owned()), "{path}");
    }
    let reply = world.get("/v1/facts?fact=released,nope").await;
    assert_eq!(reply.problem(), (400, "invalid-parameter".to_owned()));
    let reply = world.post("/v1/destinations/none/pause", &json!(null)).await;
    assert_eq!(reply.problem(), (404, "unknown-destination".to_owned()));
    let reply = world.post("/v1/sources/billing/keys/none/pause", &json!(null)).await;
    assert_eq!(reply.problem(), (404, "unknown-key".to_owned()));
    for (method, path, allowed) in [
        ("DELETE", "/healthz", "get"),
        ("PUT", "/v1/sources", "get"),
        ("GET", "/v1/dead-letters/drop", "post"),
    ] {
        let token = format!("authorization: Bearer {TOKEN}\r\n");
        let reply = world.request(method, path, &token, "").await;
        assert_eq!(reply.problem(), (405, "method-not-allowed".to_owned()), "{path}");
        let allow = reply.head.lines().find(|line| line.starts_with("allow:")).unwrap();
        assert!(allow.contains(allowed), "{allow}");
    }
}

#[tokio::test]
async fn parameters_that_cannot_be_used_are_refused() {
    let world = World::start().await;
    world.receive(1, "a", 1, "e1").await;
    for path in [
        "/v1/sources/billing/keys?states=held",
        "/v1/sources/billing/keys?state=hold",
        "/v1/sources/billing/keys?limit=0",
        "/v1/sources/billing/keys?limit=501",
        "/v1/sources/billing/keys?cursor=nonsense",
        "/v1/events?source=billing",
        "/v1/events?source=billing&key=a&cursor=WyJhIl0",
        "/v1/dead-letters?destination=app&destination=audit",
    ] {
        let code = "invalid-parameter".to_owned();
        assert_eq!(world.get(path).await.problem(), (400, code), "{path}");
    }
}

#[tokio::test]
async fn bodies_are_bounded_json_with_known_members() {
    let world = World::start().await;
    world.receive(1, "a", 1, "e1").await;
    let path = "/v1/dead-letters/redrive";
    let (token, json) =
        (format!("authorization: Bearer {TOKEN}\r\n"), "content-type: application/json\r\n");
    let lane = r#""source":"billing","key":"a","destination":"app""#;
    for (headers, body, expected) in [
        (json, "{".to_owned(), (400, "unreadable-json")),
        (json, format!("{{{lane},\"force\":true}}"), (400, "invalid-parameter")),
        (json, "{\"source\":\"billing\"}".to_owned(), (400, "invalid-parameter")),
        (json, format!("{{{lane},\"sequence\":1}}"), (400, "invalid-parameter")),
        (json, format!("{{{lane},\"out_of_order\":true}}"), (400, "invalid-parameter")),
        (json, format!("{{{lane},\"x\":\"{}\"}}", "x".repeat(20_000)), (413, "body-too-large")),
        ("", format!("{{{lane}}}"), (415, "unsupported-content-type")),
    ] {
        let reply = world.request("POST", path, &format!("{token}{headers}"), &body).await;
        assert_eq!(reply.problem(), (expected.0, expected.1.to_owned()), "{body}");
    }
}

/// Every rejection of the core that a command can meet has its own code.
#[tokio::test]
async fn commands_that_do_not_fit_say_why() {
    let world = World::start().await;
    world.receive(1, "a", 1, "e1").await;
    world.receive(2, "n", 0, "e2").await;
    world.until("/v1/events/billing:a:1", |event| event["fates"]["complete"] == true).await;
    let redrive = "/v1/dead-letters/redrive";
    let drop = "/v1/dead-letters/drop";
    let lane = |destination: &str| json!({"source":"billing","key":"a","destination":destination});
    let with = |mut body: serde_json::Value, member: &str, value: serde_json::Value| {
        body[member] = value;
        body
    };
    let passed = with(with(lane("app"), "sequence", json!(1)), "out_of_order", json!(true));
    let notes = json!({"source":"notes","key":"n","destination":"audit"});
    let no_lane = with(with(notes.clone(), "sequence", json!(1)), "out_of_order", json!(true));
    for (path, body, expected) in [
        (redrive, lane("app"), (409, "lane-not-stopped")),
        (redrive, lane("none"), (404, "unknown-destination")),
        (redrive, notes, (404, "unknown-lane")),
        (redrive, no_lane, (404, "unknown-lane")),
        // Delivered, so no dead letter: neither sent again nor declared dead.
        (redrive, passed, (409, "not-a-dead-letter")),
        (drop, with(lane("app"), "sequence", json!(1)), (409, "not-a-dead-letter")),
        (drop, with(lane("app"), "sequence", json!(9)), (409, "not-a-dead-letter")),
        (drop, lane("app"), (400, "invalid-parameter")),
        (drop, json!({"source":"billing","key":"a","event":"1-1-1"}), (409, "not-a-dead-letter")),
        (drop, json!({"source":"billing","key":"a","event":"x"}), (404, "unknown-event")),
        (drop, json!({"source":"billing","key":"none","event":"1-1-1"}), (404, "unknown-key")),
    ] {
        let reply = world.post(path, &body).await;
        assert_eq!(reply.problem(), (expected.0, expected.1.to_owned()), "{path} {body}");
    }
    // A dead letter on its way again is not sent twice at once.
    world.consumer("b", Consumer::Answers(500));
    world.receive(1, "b", 1, "e3").await;
    let letter = json!({"source":"billing","key":"b","destination":"audit","sequence":1,
        "out_of_order":true});
    let listed = |page: &serde_json::Value| page["items"].as_array().map(Vec::len) == Some(1);
    world.until("/v1/dead-letters?destination=audit", listed).await;
    world.consumer("b", Consumer::Hangs);
    assert_eq!(world.post(redrive, &letter).await.status, 200);
    let again = world.post(redrive, &letter).await;
    assert_eq!(again.problem(), (409, "already-redriven".to_owned()));
}

#[tokio::test]
async fn a_node_that_stopped_or_a_store_that_takes_nothing_is_not_ready() {
    let world = World::start().await;
    let file = world.directory.path().join("state.sqlite");
    let other = rusqlite::Connection::open(file).unwrap();
    let refuse = "CREATE TRIGGER no BEFORE INSERT ON keys BEGIN SELECT RAISE(ABORT, 'no'); END";
    other.execute_batch(refuse).unwrap();
    world.receive(1, "a", 1, "e1").await;
    let detail = |answer: &serde_json::Value| answer["detail"].as_str().map(str::to_owned);
    let not = world.until("/readyz", |answer| answer["code"] == "not-ready").await;
    assert!(detail(&not).unwrap().contains("takes no batches"), "{not}");
    other.execute_batch("DROP TRIGGER no").unwrap();
    world.until("/readyz", |answer| answer["status"] == "ready").await;
    world.node.stop().await;
    let not = world.until("/readyz", |answer| answer["code"] == "not-ready").await;
    assert!(detail(&not).unwrap().contains("partitions serve"), "{not}");
    assert_eq!(world.get("/readyz").await.problem(), (503, "not-ready".to_owned()));
    assert_eq!(world.get("/healthz").await.status, 200);
    let reply = world.get("/v1/dead-letters").await;
    assert_eq!(reply.problem(), (503, "not-ready".to_owned()));
    assert!(reply.head.contains("retry-after: 1"), "{reply:?}");
}
