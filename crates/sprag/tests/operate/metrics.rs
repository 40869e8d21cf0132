//! The metrics of the running program, and the page that explains them.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::world::World;

/// The answer to a request without body.
fn asked(url: &str, line: &str) -> String {
    let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "host: x\r\ncontent-length: 0\r\nconnection: close";
    write!(stream, "{line} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The value of the first line that begins so.
fn value(scraped: &str, begin: &str) -> Option<f64> {
    let line = scraped.lines().find(|line| line.starts_with(begin))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn every_metric_of_the_page_is_scraped_and_is_true() {
    // What is missing is asked for where nobody is.
    let refill = "refill = { url = \"http://127.0.0.1:9/{key}?{from}\", allow = [\"127.0.0.0/8\"], after = \"10ms\" }";
    let reconcile = "reconcile = { url = \"http://127.0.0.1:9/{key}\", version = \"body:/n\", allow = [\"127.0.0.0/8\"] }";
    let world =
        World::start_with(404, &format!("hold = {{ wait = \"1h\" }}\n{refill}\n{reconcile}"));
    world.send("a", &[1, 2]);
    world.until_lane("a", "mode", &json!("halted"));
    world.consumer.answers(204);
    world.send("b", &[1, 5]);
    world.until_lane("b", "delivered", &json!(1));
    // Without its token a request is refused.
    let refused = asked(&world.listen, "POST /in/billing");
    assert!(refused.contains("missing-token"), "{refused}");
    // Lists are no older than the request that asks for them: so the store has all of it.
    world.run(&["lanes"]);
    let unreachable = "sprag_refills_total{source=\"billing\",outcome=\"unreachable\"}";
    let mut page = asked(&world.admin, "GET /metrics");
    while value(&page, unreachable).is_none() {
        std::thread::sleep(std::time::Duration::from_millis(10));
        page = asked(&world.admin, "GET /metrics");
    }
    let of = |begin: &str| value(&page, begin).unwrap_or_else(|| panic!("{begin} not in {page}"));
    assert!(of("sprag_head_age_seconds{destination=\"app\"") > 0.0, "{page}");
    assert!(of("sprag_lag_seconds_sum{destination=\"app\"") > 0.0, "{page}");
    assert!(of("sprag_oldest_gap_seconds{source=\"billing\"}") < 60.0, "{page}");
    assert!((of("sprag_held_events{source=\"billing\"}") - 1.0).abs() < 0.1);
    assert!((of("sprag_lanes_waiting{destination=\"app\",reason=\"stopped\"}") - 1.0).abs() < 0.1);
    let stored = of("sprag_body_stored_bytes_total");
    assert!(stored > 0.0 && stored <= of("sprag_body_bytes_total"), "{page}");
    assert!((of("sprag_dead_letters{destination=\"app\"}") - 2.0).abs() < 0.1);
    let drifts = page.lines().filter(|line| line.starts_with("sprag_sequence_drift{"));
    let drift: f64 = drifts.filter_map(|line| value(line, "")).sum();
    assert!((drift - 4.0).abs() < 0.1, "positions 2 to 5: {page}");
    let documented = include_str!("../../../../docs/reference/metrics.md");
    let names = documented.lines().filter_map(|line| line.strip_prefix("| `"));
    let names: Vec<&str> = names.filter_map(|row| row.split('`').next()).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let name = name.trim_end_matches("_total");
        assert!(page.contains(&format!("# TYPE {name} ")), "{name} is not in {page}");
    }
    // No key is a label.
    assert!(!page.contains("\"a\"") && !page.contains("\"b\""), "{page}");
}
