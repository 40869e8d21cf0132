//! A destination that comes to a running system and goes again: over starts of the real binary with
//! one configuration after another.

use std::time::Duration;

use super::record::observed;
use super::server::{Server, post, taken};
use crate::consumer::{Consumer, acknowledge};
use crate::support::gateway::{HEAD, Setup};

const SOURCE: &str = r#"
[sources.shop]
verify = { scheme = "none" }
id = "header:x-id"
key = "body:/key"
contract = "arrival"
"#;

/// A refused start has said why within this.
const REFUSED: Duration = Duration::from_secs(30);

fn destination(name: &str, consumer: &Consumer, lines: &str) -> String {
    let port = consumer.port();
    format!(
        "[destinations.{name}]\nfrom = [\"shop\"]\nurl = \"http://127.0.0.1:{port}/\"\n\
         secrets = [\"env:A\"]\nallow = [\"127.0.0.0/8\"]\n{lines}\n"
    )
}

/// What another start is told.
fn configured(setup: &Setup, sections: &str) {
    let directory = &setup.directory;
    let text = format!("{HEAD}{sections}");
    let text = text.replace("DIRECTORY", &directory.path().to_string_lossy());
    std::fs::write(directory.path().join("sprag.toml"), text).unwrap();
}

/// Ends the process and starts another with these sections.
fn restarted(server: Server, sections: &str) -> Server {
    configured(&server.setup, sections);
    let Server { setup, gateway } = server;
    gateway.stop();
    let gateway = setup.serve();
    Server { setup, gateway }
}

#[test]
fn a_destination_begins_with_the_first_event_and_is_retired() {
    let (first, second) = (Consumer::listen(), Consumer::listen());
    let one = format!("{SOURCE}{}", destination("first", &first, ""));
    let server = Server::start(&one);
    let event = post("/in/shop", "x-id: 1\r\n", r#"{"key":"a"}"#);
    taken(&server.ask(&event), "released");
    let (mut connection, delivery) = first.delivery();
    assert_eq!(delivery.header("sprag-sequence"), "1");
    acknowledge(&mut connection);
    server.until_counted(r#"sprag_attempts_total{destination="first",outcome="2xx"}"#, 1);

    // Released before the second destination was known, and delivered to it all the same.
    let start = "start = \"earliest\"\ntimeout = \"2s\"\nconnect_timeout = \"2s\"";
    let both = format!("{one}{}", destination("second", &second, start));
    let server = restarted(server, &both);
    let (connection, delivery) = second.delivery();
    assert_eq!(delivery.header("sprag-sequence"), "1");
    assert_eq!(delivery.header("sprag-previous-sequence"), "0");
    observed("key", "destinations.*.start");
    drop(connection);
    taken(&server.ask(&post("/in/shop", "x-id: 2\r\n", r#"{"key":"a"}"#)), "released");
    let (mut connection, _) = first.delivery();
    acknowledge(&mut connection);
    server.until_counted(r#"sprag_attempts_total{destination="first",outcome="2xx"}"#, 1);

    // Something waits for it, so it cannot just be removed.
    configured(&server.setup, &one);
    let Server { setup, gateway } = server;
    gateway.stop();
    let mut refused = setup.spawn();
    assert!(!refused.end(REFUSED).success());
    let said = refused.said();
    assert!(said.contains("\"second\" is configured no more, and 2 events wait"), "{said}");

    // Retired, what waits is abandoned; then it can go.
    let retired = format!("{one}{}", destination("second", &second, "retired = true"));
    configured(&setup, &retired);
    let server = Server { gateway: setup.serve(), setup };
    for event in ["shop:a:1", "shop:a:2"] {
        server.until(&format!("/v1/events/{event}"), "what was abandoned", |event| {
            let lanes = event["fates"]["destinations"].as_array();
            let mut lanes = lanes.into_iter().flatten();
            lanes.any(|lane| lane["destination"] == "second" && lane["status"] == "abandoned")
        });
    }
    observed("fate", "abandoned");
    observed("key", "destinations.*.retired");
    let server = restarted(server, &one);
    let event = server.show("/v1/events/shop:a:1");
    assert_eq!(event["fates"]["destinations"][0]["status"], "delivered", "{event}");
    assert!(!event.to_string().contains("pending"), "{event}");
}
