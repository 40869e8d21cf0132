//! Verification by its keys, and every refusal of a request that cannot be verified.

use aws_lc_rs::hmac::{self, Algorithm, HMAC_SHA256, HMAC_SHA512};
use data_encoding::{BASE64, HEXLOWER};
use sprag::clock::Clock;

use super::record::observed;
use super::scenario::{Scenario, Source, run};
use super::server::{Server, document, problem, taken};
use crate::support::gateway::HEAD;
use crate::wire::SECRET;

const BODY: &str = r#"{"key":"a"}"#;

fn mac(algorithm: Algorithm, key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), text.as_bytes()).as_ref().to_owned()
}

/// The machine's clock, milliseconds.
fn now_ms() -> u64 {
    Clock::start().now().clock.0 / 1_000
}

const ALL: &[Scenario] = &[
    Scenario {
        shows: &[
            "verify",
            "verify.scheme",
            "verify.secrets",
            "verify.header",
            "verify.algorithm",
            "verify.prefix",
            "verify.encoding",
            "verify.secret_encoding",
            "verify.signed",
            "verify.timestamp",
            "verify.timestamp.at",
            "verify.timestamp.unit",
            "verify.id",
            "verify.sequence",
        ],
        lines: r#"verify = { scheme = "hmac", secrets = ["env:OTHER_HEX", "env:HEX"], header = "x-mac", algorithm = "sha512", prefix = "v9=", encoding = "base64", secret_encoding = "hex", signed = "{timestamp}|{id}|{sequence}|{body}", timestamp = { at = "header:x-at", unit = "ms" }, id = "header:x-id", sequence = "header:x-number" }
contract = "arrival""#,
        act: every_key_of_a_signature,
    },
    Scenario {
        shows: &["verify.tolerance"],
        lines: "verify = { scheme = \"standard-webhooks\", secrets = [\"env:A\"], tolerance = \"2h\" }\nid = \"header:webhook-id\"\ncontract = \"arrival\"",
        act: a_wider_window,
    },
    Scenario {
        shows: &["verify.public_url"],
        lines: r#"verify = { scheme = "square", secrets = ["env:HEX"], public_url = "https://public.example.com/hook" }
contract = "arrival""#,
        act: |source| {
            let sign = |url: &str| {
                let text = format!("{url}{BODY}");
                let mac = BASE64.encode(&mac(HMAC_SHA256, b"00ff10ef00ff10ef", &text));
                format!("x-id: 1\r\nx-square-hmacsha256-signature: {mac}\r\n")
            };
            source.refused("signature-mismatch", &sign("https://other.example.com/hook"), BODY);
            taken(&source.ask(&sign("https://public.example.com/hook"), BODY), "released");
        },
    },
    Scenario {
        shows: &[],
        lines: r#"verify = { scheme = "token", secrets = ["env:A"] }
contract = "arrival""#,
        act: |source| {
            source.refused("missing-token", "x-id: 1\r\n", BODY);
            source.refused("token-mismatch", "authorization: Bearer nobody\r\n", BODY);
            let token = format!("x-id: 1\r\nauthorization: Bearer whsec_A{SECRET}\r\n");
            taken(&source.ask(&token, BODY), "released");
        },
    },
    Scenario {
        shows: &["preset"],
        lines: "preset = \"github\"\nverify = { secrets = [\"env:HEX\"] }",
        act: |source| {
            let body = r#"{"repository":{"id":7},"ref":"refs/heads/main"}"#;
            let mac = HEXLOWER.encode(&mac(HMAC_SHA256, b"00ff10ef00ff10ef", body));
            let headers = format!(
                "x-github-delivery: 1\r\nx-github-event: push\r\nx-hub-signature-256: sha256={mac}\r\n"
            );
            let answer = taken(&source.ask(&headers, body), "released");
            assert_eq!(answer["key"], "7/refs%2Fheads%2Fmain");
        },
    },
];

/// One of the two configured secrets, and every part where the configuration says.
fn every_key_of_a_signature(source: &Source<'_>) {
    let at = now_ms().to_string();
    let sign = |at: &str, id: &str, number: &str| {
        let text = format!("{at}|{id}|{number}|{BODY}");
        format!(
            "v9={}",
            BASE64.encode(&mac(HMAC_SHA512, &0x00ff_10ef_00ff_10ef_u64.to_be_bytes(), &text))
        )
    };
    let good = sign(&at, "1", "1");
    let ask = |at: &str, id: &str, number: &str, mac: &str| {
        let headers = [("x-at", at), ("x-id", id), ("x-number", number), ("x-mac", mac)];
        let sent = headers.iter().filter(|(_, value)| !value.is_empty());
        let head: String = sent.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        source.ask(&head, BODY)
    };
    for (at, id, number, mac, code) in [
        (at.as_str(), "1", "1", "", "missing-signature"),
        (&at, "1", "1", "sha256=00", "malformed-signature"),
        (&at, "2", "1", &good, "signature-mismatch"),
        (&at, "1", "2", &good, "signature-mismatch"),
        ("", "1", "1", &good, "missing-timestamp"),
        ("yesterday", "1", "1", &good, "malformed-timestamp"),
        (&at, "", "1", &good, "missing-signed-id"),
        (&at, "1|1", "1", &good, "malformed-signed-id"),
        (&at, "1", "", &good, "missing-signed-sequence"),
        (&at, "1", "1|1", &good, "malformed-signed-sequence"),
    ] {
        problem(&ask(at, id, number, mac), code);
    }
    taken(&ask(&at, "1", "1", &good), "released");
}

/// Half an hour is more than the five minutes of the default.
fn a_wider_window(source: &Source<'_>) {
    let ask = |id: &str, minutes: u64| {
        let at = now_ms() / 1_000 - minutes * 60;
        let key = BASE64.decode(format!("A{SECRET}").as_bytes()).unwrap();
        let mac = BASE64.encode(&mac(HMAC_SHA256, &key, &format!("{id}.{at}.{BODY}")));
        let head = format!(
            "webhook-id: {id}\r\nwebhook-timestamp: {at}\r\nwebhook-signature: v1,{mac}\r\n"
        );
        source.ask(&head, BODY)
    };
    taken(&ask("1", 30), "released");
    problem(&ask("2", 150), "timestamp-outside-tolerance");
    taken(&ask("1", 150), "duplicate");
}

#[test]
fn signatures() {
    run(ALL);
}

/// The token of the admin API comes from the configuration where the environment has none.
#[test]
fn admin_token() {
    let sections = "[admin]\ntoken = \"file:DIRECTORY/token\"\n[sources.a]\nverify = { scheme = \"none\" }\nid = \"none\"\nkey = \"const:a\"\ncontract = \"arrival\"\n";
    let server = Server::start_prepared(HEAD, sections, |setup| {
        setup.secrets.clear();
        std::fs::write(setup.directory.path().join("token"), "of the configuration\n").unwrap();
    });
    let ask = |header: &str| {
        server.admin_raw(&format!("GET /v1/sources HTTP/1.1\r\nhost: sprag\r\n{header}\r\n"))
    };
    problem(&ask(""), "missing-token");
    problem(&ask("authorization: Bearer another\r\n"), "token-mismatch");
    let answer = ask("authorization: Bearer of the configuration\r\n");
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(document(&answer)["items"][0]["name"], "a", "{answer:?}");
    observed("key", "admin.token");
}
