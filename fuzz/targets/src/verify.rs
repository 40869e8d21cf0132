//! Signatures: a request is accepted when a plain receiver with other libraries accepts it, at the
//! same time, and not otherwise. Requests are signed as a sender would, then spoiled or not.

mod receiver;
mod sender;

use arbitrary::{Result, Unstructured};
use http::{HeaderMap, HeaderName, HeaderValue};
use sprag::secret::Secret;
use sprag::verify::{Verified, Verifier};

use receiver::{Judgement, judge};
use sender::{Sender, TOLERANCE_US, headers_of};

/// A request as it arrives.
struct Request {
    headers: Vec<(String, Vec<u8>)>,
    query: String,
    body: Vec<u8>,
    now_us: i64,
}

/// Verifies the request that the bytes choose.
///
/// # Panics
/// When product and reference judge differently.
pub fn run(data: &[u8]) {
    // Bytes that have run out choose the first of everything.
    let _ = compare(&mut Unstructured::new(data));
}

fn compare(choices: &mut Unstructured<'_>) -> Result<()> {
    let sender = Sender::choose(choices)?;
    let request = request(&sender, choices)?;
    let secrets: Vec<Secret> =
        sender.secrets.iter().map(|one| Secret::from(one.as_str())).collect();
    let verifier = Verifier::new(&sender.scheme(), &secrets, TOLERANCE_US);
    let verifier = verifier.expect("the secrets are of their scheme");
    let Some(headers) = header_map(&request) else { return Ok(()) };
    let verdict = verifier.verify(request.now_us, &headers, &request.query, &request.body);
    let expected = judge(&sender, &request);
    let same = match (verdict, expected) {
        (Err(_), Judgement::Refused) => true,
        (Ok(Verified::InTime), Judgement::InTime) => true,
        (Ok(Verified::OutsideTolerance { skew_us }), Judgement::Outside(skew)) => {
            i128::from(skew_us) == skew.clamp(i64::MIN.into(), i64::MAX.into())
        }
        _ => false,
    };
    assert!(
        same,
        "{:?}: {verdict:?}, by the reference {expected:?}\nheaders {headers:?}\nquery {:?}\nbody {:?}",
        sender.kind, request.query, request.body
    );
    Ok(())
}

fn header_map(request: &Request) -> Option<HeaderMap> {
    let mut map = HeaderMap::new();
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        map.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(map)
}

/// A signed request, spoiled in up to three ways.
fn request(sender: &Sender, choices: &mut Unstructured<'_>) -> Result<Request> {
    let spoilings = choices.int_in_range(0..=3)?;
    // As far as a clock goes, and often near the edge of the tolerance.
    let now_us = *choices.choose(&[
        1_700_000_000_000_000,
        1_700_000_000_999_999,
        1_699_999_700_000_000,
        1_700_000_300_000_000,
        1_700_000_300_000_001,
        0,
        -1,
        i64::MAX,
        i64::MIN,
    ])?;
    let mut id = String::from("e-1");
    if choices.ratio(1, 4)? {
        id = choices.arbitrary::<&str>()?.to_owned();
    }
    let query = match choices.ratio(1, 4)? {
        true => choices.arbitrary::<&str>()?.to_owned(),
        false => String::new(),
    };
    let body = choices.arbitrary::<Vec<u8>>()?;
    let headers = headers_of(sender, &id, "1700000000", &query, &body);
    let mut request = Request { headers, query, body, now_us };
    for _ in 0..spoilings {
        spoil(&mut request, choices)?;
    }
    Ok(request)
}

fn spoil(request: &mut Request, choices: &mut Unstructured<'_>) -> Result<()> {
    let how = choices.int_in_range(0..=8_u8)?;
    if how == 0 {
        request.body = choices.arbitrary()?;
        return Ok(());
    }
    if how == 1 {
        request.query = choices.arbitrary::<&str>()?.to_owned();
        return Ok(());
    }
    if request.headers.is_empty() {
        return Ok(());
    }
    let at = choices.choose_index(request.headers.len())?;
    let other = choices.choose_index(request.headers.len())?;
    let value = &mut request.headers[at].1;
    match how {
        2 => drop(request.headers.remove(at)),
        3 => {
            let again = request.headers[at].clone();
            request.headers.push(again);
        }
        4 if !value.is_empty() => {
            let place = choices.choose_index(value.len())?;
            value[place] = choices.arbitrary()?;
        }
        5 => {
            let place = choices.int_in_range(0..=value.len())?;
            let more: &[u8] = choices.arbitrary()?;
            value.splice(place..place, more.iter().copied());
        }
        6 => value.truncate(choices.int_in_range(0..=value.len())?),
        // A list: something in front of it, or the whole again.
        7 => {
            let between = *choices.choose(&[b", " as &[u8], b",", b" ", b"v1,", b";"])?;
            let front: &[u8] = choices.arbitrary()?;
            *value = [front, between, value.as_slice()].concat();
        }
        _ => request.headers[at].1 = request.headers[other].1.clone(),
    }
    Ok(())
}
