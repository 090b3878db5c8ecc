//! The end of an edge: everybody is sent elsewhere, not all at once, and what was acknowledged is recorded.

use std::{sync::Arc, time::Duration};

use chasqui_protocol::CloseCode;

use crate::{connection::Connection, edge::Edge, receipt_sender};

/// How long a command under way is waited for before its connection is closed.
const ANSWERS: Duration = Duration::from_secs(2);
/// How long the last closes may take.
const LAST_WORDS: Duration = Duration::from_secs(4);
/// Clients come back spread over so many milliseconds.
const COME_BACK_WITHIN_MS: u64 = 1_000;
const LOOK: Duration = Duration::from_millis(20);

/// Closes all connections, spread over the configured time, then flushes the receipts.
pub(crate) async fn drain(edge: &Arc<Edge>) {
    edge.draining.send_replace(true);
    edge.readiness.set_not_ready("draining");
    let connections = edge.hub.connections();
    let count = u32::try_from(connections.len()).unwrap_or(u32::MAX);
    tracing::info!(connections = count, "sending everybody elsewhere");
    let begun = tokio::time::Instant::now();
    let each = edge.settings.drain.checked_div(count.max(1)).unwrap_or_default();
    for (n, connection) in (1..).zip(&connections) {
        let after_ms = u64::from_be_bytes(chasqui_runtime::clock::random_bytes()) % COME_BACK_WITHIN_MS;
        close(edge, connection, after_ms).await;
        tokio::time::sleep_until(begun + each * n).await;
    }
    // Those that came while the others went.
    for connection in edge.hub.connections() {
        close(edge, &connection, 0).await;
    }
    let gone = async {
        while edge.hub.count() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(LAST_WORDS, gone).await.is_err() {
        tracing::warn!(connections = edge.hub.count(), "some connections did not end in time and are cut");
    }
    receipt_sender::flush(edge).await;
}

async fn close(edge: &Edge, connection: &Connection, after_ms: u64) {
    let answered = async {
        while connection.session().commands_in_flight() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(ANSWERS, answered).await.is_err() {
        tracing::debug!(connection = connection.id, "a command is still under way");
    }
    let now = edge.clock.now();
    connection.touch(|session| session.close_after(CloseCode::GoingAway, after_ms, now));
}
