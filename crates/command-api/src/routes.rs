//! The commands over HTTP.

use std::sync::Arc;

use axum::{Extension, extract::FromRef};
use chasqui_auth::Verifier;
use chasqui_events::{CommandId, RoomId, UserId};
use chasqui_protocol::{Accepted, Problem};
use futures::future::BoxFuture;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    command::{
        ban, change_role, create_room, delivered, erase_room, invite, join, leave, mute, open_direct, read,
        remove, rename_room, send, set_slow_mode, unban, unmute,
    },
    service::CommandApi,
};

/// Looks for a message (author, room, id) that was sent before, in the projections: the answer that its
/// send got, or nothing when it was never recorded.
pub type FindSent = Arc<
    dyn Fn(UserId, RoomId, CommandId) -> BoxFuture<'static, Result<Option<Accepted>, Problem>> + Send + Sync,
>;

impl FromRef<CommandApi> for Verifier {
    fn from_ref(api: &CommandApi) -> Self {
        api.0.verifier.clone()
    }
}

pub(crate) fn routes(api: CommandApi, find_sent: Option<FindSent>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(create_room::endpoint))
        .routes(routes!(open_direct::endpoint))
        .routes(routes!(rename_room::endpoint))
        .routes(routes!(erase_room::endpoint))
        .routes(routes!(join::endpoint))
        .routes(routes!(leave::endpoint))
        .routes(routes!(invite::endpoint))
        .routes(routes!(remove::endpoint))
        .routes(routes!(change_role::endpoint))
        .routes(routes!(ban::endpoint))
        .routes(routes!(unban::endpoint))
        .routes(routes!(mute::endpoint))
        .routes(routes!(set_slow_mode::endpoint))
        .routes(routes!(unmute::endpoint))
        .routes(routes!(send::endpoint))
        .routes(routes!(delivered::endpoint))
        .routes(routes!(read::endpoint))
        .layer(Extension(find_sent))
        .with_state(api)
}
