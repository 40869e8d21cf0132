//! Presets: each is complete, is read as configuration, and takes a real-shaped event of its
//! provider, signed as the provider signs.

use super::*;
use crate::config::{
    self, Config, Contract, First, Handshake, SecretFault, SecretReference, Severity, Source,
};
use crate::extract::{Extracted, ExtractedPosition, Extraction, Received};
use crate::secret::Secret;
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

const DESTINATION: &str = "\n[destinations.d]\nfrom = []\nurl = \"http://127.0.0.1:1/\"\n";

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

/// A request as the provider sends it, but for its signature.
struct Example {
    preset: &'static str,
    headers: &'static [(&'static str, &'static str)],
    query: &'static str,
    body: &'static str,
    id: Option<&'static str>,
    key: &'static str,
    event_type: &'static str,
    position: ExtractedPosition,
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// Shapes as the providers document them; the values are ours.
const EXAMPLES: &[Example] = &[
    Example {
        preset: "stripe",
        headers: &[JSON],
        query: "",
        body: r#"{"id":"evt_1NG8Du2eZvKYlo2CUI79vXWy","object":"event","api_version":"2019-02-19",
            "created":1686089970,"data":{"object":{"id":"seti_1NG8Du2eZvKYlo2C9XMqbR0x",
            "object":"setup_intent","status":"requires_confirmation","created":1686089970,
            "latest_attempt":null,"metadata":{}},"previous_attributes":{"status":null}},
            "livemode":false,"pending_webhooks":0,"request":{"id":null,"idempotency_key":null},
            "type":"setup_intent.created"}"#,
        id: Some("evt_1NG8Du2eZvKYlo2CUI79vXWy"),
        key: "seti_1NG8Du2eZvKYlo2C9XMqbR0x",
        event_type: "setup_intent.created",
        position: ExtractedPosition::Timestamp(1_686_089_970_000_000_000),
    },
    Example {
        preset: "github",
        headers: &[
            JSON,
            ("x-github-event", "issues"),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("x-github-hook-id", "292430182"),
        ],
        query: "",
        body: r#"{"action":"opened","issue":{"url":"https://api.github.com/repos/octocat/hi/issues/1347",
            "id":1,"number":1347,"updated_at":"2024-09-18T12:00:00Z"},"repository":{"id":1296269,
            "full_name":"octocat/hi","owner":{"login":"octocat","id":1}},"sender":{"id":1}}"#,
        id: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        key: "1296269/1347",
        event_type: "issues",
        position: ExtractedPosition::None,
    },
    Example {
        preset: "gitlab",
        headers: &[
            JSON,
            ("x-gitlab-event", "Merge Request Hook"),
            ("webhook-id", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"),
            ("idempotency-key", "f5e5f430-f57b-4e6e-9fac-d9128cd7232f"),
        ],
        query: "",
        body: r#"{"object_kind":"merge_request","event_type":"merge_request","user":{"id":1},
            "project":{"id":7,"path_with_namespace":"gitlabhq/gitlab-test"},
            "object_attributes":{"id":99,"iid":1,"target_branch":"main","source_project_id":14,
            "state":"opened","updated_at":"2013-12-03T17:23:34Z","action":"open"},"labels":[]}"#,
        id: Some("f5e5f430-f57b-4e6e-9fac-d9128cd7232f"),
        key: "7/merge_request/99",
        event_type: "merge_request",
        position: ExtractedPosition::None,
    },
    Example {
        preset: "shopify",
        headers: &[
            JSON,
            ("x-shopify-topic", "orders/create"),
            ("x-shopify-shop-domain", "johns-apparel.myshopify.com"),
            ("x-shopify-api-version", "2026-07"),
            ("x-shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
            ("x-shopify-event-id", "98880550-7158-44d4-b7cd-2c97c8a091b5"),
            ("x-shopify-triggered-at", "2023-03-29T18:00:27.877041743Z"),
        ],
        query: "",
        body: r#"{"id":820982911946154508,"admin_graphql_api_id":"gid://shopify/Order/820982911946154508",
            "email":"jon@example.com","total_price":"388.00","updated_at":"2023-03-29T14:00:27-04:00"}"#,
        id: Some("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
        key: "johns-apparel%2Emyshopify%2Ecom/gid%3A%2F%2Fshopify%2FOrder%2F820982911946154508",
        event_type: "orders/create",
        position: ExtractedPosition::Timestamp(1_680_112_827_877_041_743),
    },
    Example {
        preset: "shopify-events",
        headers: &[
            JSON,
            ("shopify-topic", "Order"),
            ("shopify-action", "update"),
            ("shopify-shop-domain", "johns-apparel.myshopify.com"),
            ("shopify-api-version", "2026-07"),
            ("shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
            ("shopify-event-id", "98880550-7158-44d4-b7cd-2c97c8a091b5"),
            ("shopify-resource-id", "gid://shopify/Order/1"),
            ("shopify-triggered-at", "2026-01-29T18:00:27Z"),
        ],
        query: "",
        body: r#"{"order":{"id":"gid://shopify/Order/1"}}"#,
        id: Some("b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
        key: "johns-apparel%2Emyshopify%2Ecom/gid%3A%2F%2Fshopify%2FOrder%2F1",
        event_type: "Order",
        position: ExtractedPosition::Timestamp(1_769_709_627_000_000_000),
    },
    Example {
        preset: "slack",
        headers: &[JSON],
        query: "",
        body: r#"{"token":"z26uFbvR1xHJEdHE1OQiO6t8","team_id":"T123ABC456","api_app_id":"A123ABC456",
            "event":{"type":"message","channel":"C123ABC456","user":"U123ABC456","text":"hi ☃",
            "ts":"1515449522.000016","event_ts":"1515449522000016"},"type":"event_callback",
            "event_id":"Ev123ABC456","event_time":1515449522,"authorizations":[]}"#,
        id: Some("Ev123ABC456"),
        key: "T123ABC456/C123ABC456",
        event_type: "message",
        position: ExtractedPosition::None,
    },
    Example {
        preset: "twilio",
        headers: &[
            ("content-type", "application/x-www-form-urlencoded"),
            ("i-twilio-idempotency-token", "0e2b9b3f-6a0c-4d2e-8b59-2a1a7c1c1111"),
        ],
        query: "tenant=a%20b",
        body: "CallSid=CA1234567890ABCDE&AccountSid=AC1&From=%2B14158675309&To=%2B18005551212\
               &CallStatus=ringing&Direction=outbound-api&Timestamp=Wed%2C+18+Sep+2024+12%3A00%3A00\
               +%2B0000&CallbackSource=call-progress-events&SequenceNumber=1",
        id: Some("0e2b9b3f-6a0c-4d2e-8b59-2a1a7c1c1111"),
        key: "CA1234567890ABCDE",
        event_type: "ringing",
        position: ExtractedPosition::Sequence(1),
    },
    Example {
        preset: "svix",
        headers: &[JSON, ("svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")],
        query: "",
        body: r#"{"type":"user.updated","timestamp":1654012591514,"data":{"id":"user_29w83sxmDNGwOuEthce5gg56FcC",
            "updated_at":1654012591835}}"#,
        id: Some("msg_p5jXN8AQM9LWM0D4loKWxJek"),
        key: "user_29w83sxmDNGwOuEthce5gg56FcC",
        event_type: "",
        position: ExtractedPosition::None,
    },
    Example {
        preset: "square",
        headers: &[JSON],
        query: "",
        body: r#"{"merchant_id":"6SSW7HV8K2ST5","type":"order.updated","event_id":"bc316346-6691-4243-88ed-6d651a0d0c47",
            "created_at":"2020-04-16T23:14:26.129Z","data":{"type":"order_updated","id":"eA3vssLHKJrv9H0IdJCM3gNqfdcZY",
            "object":{"order_updated":{"order_id":"eA3vssLHKJrv9H0IdJCM3gNqfdcZY","version":2,"state":"OPEN"}}}}"#,
        id: Some("bc316346-6691-4243-88ed-6d651a0d0c47"),
        key: "6SSW7HV8K2ST5/order_updated/eA3vssLHKJrv9H0IdJCM3gNqfdcZY",
        event_type: "order.updated",
        position: ExtractedPosition::Timestamp(1_587_078_866_129_000_000),
    },
    Example {
        preset: "commercetools",
        headers: &[JSON],
        query: "",
        body: r#"{"notificationType":"Message","projectKey":"shop","id":"9b7a34e4-6ed4-4d3c-9f40-4b3d0b2a1111",
            "version":1,"sequenceNumber":2,"resource":{"typeId":"order","id":"8a1c3f2e-0000-4000-8000-1f9f6a1a1111"},
            "resourceVersion":5,"type":"OrderStateChanged","createdAt":"2024-09-18T11:59:59.123Z",
            "orderState":"Complete","oldOrderState":"Open"}"#,
        id: Some("9b7a34e4-6ed4-4d3c-9f40-4b3d0b2a1111"),
        key: "order/8a1c3f2e-0000-4000-8000-1f9f6a1a1111",
        event_type: "OrderStateChanged",
        position: ExtractedPosition::Sequence(2),
    },
    Example {
        preset: "adyen-transfers",
        headers: &[JSON, ("protocol", "HmacSHA256")],
        query: "",
        body: r#"{"data":{"id":"6JKRLZ8LOT47J7RY","amount":{"currency":"EUR","value":10000},
            "balanceAccount":{"id":"BA00000000000000000000001"},"category":"bank","direction":"outgoing",
            "creationDate":"2023-02-28T13:30:05+02:00","sequenceNumber":3,"status":"booked","type":"bankTransfer"},
            "environment":"test","timestamp":"2023-02-28T13:27:05+02:00","type":"balancePlatform.transfer.updated"}"#,
        id: None,
        key: "6JKRLZ8LOT47J7RY",
        event_type: "balancePlatform.transfer.updated",
        position: ExtractedPosition::Sequence(3),
    },
];

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
            position: example.position,
        };
        let extracted = source.extractor().unwrap().extract(received);
        assert_eq!(extracted, Ok(Extraction::Event(event)), "{}", example.preset);
    }
    for preset in all() {
        let has_example = EXAMPLES.iter().any(|example| example.preset == preset.name);
        assert!(has_example, "{} has no event here", preset.name);
    }
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
    assert_eq!(key("invoice.upcoming", r#"{"customer":"cus_1"}"#), "upcoming/cus_1");
    assert_eq!(key("invoice.paid", r#"{"id":"in_1","customer":"cus_1"}"#), "in_1");
}
