//! The queries over HTTP.

use axum::extract::FromRef;
use chasqui_auth::Verifier;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    query::{
        audit, bans, conversation, conversations, export, history, me, members, message, profile,
        public_rooms, receipts, user_by_name,
    },
    reader::Reader,
};

/// The role `query-api`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct QueryApi {
    reader: Reader,
    verifier: Verifier,
}

impl FromRef<QueryApi> for Verifier {
    fn from_ref(api: &QueryApi) -> Self {
        api.verifier.clone()
    }
}

impl QueryApi {
    /// The role, from what it reads and how it knows its callers.
    #[must_use]
    pub fn new(reader: Reader, verifier: Verifier) -> Self {
        Self { reader, verifier }
    }

    /// What it answers from.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The routes of this role.
    #[must_use]
    pub fn routes(&self) -> OpenApiRouter {
        OpenApiRouter::new()
            .routes(routes!(conversations::endpoint))
            .routes(routes!(conversation::endpoint))
            .routes(routes!(public_rooms::endpoint))
            .routes(routes!(members::endpoint))
            .routes(routes!(bans::endpoint))
            .routes(routes!(audit::endpoint))
            .routes(routes!(history::endpoint))
            .routes(routes!(receipts::endpoint))
            .routes(routes!(message::endpoint))
            .routes(routes!(me::endpoint))
            .routes(routes!(export::endpoint))
            .routes(routes!(profile::endpoint))
            .routes(routes!(user_by_name::endpoint))
            .with_state(self.clone())
    }
}
