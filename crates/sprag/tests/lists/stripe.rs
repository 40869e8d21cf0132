//! Stripe's list of events.

use crate::imitation::{Stripe, ago, event};
use crate::server::Server;
use crate::wire::{Gateway, Message};
use crate::{
    Listed, OFTEN, consumer, parameter, passes, start, status, target, until_delivered,
    until_passes,
};

/// The source of a preset, but for what signs its requests.
const SOURCE: &str = "id = \"body:/id\"\ntype = \"body:/type\"\nkey = \"body:/data/object/id\"\n\
                      position = { timestamp = \"body:/created\", unit = \"s\" }\ncontract = \"latest\"";

fn refill(stripe: &Server, query: &str) -> String {
    format!("list = \"stripe\"\nurl = \"{}/v1/events{query}\"\n{OFTEN}", stripe.url())
}

/// Time for what comes by itself.
fn seldom(refill: &str) -> String {
    refill.replace("10ms", "2500ms").replace("every = \"1s\"", "every = \"3s\"")
}

/// Waits for two more passes: the first may have been under way.
fn until_more_passes(gateway: &Gateway) {
    until_passes(gateway, "whole", passes(gateway, "whole") + 2);
}

#[test]
fn what_was_lost_comes_from_the_list_oldest_first_page_by_page() {
    let ids: Vec<String> = (0..25).map(|number| format!("evt_{number:02}")).collect();
    let made = ids.iter().zip(0..).map(|(id, at)| event(id, "ch_1", ago(200 - at)));
    let stripe = Stripe::of(made);
    let server = stripe.serve();
    let consumer = consumer();
    let refill = refill(&server, "?limit=10&delivery_success=false");
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    let expected: Vec<&str> = ids.iter().map(String::as_str).collect();
    until_delivered(&consumer, &expected);
    let deliveries = consumer.requests();
    assert!(
        deliveries.iter().all(|one| one.header("sprag-origin") == "refilled"),
        "{deliveries:?}"
    );
    let asks = server.requests();
    let cursors: Vec<Option<&str>> =
        asks.iter().take(3).map(|ask| parameter(ask, "starting_after")).collect();
    assert_eq!(cursors, [None, Some("evt_15"), Some("evt_05")]);
    assert!(asks.iter().all(|ask| parameter(ask, "delivery_success") == Some("false")));
    // Stripe posts it after all, written otherwise: it is here.
    let posted = event("evt_07", "ch_1", ago(193)).to_string();
    assert_eq!(status(&gateway, "", &posted), "duplicate");
    // What is listed again and again is brought once.
    until_passes(&gateway, "whole", 3);
    assert_eq!(gateway.counted("sprag_events_total{source=\"shop\",fate=\"duplicate\"}"), 1);
    // Passes that follow read no further back than to what is known.
    let later: Vec<Message> = server.requests().into_iter().skip(3).collect();
    assert!(later.iter().all(|ask| parameter(ask, "starting_after").is_none()), "{later:?}");
}

#[test]
fn what_comes_by_itself_and_what_is_older_than_reach_is_not_taken() {
    let stripe = Stripe::default();
    let server = stripe.serve();
    let consumer = consumer();
    let refill = format!("{}\nreach = \"2m\"", refill(&server, ""));
    let refill = seldom(&refill);
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    assert_eq!(status(&gateway, "", &event("evt_posted", "ch_3", ago(20)).to_string()), "released");
    until_delivered(&consumer, &["evt_posted"]);
    stripe.events.lock().unwrap().extend([
        event("evt_old", "ch_1", ago(1_000)),
        event("evt_lost", "ch_2", ago(30)),
        event("evt_posted", "ch_3", ago(20)),
        event("evt_young", "ch_4", ago(0) + 600),
    ]);
    until_more_passes(&gateway);
    until_delivered(&consumer, &["evt_posted", "evt_lost"]);
    assert!(server.requests().iter().all(|ask| target(ask) == "/v1/events?limit=100"));
    // What is new on the list is found by the passes that follow.
    stripe.events.lock().unwrap().insert(3, event("evt_new", "ch_5", ago(5)));
    until_delivered(&consumer, &["evt_posted", "evt_lost", "evt_new"]);
}

#[test]
fn an_event_that_is_older_than_what_its_key_has_is_stale_and_nothing_goes_back() {
    let stripe = Stripe::default();
    let server = stripe.serve();
    let consumer = consumer();
    let refill = seldom(&refill(&server, ""));
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    assert_eq!(status(&gateway, "", &event("evt_2", "ch_1", ago(1)).to_string()), "released");
    stripe.events.lock().unwrap().push(event("evt_1", "ch_1", ago(60)));
    until_more_passes(&gateway);
    gateway.until_counted("sprag_events_total{source=\"shop\",fate=\"stale\"}", 1);
    until_delivered(&consumer, &["evt_2"]);
}

#[test]
fn one_that_cannot_be_used_is_refused_and_the_others_come() {
    let mut keyless = event("evt_2", "ch_1", ago(59));
    keyless["data"] = serde_json::json!({});
    let mut timeless = event("evt_3", "ch_3", 0);
    timeless["created"] = serde_json::json!("yesterday");
    let stripe = Stripe::of([
        event("evt_1", "ch_1", ago(60)),
        keyless,
        timeless,
        event("evt_4", "ch_1", ago(50)),
    ]);
    let server = stripe.serve();
    let consumer = consumer();
    let refill = refill(&server, "");
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    until_passes(&gateway, "whole", 2);
    until_delivered(&consumer, &["evt_1", "evt_4"]);
    let refused = |code: &str| {
        gateway.counted(&format!("sprag_refused_total{{source=\"shop\",code=\"{code}\"}}"))
    };
    assert_eq!((refused("invalid-key"), refused("invalid-position")), (1, 1), "each once");
}
