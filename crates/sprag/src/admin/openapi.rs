//! `/openapi.json`: the description of this API, made from the functions that answer.

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::problems::ProblemDocument;
use super::{
    alerts, backup, configuration, dead_letters, destinations, event, events, facts, key,
    key_state, keys, lanes, metrics, observe, overridden, overrides, redrive, redrive_many, replay,
    sources,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sprag admin API",
        description = "What operators see and may do. A key in a path is the encoded key of the \
            delivery headers, percent-encoded once more as one segment. Lists come in pages: \
            `cursor` is the `next` of the page before, and a page without `next` is the last. \
            Unknown parameters and members are refused.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    paths(
        sources::list, keys::list, key::show, key::pause, key::resume, key_state::show, events::list, event::show,
        event::attempts, event::body, facts::stream, dead_letters::list, redrive::redrive,
        redrive::drop_letter, redrive_many::redrive, redrive_many::drop_letters, lanes::list,
        lanes::resume, replay::replay, overridden::list, overrides::carry_out, backup::make, backup::restored, destinations::list, destinations::pause,
        destinations::resume, alerts::list, configuration::show, observe::alive, observe::ready, metrics::show, show,
    ),
    components(schemas(ProblemDocument)),
    modifiers(&Token, &OperationIds),
    security(("token" = []))
)]
struct Api;

/// The token under which `/v1` is.
struct Token;

impl Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`SPRAG_ADMIN_TOKEN`, or `[admin] token`"))
            .build();
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(token));
    }
}

/// Every operation is named by its method and path: `get-v1-lanes`.
struct OperationIds;

impl Modify for OperationIds {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut api.paths.paths {
            for (method, operation) in [("get", &mut item.get), ("post", &mut item.post)] {
                if let Some(operation) = operation {
                    let path = path.replace(['{', '}'], "").replace('/', "-");
                    operation.operation_id = Some(format!("{method}{path}"));
                }
            }
        }
    }
}

/// The description as JSON, the same for the same code.
#[must_use]
pub fn description() -> String {
    // It is made of strings and numbers only.
    let mut text = Api::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// Gives this description
#[utoipa::path(get, path = "/openapi.json", tag = "observe", security(()),
    responses((status = 200, content_type = "application/json", body = Object,
        description = "An OpenAPI document")))]
pub(super) async fn show() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], description())
}
