//! Addresses that are written in a destination's url, and what `allow` says of them.

use super::{EXAMPLE, checked, errors, lines};

fn at(host: &str, allow: &str) -> String {
    let text = EXAMPLE.replace("http://127.0.0.1:3000", &format!("http://{host}"));
    text.replace("[\"127.0.0.0/8\"]", allow)
}

#[test]
fn an_address_that_nothing_may_be_sent_to_is_told_before() {
    for (host, network) in [
        ("127.0.0.1:3000", "127.0.0.0/8"),
        ("localhost:3000", "127.0.0.0/8"),
        ("[::ffff:127.0.0.1]:3000", "127.0.0.0/8"),
        ("0.0.0.0:3000", "0.0.0.0/32"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("[::1]:3000", "::1/128"),
        ("169.254.169.254", "169.254.169.254/32"),
    ] {
        let found = lines(&errors(&at(host, "[]")));
        assert!(found.contains("sprag.toml:27: error: destinations.app.url: "), "{found}");
        assert!(found.contains(&format!("`allow = [\"{network}\"]`")), "{found}");
        checked(&at(host, &format!("[\"{network}\"]")));
    }
    checked(&at("localhost:3000", "[\"::1/128\"]"));
    // A name stands for what it is resolved to, and nothing goes to one that is retired.
    for host in ["consumer.internal", "93.184.216.34", "[2606:4700::1111]"] {
        checked(&at(host, "[]"));
    }
    let retired = at("10.1.2.3", "[]").replace("timeout     =", "retired = true\ntimeout =");
    checked(&retired);
}
