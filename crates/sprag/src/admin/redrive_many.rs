//! `POST /v1/dead-letters/redrive-many` and `/drop-many`: what becomes of passed events and of
//! those of ingress, many at once. Stopped lanes are resumed by `/v1/lanes/resume`.

use axum::extract::State;
use serde::Deserialize;
use sprag_core::fact::DeadLetter;
use sprag_core::input::Command;
use sprag_driver::state::Letter;
use utoipa::ToSchema;

use super::answer::Answered;
use super::cursor;
use super::many::{self, Carried, Refusals};
use super::names::Names;
use super::problems::CommandProblems;
use super::request::{Body, invalid};
use super::selector;
use super::state::AdminState;
use crate::problem::Problem;
use crate::state::{LetterCursor, LetterPage};

/// Which dead letters. All conditions that are there must be met.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ManyDeadLetters)]
pub(super) struct Many {
    /// Of this destination
    destination: Option<String>,
    /// Of this source
    source: Option<String>,
    /// Of keys whose encoded name is like this; `*` stands for anything
    key: Option<String>,
    /// `given-up`, `backlog-full`, `late`, `conflict` or `invalid`
    reason: Option<String>,
    /// Dead since this time or later
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Dead before this time
    #[schema(format = DateTime)]
    until: Option<String>,
    /// Must be true where there is no condition
    #[serde(default)]
    all: bool,
    /// Must be true to redrive: the events come after later ones
    #[serde(default)]
    out_of_order: bool,
    /// Dead letters this request deals with, 1 to 200
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// `next` of the request before
    cursor: Option<String>,
}

/// Sends passed events again, out of order
///
/// The newest first, one command for each, each durable before the next. A request deals with a
/// bounded number; go on with `next` until there is none. Events of ingress have no lane and are
/// left out.
#[utoipa::path(post, path = "/v1/dead-letters/redrive-many", tag = "dead letters",
    request_body = Many, responses((status = 200, body = Carried), CommandProblems))]
pub(super) async fn redrive(
    State(state): State<AdminState>,
    Body(wanted): Body<Many>,
) -> Answered<Carried> {
    if !wanted.out_of_order {
        return Err(invalid(
            "passed events are sent out of order: say \"out_of_order\": true; stopped lanes are \
             resumed in order by /v1/lanes/resume"
                .to_owned(),
        ));
    }
    let names = state.names().await;
    let (page, next) = page(&state, &names, &wanted).await?;
    let mut carried = Refusals::default();
    for letter in page.letters {
        if let DeadLetter::InLane { destination, sequence } = letter.letter {
            let key = letter.key.clone();
            let command = Command::Redrive { key, destination, passed: Some(sequence) };
            carried.note(&names, &letter.key, Some(destination), state.command(command).await);
        }
    }
    carried.answer(next)
}

/// Gives dead letters up for good
///
/// As `redrive-many`, of passed events and of those of ingress.
#[utoipa::path(post, path = "/v1/dead-letters/drop-many", tag = "dead letters",
    request_body = Many, responses((status = 200, body = Carried), CommandProblems))]
pub(super) async fn drop_letters(
    State(state): State<AdminState>,
    Body(wanted): Body<Many>,
) -> Answered<Carried> {
    if wanted.out_of_order {
        return Err(invalid("out_of_order is for events that are sent again".to_owned()));
    }
    let names = state.names().await;
    let (page, next) = page(&state, &names, &wanted).await?;
    let mut carried = Refusals::default();
    for Letter { key, letter, .. } in page.letters {
        let destination = match letter {
            DeadLetter::InLane { destination, .. } => Some(destination),
            DeadLetter::AtIngress { .. } => None,
        };
        let command = Command::Drop { key: key.clone(), letter };
        carried.note(&names, &key, destination, state.command(command).await);
    }
    carried.answer(next)
}

async fn page(
    state: &AdminState,
    names: &Names,
    wanted: &Many,
) -> Result<(LetterPage, Option<String>), Problem> {
    let most = many::most(wanted.limit)?;
    let before = cursor::read::<i64>(wanted.cursor.as_deref())?.map(LetterCursor);
    selector::known_reason(wanted.reason.as_deref(), selector::LETTER_REASONS)?;
    let selector = selector::of!(wanted);
    let selection = selector.read_all_if(names, wanted.all)?;
    state.store().await?;
    let page = state.read(move |reader| reader.letters(&selection, before, most)).await?;
    let next = page.next.map(|next| cursor::write(&next.0)).transpose()?;
    Ok((page, next))
}
