//! Presets: each is complete, is read as configuration, and takes a real-shaped event of its
//! provider, signed as the provider signs.

use super::examples::{EXAMPLES, Example, Order};
use super::*;
use crate::config::{
    self, Config, Contract, First, Handshake, SecretFault, SecretReference, Severity, Source,
};
use crate::extract::{Extracted, ExtractedPosition, Extraction, Received};
use crate::provider::Shape;
use crate::secret::Secret;
use crate::verify::signature::DestinationKeys;
use crate::verify::{Refusal, Signed, Verified};
use http::{HeaderMap, HeaderName, HeaderValue};

const NOW_US: i64 = 1_726_660_800_000_000;
const WHSEC: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const HEX: &str = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";

/// A secret that every scheme can use that asks for its variable.
fn resolve(reference: &SecretReference) -> Result<Secret, SecretFault> {
    Ok(Secret::from(match reference.to_string().as_str() {
        "env:ADYEN_HMAC_KEY" => HEX,
        _ => WHSEC,
    }))
}

fn read(text: &str) -> Config {
    let (config, findings) = config::read_unchecked(text, &resolve);
    let errors: Vec<_> =
        findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{text}");
    config.unwrap()
}

fn findings(text: &str) -> String {
    let (_, findings) = config::read_unchecked(text, &resolve);
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

const DESTINATION: &str = "\n[destinations.d]\nfrom = []\nurl = \"http://app.example/\"\n";

/// The source of the example on the page of a preset, with lines of its own.
fn source(name: &str, more: &str) -> Source {
    let example = page::example(find(name).unwrap());
    read(&format!("{example}{more}\n")).sources[name].clone()
}

#[test]
fn the_ten_of_the_first_list_exist() {
    for name in [
        "stripe",
        "github",
        "gitlab",
        "shopify",
        "slack",
        "twilio",
        "svix",
        "square",
        "commercetools",
        "adyen-transfers",
    ] {
        assert!(find(name).is_some(), "{name}");
    }
    assert!(find("acme").is_none());
}

/// The example of every page is a whole configuration; the table has no unknown key, no faulty
/// value and no pair of settings that does not fit.
#[test]
fn every_preset_is_valid_as_its_page_shows_it() {
    for preset in all() {
        let source = source(preset.name, "");
        assert!(source.verifier().is_ok() && source.extractor().is_ok(), "{}", preset.name);
        let page = page(preset);
        for part in [preset.title, preset.about, preset.secret, preset.promise, "id = "] {
            assert!(page.contains(part), "{}: {part}\n{page}", preset.name);
        }
        assert!(preset.notes.iter().all(|note| page.contains(note)));
        assert_eq!(page.matches("```").count() % 2, 0, "{page}");
        assert!(!page.contains(".source]"), "{page}");
    }
}

#[test]
fn what_is_written_beside_a_preset_comes_first() {
    let example = page::example(find("twilio").unwrap());
    let with = |more: &str| read(&format!("{example}{more}\n")).sources["twilio"].clone();
    let Contract::Fifo(fifo) = with("").contract else { panic!("not fifo") };
    assert_eq!((fifo.first, fifo.hold.wait.as_secs()), (First::At(0), 30));
    let Contract::Fifo(longer) = with("hold = { events = 7 }").contract else { panic!() };
    assert_eq!((longer.hold.events, longer.hold.wait.as_secs()), (7, 30), "key by key");
    let Contract::Fifo(later) = with("first = 5").contract else { panic!() };
    assert_eq!(later.first, First::At(5));
    // Another order leaves nothing of the preset's order behind.
    let messages = with("key = \"form:MessageSid\"\nposition = \"none\"\ncontract = \"arrival\"");
    assert_eq!(messages.contract, Contract::Arrival);
    assert_eq!(messages.rules.key.to_string(), "form:MessageSid");
    assert_eq!(messages.rules.id.to_string(), "header:i-twilio-idempotency-token");
    // Another scheme leaves nothing of the preset's scheme behind.
    let token = "[sources.s]\npreset = \"gitlab\"\nverify = { scheme = \"token\", \
                 header = \"x-gitlab-token\", secrets = [\"env:A\"] }\n\
                 id = \"header:idempotency-key\"\n";
    assert!(read(token).sources["s"].scheme.evidence_headers().is_empty());
}

#[test]
fn faults_of_a_preset_are_told_where_it_is_named() {
    let text = "[sources.s]\nverify = { secrets = [\"env:A\"] }\n\npreset = \"twilio\"\n";
    assert!(findings(text).contains("sprag.toml:2: error: sources.s.verify: `public_url`"));
    let absent = findings("[sources.s]\n\npreset = \"twilio\"\n");
    assert!(absent.contains("sprag.toml:3: error: sources.s.verify: `secrets` is"), "{absent}");
    let unknown = findings("[sources.s]\npreset = \"strype\"\n");
    assert!(unknown.contains("sprag.toml:2: error: sources.s.preset: \"strype\" is"), "{unknown}");
    assert!(!unknown.contains("is missing"), "nothing else is told: {unknown}");
    let keyless = findings("[sources.s]\npreset = \"svix\"\nverify.secrets = [\"env:A\"]\n");
    assert!(keyless.contains("sources.s: `key` is missing"), "{keyless}");
    assert!(findings(&format!("[sources.s]\npreset = 1\n{DESTINATION}")).contains("a string"));
}

impl Example {
    fn source(&self) -> Source {
        source(self.preset, "")
    }

    /// With the signature of the provider.
    fn headers(&self, source: &Source) -> HeaderMap {
        let signed = Signed {
            id: self.id.unwrap_or_default(),
            at_us: NOW_US,
            sequence: 0,
            query: self.query,
        };
        let mut headers: HeaderMap = self
            .headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        for (name, value) in source.signer().unwrap().sign(signed, self.body.as_bytes()).unwrap() {
            headers.insert(name, value);
        }
        headers
    }

    fn verify(&self, headers: &HeaderMap, query: &str, body: &[u8]) -> Result<Verified, Refusal> {
        self.source().verifier().unwrap().verify(NOW_US, headers, query, body)
    }
}

#[test]
fn every_preset_takes_an_event_of_its_provider() {
    for example in EXAMPLES {
        let source = example.source();
        let headers = example.headers(&source);
        let verified = example.verify(&headers, example.query, example.body.as_bytes());
        assert_eq!(verified, Ok(Verified::InTime), "{}", example.preset);
        let received = Received {
            headers: &headers,
            query: example.query,
            body: example.body.as_bytes(),
            digest: &[0; 32],
        };
        let event = Extracted {
            id: example.id.map(str::to_owned),
            key: example.key.to_owned(),
            event_type: example.event_type.to_owned(),
            position: match example.position {
                Order::None => ExtractedPosition::None,
                Order::Number(number) => ExtractedPosition::Sequence(number),
                Order::Instant(instant) => ExtractedPosition::Timestamp(instant),
            },
            depends_on: None,
        };
        let extracted = source.extractor().unwrap().extract(received);
        assert_eq!(extracted, Ok(Extraction::Event(event)), "{}", example.preset);
    }
    // Another Sprag is no provider whose events are made up: see below.
    for preset in all().iter().filter(|preset| preset.name != "sprag") {
        let has_example = EXAMPLES.iter().any(|example| example.preset == preset.name);
        assert!(has_example, "{} has no event here", preset.name);
    }
}

/// A delivery as another Sprag makes it, signed with the secret of that destination.
#[test]
fn a_delivery_of_another_sprag_is_taken() {
    let source = source("sprag", "");
    let body = br#"{"a":1}"#;
    let keys = DestinationKeys::new(&[Secret::from(WHSEC)]).unwrap();
    let own = [("sprag-key", "acme/o%201"), ("sprag-sequence", "7"), ("sprag-source", "orders")];
    let (id, seconds) = ("orders:acme/o%201:7", NOW_US / 1_000_000);
    let signed = own.iter().map(|(name, value)| (*name, value.as_bytes()));
    let signatures = [
        ("sprag-signature", keys.sprag_signature(id, seconds, signed)),
        ("webhook-signature", keys.webhook_signature(id, seconds, body)),
        ("webhook-timestamp", seconds.to_string()),
        ("webhook-id", id.to_owned()),
    ];
    let own = own.iter().map(|(name, value)| (*name, (*value).to_owned())).chain(signatures);
    let header = |(name, value): (&'static str, String)| {
        (HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap())
    };
    let headers: HeaderMap = own.map(header).collect();
    let verified = source.verifier().unwrap().verify(NOW_US, &headers, "", body);
    assert_eq!(verified, Ok(Verified::InTime));
    let received = Received { headers: &headers, query: "", body, digest: &[0; 32] };
    let event = Extracted {
        id: Some(id.to_owned()),
        key: "orders/acme%2Fo%25201".to_owned(),
        event_type: String::new(),
        position: ExtractedPosition::Sequence(7),
        depends_on: None,
    };
    assert_eq!(source.extractor().unwrap().extract(received), Ok(Extraction::Event(event)));
}

/// A token vouches for its sender and not for what is sent: only then may a body be altered.
#[test]
fn an_altered_event_is_refused() {
    for example in EXAMPLES.iter().filter(|example| example.preset != "commercetools") {
        let headers = example.headers(&example.source());
        for at in [0, example.body.len() / 2, example.body.len() - 1] {
            let mut body = example.body.as_bytes().to_vec();
            body[at] ^= 1;
            let verified = example.verify(&headers, example.query, &body);
            assert_eq!(verified, Err(Refusal::SignatureMismatch), "{} {at}", example.preset);
        }
        let foreign = example.verify(&HeaderMap::new(), example.query, example.body.as_bytes());
        assert!(foreign.is_err(), "{}", example.preset);
    }
}

#[test]
fn a_signed_url_is_bound() {
    for example in EXAMPLES.iter().filter(|one| matches!(one.preset, "twilio" | "square")) {
        let headers = example.headers(&example.source());
        let verified = example.verify(&headers, "tenant=other", example.body.as_bytes());
        assert_eq!(verified, Err(Refusal::SignatureMismatch), "{}", example.preset);
    }
}

#[test]
fn slack_comes_with_its_challenge() {
    assert_eq!(source("slack", "").handshake, Handshake::Slack);
    assert_eq!(source("slack", "handshake = \"none\"").handshake, Handshake::None);
    assert_eq!(source("stripe", "").handshake, Handshake::None);
}

/// Some objects of Stripe have no id; their events have a key all the same.
#[test]
fn stripe_objects_without_an_id_have_a_key() {
    let source = source("stripe", "");
    let key = |event_type: &str, object: &str| {
        let body = format!(
            r#"{{"id":"evt_1","created":1,"type":"{event_type}","data":{{"object":{object}}}}}"#
        );
        let received = Received {
            headers: &HeaderMap::new(),
            query: "",
            body: body.as_bytes(),
            digest: &[0; 32],
        };
        match source.extractor().unwrap().extract(received).unwrap() {
            Extraction::Event(event) => event.key,
            ignored @ Extraction::Ignored { .. } => panic!("{ignored:?}"),
        }
    };
    assert_eq!(key("balance.available", r#"{"object":"balance"}"#), "balance");
    let settings = key("balance_settings.updated", r#"{"object":"balance_settings"}"#);
    assert_eq!(settings, "balance_settings");
    assert_eq!(key("tax.settings.updated", r#"{"object":"tax.settings"}"#), "tax_settings");
    let cash = key("cash_balance.funds_available", r#"{"customer":"cus_1"}"#);
    assert_eq!(cash, "cash_balance/cus_1");
    let summary = "entitlements.active_entitlement_summary.updated";
    assert_eq!(key(summary, r#"{"customer":"cus_1"}"#), "entitlements/cus_1");
    assert_eq!(key("invoice.upcoming", r#"{"customer":"cus_1"}"#), "upcoming/cus_1");
    assert_eq!(key("invoice.paid", r#"{"id":"in_1","customer":"cus_1"}"#), "in_1");
}

/// Each of these counts: under one key the older of two would be stale, and answered 200 all the same.
#[test]
fn what_shopify_must_be_able_to_rely_on_replaces_nothing() {
    let source = source("shopify", "");
    let key = |topic: &str, body: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-shopify-topic", topic.parse().unwrap());
        headers.insert("x-shopify-shop-domain", "a.myshopify.com".parse().unwrap());
        headers.insert("x-shopify-webhook-id", "1".parse().unwrap());
        headers.insert("x-shopify-triggered-at", "2026-11-29T10:00:00Z".parse().unwrap());
        let body = body.as_bytes();
        let received = Received { headers: &headers, query: "", body, digest: &[0; 32] };
        match source.extractor().unwrap().extract(received).unwrap() {
            Extraction::Event(event) => event.key,
            ignored @ Extraction::Ignored { .. } => panic!("{ignored:?}"),
        }
    };
    let request = |id: u32| {
        let body = format!(r#"{{"shop_id":1,"customer":{{"id":7}},"data_request":{{"id":{id}}}}}"#);
        key("customers/data_request", &body)
    };
    let redact = |id: u32| {
        let body = format!(r#"{{"shop_id":1,"customer":{{"id":{id}}},"orders_to_redact":[]}}"#);
        key("customers/redact", &body)
    };
    let of_shop = |topic: &str| key(topic, r#"{"shop_id":1}"#);
    let keys = [
        request(1),
        request(2),
        redact(1),
        redact(2),
        of_shop("app/uninstalled"),
        of_shop("shop/update"),
        of_shop("shop/redact"),
    ];
    assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 7, "{keys:?}");
    assert_eq!(request(1), request(1));
}

/// `sprag send` can play every provider: what it makes is verified and read back.
#[test]
fn events_can_be_made_for_every_preset() {
    for example in EXAMPLES {
        let source = example.source();
        let shape = Shape::new(&source, example.event_type).unwrap();
        let post = shape.event("one", shape.first() + 2);
        let signed =
            Signed { id: &post.id, at_us: NOW_US, sequence: post.sequence, query: &post.query };
        let mut headers: HeaderMap = post.headers.iter().cloned().collect();
        for (name, value) in source.signer().unwrap().sign(signed, &post.body).unwrap() {
            headers.insert(name, value);
        }
        let verified = source.verifier().unwrap().verify(NOW_US, &headers, &post.query, &post.body);
        assert_eq!(verified, Ok(Verified::InTime), "{}", example.preset);
        let received =
            Received { headers: &headers, query: &post.query, body: &post.body, digest: &[0; 32] };
        let Ok(Extraction::Event(event)) = source.extractor().unwrap().extract(received) else {
            panic!("{}: {post:?}", example.preset)
        };
        assert_eq!(event.event_type, example.event_type);
        assert!(event.key.contains("one"), "{}: {event:?}", example.preset);
        let is_ordered = event.position != ExtractedPosition::None;
        assert_eq!(is_ordered, example.position != Order::None, "{}", example.preset);
    }
}
