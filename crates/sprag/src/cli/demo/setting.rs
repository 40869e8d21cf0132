//! What the demo is started with: a directory of its own, secrets in files, and a configuration
//! that anybody could have written.

use super::super::Failure;
use super::api::PATH;
use super::contracts;
use crate::config::{self, Config, SecretReference};
use crate::secret::Secret;
use aws_lc_rs::rand;
use data_encoding::BASE64;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// How long a gap is waited for. Long beside the delays of the provider, short beside patience, and more
/// than the second that a machine which stands still takes of a wait (`OPEN_STEP`).
pub(super) const HOLD: Duration = Duration::from_secs(2);

/// The name of the source.
pub(super) const SOURCE: &str = "billing";

/// Where everything of one demo is; removed when it is dropped.
pub(super) struct Setting {
    directory: TempDir,
    /// The secret of the destination.
    pub(super) destination_secret: Secret,
}

impl Setting {
    /// Makes the directory and the secrets.
    pub(super) fn make() -> Result<Self, Failure> {
        let directory = tempfile::Builder::new().prefix("sprag-demo-").tempdir();
        let directory = directory.map_err(|error| Failure::new(format!("no data: {error}")))?;
        write_secret(&directory.path().join("source-secret"))?;
        let destination_secret = write_secret(&directory.path().join("destination-secret"))?;
        Ok(Self { directory, destination_secret })
    }

    /// The configuration of a gateway that delivers to `consumer`, what other contracts show to another
    /// one, and asks `api` for what is missing, as text.
    pub(super) fn text(
        &self,
        consumer: SocketAddr,
        contracts: SocketAddr,
        api: SocketAddr,
    ) -> String {
        let path = |name: &str| quoted(&self.directory.path().join(name).display().to_string());
        let secret =
            |name: &str| quoted(&format!("file:{}", self.directory.path().join(name).display()));
        format!(
            r#"[server]
listen = "127.0.0.1:0"
admin  = "127.0.0.1:0"
data   = {data}

[sources.{SOURCE}]
verify   = {{ scheme = "standard-webhooks", secrets = [{source_secret}] }}
id       = "header:webhook-id"
key      = "body:/data/customer"
type     = "body:/type"
position = {{ sequence = "body:/sequence" }}
contract = "fifo"
hold     = {{ wait = "{hold}" }}

[sources.{SOURCE}.refill]
url   = "http://{api}{PATH}"
id_at = "body:/id"
after = "100ms"
rate  = "1000/s"
allow = ["127.0.0.0/8"]

[destinations.app]
from       = ["{SOURCE}"]
url        = "http://{consumer}/webhooks"
secrets    = [{destination_secret}]
retry      = {{ first = "20ms", cap = "500ms", for = "1h" }}
on_give_up = "halt"
allow      = ["127.0.0.0/8"]

{contracts}"#,
            contracts = contracts::text(contracts, &secret("destination-secret")),
            data = path("data"),
            source_secret = secret("source-secret"),
            destination_secret = secret("destination-secret"),
            hold = config::units::duration_text(HOLD),
        )
    }

    /// That text, checked like any other.
    pub(super) fn check(text: &str) -> Result<Config, Failure> {
        let checked = config::check(text, "demo.toml", &SecretReference::from_machine);
        checked.map(|checked| checked.config).map_err(|findings| {
            let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            Failure::new(lines.join("\n"))
        })
    }
}

/// JSON writes a string as TOML reads it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write_secret(path: &Path) -> Result<Secret, Failure> {
    let mut bytes = [0; 24];
    let random = rand::fill(&mut bytes);
    random.map_err(|_| Failure::new("the machine gives no randomness"))?;
    let text = format!("whsec_{}", BASE64.encode(&bytes));
    std::fs::write(path, &text).map_err(|error| Failure::new(format!("no secret: {error}")))?;
    Ok(Secret::from(text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice::from_ref;

    #[test]
    fn the_printed_configuration_can_be_used() {
        let setting = Setting::make().unwrap();
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let text = setting.text(address(3_000), address(3_001), address(3_002));
        let config = Setting::check(&text).unwrap();
        assert_eq!(config.destinations["app"].secrets, from_ref(&setting.destination_secret));
        assert_ne!(config.sources[SOURCE].secrets, from_ref(&setting.destination_secret));
    }
}
