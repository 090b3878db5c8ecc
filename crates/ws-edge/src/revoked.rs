//! Connections of sessions that were revoked are ended, also where no notice of it came; and those whose token was signed
//! by a key that was withdrawn.
//!
//! Notices are the fast way, and may be lost. What the verifier has read of the bucket of revoked sessions is looked at
//! once a second; what the projection says, which follows from the log alone, now and then.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chasqui_protocol::CloseCode;
use chasqui_runtime::lifecycle::Shutdown;
use tokio::time::MissedTickBehavior;

use crate::{edge::Edge, notices};

/// How often what the verifier knows is looked at. With as much again for the verifier to learn of it, this is what
/// the promise of five seconds rests on.
const EVERY: Duration = Duration::from_secs(1);
/// The projection is asked once in so many looks.
const PROJECTION_EVERY: u64 = 30;
/// Sessions asked about in one query.
const AT_ONCE: usize = 1_000;

/// Looks again and again until the process is told to stop now.
pub(crate) async fn watch(edge: Arc<Edge>, shutdown: Shutdown) {
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut generation = edge.verifier.key_generation();
    for count in 1_u64.. {
        tokio::select! {
            _ = interval.tick() => {}
            () = shutdown.forced() => return,
        }
        end_as_verifier_knows(&edge);
        let newer = edge.verifier.key_generation();
        if newer != generation {
            generation = newer;
            end_of_withdrawn_keys(&edge);
        }
        if count.is_multiple_of(PROJECTION_EVERY) {
            end_as_projected(&edge).await;
        }
    }
}

fn end_as_verifier_knows(edge: &Edge) {
    if !edge.verifier.knows_revoked() {
        return;
    }
    let connections = edge.hub.connections();
    let sessions = connections.iter().filter_map(|connection| connection.identity().map(|one| one.session));
    let revoked: BTreeSet<_> = sessions.filter(|session| edge.verifier.is_revoked(*session)).collect();
    for session in revoked {
        notices::end_session(edge, &connections, session);
    }
}

/// Ends the connections whose token was signed by a key that is not published any more. Keys go when all of their tokens
/// have expired, or because they were stolen.
fn end_of_withdrawn_keys(edge: &Edge) {
    let now = edge.clock.now();
    for connection in edge.hub.connections() {
        connection.touch(|session| {
            if session.signed_by().is_some_and(|key| !edge.verifier.knows_key(key)) {
                session.close(CloseCode::TokenExpired, now);
            }
        });
    }
}

async fn end_as_projected(edge: &Edge) {
    let connections = edge.hub.connections();
    for some in connections.chunks(AT_ONCE) {
        let sessions: Vec<_> = some.iter().filter_map(|one| one.identity().map(|one| one.session)).collect();
        match edge.read_model.revoked_sessions(&sessions).await {
            Ok(revoked) => {
                for session in revoked {
                    notices::end_session(edge, some, session);
                }
            }
            Err(error) => tracing::warn!(%error, "revoked sessions cannot be asked for"),
        }
    }
}
