//! GitHub's list of deliveries.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::imitation::{Delivery, Github, HOOK, ago, posted};
use crate::server::{Reply, Server};
use crate::wire::until;
use crate::{
    Listed, OFTEN, consumer, delivered, parameter, passes, start, status, target, until_delivered,
    until_passes,
};

const SOURCE: &str = "id = \"header:x-github-delivery\"\ntype = \"header:x-github-event\"\n\
                      key = { join = [\"body:/repository/id\", \"body:/issue/number\"] }\ncontract = \"arrival\"";

fn refill(github: &Server, query: &str) -> String {
    format!("list = \"github\"\nurl = \"{}{HOOK}{query}\"\n{OFTEN}", github.url())
}

fn delivery(id: u64, guid: &'static str, status_code: u64) -> Delivery {
    Delivery { id, guid, at: ago(100 - id), status_code, issue: 5 }
}

/// How often deliveries were asked for one by one.
fn told(github: &Server) -> Vec<u64> {
    let number = |request: &crate::wire::Message| {
        target(request).strip_prefix(HOOK)?.strip_prefix('/')?.parse().ok()
    };
    github.requests().iter().filter_map(number).collect()
}

#[test]
fn what_nobody_acknowledged_is_told_one_by_one_oldest_first() {
    let github = Github::of([
        delivery(1, "lost-1", 502),
        delivery(2, "came-2", 200),
        delivery(3, "again-3", 500),
        delivery(4, "lost-4", 0),
        // Asked for again in GitHub's settings, and it came.
        delivery(5, "again-3", 204),
        // Asked for again, in vain.
        delivery(6, "lost-1", 503),
        delivery(7, "lost-7", 404),
    ]);
    let server = github.serve();
    let consumer = consumer();
    let refill = refill(&server, "?per_page=3");
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    until_delivered(&consumer, &["lost-1", "lost-4", "lost-7"]);
    let first = &consumer.requests()[0];
    assert_eq!((first.header("sprag-origin"), first.header("sprag-type")), ("refilled", "issues"));
    let cursors: Vec<_> = server
        .requests()
        .iter()
        .filter_map(|ask| parameter(ask, "cursor").map(str::to_owned))
        .collect();
    assert_eq!(cursors[..2], ["v1_4", "v1_1"]);
    until_passes(&gateway, "whole", 3);
    assert_eq!(told(&server), [1, 4, 7], "each once, and nothing that came");
    // GitHub sends it again after all: the same guid, other bytes than the list has.
    let head = "x-github-delivery: lost-4\r\nx-github-event: issues\r\n";
    assert_eq!(status(&gateway, head, &posted(&delivery(4, "lost-4", 0))), "duplicate");
    github.deliveries.lock().unwrap().push(delivery(8, "lost-8", 502));
    until_delivered(&consumer, &["lost-1", "lost-4", "lost-7", "lost-8"]);
}

#[test]
fn its_limits_are_kept_to_in_each_form_it_says_them() {
    let github = Github::of([delivery(1, "lost-1", 502), delivery(2, "lost-2", 502)]);
    let asks = AtomicUsize::new(0);
    let imitated = github.clone();
    let server = Server::start(move |request| {
        let used_up = |seconds| {
            let reset = ago(0) + seconds;
            format!("x-ratelimit-remaining: 0\r\nx-ratelimit-reset: {reset}\r\n")
        };
        match asks.fetch_add(1, Ordering::SeqCst) {
            // A secondary limit.
            0 => Reply::Answer(403, "retry-after: 1\r\n".to_owned(), Vec::new()),
            1 => Reply::Answer(403, used_up(1), Vec::new()),
            // The last request of the hour, which is answered.
            2 => match imitated.answer(request) {
                Reply::Answer(status, headers, body) => {
                    Reply::Answer(status, headers + &used_up(1), body)
                }
                other => other,
            },
            _ => imitated.answer(request),
        }
    });
    let consumer = consumer();
    let refill = refill(&server, "");
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    let began = gateway.clock.now();
    until_delivered(&consumer, &["lost-1", "lost-2"]);
    let took = gateway.clock.now().elapsed.since(began.elapsed);
    assert!(took >= Duration::from_secs(4), "it was left alone three times: {took:?}");
    assert_eq!(passes(&gateway, "throttled"), 3);
}

#[test]
fn a_delivery_that_is_gone_or_too_large_holds_nothing_up() {
    let github = Github::of([
        delivery(1, "gone-1", 502),
        delivery(2, "huge-2", 502),
        delivery(3, "lost-3", 502),
    ]);
    let imitated = github.clone();
    let server = Server::start(move |request| match target(request).rsplit('/').next() {
        Some("1") => Reply::status(404),
        Some("2") => Reply::Answer(200, String::new(), vec![b' '; 9 << 20]),
        _ => imitated.answer(request),
    });
    let consumer = consumer();
    let refill = refill(&server, "");
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    until_delivered(&consumer, &["lost-3"]);
    until_passes(&gateway, "whole", 2);
    assert_eq!(told(&server), [1, 2, 3], "each once");
    assert_eq!(delivered(&consumer), ["lost-3"]);
    assert_eq!(gateway.counted("sprag_refused_total{source=\"shop\",code=\"body-too-large\"}"), 1);
}

#[test]
fn a_failure_on_the_way_is_tried_again_and_nothing_is_left_out() {
    let guids = ["a", "b", "c", "d", "e", "f"];
    let github = Github::of(guids.into_iter().zip(1..).map(|(guid, id)| delivery(id, guid, 502)));
    let asks = AtomicUsize::new(0);
    let imitated = github.clone();
    // Each third request fails, in one way or another.
    let server = Server::start(move |request| match asks.fetch_add(1, Ordering::SeqCst) {
        2 => Reply::status(500),
        5 => Reply::Cut(Vec::new()),
        8 => Reply::Cut(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n[".to_vec()),
        11 => Reply::json("{"),
        _ => imitated.answer(request),
    });
    let consumer = consumer();
    let refill = refill(&server, "?per_page=2");
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    until_passes(&gateway, "whole", 2);
    // What a pass brought is durable when it ends, and may be on its way to the consumer still.
    until("all are delivered", || (consumer.requests().len() >= guids.len()).then_some(()));
    let mut all = delivered(&consumer);
    all.sort();
    assert_eq!(all, guids);
}
