//! `[server]`, `[log]`, `[admin]` and `[limits]`.

use super::checked::{Engine, Limits, Server};
use super::raw::{Entry, Section, or};
use super::secrets::{SecretFault, SecretReference};
use super::{ADMIN_TOKEN_VARIABLE, check_rate};
use crate::limits as fixed;
use crate::secret::Secret;
use sprag_log::pack::Packing;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A token that can be tried out is none.
const TOKEN_BYTES_LEAST: usize = 16;

pub(super) fn server(section: &Section<'_>) -> Option<Server> {
    let address = |name, port| {
        or(section.get(name), SocketAddr::from((Ipv4Addr::LOCALHOST, port)), |entry| {
            entry.parsed(|text| {
                text.parse::<SocketAddr>()
                    .map_err(|_| "an address with a port is needed, such as \"127.0.0.1:8080\"")
            })
        })
    };
    let (listen, admin) = (address("listen", 8080), address("admin", 8081));
    let data = or(section.get("data"), PathBuf::from("./sprag-data"), path);
    let partitions =
        or(section.get("partitions"), 16, |entry| entry.integer(1..=fixed::PARTITIONS));
    let server = Server {
        listen: listen?,
        admin: admin?,
        data: data?,
        partitions: u16::try_from(partitions?).ok()?,
    };
    if server.listen == server.admin && server.listen.port() != 0 {
        section.error("`listen` and `admin` are the same address");
    }
    Some(server)
}

/// A path that is not empty.
pub(super) fn path(entry: &Entry<'_>) -> Option<PathBuf> {
    entry.parsed(|text| if text.is_empty() { Err("a path is needed") } else { Ok(text.into()) })
}

pub(super) fn engine(section: &Section<'_>) -> Option<Engine> {
    or(section.get("engine"), Engine::Embedded, |entry| {
        entry.choice(&[("embedded", Engine::Embedded)])
    })
}

/// How bodies are stored from now on.
pub(super) fn body_codec(section: &Section<'_>) -> Option<Packing> {
    or(section.get("body_codec"), Packing::Zstd, |entry| {
        entry.choice(&[("zstd", Packing::Zstd), ("none", Packing::None)])
    })
}

/// The token, from the environment or the file; absent only where a random one may be printed.
pub(super) fn admin_token(root: &Section<'_>, server: Option<&Server>) -> Option<Option<Secret>> {
    let section = root.section("admin");
    let written = section.get("token");
    let variable = SecretReference::Environment(ADMIN_TOKEN_VARIABLE.into());
    let token = match (section.notes.resolve(&variable), &written) {
        (Ok(token), _) => Some(token),
        (Err(SecretFault::Unusable(reason)), _) => {
            section.error(&format!("{variable} {reason}"));
            return None;
        }
        (Err(SecretFault::Absent), Some(entry)) => Some(entry.secret()?),
        (Err(SecretFault::Absent), None) => None,
    };
    match &token {
        None if server.is_some_and(|server| !server.admin.ip().is_loopback()) => {
            section.error(&format!(
                "server.admin is not a loopback address, so {ADMIN_TOKEN_VARIABLE} or `token` is needed"
            ));
        }
        Some(token) if token.expose().len() < TOKEN_BYTES_LEAST => {
            section.warn(&format!("the token has fewer than {TOKEN_BYTES_LEAST} bytes"));
        }
        _ => {}
    }
    Some(token)
}

/// A token that requests bring; one that is short is warned about.
pub(super) fn token(entry: &Entry<'_>) -> Option<Secret> {
    let token = entry.secret()?;
    if token.expose().len() < TOKEN_BYTES_LEAST {
        entry.warn(format!("the token has fewer than {TOKEN_BYTES_LEAST} bytes"));
    }
    Some(token)
}

pub(super) fn limits(section: &Section<'_>) -> Option<Limits> {
    let count =
        |name, default, most| or(section.get(name), default, |entry| entry.integer(1..=most));
    let connections = count("connections", 10_000, 1_000_000);
    let request_time = or(section.get("request_time"), Duration::from_secs(30), |entry| {
        entry.duration(Duration::from_secs(1)..=Duration::from_mins(10))
    });
    let hot_keys = count("hot_keys", 100_000, 100_000_000);
    let key_backlog = count("key_backlog", 10_000, fixed::HELD_EVENTS);
    let dedupe_ids = count("dedupe_ids", 250_000, 100_000_000);
    let forgotten =
        or(section.get("forgotten"), 1_000_000, |entry| entry.integer(0..=fixed::FORGOTTEN_MOST));
    let disk_reserve =
        or(section.get("disk_reserve"), 512 << 20, |entry| entry.size(1 << 20..=1 << 40));
    let destination_backlog = match section.get("destination_backlog") {
        Some(entry) => Some(entry.size(1 << 10..=1 << 44)?),
        None => None,
    };
    Some(Limits {
        connections: u32::try_from(connections?).ok()?,
        request_time: request_time?,
        hot_keys: hot_keys?,
        key_backlog: key_backlog?,
        destination_backlog,
        dedupe_ids: dedupe_ids?,
        forgotten: forgotten?,
        partition_rate: check_rate::rate(section, "partition_rate")?,
        disk_reserve: disk_reserve?,
    })
}
