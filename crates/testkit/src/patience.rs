//! How long a test waits for what should happen at once.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// Far more than anything takes on a busy machine, and less than a test runner's patience.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a future, at most [`PATIENCE`].
///
/// # Panics
/// When it takes longer, naming `what`.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let Ok(value) = timeout(PATIENCE, future).await else {
        panic!("waited {PATIENCE:?} in vain: {what}");
    };
    value
}

/// Asks again and again until there is an answer: for what tells nobody when it changes. At most [`PATIENCE`].
///
/// # Panics
/// When there is none, naming `what` and the last reason.
pub async fn eventually<T, Asked>(what: &str, mut ask: impl FnMut() -> Asked) -> T
where
    Asked: Future<Output = Result<T, String>>,
{
    const BETWEEN: Duration = Duration::from_millis(10);
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(value) => return value,
            Err(why) => assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}: {why}"),
        }
        sleep(BETWEEN).await;
    }
}
