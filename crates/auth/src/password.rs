//! Passwords: Argon2id (RFC 9106), as much of it at once as is allowed and no more.

use std::{sync::Arc, time::Instant};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::{clock::random_bytes, config, metrics::names};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

/// How many may wait for each slot before more are refused: a few seconds' worth of hashing.
const WAITING_PER_SLOT: usize = 64;

/// Hashes and verifies passwords off the async threads.
///
/// Memory is bounded by the slots (each takes `auth.argon2_memory_kib`), the queue before them by a constant.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// A hash of nothing that anyone knows, for names that nobody has: checking against it takes the time that
    /// checking a real one takes.
    dummy: Arc<str>,
    min_chars: usize,
    max_bytes: usize,
}

/// The configured cost of a hash is not one that Argon2 can do.
#[derive(Debug, thiserror::Error)]
#[error("auth.argon2_*: {0}")]
pub struct BadCost(argon2::Error);

impl Passwords {
    /// Prepares hashing at the configured cost. Computes one hash, so it takes a moment.
    ///
    /// # Errors
    /// When memory, passes and lanes do not go together.
    pub(crate) fn new(auth: &config::Auth) -> Result<Self, BadCost> {
        let params =
            Params::new(auth.argon2_memory_kib, auth.argon2_iterations, auth.argon2_parallelism, None)
                .map_err(BadCost)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let dummy = hashed(&argon2, &random_bytes::<32>()).unwrap_or_default();
        Ok(Self {
            argon2,
            slots: Arc::new(Semaphore::new(auth.argon2_concurrency)),
            queue: Arc::new(Semaphore::new(auth.argon2_concurrency.saturating_mul(WAITING_PER_SLOT))),
            dummy: dummy.into(),
            min_chars: auth.password_min_chars,
            max_bytes: auth.password_max_bytes,
        })
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// `size` when it is too short or too long, `too-many` when too many are waiting.
    pub(crate) async fn hash(&self, password: SecretString) -> Result<String, Problem> {
        self.check_size(password.expose_secret())?;
        let argon2 = self.argon2.clone();
        self.in_a_slot(move || hashed(&argon2, password.expose_secret().as_bytes()))
            .await?
            .ok_or_else(|| Problem::new(Code::Internal, "the password could not be hashed"))
    }

    /// Whether the password has this hash; `None` takes as long and is false.
    ///
    /// # Errors
    /// `too-many` when too many are waiting.
    pub(crate) async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, Problem> {
        if password.expose_secret().len() > self.max_bytes {
            // No password of this length was ever accepted, whoever asks.
            return Ok(false);
        }
        let (argon2, dummy) = (self.argon2.clone(), Arc::clone(&self.dummy));
        self.in_a_slot(move || {
            let known = hash.is_some();
            let text = hash.as_deref().unwrap_or(&dummy);
            let matches = PasswordHash::new(text)
                .is_ok_and(|hash| argon2.verify_password(password.expose_secret().as_bytes(), &hash).is_ok());
            known && matches
        })
        .await
    }

    fn check_size(&self, password: &str) -> Result<(), Problem> {
        let (chars, bytes) = (password.chars().count(), password.len());
        if chars >= self.min_chars && bytes <= self.max_bytes {
            return Ok(());
        }
        let (least, most) = (self.min_chars, self.max_bytes);
        Err(Problem::new(
            Code::Size,
            format!(
                "a password must have at least {least} characters and at most {most} bytes; this one has {chars} characters and {bytes} bytes"
            ),
        ))
    }

    async fn in_a_slot<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let begun = Instant::now();
        let Ok(_waiting) = Arc::clone(&self.queue).try_acquire_owned() else {
            let detail = "too many passwords are being checked at once; try again in a few seconds";
            return Err(Problem::new(Code::TooMany, detail).retry_after_ms(3000));
        };
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let result = tokio::task::spawn_blocking(move || {
            // The slot is given back when the work is done, also when its caller has gone.
            let _slot = slot;
            work()
        })
        .await;
        metrics::histogram!(names::AUTH_HASH_SECONDS).record(begun.elapsed());
        result.map_err(|_| Problem::new(Code::Internal, "the password could not be checked"))
    }
}

fn hashed(argon2: &Argon2<'_>, password: &[u8]) -> Option<String> {
    let salt = random_bytes::<16>();
    argon2.hash_password_with_salt(password, &salt).ok().map(|hash: PasswordHash| hash.to_string())
}

#[cfg(test)]
mod tests {
    use chasqui_runtime::config::Config;

    use super::*;

    fn passwords(concurrency: usize) -> Passwords {
        let mut config = Config::default().auth;
        config.argon2_memory_kib = 64;
        config.argon2_iterations = 1;
        config.argon2_concurrency = concurrency;
        Passwords::new(&config).unwrap()
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_nobody_by_none() {
        let passwords = passwords(2);
        let hash = passwords.hash(secret("quipu-knots")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert!(passwords.verify(secret("quipu-knots"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(secret("quipu-knot"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(secret("quipu-knots"), None).await.unwrap());
        assert_ne!(hash, passwords.hash(secret("quipu-knots")).await.unwrap(), "each has its own salt");
    }

    #[tokio::test]
    async fn sizes_are_bounded() {
        let passwords = passwords(2);
        for bad in ["short".to_owned(), "x".repeat(2000)] {
            assert_eq!(passwords.hash(secret(&bad)).await.unwrap_err().code, Code::Size);
        }
        assert!(passwords.hash(secret("ñandúñan")).await.is_ok(), "eight characters, more bytes");
    }

    #[tokio::test]
    async fn a_rush_is_refused_not_queued_for_ever() {
        let passwords = passwords(1);
        let held = Arc::clone(&passwords.slots).acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..WAITING_PER_SLOT)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.verify(secret("quipu-knots"), None).await })
            })
            .collect();
        while passwords.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = passwords.verify(secret("quipu-knots"), None).await.unwrap_err();
        assert_eq!(refused.code, Code::TooMany);
        drop(held);
        for one in waiting {
            assert!(!one.await.unwrap().unwrap());
        }
    }
}
