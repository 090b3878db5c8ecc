//! One client connection as the rest of the edge sees it: its session behind a lock, and a way to wake its socket.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    task::Waker,
    time::Duration,
};

use chasqui_auth::Identity;
use chasqui_events::UserId;
use chasqui_protocol::Codec;
use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::session::Session;

/// One client connection.
pub(crate) struct Connection {
    pub(crate) id: u64,
    pub(crate) codec: Codec,
    /// Where the client connects from.
    pub(crate) address: Option<IpAddr>,
    session: Mutex<Session>,
    socket: AtomicWaker,
    drained: Notify,
    identity: OnceLock<Identity>,
    token: Mutex<Option<Arc<str>>>,
}

/// Without its token and its session, which hold secrets and what people say.
impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("id", &self.id).field("user", &self.user()).finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(id: u64, address: Option<IpAddr>, session: Session) -> Self {
        Self {
            id,
            codec: session.codec(),
            address,
            session: Mutex::new(session),
            socket: AtomicWaker::new(),
            drained: Notify::new(),
            identity: OnceLock::new(),
            token: Mutex::new(None),
        }
    }

    /// Whose connection it is; `None` before its hello was accepted.
    pub(crate) fn user(&self) -> Option<UserId> {
        self.identity.get().map(|identity| identity.user)
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.get()
    }

    pub(crate) fn set_identity(&self, identity: Identity) {
        // A renewal is of the same user and session, so that the first one stays true.
        self.identity.get_or_init(|| identity);
    }

    pub(crate) fn token(&self) -> Option<Arc<str>> {
        self.token.lock().clone()
    }

    pub(crate) fn set_token(&self, token: &str) {
        *self.token.lock() = Some(Arc::from(token));
    }

    /// Does something to the session, and wakes the socket when there is something for it.
    pub(crate) fn touch<R>(&self, act: impl FnOnce(&mut Session) -> R) -> R {
        let mut session = self.session.lock();
        let result = act(&mut session);
        let wake = session.has_frames() || session.closing().is_some();
        drop(session);
        if wake {
            self.socket.wake();
        }
        result
    }

    /// The session, for its socket, which need not be woken.
    pub(crate) fn session(&self) -> parking_lot::MutexGuard<'_, Session> {
        self.session.lock()
    }

    /// Lets the socket look at its session and its peer.
    pub(crate) fn wake_socket(&self) {
        self.socket.wake();
    }

    pub(crate) fn register(&self, socket: &Waker) {
        self.socket.register(socket);
    }

    /// The socket has taken frames: whoever waits for room may go on.
    pub(crate) fn note_drained(&self) {
        self.drained.notify_waiters();
    }

    /// Waits until half of the outbox is free. False when the connection ends, or its client takes nothing for too
    /// long.
    pub(crate) async fn has_room(&self) -> bool {
        const LOOK_AGAIN: Duration = Duration::from_millis(100);
        const PATIENCE: u32 = 300;
        for _ in 0..PATIENCE {
            {
                let session = self.session.lock();
                if session.closing().is_some() {
                    return false;
                }
                if session.has_room() {
                    return true;
                }
            }
            // A wake-up in between is made good by looking again soon.
            tokio::time::timeout(LOOK_AGAIN, self.drained.notified()).await.ok();
        }
        false
    }
}
