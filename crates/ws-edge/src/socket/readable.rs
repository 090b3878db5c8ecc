//! Whether there may be something to read.
//!
//! A connection of a busy room is woken to write a thousand times for each time that its client says something. Looking
//! for input every time would cost a tenth of a fan-out: before each try the WebSocket makes room for what might come,
//! and clears it. So reading has a waker of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
};

use crate::connection::Connection;

/// The waker of a connection's reading half.
#[derive(Debug)]
pub(super) struct Readable {
    arrived: AtomicBool,
    connection: Arc<Connection>,
}

impl Readable {
    /// There may be something from the beginning.
    pub(super) fn of(connection: &Arc<Connection>) -> Arc<Self> {
        Arc::new(Self { arrived: AtomicBool::new(true), connection: Arc::clone(connection) })
    }

    /// Whether reading is worth a try. Whoever takes a yes reads until there is nothing, or puts it back.
    pub(super) fn take(&self) -> bool {
        self.arrived.swap(false, Ordering::AcqRel)
    }

    /// There may be more.
    pub(super) fn put_back(&self) {
        self.arrived.store(true, Ordering::Release);
    }
}

impl Wake for Readable {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.put_back();
        self.connection.wake_socket();
    }
}
