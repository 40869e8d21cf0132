//! nginx in its two parts: the consumer both sides deliver to, and the reverse proxy that is
//! measured against. Each is an instance of its own, so that its CPU can be told apart.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::Bench;
use super::server::{Server, free_address};
use crate::failure::Failure;

/// A running nginx.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    pub(crate) server: Server,
}

/// Answers every POST with 200 and no body, having read the request's. With `log`, each line of
/// the file `arrivals` in its directory is when a delivery was answered (seconds since 1970) and
/// what its `sprag-received-at` said.
pub(crate) fn consumer(bench: &Bench, log: bool) -> Result<Nginx, Failure> {
    let log = if log {
        "log_format arrival '$msec $http_sprag_received_at';\n  \
         access_log arrivals arrival buffer=1m flush=100ms;"
    } else {
        "access_log off;"
    };
    start(bench, "consumer", log, "return 200;", "")
}

/// The same, without a log, where something was dead before.
pub(crate) fn consumer_at(bench: &Bench, address: SocketAddr) -> Result<Nginx, Failure> {
    start_at(bench, address, "consumer", "access_log off;", "return 200;", "")
}

/// What becomes of deliveries of the keys that are apart in a load: their names begin with `cus_9`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stuck {
    /// They are answered as all others.
    Answered,
    /// They are passed on to somebody who never answers.
    Hangs(SocketAddr),
    /// They are answered 503.
    Fails,
}

/// A consumer that looks at the key of each delivery, whatever it then does.
pub(crate) fn of_stuck(bench: &Bench, stuck: Stuck) -> Result<Nginx, Failure> {
    let then = match stuck {
        Stuck::Answered => "return 200;".to_owned(),
        Stuck::Hangs(hole) => format!("proxy_pass http://{hole};"),
        Stuck::Fails => "return 503;".to_owned(),
    };
    let location = format!("proxy_read_timeout 1h; if ($is_stuck = 0) {{ return 200; }} {then}");
    let map = "map $http_sprag_key $is_stuck { default 0; ~^cus_9 1; }";
    start(bench, "consumer", "access_log off;", &location, map)
}

/// Passes everything on to `consumer`, over kept connections, one worker a core. Nothing else is
/// tuned; without `keepalive_requests` nginx would close a connection every 1,000 requests.
pub(crate) fn proxy(bench: &Bench, consumer: SocketAddr) -> Result<Nginx, Failure> {
    let upstream = format!(
        "upstream consumer {{ server {consumer}; keepalive {}; keepalive_requests 1000000000; }}",
        bench.connections
    );
    let location =
        "proxy_pass http://consumer; proxy_http_version 1.1; proxy_set_header Connection \"\";";
    start(bench, "proxy", "access_log off;", location, &upstream)
}

fn start(
    bench: &Bench,
    name: &str,
    log: &str,
    location: &str,
    upstream: &str,
) -> Result<Nginx, Failure> {
    start_at(bench, free_address()?, name, log, location, upstream)
}

fn start_at(
    bench: &Bench,
    address: SocketAddr,
    name: &str,
    log: &str,
    location: &str,
    upstream: &str,
) -> Result<Nginx, Failure> {
    let room = bench.room(name)?;
    let path = room.join("nginx.conf");
    let text = configuration(address, log, location, upstream);
    fs::write(&path, text).map_err(Failure::while_doing("writing nginx.conf"))?;
    let server = Server::start(&mut nginx(&room), &room, &[address])?;
    Ok(Nginx { address, server })
}

fn nginx(room: &Path) -> Command {
    let mut command = Command::new("nginx");
    command.arg("-p").arg(room).args(["-c", "nginx.conf", "-e", "errors"]);
    command
}

fn configuration(address: SocketAddr, log: &str, location: &str, upstream: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String =
        temporary.iter().map(|kind| format!("  {kind}_temp_path {kind};\n")).collect();
    format!(
        "daemon off;\nworker_processes auto;\npid pid;\nerror_log errors warn;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n{temporary}  {log}\n  {upstream}\n  \
         server {{\n    listen {address};\n    keepalive_requests 1000000000;\n    \
         location / {{ {location} }}\n  }}\n}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_has_one_server_and_nothing_outside_its_directory() {
        let address = SocketAddr::from(([127, 0, 0, 1], 3000));
        let text = configuration(address, "access_log off;", "return 200;", "");
        assert!(text.contains("listen 127.0.0.1:3000;") && text.contains("{ return 200; }"));
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        assert!(!text.contains('/') || text.matches('/').count() == 1, "{text}");
    }
}
