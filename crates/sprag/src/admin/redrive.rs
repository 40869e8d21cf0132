//! `POST /v1/dead-letters/redrive` and `/drop`: what becomes of dead letters.
//!
//! The node knows which event a stopped lane stands at. Which events a lane has passed as dead
//! letters only the list knows: a delivered event must be neither sent again nor declared dead.

use axum::extract::State;
use serde::Deserialize;
use sprag_core::fact::DeadLetter;
use sprag_core::id::{DestinationId, Place, Sequence};
use sprag_core::input::Command;
use sprag_core::record::Lane;
use utoipa::ToSchema;

use super::answer::{Answered, Done, done};
use super::problems::CommandProblems;
use super::request::Body;
use super::state::{AdminState, KnownKey};
use crate::problem::{Code, Problem};

/// What to send again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Redrive {
    source: String,
    key: String,
    destination: String,
    /// An event the lane has passed; without one the stopped lane drains in order.
    sequence: Option<u64>,
    /// Must be true with a `sequence`: the event comes after later ones.
    #[serde(default)]
    out_of_order: bool,
}

/// What to give up for good: an event in a lane, or one of ingress.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Drop {
    source: String,
    key: String,
    destination: Option<String>,
    sequence: Option<u64>,
    event: Option<String>,
}

/// Sends dead letters again: a stopped lane in order, or one passed event
#[utoipa::path(post, path = "/v1/dead-letters/redrive", tag = "dead letters",
    request_body = Redrive, responses((status = 200, body = Done), CommandProblems))]
pub(super) async fn redrive(
    State(state): State<AdminState>,
    Body(wanted): Body<Redrive>,
) -> Answered<Done> {
    let names = state.names().await;
    let destination = names.destination_id(&wanted.destination)?;
    let known = state.key(&names, &wanted.source, &wanted.key).await?;
    let passed = wanted.sequence.map(Sequence);
    match passed {
        None if wanted.out_of_order => {
            return Err(refused("out_of_order needs the sequence of one passed event"));
        }
        // A stopped strand goes on by itself: it has no place in an order.
        Some(sequence) if stands_in_strand(&known, destination, sequence) => {}
        Some(_) if !wanted.out_of_order => {
            return Err(refused(
                "one event by its sequence is sent out of order: say \"out_of_order\": true, or \
                 leave the sequence away and the stopped lane drains in order",
            ));
        }
        Some(sequence) => {
            must_be_listed(&state, &known, DeadLetter::InLane { destination, sequence }).await?;
        }
        None => {}
    }
    state.command(Command::Redrive { key: known.key, destination, passed }).await?;
    done()
}

/// Gives a dead letter up for good
#[utoipa::path(post, path = "/v1/dead-letters/drop", tag = "dead letters",
    request_body = Drop, responses((status = 200, body = Done), CommandProblems))]
pub(super) async fn drop_letter(
    State(state): State<AdminState>,
    Body(wanted): Body<Drop>,
) -> Answered<Done> {
    let names = state.names().await;
    let known = state.key(&names, &wanted.source, &wanted.key).await?;
    let letter = match (&wanted.destination, wanted.sequence, &wanted.event) {
        (Some(destination), Some(sequence), None) => {
            let destination = names.destination_id(destination)?;
            DeadLetter::InLane { destination, sequence: Sequence(sequence) }
        }
        (None, None, Some(event)) => {
            let event: Place = event.parse().map_err(|_| Problem::new(Code::UnknownEvent))?;
            DeadLetter::AtIngress { event }
        }
        _ => return Err(refused("name either destination and sequence, or event")),
    };
    if !stands_at(&known, &letter) {
        must_be_listed(&state, &known, letter).await?;
    }
    state.command(Command::Drop { key: known.key, letter }).await?;
    done()
}

fn refused(why: &str) -> Problem {
    Problem::new(Code::InvalidParameter).with_detail(why)
}

/// Whether the event of an unordered source is one that a stopped strand keeps.
fn stands_in_strand(known: &KnownKey, destination: DestinationId, sequence: Sequence) -> bool {
    known.record.strand(destination, sequence).is_some_and(Lane::is_stopped)
}

/// Whether a stopped lane stands at the event: then the node judges.
fn stands_at(known: &KnownKey, letter: &DeadLetter) -> bool {
    let stands = |destination: DestinationId, sequence: Sequence| {
        let strand = known.record.strand(destination, sequence);
        let lane = strand.or_else(|| known.record.lane(destination))?;
        Some(lane.is_stopped() && lane.head == sequence)
    };
    match *letter {
        DeadLetter::InLane { destination, sequence } => {
            stands(destination, sequence).unwrap_or_default()
        }
        DeadLetter::AtIngress { .. } => false,
    }
}

async fn must_be_listed(
    state: &AdminState,
    known: &KnownKey,
    letter: DeadLetter,
) -> Result<(), Problem> {
    if let DeadLetter::InLane { destination, .. } = letter
        && known.record.lane(destination).is_none()
    {
        return Err(Problem::new(Code::UnknownLane));
    }
    state.store().await?;
    let (partition, key) = (known.partition, known.key.clone());
    match state.read(move |reader| reader.letter(partition, &key, &letter)).await? {
        Some(_) => Ok(()),
        None => Err(Problem::new(Code::NotADeadLetter)),
    }
}
