//! The admin API: what operators see and may do, on a listener of its own.
//!
//! - `/healthz`, `/readyz`, `/metrics` need no token: probes and scrapers have none, and they tell
//!   only names of the configuration and counts. Everything under `/v1` needs
//!   `authorization: Bearer …` with `SPRAG_ADMIN_TOKEN`.
//! - A key in a path is the encoded key of the delivery headers (rule K1), percent-encoded once
//!   more as one path segment: `octo%2Eorg/42` is `octo%252Eorg%2F42`. In queries and bodies it
//!   is the encoded key itself, in queries percent-encoded as any value.
//! - Lists come in pages: `limit` and, for the next page, `cursor` with the `next` of the last one.
//!   A page without `next` is the last.
//! - Errors are problem documents (RFC 9457) with a code of the published list. Unknown parameters
//!   and members are refused: a misspelled filter must not answer with everything.
//!
//! It decides nothing; commands go to the node. Must not know: how the log or the state is stored.

#![expect(
    unused_qualifications,
    reason = "what `utoipa::path` makes names parameters by their path"
)]

mod alerts;
mod answer;
mod auth;
mod backup;
mod configuration;
mod cursor;
mod dead_letters;
mod destinations;
mod event;
mod events;
mod fact;
mod facts;
mod fates;
mod history;
mod key;
mod key_state;
mod keys;
mod lanes;
pub mod limits;
mod listen;
mod many;
mod merged;
mod metrics;
mod names;
mod observe;
mod openapi;
mod overridden;
mod overrides;
mod problems;
mod redrive;
mod redrive_many;
mod replay;
mod request;
mod selector;
mod settled;
mod sources;
mod state;
mod waits;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

pub use history::{History, HistoryAnswer};
pub use listen::{Serving, serve};
pub use openapi::description;
pub use state::{AdminState, GapPolicy, InForce, LastReload, Parts};

/// All routes.
pub fn router(state: AdminState) -> Router {
    let v1 = Router::new()
        .route("/sources", get(sources::list))
        .route("/sources/{source}/keys", get(keys::list))
        .route("/sources/{source}/keys/{key}", get(key::show))
        .route("/sources/{source}/keys/{key}/pause", post(key::pause))
        .route("/sources/{source}/keys/{key}/resume", post(key::resume))
        .route("/state/{source}/{key}", get(key_state::show))
        .route("/events", get(events::list))
        .route("/events/{id}", get(event::show))
        .route("/events/{id}/attempts", get(event::attempts))
        .route("/events/{id}/body", get(event::body))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/redrive", post(redrive::redrive))
        .route("/dead-letters/drop", post(redrive::drop_letter))
        .route("/dead-letters/redrive-many", post(redrive_many::redrive))
        .route("/dead-letters/drop-many", post(redrive_many::drop_letters))
        .route("/alerts", get(alerts::list))
        .route("/facts", get(facts::stream))
        .route("/lanes", get(lanes::list))
        .route("/lanes/resume", post(lanes::resume))
        .route("/replay", post(replay::replay))
        .route("/backup", post(backup::make))
        .route("/configuration", get(configuration::show))
        .route("/restore", get(backup::restored))
        .route("/overrides", get(overridden::list).post(overrides::carry_out))
        .route("/destinations", get(destinations::list))
        .route("/destinations/{destination}/pause", post(destinations::pause))
        .route("/destinations/{destination}/resume", post(destinations::resume))
        .fallback(answer::unknown_path)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), auth::require_token));
    Router::new()
        .route("/healthz", get(observe::alive))
        .route("/readyz", get(observe::ready))
        .route("/metrics", get(metrics::show))
        .route("/openapi.json", get(openapi::show))
        .nest("/v1", v1)
        .fallback(answer::unknown_path)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(DefaultBodyLimit::max(limits::BODY_BYTES))
        .layer(from_fn(answer::within_time))
        .with_state(state)
}
