//! `GET /out/{destination}/events`: the released events of a key that entered the destination's lane, by
//! sequence, in the envelopes of batches (rule L9), a page at a time.
//!
//! A page says of each sequence from `from` to `through` what became of it: it is an event, or in a range of
//! `omitted` with the reason. Behind `tail` nothing is released yet: who asks there gets an empty page. A page
//! keeps its room until its last byte is sent, so a reader that does not read holds up its own destination
//! only, and no more memory than a few pages.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use sprag_core::id::Key;
use sprag_core::ranges::Range;
use sprag_driver::cache::ReleasedEvent;

use super::past::{Past, Told};
use super::reading::Room;
use super::{Out, OutDestination};
use crate::dispatch::envelope;
use crate::extract::encode::encode_part;
use crate::extract::form;
use crate::limits;
use crate::problem::{Code, Problem};

/// What is asked for.
#[derive(Debug, Default)]
struct Wanted {
    source: Option<String>,
    key: Option<String>,
    from: Option<u64>,
    after: Option<u64>,
    to: Option<u64>,
    limit: Option<u64>,
}

fn invalid(why: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidParameter).with_detail(why)
}

impl Wanted {
    fn read(query: &str) -> Result<Self, Problem> {
        let mut wanted = Self::default();
        for (name, value) in form::fields(query.as_bytes()) {
            let name = String::from_utf8_lossy(&name).into_owned();
            let value = String::from_utf8(value);
            let value = value.map_err(|_| invalid(format!("`{name}` is no UTF-8")))?;
            let number = || value.parse().map_err(|_| invalid(format!("`{name}` is a number")));
            let twice = match name.as_str() {
                "source" => wanted.source.replace(value).is_some(),
                "key" => wanted.key.replace(value).is_some(),
                "from" => wanted.from.replace(number()?).is_some(),
                "after" => wanted.after.replace(number()?).is_some(),
                "to" => wanted.to.replace(number()?).is_some(),
                "limit" => wanted.limit.replace(number()?).is_some(),
                _ => {
                    return Err(invalid(format!(
                        "`{name}` is unknown; there are source, key, from or after, to and limit"
                    )));
                }
            };
            if twice {
                return Err(invalid(format!("`{name}` is there twice")));
            }
        }
        Ok(wanted)
    }

    /// The first sequence.
    fn first(&self) -> Result<u64, Problem> {
        let first = match (self.from, self.after) {
            (Some(_), Some(_)) => return Err(invalid("`from` or `after`, not both")),
            (Some(from), None) => from,
            (None, after) => after.unwrap_or(0).saturating_add(1),
        };
        match self.to {
            Some(to) if to < first => Err(invalid("`to` lies before the first sequence asked for")),
            _ => Ok(first.max(1)),
        }
    }

    fn limit(&self) -> Result<usize, Problem> {
        let limit = self.limit.map_or(Ok(limits::OUT_PAGE), usize::try_from);
        limit
            .ok()
            .filter(|limit| (1..=limits::OUT_PAGE_MOST).contains(limit))
            .ok_or_else(|| invalid(format!("`limit` is 1 to {}", limits::OUT_PAGE_MOST)))
    }
}

impl OutDestination {
    /// The source that is asked for: the only one unless it is named.
    fn source<'a>(&'a self, named: Option<&'a str>) -> Result<&'a str, Problem> {
        match (named, self.from.as_slice()) {
            (None, [only]) => Ok(only),
            (None, several) => Err(invalid(format!("`source` is needed: one of {several:?}"))),
            (Some(named), known) if known.iter().any(|name| name == named) => Ok(named),
            (Some(_), _) => Err(Problem::new(Code::UnknownSource)
                .with_detail("this destination takes no events of a source of this name")),
        }
    }
}

/// A page as it grows.
#[derive(Default)]
struct Page {
    events: Vec<String>,
    bytes: usize,
    omitted: Vec<(Range, &'static str)>,
}

impl Page {
    /// Takes what becomes part of it; false where there is no room for it any more.
    fn take(&mut self, told: &Told, most: usize, write: impl Fn(&ReleasedEvent) -> String) -> bool {
        let event = match told {
            Told::Omitted(range, reason) => {
                self.omit(*range, reason);
                return true;
            }
            Told::Event(_) if self.events.len() >= most => return false,
            Told::Event(event) => write(event),
        };
        if !self.events.is_empty() && self.bytes + event.len() > limits::OUT_PAGE_BYTES {
            return false;
        }
        self.bytes += event.len();
        self.events.push(event);
        true
    }

    fn omit(&mut self, range: Range, reason: &'static str) {
        match self.omitted.last_mut() {
            Some((last, same)) if *same == reason && last.to + 1 == range.from => {
                last.to = range.to;
            }
            _ => self.omitted.push((range, reason)),
        }
    }

    fn omitted(&self) -> Vec<Value> {
        let omitted = self.omitted.iter();
        let one = |(Range { from, to }, reason): &(Range, &str)| json!({ "from": from, "to": to, "reason": reason });
        omitted.map(one).collect()
    }
}

/// Bytes of a page that keep its room until they are sent.
struct Sent {
    text: String,
    _room: Room,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

/// Answers with a page.
pub(super) async fn list(
    out: &Out,
    destination: &OutDestination,
    query: &str,
) -> Result<Response<Full<Bytes>>, Problem> {
    let wanted = Wanted::read(query)?;
    let (from, limit) = (wanted.first()?, wanted.limit()?);
    let source = destination.source(wanted.source.as_deref())?;
    let name =
        wanted.key.as_deref().ok_or_else(|| invalid("`key` is needed, as `sprag-key` has it"))?;
    let unknown = || Problem::new(Code::UnknownKey);
    if name.len() > limits::KEY_BYTES {
        return Err(unknown());
    }
    let id = out.sources.get(&encode_part(source.as_bytes())).ok_or_else(unknown)?;
    let key = Key { source: *id, name: name.into() };
    let room = out.reading.room(&destination.reads)?;
    let partition = out.reading.partition(source, name);
    let record = out.reading.record(&out.node, partition, &key).await?;
    let past = Past {
        reading: &out.reading,
        partition,
        key: &key,
        record: &record,
        destination: destination.id,
        types: &destination.types,
    };
    let tail = record.sequence.0;
    let to = wanted.to.unwrap_or(u64::MAX).min(tail);
    let mut page = Page::default();
    let write =
        |event: &ReleasedEvent| envelope(source, event, None, &destination.forward).to_string();
    let told = past.tell((from, to), |told| page.take(&told, limit, write)).await?;
    let through = told.unwrap_or(from - 1);
    let next = (through < to).then(|| next(&wanted, (source, name), through + 1));
    let head = json!({ "source": source, "key": name, "from": from, "through": through,
        "tail": tail, "omitted": page.omitted(), "next": next });
    // The events are written already.
    let mut text = head.to_string();
    text.pop();
    text.push_str(",\"events\":[");
    text.push_str(&page.events.join(","));
    text.push_str("]}");
    Ok(response(Sent { text, _room: room }))
}

/// The reference to the page that goes on, relative to this one.
fn next(wanted: &Wanted, (source, key): (&str, &str), from: u64) -> String {
    let (source, key) = (encode_part(source.as_bytes()), encode_part(key.as_bytes()));
    let mut next = format!("?source={source}&key={key}&from={from}");
    for (name, value) in [("to", wanted.to), ("limit", wanted.limit)] {
        if let Some(value) = value {
            next.push_str(&format!("&{name}={value}"));
        }
    }
    next
}

fn response(sent: Sent) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_owner(sent)));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
