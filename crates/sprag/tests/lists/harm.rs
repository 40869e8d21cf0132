//! Lists that mean harm, one after another: nothing comes of them, nothing goes elsewhere, and the source's own requests
//! are answered meanwhile.

use std::sync::{Arc, Mutex};

use crate::imitation::{Stripe, ago, event};
use crate::server::{Reply, Server};
use crate::wire::until;
use crate::{
    Listed, OFTEN, consumer, delivered, parameter, start, status, until_delivered, until_passes,
};

const SOURCE: &str = "id = \"body:/id\"\nkey = \"body:/data/object/id\"\ncontract = \"arrival\"";

fn answer(harm: &str, evil: &str) -> Reply {
    let page =
        |data: &str, more: &str| Reply::json(format!("{{\"data\":{data},\"has_more\":{more}}}"));
    match harm {
        "error" => Reply::status(500),
        "denied" => Reply::status(401),
        "redirect" => Reply::Answer(302, format!("location: {evil}/steal\r\n"), Vec::new()),
        "endless" => Reply::Endless,
        "broken" => Reply::Cut(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"data\"".to_vec()),
        "noise" => Reply::Cut(b"\0\xff\r\n\r\n".to_vec()),
        "text" => Reply::json("hello"),
        "deep" => Reply::json("[".repeat(10_000)),
        "array" => Reply::json("[]"),
        "object" => page("{}", "false"),
        "more of nothing" => page("[]", "true"),
        "numbers" => page("[1,2,3]", "true"),
        "another parameter" => page("[{\"id\":\"evt_1&starting_after=x\"}]", "true"),
        "another server" => page(&format!("[{{\"id\":\"@{}\"}}]", &evil[7..]), "true"),
        "circle" => page("[{\"id\":\"evt_1\",\"created\":9999999999}]", "true"),
        "too many" => page(&format!("[{}]", vec!["{}"; 2_000].join(",")), "false"),
        "compressed" => {
            Reply::Answer(200, "content-encoding: gzip\r\n".to_owned(), vec![31, 139, 8, 0])
        }
        other => panic!("no such harm: {other}"),
    }
}

const HARMS: [&str; 17] = [
    "error",
    "denied",
    "redirect",
    "endless",
    "broken",
    "noise",
    "text",
    "deep",
    "array",
    "object",
    "more of nothing",
    "numbers",
    "another parameter",
    "another server",
    "circle",
    "too many",
    "compressed",
];

#[test]
fn a_list_that_means_harm_costs_nobody_anything() {
    let evil = Server::start(|_| Reply::json("{}"));
    let leads = evil.url();
    let now: Arc<Mutex<Option<&str>>> = Arc::new(Mutex::new(Some(HARMS[0])));
    let stripe = Stripe::of([event("evt_lost", "ch_1", ago(30))]);
    let (harm, imitated) = (now.clone(), stripe.clone());
    let server = Server::start(move |request| match *harm.lock().unwrap() {
        Some(harm) => answer(harm, &leads),
        None => imitated.answer(request),
    });
    let consumer = consumer();
    let refill = format!("list = \"stripe\"\nurl = \"{}/v1/events\"\n{OFTEN}", server.url());
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    for (number, harm) in HARMS.iter().enumerate() {
        *now.lock().unwrap() = Some(harm);
        let asked = server.requests().len();
        until(&format!("{harm} is met"), || (server.requests().len() > asked).then_some(()));
        let posted = event(&format!("evt_{number}"), "ch_2", ago(1)).to_string();
        assert_eq!(status(&gateway, "", &posted), "released");
    }
    *now.lock().unwrap() = None;
    until_passes(&gateway, "whole", 1);
    until("what was lost comes in the end, and all that was posted", || {
        let came = delivered(&consumer);
        let is_all = came.len() > HARMS.len() && came.contains(&"evt_lost".to_owned());
        is_all.then_some(())
    });
    assert_eq!(delivered(&consumer).len(), HARMS.len() + 1);
    assert_eq!(evil.requests().len(), 0, "nothing leads to another server");
}

/// A hook whose list leads to another server.
#[test]
fn a_link_to_another_server_is_not_followed() {
    let evil = Server::start(|_| Reply::json("[]"));
    let link = format!("link: <{}/x?cursor=v1_1>; rel=\"next\"\r\n", evil.url());
    let hook = Server::start(move |_| Reply::Answer(200, link.clone(), b"[]".to_vec()));
    let consumer = consumer();
    let refill = format!("list = \"github\"\nurl = \"{}/hooks/1/deliveries\"\n{OFTEN}", hook.url());
    let source = "id = \"header:x-id\"\nkey = \"body:/k\"\ncontract = \"arrival\"";
    let gateway = start(&Listed { source, refill: &refill }, &consumer);
    until_passes(&gateway, "cut", 2);
    assert_eq!(evil.requests().len(), 0);
    until_delivered(&consumer, &[]);
}

/// Pages that together are larger than what is kept are got again on the way back.
#[test]
fn a_list_that_is_larger_than_memory_has_room_for_comes_oldest_first() {
    let filler = "x".repeat(700_000);
    let ids: Vec<String> = (0..40).map(|number| format!("evt_{number:02}")).collect();
    let made = ids.iter().zip(0..).map(|(id, at)| {
        let mut event = event(id, "ch_1", ago(200 - at));
        event["filler"] = filler.as_str().into();
        event
    });
    let server = Stripe::of(made).serve();
    let consumer = consumer();
    let refill =
        format!("list = \"stripe\"\nurl = \"{}/v1/events?limit=5\"\n{OFTEN}", server.url());
    let _gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    let expected: Vec<&str> = ids.iter().map(String::as_str).collect();
    until_delivered(&consumer, &expected);
    let asks = server.requests();
    // There are eight pages, and a pass begins without a cursor.
    let again = parameter(&asks[8], "starting_after");
    assert!(again.is_some(), "some pages are got twice in a pass: {:?}", asks[8].start);
}

#[test]
fn a_private_address_is_connected_to_only_where_that_is_allowed() {
    let server = Stripe::default().serve();
    let consumer = consumer();
    let often = OFTEN.replace("allow = [\"127.0.0.0/8\"]", "");
    let refill = format!("list = \"stripe\"\nurl = \"{}/v1/events\"\n{often}", server.url());
    let gateway = start(&Listed { source: SOURCE, refill: &refill }, &consumer);
    until_passes(&gateway, "refused", 1);
    assert_eq!(server.requests().len(), 0);
}
