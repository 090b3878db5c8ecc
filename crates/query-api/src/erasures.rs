//! Keys that were destroyed are dropped at once, and not only when their time at hand is over.

use chasqui_bus::{
    Bus, BusError,
    live::{Hint, Live},
};
use chasqui_crypto::{Keyring, Owner};
use chasqui_read_model::{Notice, NoticeKind};

/// Follows the notices of erased users and rooms until the connection to NATS is drained. A notice may be lost; then the key is kept
/// for as long as keys are.
///
/// # Errors
/// When the connection is gone before it begins.
pub async fn follow(bus: Bus, keyring: &Keyring) -> Result<(), BusError> {
    let mut notices = Live::new(bus).subscribe_notify_all().await?;
    while let Some(hint) = notices.recv().await {
        let Hint::Notify { user, payload } = hint else { continue };
        if let Some(Notice { kind: NoticeKind::Erased, room, .. }) = Notice::decode(&payload) {
            keyring.bury(room.map_or(Owner::User(user), Owner::Room)).await;
        }
    }
    Ok(())
}
