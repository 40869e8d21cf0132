//! The schemes of providers against vectors that they published or that their own libraries made
//! (the version is named), and what an attacker would alter.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use sprag::secret::Secret;
use sprag::verify::public_url::PublicUrl;
use sprag::verify::signature::DestinationKeys;
use sprag::verify::{Refusal, Scheme, SecretProblem, Signed, Signer, Verified, Verifier};

const SECOND_US: i64 = 1_000_000;
const TOLERANCE_US: i64 = 300 * SECOND_US;
/// When the vectors with a time were signed.
const NOW_US: i64 = 1_700_000_000 * SECOND_US;
const MISMATCH: Result<Verified, Refusal> = Err(Refusal::SignatureMismatch);
const IN_TIME: Result<Verified, Refusal> = Ok(Verified::InTime);

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::from(*text)).collect()
}

fn verifier(scheme: &Scheme, texts: &[&str]) -> Verifier {
    Verifier::new(scheme, &secrets(texts), TOLERANCE_US).unwrap()
}

fn problem(scheme: &Scheme, texts: &[&str]) -> SecretProblem {
    Verifier::new(scheme, &secrets(texts), TOLERANCE_US).unwrap_err()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    map
}

mod stripe {
    use super::*;

    const SECRET: &str = "whsec_test_secret";
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event"}"#;
    const DIGITS: &str = "0c8670ed117751cc551a20e35839447075c42800ea3cf3e8a2fbda99cd1e6edd";

    fn judge_at(now_us: i64, text: &str, body: &[u8]) -> Result<Verified, Refusal> {
        let verifier = verifier(&Scheme::Stripe, &["whsec_old", SECRET]);
        verifier.verify(now_us, &headers(&[("stripe-signature", text)]), "", body)
    }

    fn judge(text: &str) -> Result<Verified, Refusal> {
        judge_at(NOW_US, text, BODY)
    }

    /// Made by npm stripe 23.1.0.
    #[test]
    fn a_signature_of_its_library_passes() {
        assert_eq!(judge(&format!("t=1700000000,v1={DIGITS}")), IN_TIME);
        let rotated = format!("t=1700000000,v0=00,v1={},v1={DIGITS}", "0".repeat(64));
        assert_eq!(judge(&rotated), IN_TIME);
    }

    #[test]
    fn anything_altered_is_refused() {
        let text = format!("t=1700000000,v1={DIGITS}");
        assert_eq!(judge_at(NOW_US, &text, b"{}"), MISMATCH);
        assert_eq!(judge(&format!("t=1700000001,v1={DIGITS}")), MISMATCH);
        // The same digits under the legacy scheme are not looked at.
        assert_eq!(judge(&format!("t=1700000000,v0={DIGITS}")), Err(Refusal::MalformedSignature));
    }

    #[test]
    fn the_time_counts_both_ways() {
        let text = format!("t=1700000000,v1={DIGITS}");
        for skew_us in [TOLERANCE_US + SECOND_US, -TOLERANCE_US - SECOND_US] {
            let verified = judge_at(NOW_US + skew_us, &text, BODY);
            assert_eq!(verified, Ok(Verified::OutsideTolerance { skew_us }));
        }
    }

    #[test]
    fn headers_of_another_form_have_their_own_codes() {
        use Refusal::*;
        for (text, refusal) in [
            (format!("v1={DIGITS}"), MissingTimestamp),
            (format!("t=1700000000,t=1,v1={DIGITS}"), MalformedTimestamp),
            (format!("t=soon,v1={DIGITS}"), MalformedTimestamp),
            ("t=1700000000".to_owned(), MalformedSignature),
            ("t=1700000000,v1=xyz".to_owned(), MalformedSignature),
        ] {
            assert_eq!(judge(&text), Err(refusal), "{text}");
        }
        let absent = verifier(&Scheme::Stripe, &[SECRET]).verify(0, &HeaderMap::new(), "", BODY);
        assert_eq!(absent, Err(MissingSignature));
    }
}

mod shopify {
    use super::*;

    /// HMAC-SHA256 of the body with key `hush`, by Node's crypto.
    const SIGNATURE: &str = "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY=";

    fn judge(pairs: &[(&str, &str)], body: &[u8]) -> Result<Verified, Refusal> {
        verifier(&Scheme::Shopify, &["hush"]).verify(0, &headers(pairs), "", body)
    }

    #[test]
    fn both_families_of_headers_pass_alone() {
        let (webhooks, events) = ("x-shopify-hmac-sha256", "shopify-hmac-sha256");
        for name in [webhooks, events] {
            assert_eq!(judge(&[(name, SIGNATURE)], br#"{"id":1}"#), IN_TIME);
            assert_eq!(judge(&[(name, SIGNATURE)], br#"{"id":2}"#), MISMATCH);
            assert_eq!(judge(&[(name, "%")], b""), Err(Refusal::MalformedSignature));
        }
        let both = judge(&[(webhooks, SIGNATURE), (events, SIGNATURE)], br#"{"id":1}"#);
        assert_eq!(both, Err(Refusal::MalformedSignature));
        assert_eq!(judge(&[], br#"{"id":1}"#), Err(Refusal::MissingSignature));
    }
}

mod slack {
    use super::*;

    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
    const SIGNED_US: i64 = 1_531_420_618 * SECOND_US;

    fn judge(time: &str, signature: &str, body: &str) -> Result<Verified, Refusal> {
        let pairs = [("x-slack-request-timestamp", time), ("x-slack-signature", signature)];
        let verifier = verifier(&Scheme::Slack, &[SECRET]);
        verifier.verify(SIGNED_US, &headers(&pairs), "", body.as_bytes())
    }

    /// The example of Slack's documentation.
    #[test]
    fn the_published_vector_passes() {
        assert_eq!(judge("1531420618", SIGNATURE, BODY), IN_TIME);
    }

    #[test]
    fn anything_altered_is_refused() {
        assert_eq!(judge("1531420618", SIGNATURE, &BODY[1..]), MISMATCH);
        assert_eq!(judge("1531420619", SIGNATURE, BODY), MISMATCH);
        assert_eq!(judge("x", SIGNATURE, BODY), Err(Refusal::MalformedTimestamp));
        let other = SIGNATURE.replace("v0=", "v1=");
        assert_eq!(judge("1531420618", &other, BODY), Err(Refusal::MalformedSignature));
    }
}

mod svix {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED_US: i64 = 1_614_265_330 * SECOND_US;

    fn family(prefix: &str) -> Vec<(String, &'static str)> {
        let name = |name: &str| format!("{prefix}-{name}");
        vec![(name("id"), ID), (name("timestamp"), "1614265330"), (name("signature"), SIGNATURE)]
    }

    fn judge(pairs: &[(String, &str)], body: &[u8]) -> Result<Verified, Refusal> {
        let pairs: Vec<(&str, &str)> =
            pairs.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        verifier(&Scheme::Svix, &[SECRET]).verify(SIGNED_US, &headers(&pairs), "", body)
    }

    /// The vector of Svix's documentation.
    #[test]
    fn the_published_vector_passes_under_both_names() {
        for prefix in ["svix", "webhook"] {
            assert_eq!(judge(&family(prefix), BODY), IN_TIME);
            assert_eq!(judge(&family(prefix), b"{}"), MISMATCH);
        }
    }

    /// Only one of the families would be signed, and the source may read the other.
    #[test]
    fn a_request_with_both_families_is_refused() {
        let mut both = family("svix");
        both.push(("webhook-id".to_owned(), "msg_forged"));
        assert_eq!(judge(&both, BODY), Err(Refusal::MalformedSignedId));
        assert_eq!(judge(&[], BODY), Err(Refusal::MissingSignedId));
    }
}

/// Ed25519 of Standard Webhooks. The key pair has the seed 00 01 … 1f; signed by Node's crypto.
mod v1a {
    use super::*;

    const PUBLIC: &str = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    const SIGNATURE: &str = "v1a,DA+4m4VqA33Hm9Wlha/1LaJIOTEvbTa2btJ5gtcP1KIJ83aMbtlDaDEj9gW4UzCjPd9EMUgy41eDWvfIiFddCQ==";
    const SHARED: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const BODY: &[u8] = br#"{"a":1}"#;

    fn judge(texts: &[&str], id: &str, signature: &str, body: &[u8]) -> Result<Verified, Refusal> {
        let pairs = [
            ("webhook-id", id),
            ("webhook-timestamp", "1700000000"),
            ("webhook-signature", signature),
        ];
        let verifier = verifier(&Scheme::StandardWebhooks, texts);
        verifier.verify(NOW_US, &headers(&pairs), "", body)
    }

    #[test]
    fn a_signature_of_the_key_passes_alone_and_in_a_list() {
        assert_eq!(judge(&[PUBLIC], "msg_1", SIGNATURE, BODY), IN_TIME);
        let list = format!("v1,{}= {SIGNATURE}", "A".repeat(43));
        assert_eq!(judge(&[PUBLIC], "msg_1", &list, BODY), IN_TIME);
        assert_eq!(judge(&[SHARED, PUBLIC], "msg_1", &list, BODY), IN_TIME);
    }

    #[test]
    fn anything_altered_is_refused() {
        assert_eq!(judge(&[PUBLIC], "msg_1", SIGNATURE, br#"{"a":2}"#), MISMATCH);
        assert_eq!(judge(&[PUBLIC], "msg_2", SIGNATURE, BODY), MISMATCH);
        let short = "v1a,DA+4m4VqA33Hm9Wlha/1LQ==";
        assert_eq!(judge(&[PUBLIC], "msg_1", short, BODY), MISMATCH);
    }

    /// The public key is public: an HMAC made with it must not pass.
    #[test]
    fn versions_do_not_mix() {
        let key = PUBLIC.trim_start_matches("whpk_");
        let forged = DestinationKeys::new(&secrets(&[key])).unwrap();
        let forged = forged.webhook_signature("msg_1", 1_700_000_000, BODY);
        assert_eq!(judge(&[PUBLIC], "msg_1", &forged, BODY), Err(Refusal::MalformedSignature));
        assert_eq!(judge(&[SHARED, PUBLIC], "msg_1", &forged, BODY), MISMATCH);
        assert_eq!(judge(&[SHARED], "msg_1", SIGNATURE, BODY), Err(Refusal::MalformedSignature));
    }

    #[test]
    fn only_public_keys_are_taken() {
        let standard = Scheme::StandardWebhooks;
        assert_eq!(problem(&standard, &["whsk_AAAA"]), SecretProblem::PrivateKey);
        assert_eq!(problem(&standard, &["whpk_AAAA"]), SecretProblem::NotAPublicKey);
        assert_eq!(problem(&standard, &["whpk_%"]), SecretProblem::NotBase64);
        let signer = Signer::new(&standard, &secrets(&[PUBLIC]));
        assert_eq!(signer.unwrap_err(), SecretProblem::Asymmetric);
    }
}

mod square {
    use super::*;

    const SIGNATURE: &str = "2kRE5qRU2tR+tBGlDwMEw2avJ7QM4ikPYD/PJ3bd9Og=";

    fn judge(url: &str, query: &str, body: &[u8]) -> Result<Verified, Refusal> {
        let scheme = Scheme::Square(PublicUrl::parse(url).unwrap());
        let pairs = [("x-square-hmacsha256-signature", SIGNATURE)];
        verifier(&scheme, &["asdf1234"]).verify(0, &headers(&pairs), query, body)
    }

    /// The example of Square's documentation.
    #[test]
    fn url_and_body_are_bound() {
        let (url, body) = ("https://example.com/webhook", br#"{"hello":"world"}"#);
        assert_eq!(judge(url, "", body), IN_TIME);
        assert_eq!(judge(url, "", br#"{"hello":"World"}"#), MISMATCH);
        assert_eq!(judge(url, "a=1", body), MISMATCH);
        assert_eq!(judge("https://example.com/webhooks", "", body), MISMATCH);
    }
}

mod twilio {
    use super::*;

    const TOKEN: &str = "12345";

    fn judge_signed(url: &str, query: &str, body: &str, text: &str) -> Result<Verified, Refusal> {
        let scheme = Scheme::Twilio(PublicUrl::parse(url).unwrap());
        let headers = headers(&[("x-twilio-signature", text)]);
        verifier(&scheme, &[TOKEN]).verify(0, &headers, query, body.as_bytes())
    }

    const FORM: &str = "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";

    fn judge(query: &str, body: &str) -> Result<Verified, Refusal> {
        let url = "https://mycompany.com/myapp.php";
        judge_signed(url, query, body, "RSOYDt4T1cUTdK1PDd93/VVr8B8=")
    }

    /// The vector of Twilio's documentation. Fields come in any order.
    #[test]
    fn the_published_vector_passes() {
        assert_eq!(judge("foo=1&bar=2", FORM), IN_TIME);
    }

    #[test]
    fn anything_altered_is_refused() {
        assert_eq!(judge("foo=1&bar=3", FORM), MISMATCH);
        assert_eq!(judge("", FORM), MISMATCH);
        assert_eq!(judge("foo=1&bar=2", &FORM.replace("1234&", "1235&")), MISMATCH);
        assert_eq!(judge("foo=1&bar=2", &format!("{FORM}&SequenceNumber=9")), MISMATCH);
        assert_eq!(judge("foo=1&bar=2", ""), MISMATCH);
    }

    /// Made by npm twilio 6.2.0: a URL with its port, and a field that is sent twice.
    #[test]
    fn ports_and_repeated_fields_are_signed_as_the_library_does() {
        let judge = |body: &str| {
            let url = "https://example.com/in/calls";
            judge_signed(url, "", body, "JhtO0dnDzdZj0umHLkbS3K0vkiQ=")
        };
        assert_eq!(judge("a=x&a=y&B=z&a=x"), IN_TIME);
        assert_eq!(judge("a=x&B=z"), MISMATCH);
    }

    /// Made by npm twilio 6.2.0.
    #[test]
    fn a_body_that_is_no_form_is_bound_by_its_digest_in_the_query() {
        let query = "bodySHA256=015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
        let judge = |query: &str, body: &str| {
            let url = "https://example.com/in/calls";
            judge_signed(url, query, body, "S41a5gZemPfByYKLdzqPJ3p2+9k=")
        };
        assert_eq!(judge(query, r#"{"a":1}"#), IN_TIME);
        assert_eq!(judge(query, r#"{"a":2}"#), MISMATCH);
        assert_eq!(judge("bodySHA256=", r#"{"a":1}"#), MISMATCH);
    }
}

/// Adyen's balance platform is a declared HMAC: a hexadecimal key, a base64 signature.
mod adyen {
    use super::*;
    use sprag::verify::hmac::{Algorithm, Declared, SecretEncoding, SignatureEncoding};
    use sprag::verify::template::Template;

    /// Signed by Node's crypto as Adyen documents it.
    #[test]
    fn a_key_in_hexadecimal_signs_in_base64() {
        let scheme = Scheme::Hmac(Declared {
            algorithm: Algorithm::Sha256,
            header: HeaderName::from_static("hmacsignature"),
            prefix: String::new(),
            encoding: SignatureEncoding::Base64,
            secret_encoding: SecretEncoding::Hex,
            signed: Template::parse("{body}").unwrap(),
            timestamp: None,
            id: None,
            sequence: None,
        });
        let key = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
        let headers = headers(&[("HmacSignature", "xudH281ZzDt4hy/8sqCMsIXDj8htlngWybUz0HqyXDA=")]);
        let judge = |body: &str| verifier(&scheme, &[key]).verify(0, &headers, "", body.as_bytes());
        assert_eq!(judge(r#"{"data":{"id":"6JKRLZ8LOT47J7RY","sequenceNumber":1}}"#), IN_TIME);
        assert_eq!(judge(r#"{"data":{"id":"6JKRLZ8LOT47J7RY","sequenceNumber":2}}"#), MISMATCH);
    }
}

mod basic {
    use super::*;

    fn judge(value: &str) -> Result<Verified, Refusal> {
        let verifier = verifier(&Scheme::Basic, &["Aladdin:open sesame", "old:pass:word"]);
        verifier.verify(0, &headers(&[("authorization", value)]), "", b"anything")
    }

    /// The example of RFC 7617.
    #[test]
    fn user_and_password_pass() {
        assert_eq!(judge("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), IN_TIME);
        assert_eq!(judge("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), IN_TIME);
        assert_eq!(judge("Basic b2xkOnBhc3M6d29yZA=="), IN_TIME);
    }

    #[test]
    fn everything_else_is_refused() {
        for value in [
            "",
            "Basic",
            "Basic ",
            "Basic %",
            "Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            "Basic QWxhZGRpbjpvcGVuIHNlc2Ft",
            "Aladdin:open sesame",
        ] {
            assert_eq!(judge(value), Err(Refusal::TokenMismatch), "{value}");
        }
        let absent = verifier(&Scheme::Basic, &["a:b"]).verify(0, &HeaderMap::new(), "", b"");
        assert_eq!(absent, Err(Refusal::MissingToken));
        assert_eq!(problem(&Scheme::Basic, &["password"]), SecretProblem::NotUserAndPassword);
    }
}

mod sprag_to_sprag {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const BODY: &[u8] = br#"{"a":1}"#;

    /// A delivery as `dispatch` makes it.
    fn delivery() -> HeaderMap {
        let (id, at_s) = ("billing:cus_1:7", 1_700_000_000);
        let mut map = headers(&[
            ("content-type", "application/json"),
            ("webhook-id", id),
            ("webhook-timestamp", "1700000000"),
            ("sprag-source", "billing"),
            ("sprag-key", "cus_1"),
            ("sprag-sequence", "7"),
            ("sprag-previous-sequence", "6"),
        ]);
        let keys = DestinationKeys::new(&secrets(&[SECRET])).unwrap();
        let pairs: Vec<(String, Vec<u8>)> =
            map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        let signed = pairs.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let own = keys.sprag_signature(id, at_s, signed);
        let standard = keys.webhook_signature(id, at_s, BODY);
        map.insert("sprag-signature", HeaderValue::from_str(&own).unwrap());
        map.insert("webhook-signature", HeaderValue::from_str(&standard).unwrap());
        map
    }

    fn judge(headers: &HeaderMap, body: &[u8]) -> Result<Verified, Refusal> {
        verifier(&Scheme::Sprag, &[SECRET]).verify(NOW_US, headers, "", body)
    }

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let mut altered = delivery();
        altered.insert(name, HeaderValue::from_static(value));
        altered
    }

    #[test]
    fn a_delivery_passes_and_nothing_of_it_can_be_altered() {
        assert_eq!(judge(&delivery(), BODY), IN_TIME);
        assert_eq!(judge(&delivery(), b"{}"), MISMATCH);
        for altered in [
            with("sprag-sequence", "8"),
            with("sprag-key", "cus_2"),
            with("sprag-previous-sequence", "5"),
            with("sprag-kind", "late"),
            with("webhook-id", "billing:cus_1:8"),
            with("webhook-timestamp", "1700000001"),
        ] {
            assert_eq!(judge(&altered, BODY), MISMATCH);
        }
        let mut without = delivery();
        without.remove("sprag-previous-sequence");
        assert_eq!(judge(&without, BODY), MISMATCH);
    }

    #[test]
    fn both_signatures_are_needed() {
        for name in ["sprag-signature", "webhook-signature"] {
            let mut without = delivery();
            without.remove(name);
            assert_eq!(judge(&without, BODY), Err(Refusal::MissingSignature), "{name}");
        }
        let mut twice = delivery();
        twice.append("sprag-key", HeaderValue::from_static("cus_1"));
        assert_eq!(judge(&twice, BODY), Err(Refusal::MalformedSignature));
    }

    /// Two deliveries of one secret cannot be taken apart and joined anew.
    #[test]
    fn id_and_sequence_belong_together() {
        let keys = DestinationKeys::new(&secrets(&[SECRET])).unwrap();
        let sign = |sequence: &str| {
            let headers = [("sprag-sequence", sequence.as_bytes())];
            keys.sprag_signature("billing:cus_1:7", 1_700_000_000, headers.into_iter())
        };
        let standard = keys.webhook_signature("billing:cus_1:7", 1_700_000_000, BODY);
        let request = |sequence: &str, own: &str| {
            headers(&[
                ("webhook-id", "billing:cus_1:7"),
                ("webhook-timestamp", "1700000000"),
                ("webhook-signature", &standard),
                ("sprag-sequence", sequence),
                ("sprag-signature", own),
            ])
        };
        assert_eq!(judge(&request("7", &sign("7")), BODY), IN_TIME);
        let renumbered = judge(&request("8", &sign("8")), BODY);
        assert_eq!(renumbered, Err(Refusal::MalformedSignedSequence));
    }

    #[test]
    fn old_deliveries_are_told() {
        let verifier = verifier(&Scheme::Sprag, &[SECRET]);
        let skew_us = TOLERANCE_US + SECOND_US;
        let verified = verifier.verify(NOW_US + skew_us, &delivery(), "", BODY);
        assert_eq!(verified, Ok(Verified::OutsideTolerance { skew_us }));
        let signer = Signer::new(&Scheme::Sprag, &secrets(&[SECRET]));
        assert_eq!(signer.unwrap_err(), SecretProblem::OnlySpragSigns);
    }
}

fn schemes() -> Vec<(Scheme, &'static str)> {
    let url = || PublicUrl::parse("https://hooks.example.com/in/s").unwrap();
    vec![
        (Scheme::Svix, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        (Scheme::Stripe, "whsec_hunter2"),
        (Scheme::Shopify, "hunter2"),
        (Scheme::Slack, "hunter2"),
        (Scheme::Square(url()), "hunter2"),
        (Scheme::Twilio(url()), "hunter2"),
        (Scheme::Basic, "user:hunter2"),
    ]
}

/// Each scheme takes what its signer signs with any of the secrets, and nothing of a stranger.
#[test]
fn secrets_are_rotated_and_strangers_refused() {
    for (scheme, secret) in schemes() {
        let other = match scheme {
            Scheme::Svix => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            _ => "other:secret",
        };
        let signer = Signer::new(&scheme, &secrets(&[secret])).unwrap();
        let signed = Signed { id: "msg_1", at_us: NOW_US, sequence: 1, query: "a=b%20c" };
        for body in [&b""[..], b"{\"a\":1}", b"a=1&b=%2B", b"\xff\x00"] {
            let headers: HeaderMap = signer.sign(signed, body).unwrap().into_iter().collect();
            let judge =
                |texts: &[&str]| verifier(&scheme, texts).verify(NOW_US, &headers, "a=b%20c", body);
            assert_eq!(judge(&[other, secret]), IN_TIME, "{scheme:?}");
            assert!(judge(&[other]).is_err(), "{scheme:?}");
        }
        assert!(!format!("{signer:?}{:?}", verifier(&scheme, &[secret])).contains("hunter2"));
    }
}

/// Texts that are nearly what a scheme looks for.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        "(t=[0-9]{0,12}|v1=[0-9a-f]{0,66}|v0=[0-9a-f]{0,66}|v1a?,[A-Za-z0-9+/]{0,90}=?|[, :.%]){0,6}"
            .prop_map(String::into_bytes),
        "(Basic )?[A-Za-z0-9+/]{0,44}={0,2}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn nothing_made_up_panics_or_passes(
        values in prop::collection::vec(nearly(), 5),
        query in "(bodySHA256=)?[a-zA-Z0-9%&=+]{0,70}",
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let names = [
            "svix-id", "svix-timestamp", "svix-signature", "stripe-signature",
            "x-shopify-hmac-sha256", "x-slack-signature", "x-slack-request-timestamp",
            "x-square-hmacsha256-signature", "x-twilio-signature", "authorization", "webhook-id",
            "webhook-timestamp", "webhook-signature", "sprag-signature", "sprag-sequence",
        ];
        let mut standard = HeaderMap::new();
        for (at, name) in names.into_iter().enumerate() {
            if let Ok(value) = HeaderValue::from_bytes(&values[at % values.len()]) {
                standard.insert(name, value);
            }
        }
        let mut svix = standard.clone();
        for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
            svix.remove(name);
        }
        let sprag = (Scheme::Sprag, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        for (scheme, secret) in schemes().into_iter().chain([sprag]) {
            let verifier = verifier(&scheme, &[secret]);
            for headers in [&standard, &svix] {
                prop_assert!(verifier.verify(NOW_US, headers, &query, &body).is_err());
            }
        }
    }
}
