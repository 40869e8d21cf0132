//! `POST /v1/overrides`: what an operator decides against the rules, with a line of history each.

use axum::extract::State;
use serde::Deserialize;
use sprag_core::input::Command;
use utoipa::ToSchema;

use super::answer::{Answered, Done, done};
use super::problems::CommandProblems;
use super::request::Body;
use super::state::AdminState;
use crate::problem::{Code, Problem};

/// What to override.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Override {
    r#override: Kind,
    /// The source
    source: String,
    /// The encoded key
    key: String,
    /// Of `give-up-gap`, which needs it: the first position that is given up, `gap.from` of the key. Where it waits for
    /// others by now nothing is given up, so a request may be made again
    from: Option<u64>,
}

/// What is decided.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = OverrideKind)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// The positions of a key begin anew: what it holds is released in order, what is missing
    /// there is given up, and older positions say nothing from then on (rule K9).
    Rebase,
    /// The positions that a key waits for are given up, whatever `on_gap` says: it goes on behind them, and what comes
    /// after all is late.
    GiveUpGap,
}

/// Carries out what an operator decides against the rules
#[utoipa::path(post, path = "/v1/overrides", tag = "overrides", request_body = Override,
    responses((status = 200, body = Done), CommandProblems))]
pub(super) async fn carry_out(
    State(state): State<AdminState>,
    Body(wanted): Body<Override>,
) -> Answered<Done> {
    let key = state.names().await.key(&wanted.source, &wanted.key)?;
    let command = match wanted.r#override {
        Kind::Rebase => Command::Rebase(key),
        Kind::GiveUpGap => {
            let from = wanted.from.ok_or_else(|| {
                let needed = "give-up-gap needs `from`: the first position of the gap, `gap.from` of the key";
                Problem::new(Code::InvalidParameter).with_detail(needed)
            })?;
            Command::GiveUpGap { key, from }
        }
    };
    state.command(command).await?;
    done()
}
