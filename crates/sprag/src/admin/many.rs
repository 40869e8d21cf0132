//! Commands carried out for many things, one by one: what became of them.

use axum::Json;
use serde::Serialize;
use sprag_core::id::{DestinationId, Key};
use utoipa::ToSchema;

use super::answer::Answered;
use super::limits;
use super::names::Names;
use super::request::invalid;
use crate::problem::Problem;

/// What became of many commands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Carried {
    /// How many were carried out, each durable
    done: usize,
    /// Those that were refused
    refused: Vec<RefusedOne>,
    /// The `cursor` of the request that goes on; absent when nothing is left
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One that was refused.
#[derive(Debug, Serialize, ToSchema)]
struct RefusedOne {
    source: String,
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    /// The code of the problem, of the published list
    code: &'static str,
}

/// Notes what becomes of each.
#[derive(Default)]
pub(super) struct Refusals {
    done: usize,
    refused: Vec<RefusedOne>,
}

impl Refusals {
    pub(super) fn note(
        &mut self,
        names: &Names,
        key: &Key,
        destination: Option<DestinationId>,
        outcome: Result<(), Problem>,
    ) {
        match outcome {
            Ok(()) => self.done += 1,
            Err(problem) => self.refused.push(RefusedOne {
                source: names.source(key.source).to_string(),
                key: key.name.to_string(),
                destination: destination.map(|id| names.destination(id).to_string()),
                code: problem.code.as_str(),
            }),
        }
    }

    pub(super) fn answer(self, next: Option<String>) -> Answered<Carried> {
        Ok(Json(Carried { done: self.done, refused: self.refused, next }))
    }
}

/// How many commands one request carries out.
pub(super) fn most(limit: Option<usize>) -> Result<usize, Problem> {
    match limit.unwrap_or(limits::COMMANDS) {
        most @ 1..=limits::COMMANDS_MOST => Ok(most),
        _ => Err(invalid(format!("limit is 1 to {}", limits::COMMANDS_MOST))),
    }
}
