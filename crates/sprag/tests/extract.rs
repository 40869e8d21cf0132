//! Rules K1 and K3 on whole requests: what becomes an id, a key, a type, a position.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use sprag::extract::{
    BodyForm, ExtractError, Extracted, ExtractedPosition, Extraction, Extractor, IdRule,
    InstantUnit, KeyRule, Location, Pattern, Pointer, PositionRule, Reason, Received, Rules,
    RulesProblem, Subject,
};
use sprag::limits;
use sprag::problem::{Code, Problem};

fn at(text: &str) -> Location {
    Location::parse(text).unwrap()
}

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).unwrap()).collect()
}

/// `id` from a header, everything else from the body.
fn rules() -> Rules {
    Rules {
        id: IdRule::At(at("header:webhook-id")),
        key: KeyRule::Parts(vec![at("body:/key")]),
        event_type: Some(at("body:/type")),
        accept: patterns(&["*"]),
        position: PositionRule::Sequence(at("body:/sequence")),
        split: None,
        depends_on: None,
    }
}

struct Request {
    headers: HeaderMap,
    query: &'static str,
    body: Vec<u8>,
}

fn request(body: &str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_static("msg_1"));
    Request { headers, query: "", body: body.into() }
}

fn extract(rules: Rules, request: &Request) -> Result<Extraction, ExtractError> {
    Extractor::new(rules).unwrap().extract(Received {
        headers: &request.headers,
        query: request.query,
        body: &request.body,
        digest: &[0xab; 32],
    })
}

fn event(rules: Rules, request: &Request) -> Extracted {
    match extract(rules, request).unwrap() {
        Extraction::Event(event) => event,
        Extraction::Ignored { event_type } => panic!("{event_type} was ignored"),
    }
}

fn invalid(rules: Rules, request: &Request) -> (Subject, Reason) {
    match extract(rules, request).unwrap_err() {
        ExtractError::Invalid(invalid) => (invalid.subject, invalid.reason),
        ExtractError::Unreadable(unreadable) => panic!("{unreadable}"),
    }
}

#[test]
fn all_parts_of_an_event_are_read() {
    let body = r#"{"type":"invoice.paid","key":"cus_1","sequence":7,"data":[1,{"x":null}]}"#;
    assert_eq!(
        event(rules(), &request(body)),
        Extracted {
            id: Some("msg_1".into()),
            key: "cus_1".into(),
            event_type: "invoice.paid".into(),
            position: ExtractedPosition::Sequence(7),
            depends_on: None,
        }
    );
}

fn key_of(json: &str) -> Result<String, Reason> {
    let body = format!(r#"{{"type":"t","sequence":1,"key":{json}}}"#);
    match extract(rules(), &request(&body)) {
        Ok(Extraction::Event(event)) => Ok(event.key),
        Err(ExtractError::Invalid(invalid)) if invalid.subject == Subject::Key => {
            assert_eq!(invalid.at, "body:/key");
            Err(invalid.reason)
        }
        other => panic!("{other:?}"),
    }
}

/// Rule K1, value by value.
#[test]
fn key_values() {
    let long = format!("\"{}\"", "x".repeat(limits::KEY_BYTES));
    for (json, key) in [
        ("42", "42"),
        (r#""42""#, "42"),
        ("-42", "-42"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        (r#""a.b/c""#, "a%2Eb%2Fc"),
        (r#""\u00e9""#, "%C3%A9"),
        // Decomposed e and acute: other bytes, another key.
        ("\"e\u{301}\"", "e%CC%81"),
        (r#"" ""#, "%20"),
        (&long, &long[1..=limits::KEY_BYTES]),
    ] {
        assert_eq!(key_of(json).as_deref(), Ok(key), "{json}");
    }
}

#[test]
fn values_that_are_no_key() {
    let long = format!("\"{}\"", "x".repeat(limits::KEY_BYTES + 1));
    let long_encoded = format!("\"{}\"", ".".repeat(limits::KEY_BYTES / 3 + 1));
    let too_long = Reason::TooLong { limit: limits::KEY_BYTES };
    for (json, reason) in [
        ("null", Reason::Null),
        (r#""""#, Reason::Empty),
        ("1.0", Reason::Float),
        ("1e3", Reason::Float),
        ("-0", Reason::Float),
        ("{}", Reason::Object),
        ("[1]", Reason::Array),
        ("true", Reason::Boolean),
        (r#""\ud83d""#, Reason::LoneSurrogate),
        (r#"1,"key":1"#, Reason::DuplicateMember),
        (&long, too_long),
        (&long_encoded, too_long),
    ] {
        assert_eq!(key_of(json), Err(reason), "{json}");
    }
    let absent = request(r#"{"type":"t","sequence":1}"#);
    assert_eq!(invalid(rules(), &absent), (Subject::Key, Reason::Missing));
}

/// What names no other resource refers to none; what names it in another way than a key is no event.
#[test]
fn what_an_event_depends_on() {
    let other = |parts: &[&str]| Rules {
        depends_on: Some(KeyRule::Parts(parts.iter().map(|part| at(part)).collect())),
        ..rules()
    };
    let read = |rules: Rules, json: &str| {
        let body = format!(r#"{{"type":"t","sequence":1,"key":"k","of":{json}}}"#);
        extract(rules, &request(&body))
    };
    let too_long = Reason::TooLong { limit: limits::KEY_BYTES };
    let long = format!("\"{}\"", "x".repeat(limits::KEY_BYTES + 1));
    for (json, found) in [
        (r#""c/1""#, Ok(Some("c%2F1"))),
        ("7", Ok(Some("7"))),
        ("null", Ok(None)),
        (r#""""#, Ok(None)),
        (r#"1,"of":1"#, Err(Reason::DuplicateMember)),
        ("{}", Err(Reason::Object)),
        ("[]", Err(Reason::Array)),
        ("false", Err(Reason::Boolean)),
        ("1e9", Err(Reason::Float)),
        (&long, Err(too_long)),
    ] {
        match (read(other(&["body:/of"]), json), found) {
            (Ok(Extraction::Event(event)), Ok(key)) => {
                assert_eq!(event.depends_on.as_deref(), key, "{json}");
            }
            (Err(ExtractError::Invalid(invalid)), Err(reason)) => {
                assert_eq!(
                    (invalid.subject, invalid.reason),
                    (Subject::DependsOn, reason),
                    "{json}"
                );
            }
            (other, _) => panic!("{json}: {other:?}"),
        }
    }
    let absent = request(r#"{"type":"t","sequence":1,"key":"k"}"#);
    assert_eq!(event(other(&["body:/of"]), &absent).depends_on, None);
    // Of two parts one alone names nobody.
    let half = request(r#"{"type":"t","sequence":1,"key":"k","of":"a"}"#);
    assert_eq!(event(other(&["body:/of", "header:x-part"]), &half).depends_on, None);
}

#[test]
fn joined_parts_cannot_run_into_each_other() {
    let joined = || Rules {
        key: KeyRule::Parts(vec![at("body:/a"), at("body:/b"), at("const:x y")]),
        ..rules()
    };
    let body = |a: &str, b: &str| format!(r#"{{"type":"t","sequence":1,"a":"{a}","b":"{b}"}}"#);
    let key = |a, b| event(joined(), &request(&body(a, b))).key;
    assert_eq!(key("1/2", "3"), "1%2F2/3/x%20y");
    assert_ne!(key("1/2", "3"), key("1", "2/3"));
    let (subject, reason) = invalid(joined(), &request(&body("", "3")));
    assert_eq!((subject, reason), (Subject::Key, Reason::Empty));
}

#[test]
fn the_key_may_depend_on_the_type() {
    let by_type = || Rules {
        key: KeyRule::ByType(vec![
            (Pattern::parse("customer.*").unwrap(), vec![at("body:/id")]),
            (Pattern::parse("invoice.*").unwrap(), vec![at("body:/customer"), at("body:/id")]),
        ]),
        ..rules()
    };
    let body = |kind: &str| {
        request(&format!(r#"{{"type":"{kind}","sequence":1,"id":"i","customer":"c"}}"#))
    };
    assert_eq!(event(by_type(), &body("customer.created")).key, "i");
    assert_eq!(event(by_type(), &body("invoice.paid")).key, "c/i");
    assert_eq!(invalid(by_type(), &body("charge.ok")), (Subject::Key, Reason::NoRuleForType));
    // A duplicate on the path of another type's rule is none of this event's business.
    let duplicate =
        request(r#"{"type":"customer.x","sequence":1,"id":"i","customer":1,"customer":2}"#);
    assert_eq!(event(by_type(), &duplicate).key, "i");
}

#[test]
fn types_outside_of_accept_are_ignored_before_anything_else_is_judged() {
    let accept = Rules { accept: patterns(&["invoice.*", "*.created"]), ..rules() };
    let ignored = extract(accept.clone(), &request(r#"{"type":"charge.ok"}"#)).unwrap();
    assert_eq!(ignored, Extraction::Ignored { event_type: "charge.ok".into() });
    let created = request(r#"{"type":"x.created","key":1,"sequence":1}"#);
    assert_eq!(event(accept, &created).event_type, "x.created");
}

fn position_of(json: &str) -> Result<u64, Reason> {
    let body = request(&format!(r#"{{"type":"t","key":1,"sequence":{json}}}"#));
    match extract(rules(), &body) {
        Ok(Extraction::Event(Extracted { position: ExtractedPosition::Sequence(at), .. })) => {
            Ok(at)
        }
        Err(ExtractError::Invalid(invalid)) if invalid.subject == Subject::Position => {
            Err(invalid.reason)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn sequences() {
    let zeros = format!("\"{}1\"", "0".repeat(limits::SEQUENCE_DIGITS));
    for (json, position) in [
        ("0", Ok(0)),
        ("18446744073709551615", Ok(u64::MAX)),
        (r#""18446744073709551615""#, Ok(u64::MAX)),
        (r#""007""#, Ok(7)),
        (r#""000000000000000000000000000001""#, Ok(1)),
        ("18446744073709551616", Err(Reason::TooLarge)),
        (&zeros, Err(Reason::TooLarge)),
        ("-1", Err(Reason::Negative)),
        (r#""-1""#, Err(Reason::Negative)),
        ("1.0", Err(Reason::Float)),
        ("1e2", Err(Reason::Float)),
        (r#""1.0""#, Err(Reason::NotDigits)),
        (r#""+1""#, Err(Reason::NotDigits)),
        (r#"" 1""#, Err(Reason::NotDigits)),
        (r#""٣""#, Err(Reason::NotDigits)),
        (r#""""#, Err(Reason::Empty)),
        ("null", Err(Reason::Null)),
    ] {
        assert_eq!(position_of(json), position, "{json}");
    }
}

#[test]
fn ids() {
    let body = r#"{"type":"t","key":1,"sequence":1}"#;
    let with = |id| event(Rules { id, ..rules() }, &request(body)).id;
    assert_eq!(with(IdRule::None), None);
    assert_eq!(with(IdRule::Sha256), Some("ab".repeat(32)));
    assert_eq!(with(IdRule::At(at("body:/key"))), Some("1".into()));

    let header = |bytes: &[u8]| {
        let mut request = request(body);
        request.headers.insert("webhook-id", HeaderValue::from_bytes(bytes).unwrap());
        invalid(rules(), &request)
    };
    assert_eq!(header(b""), (Subject::Id, Reason::Empty));
    assert_eq!(header(b"\xff"), (Subject::Id, Reason::NotUtf8));
    let limit = limits::ID_BYTES;
    assert_eq!(header(&vec![b'x'; limit + 1]), (Subject::Id, Reason::TooLong { limit }));
    let mut twice = request(body);
    twice.headers.append("webhook-id", HeaderValue::from_static("other"));
    assert_eq!(invalid(rules(), &twice), (Subject::Id, Reason::Repeated));
}

#[test]
fn forms_headers_and_queries_are_read_without_json() {
    let rules = Rules {
        id: IdRule::At(at("header:i-twilio-idempotency-token")),
        key: KeyRule::Parts(vec![at("query:account"), at("form:CallSid")]),
        event_type: None,
        accept: patterns(&["*"]),
        position: PositionRule::Sequence(at("form:SequenceNumber")),
        split: None,
        depends_on: None,
    };
    let mut request = request("CallSid=CA+1&SequenceNumber=3&x=%00");
    request.query = "account=AC%2E9&other=1";
    request.headers.insert(
        HeaderName::from_static("i-twilio-idempotency-token"),
        HeaderValue::from_static("tok"),
    );
    assert_eq!(Extractor::new(rules.clone()).unwrap().body_form(), BodyForm::Form);
    assert_eq!(
        event(rules, &request),
        Extracted {
            id: Some("tok".into()),
            key: "AC%2E9/CA%201".into(),
            event_type: String::new(),
            position: ExtractedPosition::Sequence(3),
            depends_on: None,
        }
    );
}

#[test]
fn unreadable_json_is_no_invalid_value() {
    let error = extract(rules(), &request("{")).unwrap_err();
    assert_eq!(Problem::from(&error).code, Code::UnreadableJson);
    assert!(error.to_string().ends_with("at byte 1"), "{error}");
    let error = extract(rules(), &request(r#"{"type":"t","sequence":1,"key":null}"#)).unwrap_err();
    let problem = Problem::new(Code::InvalidKey).with_detail("the key at body:/key is null");
    assert_eq!(Problem::from(&error), problem);
}

#[test]
fn rules_that_cannot_be_used_together() {
    let both = Rules { key: KeyRule::Parts(vec![at("form:a")]), ..rules() };
    assert_eq!(Extractor::new(both).unwrap_err(), RulesProblem::JsonAndForm);
    let many = (0..=limits::POINTERS).map(|number| at(&format!("body:/{number}"))).collect();
    let many = Rules { key: KeyRule::Parts(many), ..rules() };
    assert_eq!(Extractor::new(many).unwrap_err(), RulesProblem::TooManyPointers);
}

fn position_at(position: PositionRule, json: &str) -> Result<ExtractedPosition, Reason> {
    let body = format!(r#"{{"type":"t","key":"k","at":{json}}}"#);
    match extract(Rules { position, ..rules() }, &request(&body)) {
        Ok(Extraction::Event(event)) => Ok(event.position),
        Err(ExtractError::Invalid(invalid)) if invalid.subject == Subject::Position => {
            Err(invalid.reason)
        }
        other => panic!("{other:?}"),
    }
}

/// Rule K3.
#[test]
fn versions_are_numbers_and_times_are_instants() {
    let version = |json| position_at(PositionRule::Version(at("body:/at")), json);
    assert_eq!(version("7"), Ok(ExtractedPosition::Version(7)));
    assert_eq!(version(r#""0042""#), Ok(ExtractedPosition::Version(42)));
    assert_eq!(version("-1"), Err(Reason::Negative));
    let time = |unit, json| position_at(PositionRule::Timestamp { at: at("body:/at"), unit }, json);
    let instant = Ok(ExtractedPosition::Timestamp(1_649_367_553_500_000_000));
    assert_eq!(time(InstantUnit::Milliseconds, "1649367553500"), instant);
    assert_eq!(time(InstantUnit::Milliseconds, r#""1649367553500""#), instant);
    assert_eq!(time(InstantUnit::Rfc3339, r#""2022-04-07T23:39:13.5+02:00""#), instant);
    assert_eq!(time(InstantUnit::Rfc3339, r#""2022-04-07T21:39:13.5""#), Err(Reason::NotATime));
    assert_eq!(time(InstantUnit::Seconds, "1649367553.5"), Err(Reason::Float));
    assert_eq!(time(InstantUnit::Seconds, "1649367553500"), Err(Reason::TimeOutOfRange));
    assert_eq!(time(InstantUnit::Seconds, "null"), Err(Reason::Null));
}

/// Everything from the element, and `split` at this pointer.
fn splitting(pointer: &str) -> Rules {
    let split = Some(Pointer::parse(pointer).unwrap());
    Rules { id: IdRule::At(at("body:/id")), split, ..rules() }
}

fn bodies<'a>(pointer: &str, body: &'a str) -> Result<Vec<&'a str>, ExtractError> {
    let bodies = Extractor::new(splitting(pointer)).unwrap().bodies(body.as_bytes())?;
    Ok(bodies.into_iter().map(|body| std::str::from_utf8(body).unwrap()).collect())
}

/// The bytes of each event are those of the request.
#[test]
fn a_request_is_split_at_an_array() {
    let first = r#"{"id":"a","type":"t","key":"k", "sequence":1,"more":[{"x":"]"}]}"#;
    let second = "{ \"id\":\"b\",\"key\":2,\"type\":\"t\",\"sequence\":2 }";
    let batch = format!(r#"{{"data":{{"events":[ {first} ,{second}]}},"id":"batch"}}"#);
    let split = bodies("/data/events", &batch).unwrap();
    assert_eq!(split, [first, second]);
    let keys: Vec<(Option<String>, String)> = split
        .iter()
        .map(|body| event(splitting("/data/events"), &request(body)))
        .map(|event| (event.id, event.key))
        .collect();
    assert_eq!(keys, [(Some("a".into()), "k".into()), (Some("b".into()), "2".into())]);
    assert_eq!(bodies("", &format!("[{first}]")).unwrap(), [first]);
    assert_eq!(bodies("", " [ ] ").unwrap(), Vec::<&str>::new());
    assert_eq!(bodies("", "[1,\"a\",[],null]").unwrap(), ["1", "\"a\"", "[]", "null"]);
    let whole = Extractor::new(rules()).unwrap();
    assert!(!whole.splits());
    assert_eq!(whole.bodies(b"any").unwrap(), [b"any"]);
}

#[test]
fn what_is_no_list_of_events_is_told() {
    let reason = |body: &str| match bodies("/events", body) {
        Err(ExtractError::Invalid(invalid)) => {
            assert_eq!((invalid.subject, invalid.at.as_str()), (Subject::Events, "body:/events"));
            Ok(invalid.reason)
        }
        Err(ExtractError::Unreadable(unreadable)) => Err(unreadable),
        Ok(bodies) => panic!("{bodies:?}"),
    };
    for (body, expected) in [
        ("{}", Reason::Missing),
        (r#"{"events":null}"#, Reason::Null),
        (r#"{"events":{}}"#, Reason::Object),
        (r#"{"events":"[]"}"#, Reason::NotAnArray),
        (r#"{"events":[1],"events":[2]}"#, Reason::DuplicateMember),
    ] {
        assert_eq!(reason(body), Ok(expected), "{body}");
    }
    let many = format!(r#"{{"events":[{}0]}}"#, "0,".repeat(limits::SPLIT_EVENTS));
    assert_eq!(reason(&many), Ok(Reason::TooMany { limit: limits::SPLIT_EVENTS }));
    assert!(reason(r#"{"events":[1,]}"#).is_err());
    let form = Rules { key: KeyRule::Parts(vec![at("form:a")]), ..splitting("/events") };
    let form = Rules { id: IdRule::None, event_type: None, position: PositionRule::None, ..form };
    assert_eq!(Extractor::new(form).unwrap_err(), RulesProblem::JsonAndForm);
}

proptest! {
    #[test]
    fn whatever_arrives_stays_bounded(
        body in prop::collection::vec(any::<u8>(), 0..200),
        key in ".{0,300}",
    ) {
        let _ = extract(rules(), &Request { body, ..request("") });
        let json = serde_json::json!({ "type": key, "key": key, "sequence": 1 }).to_string();
        if let Ok(Extraction::Event(event)) = extract(rules(), &request(&json)) {
            prop_assert!(event.key.len() <= limits::KEY_BYTES);
            prop_assert!(event.key.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert!(!event.key.contains(['.', ':', '/']));
            prop_assert!(event.event_type.len() <= limits::TYPE_BYTES);
        }
    }
}
