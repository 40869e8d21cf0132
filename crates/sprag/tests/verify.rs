//! Every scheme against published vectors, and what an attacker would alter.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use sprag::secret::Secret;
use sprag::verify::hmac::{Algorithm, Declared, SecretEncoding, SignatureEncoding};
use sprag::verify::template::Template;
use sprag::verify::timestamp::TimestampUnit;
use sprag::verify::{Refusal, Scheme, Signed, Signer, Verified, Verifier};

const SECOND_US: i64 = 1_000_000;
const TOLERANCE_US: i64 = 300 * SECOND_US;

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::from(*text)).collect()
}

fn verifier(scheme: &Scheme, texts: &[&str]) -> Verifier {
    Verifier::new(scheme, &secrets(texts), TOLERANCE_US).unwrap()
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

fn declared(header: &str, prefix: &str, encoding: SignatureEncoding, signed: &str) -> Declared {
    Declared {
        algorithm: Algorithm::Sha256,
        header: HeaderName::from_bytes(header.as_bytes()).unwrap(),
        prefix: prefix.into(),
        encoding,
        secret_encoding: SecretEncoding::Raw,
        signed: Template::parse(signed).unwrap(),
        timestamp: None,
        id: None,
        sequence: None,
    }
}

/// Position and id under the signature: what our own documentation recommends to producers.
fn binding() -> Scheme {
    Scheme::Hmac(Declared {
        timestamp: Some((HeaderName::from_static("x-time"), TimestampUnit::Milliseconds)),
        id: Some(HeaderName::from_static("x-id")),
        sequence: Some(HeaderName::from_static("x-sequence")),
        ..declared(
            "x-signature",
            "v1=",
            SignatureEncoding::Base64,
            "{timestamp}.{id}.{sequence}.{body}",
        )
    })
}

mod standard_webhooks {
    use super::*;

    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const OTHER: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const SIGNATURE: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const SIGNED_US: i64 = 1_649_367_553 * SECOND_US;

    fn request(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
        headers(&[
            ("webhook-id", id),
            ("webhook-timestamp", timestamp),
            ("webhook-signature", signature),
        ])
    }

    fn judge(headers: &HeaderMap, body: &[u8]) -> Result<Verified, Refusal> {
        verifier(&Scheme::StandardWebhooks, &[SECRET]).verify(SIGNED_US, headers, "", body)
    }

    /// The vector of the Rust reference library.
    #[test]
    fn the_published_vector_passes() {
        assert_eq!(judge(&request(ID, "1649367553", SIGNATURE), BODY), Ok(Verified::InTime));
    }

    #[test]
    fn anything_altered_is_refused() {
        let mismatch = Err(Refusal::SignatureMismatch);
        let mut body = BODY.to_vec();
        body[10] ^= 1;
        assert_eq!(judge(&request(ID, "1649367553", SIGNATURE), &body), mismatch);
        assert_eq!(judge(&request("msg_other", "1649367553", SIGNATURE), BODY), mismatch);
        assert_eq!(judge(&request(ID, "1649367554", SIGNATURE), BODY), mismatch);
        assert_eq!(judge(&request(ID, "1649367553", SIGNATURE), b""), mismatch);
        let wrong = verifier(&Scheme::StandardWebhooks, &[OTHER]);
        assert_eq!(
            wrong.verify(SIGNED_US, &request(ID, "1649367553", SIGNATURE), "", BODY),
            mismatch
        );
    }

    #[test]
    fn any_secret_and_any_signature_of_the_list_may_match() {
        let rotating = verifier(&Scheme::StandardWebhooks, &[OTHER, SECRET]);
        let list = format!("v1a,AAAA v2,x v1,{} {SIGNATURE}", "A".repeat(43) + "=");
        let verified = rotating.verify(SIGNED_US, &request(ID, "1649367553", &list), "", BODY);
        assert_eq!(verified, Ok(Verified::InTime));
    }

    #[test]
    fn the_window_is_closed_on_both_sides() {
        let verifier = verifier(&Scheme::StandardWebhooks, &[SECRET]);
        let request = request(ID, "1649367553", SIGNATURE);
        let at = |offset_us| verifier.verify(SIGNED_US + offset_us, &request, "", BODY);
        for inside in [0, TOLERANCE_US, -TOLERANCE_US] {
            assert_eq!(at(inside), Ok(Verified::InTime));
        }
        for skew_us in [TOLERANCE_US + 1, -TOLERANCE_US - 1, i64::MIN / 2] {
            assert_eq!(at(skew_us), Ok(Verified::OutsideTolerance { skew_us }));
        }
    }

    /// Replays with an altered time must fail as forgeries, not pass as late repeats.
    #[test]
    fn a_forged_signature_outside_the_window_is_still_a_forgery() {
        let old = request(ID, "1649000000", SIGNATURE);
        assert_eq!(judge(&old, BODY), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn missing_and_malformed_headers_have_their_own_codes() {
        use Refusal::*;
        let time = ("webhook-timestamp", "1649367553");
        let id = ("webhook-id", ID);
        let signature = ("webhook-signature", SIGNATURE);
        let cases: [(&[(&str, &str)], Refusal); 10] = [
            (&[time, signature], MissingSignedId),
            (&[id, signature], MissingTimestamp),
            (&[id, time], MissingSignature),
            (&[("webhook-id", "a.b"), time, signature], MalformedSignedId),
            (&[("webhook-id", ""), time, signature], MalformedSignedId),
            (&[id, id, time, signature], MalformedSignedId),
            (&[id, ("webhook-timestamp", "2022-04-07T21:39:13Z"), signature], MalformedTimestamp),
            (&[id, time, ("webhook-signature", "v1a,AAAA")], MalformedSignature),
            (&[id, time, ("webhook-signature", "v1,")], MalformedSignature),
            (&[id, time, signature, signature], MalformedSignature),
        ];
        for (pairs, refusal) in cases {
            assert_eq!(judge(&headers(pairs), BODY), Err(refusal), "{pairs:?}");
        }
    }
}

mod github {
    use super::*;

    const SECRET: &str = "It's a Secret to Everybody";
    const DIGITS: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn judge(texts: &[&str], signature: &str, body: &[u8]) -> Result<Verified, Refusal> {
        verifier(&Scheme::Github, texts).verify(
            0,
            &headers(&[("X-Hub-Signature-256", signature)]),
            "",
            body,
        )
    }

    /// The vector of GitHub's documentation.
    #[test]
    fn the_published_vector_passes() {
        let signature = format!("sha256={DIGITS}");
        let body = b"Hello, World!";
        assert_eq!(judge(&[SECRET], &signature, body), Ok(Verified::InTime));
        assert_eq!(judge(&["old", SECRET], &signature, body), Ok(Verified::InTime));
        assert_eq!(judge(&["old"], &signature, body), Err(Refusal::SignatureMismatch));
        assert_eq!(judge(&[SECRET], &signature, b"Hello, World?"), Err(Refusal::SignatureMismatch));
    }

    #[test]
    fn what_is_not_a_sha256_is_malformed() {
        let truncated = format!("sha256={}", &DIGITS[..62]);
        assert_eq!(judge(&[SECRET], &truncated, b"Hello, World!"), Err(Refusal::SignatureMismatch));
        for text in ["sha256=", "sha1=00", DIGITS, "sha256=zz", ""] {
            assert_eq!(judge(&[SECRET], text, b""), Err(Refusal::MalformedSignature), "{text}");
        }
        let absent = verifier(&Scheme::Github, &[SECRET]).verify(0, &HeaderMap::new(), "", b"");
        assert_eq!(absent, Err(Refusal::MissingSignature));
    }
}

mod hmac {
    use super::*;

    /// Slack's documented example.
    #[test]
    fn slack_can_be_declared() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let scheme = Scheme::Hmac(Declared {
            timestamp: Some((
                HeaderName::from_static("x-slack-request-timestamp"),
                TimestampUnit::Seconds,
            )),
            ..declared("x-slack-signature", "v0=", SignatureEncoding::Hex, "v0:{timestamp}:{body}")
        });
        let headers = headers(&[
            ("x-slack-request-timestamp", "1531420618"),
            (
                "x-slack-signature",
                "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
            ),
        ]);
        let verifier = verifier(&scheme, &["8f742231b10e8888abcd99yyyzzz85a5"]);
        let now_us = 1_531_420_618 * SECOND_US;
        assert_eq!(verifier.verify(now_us, &headers, "", body.as_bytes()), Ok(Verified::InTime));
        assert_eq!(
            verifier.verify(now_us, &headers, "", &body.as_bytes()[1..]),
            Err(Refusal::SignatureMismatch)
        );
    }

    /// RFC 2202 (SHA-1) and RFC 4231 (SHA-256, SHA-512) test case 2.
    #[test]
    fn algorithms_and_encodings_agree_with_the_rfcs() {
        let cases = [
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Algorithm::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
        ];
        for (algorithm, digits) in cases {
            let upper = digits.to_uppercase();
            let base64 = data_encoding::BASE64
                .encode(&data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap());
            let texts = [
                (SignatureEncoding::Hex, digits),
                (SignatureEncoding::Hex, &upper),
                (SignatureEncoding::Base64, &base64),
            ];
            for (encoding, text) in texts {
                let scheme =
                    Scheme::Hmac(Declared { algorithm, ..declared("x-s", "", encoding, "{body}") });
                let verified = verifier(&scheme, &["Jefe"]).verify(
                    0,
                    &headers(&[("x-s", text)]),
                    "",
                    b"what do ya want for nothing?",
                );
                assert_eq!(verified, Ok(Verified::InTime), "{algorithm:?} {text}");
            }
        }
    }

    #[test]
    fn secrets_may_be_encoded() {
        let body = b"what do ya want for nothing?";
        let request =
            headers(&[("x-s", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")]);
        for (secret_encoding, text) in
            [(SecretEncoding::Hex, "4a656665"), (SecretEncoding::Base64, "SmVmZQ==")]
        {
            let scheme = Scheme::Hmac(Declared {
                secret_encoding,
                ..declared("x-s", "", SignatureEncoding::Hex, "{body}")
            });
            assert_eq!(
                verifier(&scheme, &[text]).verify(0, &request, "", body),
                Ok(Verified::InTime)
            );
            assert!(Verifier::new(&scheme, &secrets(&["~"]), 0).is_err());
            assert!(Verifier::new(&scheme, &secrets(&[""]), 0).is_err());
        }
    }

    fn signed_request(body: &[u8]) -> (Verifier, HeaderMap) {
        let scheme = binding();
        let signer = Signer::new(&scheme, &secrets(&["s"])).unwrap();
        let signed = Signed { id: "evt-1", at_us: 5 * SECOND_US, sequence: 41, query: "" };
        let headers = signer.sign(signed, body).unwrap().into_iter().collect();
        (verifier(&scheme, &["s"]), headers)
    }

    #[test]
    fn a_bound_sequence_cannot_be_renumbered() {
        let (verifier, headers) = signed_request(b"{}");
        assert_eq!(verifier.verify(0, &headers, "", b"{}"), Ok(Verified::InTime));
        for (name, value) in [("x-sequence", "42"), ("x-id", "evt-2"), ("x-time", "5001")] {
            let mut forged = headers.clone();
            forged.insert(name, HeaderValue::from_static(value));
            assert_eq!(
                verifier.verify(0, &forged, "", b"{}"),
                Err(Refusal::SignatureMismatch),
                "{name}"
            );
        }
    }

    /// `evt.41` + `7` and `evt` + `41.7` would be the same signed text.
    #[test]
    fn bytes_cannot_move_between_signed_values() {
        let (verifier, mut headers) = signed_request(b"7.{}");
        headers.insert("x-sequence", HeaderValue::from_static("41.7"));
        assert_eq!(verifier.verify(0, &headers, "", b"{}"), Err(Refusal::MalformedSignedSequence));
    }

    /// `a.evt` + `41` and `a` + `evt.41` would be the same signed text.
    #[test]
    fn bytes_cannot_move_between_the_body_and_a_value_behind_it() {
        let scheme = Scheme::Hmac(Declared {
            id: Some(HeaderName::from_static("x-id")),
            ..declared("x-signature", "", SignatureEncoding::Hex, "{body}.{id}")
        });
        let signer = Signer::new(&scheme, &secrets(&["s"])).unwrap();
        let signed = |id| Signed { id, at_us: 0, sequence: 1, query: "" };
        let verifier = verifier(&scheme, &["s"]);
        let headers: HeaderMap = signer.sign(signed("41"), b"a.evt").unwrap().into_iter().collect();
        assert_eq!(verifier.verify(0, &headers, "", b"a.evt"), Ok(Verified::InTime));
        let mut moved = headers;
        moved.insert("x-id", HeaderValue::from_static("evt.41"));
        assert_eq!(verifier.verify(0, &moved, "", b"a"), Err(Refusal::MalformedSignedId));
    }

    /// Nor over a value that stands between: `a.b.c` + `5` + `e` and `a` + `b` + `c.5.e` are the same text.
    #[test]
    fn bytes_cannot_move_from_the_body_over_a_value() {
        let scheme = Scheme::Hmac(Declared {
            id: Some(HeaderName::from_static("x-id")),
            sequence: Some(HeaderName::from_static("x-sequence")),
            ..declared("x-signature", "", SignatureEncoding::Hex, "{body}.{sequence}.{id}")
        });
        let signer = Signer::new(&scheme, &secrets(&["s"])).unwrap();
        let signed = Signed { id: "e", at_us: 0, sequence: 5, query: "" };
        let verifier = verifier(&scheme, &["s"]);
        let headers: HeaderMap = signer.sign(signed, b"a.b.c").unwrap().into_iter().collect();
        assert_eq!(verifier.verify(0, &headers, "", b"a.b.c"), Ok(Verified::InTime));
        let mut moved = headers;
        moved.insert("x-sequence", HeaderValue::from_static("b"));
        moved.insert("x-id", HeaderValue::from_static("c.5.e"));
        assert_eq!(verifier.verify(0, &moved, "", b"a"), Err(Refusal::MalformedSignedId));
    }

    #[test]
    fn each_missing_header_is_named() {
        let (verifier, headers) = signed_request(b"{}");
        for (name, refusal) in [
            ("x-signature", Refusal::MissingSignature),
            ("x-time", Refusal::MissingTimestamp),
            ("x-id", Refusal::MissingSignedId),
            ("x-sequence", Refusal::MissingSignedSequence),
        ] {
            let mut without = headers.clone();
            without.remove(name);
            assert_eq!(verifier.verify(0, &without, "", b"{}"), Err(refusal));
        }
    }
}

mod token {
    use super::*;

    fn judge(header: &str, value: &str) -> Result<Verified, Refusal> {
        let scheme = Scheme::Token { header: HeaderName::from_static("authorization") };
        verifier(&scheme, &["new-token", "old-token"]).verify(
            0,
            &headers(&[(header, value)]),
            "",
            b"x",
        )
    }

    #[test]
    fn any_of_the_secrets_passes_bare_or_as_bearer() {
        for value in ["new-token", "old-token", "Bearer new-token", "bearer  old-token"] {
            assert_eq!(judge("authorization", value), Ok(Verified::InTime), "{value}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for value in ["", "new-toke", "new-tokenn", "Basic new-token", "Bearer", "New-token"] {
            assert_eq!(judge("authorization", value), Err(Refusal::TokenMismatch), "{value}");
        }
        assert_eq!(judge("x-token", "new-token"), Err(Refusal::MissingToken));
    }

    #[test]
    fn bearer_is_part_of_the_value_in_other_headers() {
        let scheme = Scheme::Token { header: HeaderName::from_static("x-gitlab-token") };
        let verifier = verifier(&scheme, &["t"]);
        let judge = |value| verifier.verify(0, &headers(&[("x-gitlab-token", value)]), "", b"");
        assert_eq!(judge("t"), Ok(Verified::InTime));
        assert_eq!(judge("Bearer t"), Err(Refusal::TokenMismatch));
    }

    #[test]
    fn an_empty_or_absent_secret_is_no_secret() {
        let scheme = Scheme::Token { header: HeaderName::from_static("authorization") };
        assert!(Verifier::new(&scheme, &secrets(&[]), 0).is_err());
        assert!(Verifier::new(&scheme, &secrets(&["good", ""]), 0).is_err());
    }
}

fn schemes() -> Vec<(Scheme, &'static str)> {
    vec![
        (Scheme::StandardWebhooks, "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
        (Scheme::Github, "hunter2"),
        (binding(), "hunter2"),
        (Scheme::Token { header: HeaderName::from_static("authorization") }, "hunter2"),
        (Scheme::None, ""),
    ]
}

/// Empty and non-UTF-8 bodies are bodies.
#[test]
fn every_scheme_accepts_what_its_signer_signs() {
    for (scheme, secret) in schemes() {
        for body in [&b""[..], b"\xff\xfe\x00", b"{}"] {
            let signer = Signer::new(&scheme, &secrets(&[secret])).unwrap();
            let signed = Signed { id: "evt-1", at_us: 77 * SECOND_US, sequence: 3, query: "" };
            let headers = signer.sign(signed, body).unwrap().into_iter().collect();
            let verified = verifier(&scheme, &[secret]).verify(77 * SECOND_US, &headers, "", body);
            assert_eq!(verified, Ok(Verified::InTime), "{scheme:?}");
        }
    }
}

#[test]
fn verifiers_and_signers_print_no_secret() {
    for (scheme, secret) in schemes().into_iter().filter(|(_, secret)| !secret.is_empty()) {
        let signer = Signer::new(&scheme, &secrets(&[secret])).unwrap();
        let printed = format!("{:?} {signer:?}", verifier(&scheme, &[secret]));
        assert!(!printed.contains(secret.trim_start_matches("whsec_")), "{printed}");
    }
}

proptest! {
    #[test]
    fn no_header_or_body_panics_or_passes(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 4),
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let names = [
            "webhook-id", "webhook-timestamp", "webhook-signature", "x-hub-signature-256",
            "authorization", "x-signature", "x-time", "x-id", "x-sequence",
        ];
        let mut map = HeaderMap::new();
        for (at, name) in names.into_iter().enumerate() {
            if let Ok(value) = HeaderValue::from_bytes(&values[at % values.len()]) {
                map.insert(name, value);
            }
        }
        for (scheme, secret) in schemes().into_iter().filter(|(scheme, _)| *scheme != Scheme::None) {
            prop_assert!(verifier(&scheme, &[secret]).verify(0, &map, "", &body).is_err());
        }
    }
}
