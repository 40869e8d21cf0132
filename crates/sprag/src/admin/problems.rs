//! Refusals as the description of the API has them.

use std::collections::BTreeMap;

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::problem;

/// A refusal (RFC 9457). The codes are listed in docs/reference/problems.md.
#[derive(Debug, ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "described here; `problem` writes it")]
pub(super) struct ProblemDocument {
    /// `urn:sprag:problem:` and the code
    r#type: String,
    /// The same for every occurrence
    title: String,
    /// The HTTP status
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Never changes its meaning
    code: String,
    /// What is particular about this occurrence
    detail: Option<String>,
}

/// What every request can be refused with.
pub(super) struct OpenProblems;

/// What a request that reads can be refused with.
pub(super) struct ReadProblems;

/// What a request that changes something can be refused with.
pub(super) struct CommandProblems;

const OPEN: &[(u16, &str)] = &[
    (408, "The request took too long to arrive"),
    (500, "A fault of Sprag itself"),
    (503, "Not ready; `Retry-After` says when to ask again"),
];
const READ: &[(u16, &str)] = &[
    (400, "A parameter or member cannot be: unknown, malformed, beyond its range"),
    (401, "The token is missing or not known"),
    (404, "There is no such thing"),
];
const COMMAND: &[(u16, &str)] = &[
    (409, "It does not apply to what is there now"),
    (413, "The body is too large"),
    (415, "The body is no JSON by its content type"),
    (429, "Too much at once; `Retry-After` says when to ask again"),
];

type Responses = BTreeMap<String, RefOr<Response>>;

fn responses(of: &[&[(u16, &str)]]) -> Responses {
    let document = || RefOr::Ref(Ref::from_schema_name("Problem"));
    let response = |description: &str| {
        let content = ContentBuilder::new().schema(Some(document())).build();
        ResponseBuilder::new().description(description).content(problem::CONTENT_TYPE, content)
    };
    let all = of.iter().flat_map(|some| some.iter());
    all.map(|(status, text)| (status.to_string(), response(text).build().into())).collect()
}

impl IntoResponses for OpenProblems {
    fn responses() -> Responses {
        responses(&[OPEN])
    }
}

impl IntoResponses for ReadProblems {
    fn responses() -> Responses {
        responses(&[OPEN, READ])
    }
}

impl IntoResponses for CommandProblems {
    fn responses() -> Responses {
        responses(&[OPEN, READ, COMMAND])
    }
}
