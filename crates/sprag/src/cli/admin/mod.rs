//! What all commands share that ask a running Sprag: how its admin API is reached, how things are
//! named on the command line, how lists are printed.
//!
//! A command can do nothing the admin API cannot. Must not know: the node, the log, the state.

pub(super) mod client;
pub(super) mod key;
pub(super) mod many;
pub(super) mod page;
pub(super) mod selector;
pub(super) mod table;

use super::secret::SecretArgument;
use super::{Failure, configuration};
use crate::config::{AdminAccess, SecretReference, Url, admin_access};
use crate::secret::Secret;
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use client::Client;

/// Where the admin API is, and its token.
#[derive(Debug, Args)]
pub(super) struct AdminArguments {
    /// The admin API [default: `server.admin` of the configuration]
    #[arg(long = "admin", value_name = "URL", global = true)]
    url: Option<Url>,
    /// Its token, or where it is: env:NAME, file:PATH [default: SPRAG_ADMIN_TOKEN, or `admin.token`
    /// of the configuration]
    #[arg(long, value_name = "TOKEN", global = true)]
    token: Option<SecretArgument>,
    /// The configuration whose gateway is asked [default: sprag.toml, if it is there]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

impl AdminArguments {
    /// A client; it connects when it is first asked.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        let access = self.access()?;
        let token = self.token.as_ref().map(|token| token.0.clone()).or(access.token);
        let token = token.ok_or_else(|| {
            Failure::new(
                "the admin API needs its token: set SPRAG_ADMIN_TOKEN, or give --token; without \
                 one of its own `sprag serve` prints one at its start",
            )
        })?;
        let url = match &self.url {
            Some(url) => url.clone(),
            None => url_of(access.address)?,
        };
        Client::new(url, &token)
    }

    /// What the configuration says; its defaults where there is none and none was named.
    fn access(&self) -> Result<AdminAccess, Failure> {
        let path = self.config.clone().unwrap_or_else(|| configuration::DEFAULT.into());
        let text = match &self.config {
            None if !path.exists() => String::new(),
            _ => configuration::text(&path)?,
        };
        read(&path, &text)
    }
}

fn read(path: &Path, text: &str) -> Result<AdminAccess, Failure> {
    let file = path.display().to_string();
    admin_access(text, &file, &SecretReference::from_machine).map_err(|findings| {
        let lines = findings.iter().map(|finding| format!("\n  {finding}"));
        Failure::new(format!(
            "{file} does not say where the admin API is; name it with --admin:{}",
            lines.collect::<String>()
        ))
    })
}

/// Who listens on every address is reached on this machine.
fn url_of(address: SocketAddr) -> Result<Url, Failure> {
    if address.port() == 0 {
        return Err(Failure::new(
            "`server.admin` has port 0: name the address `sprag serve` printed with --admin",
        ));
    }
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let url = format!("http://{}", SocketAddr::new(ip, address.port()));
    url.parse().map_err(Failure::new)
}

/// The header value of a token.
fn bearer(token: &Secret) -> Result<http::HeaderValue, Failure> {
    let mut bytes = b"Bearer ".to_vec();
    bytes.extend_from_slice(token.expose());
    let value = http::HeaderValue::from_bytes(&bytes);
    let mut value = value.map_err(|_| Failure::new("the token cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_reached_on_this_machine() {
        let url = |address: &str| url_of(address.parse().unwrap()).map(|url| url.authority);
        assert_eq!(url("0.0.0.0:8081").unwrap(), "127.0.0.1:8081");
        assert_eq!(url("[::]:8081").unwrap(), "[::1]:8081");
        assert_eq!(url("10.0.0.1:8081").unwrap(), "10.0.0.1:8081");
        assert!(url("127.0.0.1:0").unwrap_err().0.contains("port 0"));
    }
}
