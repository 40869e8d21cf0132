//! Tables of scenarios: each has a source of its own, in one server for the whole table.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use super::record::observed;
use super::server::{self, Server, post};
use crate::consumer::Consumer;
use crate::wire::{Connection, Message};

/// A row about a source.
pub(crate) struct Scenario {
    /// The configuration keys whose effect is seen, without `sources.*.`.
    pub(crate) shows: &'static [&'static str],
    /// Lines of `[sources.NAME]`; verification, id and key are completed.
    pub(crate) lines: &'static str,
    pub(crate) act: fn(&Source<'_>),
}

/// A source of the server.
pub(crate) struct Source<'a> {
    pub(crate) server: &'a Server,
    pub(crate) name: String,
}

/// What a source has unless its scenario says otherwise.
const SOURCE: [(&str, &str); 3] =
    [("verify", "{ scheme = \"none\" }"), ("id", "\"header:x-id\""), ("key", "\"body:/key\"")];

/// The lines with those of `usual` that they do not have.
fn completed(lines: &str, usual: &[(&str, &str)]) -> String {
    let written = |name: &str| {
        let mut starts = lines.lines().filter_map(|line| line.trim().strip_prefix(name));
        starts.any(|rest| rest.trim_start().starts_with('='))
    };
    let missing = usual.iter().filter(|(name, _)| !written(name));
    missing.map(|(name, value)| format!("{name} = {value}\n")).collect::<String>() + lines
}

fn source_lines(lines: &str) -> String {
    match lines {
        preset if preset.contains("preset =") => preset.to_owned(),
        total if total.contains("total =") => completed(total, &SOURCE[..2]),
        lines => completed(lines, &SOURCE),
    }
}

/// Runs a table, all of it whatever fails, and writes down what was seen.
pub(crate) fn run(table: &[Scenario]) {
    let section =
        |(at, row): (usize, &Scenario)| format!("[sources.s{at}]\n{}\n", source_lines(row.lines));
    let sections: String = table.iter().enumerate().map(section).collect();
    let server = Server::start(&sections);
    let outcome = |(at, row): (usize, &Scenario)| {
        let source = Source { server: &server, name: format!("s{at}") };
        row_outcome("sources.*.", row.shows, || (row.act)(&source))
    };
    let failed: Vec<String> = table.iter().enumerate().filter_map(outcome).collect();
    conclude(&failed);
}

/// The name of the row when it failed; else its keys were seen.
fn row_outcome(under: &str, shows: &[&str], act: impl FnOnce()) -> Option<String> {
    if catch_unwind(AssertUnwindSafe(act)).is_err() {
        return Some(shows.join(" "));
    }
    shows.iter().for_each(|key| observed("key", &format!("{under}{key}")));
    None
}

fn conclude(failed: &[String]) {
    assert!(failed.is_empty(), "not seen, see above for each: {failed:#?}");
}

impl Source<'_> {
    pub(crate) fn ask(&self, headers: &str, body: &str) -> Message {
        self.server.ask(&post(&format!("/in/{}", self.name), headers, body))
    }

    /// An event with this id is answered so.
    pub(crate) fn taken(&self, status: &str, id: &str, body: &str) -> Value {
        server::taken(&self.ask(&format!("x-id: {id}\r\n"), body), status)
    }

    pub(crate) fn refused(&self, code: &str, headers: &str, body: &str) {
        server::problem(&self.ask(headers, body), code);
    }

    /// Sends the same event until it is answered so.
    pub(crate) fn until(&self, status: &str, id: &str, body: &str) -> Value {
        let answer = crate::wire::until(&format!("{id} is {status}"), || {
            let answer = self.ask(&format!("x-id: {id}\r\n"), body);
            (server::document(&answer)["status"] == status).then_some(answer)
        });
        server::taken(&answer, status)
    }
}

/// A row about a destination, which has a source of its own too.
pub(crate) struct Delivery {
    /// The configuration keys whose effect is seen, without `destinations.*.`.
    pub(crate) shows: &'static [&'static str],
    /// Lines of `[destinations.NAME]`; `PORT` is that of its consumer. `from`, address and secret
    /// are completed.
    pub(crate) lines: &'static str,
    pub(crate) act: fn(&Lane<'_>),
}

/// A destination of the server and its consumer.
pub(crate) struct Lane<'a> {
    pub(crate) server: &'a Server,
    /// Of the source and the destination.
    pub(crate) name: String,
    pub(crate) consumer: Consumer,
    ids: Cell<usize>,
}

/// Runs a table as [`run`] does; gives how many events were acknowledged to their source.
pub(crate) fn run_deliveries(table: &[Delivery]) -> usize {
    let consumers: Vec<Consumer> = table.iter().map(|_| Consumer::listen()).collect();
    let section = |(at, (row, consumer)): (usize, (&Delivery, &Consumer))| {
        let from = format!("[\"s{at}\"]");
        let usual = [
            ("from", from.as_str()),
            ("url", "\"http://127.0.0.1:PORT/\""),
            ("secrets", "[\"env:A\"]"),
            ("allow", "[\"127.0.0.0/8\"]"),
            ("retry", "{ first = \"10ms\", cap = \"20ms\" }"),
        ];
        let lines = completed(row.lines, &usual).replace("PORT", &consumer.port().to_string());
        let source = completed("contract = \"arrival\"\ntype = \"header:x-type\"\n", &SOURCE);
        format!("[sources.s{at}]\n{source}\n[destinations.s{at}]\n{lines}\n")
    };
    let sections: String = table.iter().zip(&consumers).enumerate().map(section).collect();
    let server = Server::start(&sections);
    let posted = Cell::new(0);
    let outcome = |(at, (row, consumer)): (usize, (&Delivery, Consumer))| {
        let name = format!("s{at}");
        let lane = Lane { server: &server, name, consumer, ids: Cell::default() };
        let failed = row_outcome("destinations.*.", row.shows, || (row.act)(&lane));
        posted.set(posted.get() + lane.ids.get());
        failed
    };
    let failed: Vec<String> = table.iter().zip(consumers).enumerate().filter_map(outcome).collect();
    conclude(&failed);
    posted.get()
}

impl Lane<'_> {
    /// The next event of a key comes in.
    pub(crate) fn post(&self, key: &str) {
        self.post_with(key, "x-type: order.made\r\n");
    }

    /// With these headers, `x-type` among them.
    pub(crate) fn post_with(&self, key: &str, headers: &str) {
        self.ids.set(self.ids.get() + 1);
        let headers = format!("x-id: {}\r\n{headers}", self.ids.get());
        let body = format!(r#"{{"key":"{key}"}}"#);
        let request = post(&format!("/in/{}", self.name), &headers, &body);
        server::taken(&self.server.ask(&request), "released");
    }

    /// A consumer acknowledges an event with the token `env:B`.
    fn ack(&self, event: &str) -> Message {
        let headers = format!("authorization: Bearer whsec_B{}\r\n", crate::wire::SECRET);
        let body = format!(r#"{{"id":"{}:{event}"}}"#, self.name);
        self.server.ask(&post(&format!("/out/{}/ack", self.name), &headers, &body))
    }

    pub(crate) fn acknowledged(&self, event: &str) {
        let answer = self.ack(event);
        let document = server::document(&answer);
        assert_eq!(answer.status(), 200, "{document}");
        assert_eq!(document["results"][0]["status"], "acknowledged");
    }

    pub(crate) fn refused_ack(&self, code: &str, event: &str) {
        server::problem(&self.ack(event), code);
    }

    /// The lane of an event, once it is as expected.
    pub(crate) fn until(&self, event: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let lane = |event: &Value| event["fates"]["destinations"][0].clone();
        let path = format!("/v1/events/{}:{event}", self.name);
        lane(&self.server.until(&path, what, |event| is(&lane(event))))
    }

    /// An event (`key:sequence`) comes to this fate: seen.
    pub(crate) fn fares(&self, event: &str, fate: &str) -> Value {
        let lane = self.until(event, fate, |lane| lane["status"] == fate);
        observed("fate", fate);
        lane
    }

    /// The key says why it waits.
    pub(crate) fn waits(&self, key: &str, why: &str) {
        let path = format!("/v1/sources/{}/keys/{key}", self.name);
        self.server.until(&path, why, |shown| shown["why"].to_string().contains(why));
    }

    /// A gauge or counter of this destination.
    pub(crate) fn sample(&self, name: &str, rest: &str) -> String {
        format!("sprag_{name}{{destination=\"{}\"{rest}}}", self.name)
    }

    /// Answers the next delivery.
    pub(crate) fn answer(&self, answer: &str) -> Message {
        answer_on(self.consumer.connection(), answer)
    }

    /// Answers a delivery that is already there.
    pub(crate) fn answer_if_any(&self, answer: &str) {
        if let Ok((stream, _)) = self.consumer.0.accept() {
            stream.set_nonblocking(false).unwrap();
            answer_on(Connection::over(stream), answer);
        }
    }
}

/// Answers the delivery that comes on a connection, which is closed then.
pub(crate) fn answer_on(mut connection: Connection, answer: &str) -> Message {
    let delivery = connection.message().expect("a delivery");
    let rest = "connection: close\r\ncontent-length: 0\r\n\r\n";
    connection.send(format!("HTTP/1.1 {answer}\r\n{rest}").as_bytes());
    delivery
}
