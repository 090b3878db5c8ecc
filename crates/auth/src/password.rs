//! Passwords: Argon2id (RFC 9106), as much of it at once as is allowed and no more.

mod policy;

use std::{sync::Arc, time::Instant};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash},
};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::{clock::random_bytes, config, metrics::names};
pub use policy::BadBlocklist;
pub(crate) use policy::Factors;
use policy::Policy;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

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
    policy: Arc<Policy>,
    max_bytes: usize,
}

/// What comes of comparing a password with a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They do not go together, or there is no hash.
    Wrong,
    /// They do.
    Right {
        /// The hash was made at another cost than today's; a new one should take its place.
        outdated: bool,
    },
}

/// The configured cost of a hash is not one that Argon2 can do.
#[derive(Debug, thiserror::Error)]
#[error("auth.argon2_*: {0}")]
pub struct BadCost(argon2::Error);

/// Passwords cannot be taken as configured.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The cost of hashes.
    #[error(transparent)]
    Cost(#[from] BadCost),
    /// The list of passwords that are refused.
    #[error(transparent)]
    Blocklist(#[from] BadBlocklist),
}

impl Passwords {
    /// Prepares hashing at the configured cost. Computes one hash, so it takes a moment.
    ///
    /// # Errors
    /// When memory, passes and lanes do not go together, or the list of blocked passwords cannot be read.
    pub(crate) fn new(auth: &config::Auth) -> Result<Self, Unusable> {
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
            policy: Arc::new(Policy::new(auth)?),
            max_bytes: auth.password_max_bytes,
        })
    }

    /// The hash of a new password, as a PHC string, if it is good enough for whoever has these factors. `about` is
    /// what others know of them.
    ///
    /// # Errors
    /// `weak-password`; `size` when it is too long to be hashed at all; `too-many` when too many are waiting.
    pub(crate) async fn hash(
        &self,
        password: SecretString,
        factors: Factors,
        about: Vec<String>,
    ) -> Result<String, Problem> {
        self.check_size(password.expose_secret())?;
        let (argon2, policy) = (self.argon2.clone(), Arc::clone(&self.policy));
        self.in_a_slot(move || {
            let password = normalised(&password);
            policy.check(&password, factors, &about)?;
            hashed(&argon2, password.as_bytes()).ok_or_else(not_hashed)
        })
        .await?
    }

    /// The hash, at today's cost, of a password that was accepted before.
    ///
    /// # Errors
    /// `too-many` when too many are waiting.
    pub(crate) async fn rehash(&self, password: SecretString) -> Result<String, Problem> {
        let argon2 = self.argon2.clone();
        self.in_a_slot(move || hashed(&argon2, normalised(&password).as_bytes()).ok_or_else(not_hashed))
            .await?
    }

    /// Compares a password with a hash. `None` takes as long, and is wrong.
    ///
    /// # Errors
    /// `too-many` when too many are waiting.
    pub(crate) async fn verify(
        &self,
        password: SecretString,
        hash: Option<String>,
    ) -> Result<Verdict, Problem> {
        if password.expose_secret().len() > self.max_bytes {
            // No password of this length was ever accepted, whoever asks.
            return Ok(Verdict::Wrong);
        }
        let (argon2, dummy) = (self.argon2.clone(), Arc::clone(&self.dummy));
        self.in_a_slot(move || {
            let password = normalised(&password);
            let known = hash.is_some();
            let Ok(hash) = PasswordHash::new(hash.as_deref().unwrap_or(&dummy)) else {
                return Verdict::Wrong;
            };
            let matches = argon2.verify_password(password.as_bytes(), &hash).is_ok();
            if known && matches {
                Verdict::Right { outdated: outdated(&argon2, &hash) }
            } else {
                Verdict::Wrong
            }
        })
        .await
    }

    /// Whether a password is too short for whoever has nothing else.
    pub(crate) fn is_short_alone(&self, password: &SecretString) -> bool {
        normalised(password).chars().count() < self.policy.least(Factors::PasswordOnly)
    }

    fn check_size(&self, password: &str) -> Result<(), Problem> {
        let (bytes, most) = (password.len(), self.max_bytes);
        if bytes <= most {
            return Ok(());
        }
        let detail = format!("a password must have at most {most} bytes; this one has {bytes} bytes");
        Err(Problem::new(Code::Size, detail))
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

/// One password, however a keyboard puts it: NFKC (NIST SP 800-63B-4 §3.1.1.2).
fn normalised(password: &SecretString) -> Zeroizing<String> {
    Zeroizing::new(password.expose_secret().nfkc().collect())
}

fn outdated(argon2: &Argon2<'_>, hash: &PasswordHash) -> bool {
    let (wanted, made) = (argon2.params(), Params::try_from(hash));
    let cost = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    hash.algorithm.as_str() != Algorithm::Argon2id.as_str()
        || !made.is_ok_and(|made| cost(&made) == cost(wanted))
}

fn not_hashed() -> Problem {
    Problem::new(Code::Internal, "the password could not be hashed")
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

    async fn hash(passwords: &Passwords, text: &str) -> Result<String, Problem> {
        passwords.hash(secret(text), Factors::PasswordOnly, Vec::new()).await
    }

    const RIGHT: Verdict = Verdict::Right { outdated: false };

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_nobody_by_none() {
        let passwords = passwords(2);
        let hashed = hash(&passwords, "knots-of-red-wool").await.unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hashed}");
        let verify = async |text: &str, hash: Option<&str>| {
            passwords.verify(secret(text), hash.map(str::to_owned)).await.unwrap()
        };
        assert_eq!(verify("knots-of-red-wool", Some(&hashed)).await, RIGHT);
        assert_eq!(verify("knots-of-red-woo", Some(&hashed)).await, Verdict::Wrong);
        assert_eq!(verify("knots-of-red-wool", None).await, Verdict::Wrong);
        assert_eq!(verify("knots-of-red-wool", Some("not a hash")).await, Verdict::Wrong);
        assert_ne!(hashed, hash(&passwords, "knots-of-red-wool").await.unwrap(), "each has its own salt");
    }

    #[tokio::test]
    async fn one_password_is_typed_in_many_ways() {
        let passwords = passwords(2);
        let composed = hash(&passwords, "ñandúes en la pampa").await.unwrap();
        let decomposed = "n\u{303}andu\u{301}es en la pampa";
        assert_eq!(passwords.verify(secret(decomposed), Some(composed.clone())).await.unwrap(), RIGHT);
        let wide = "ñandúes en la\u{2003}ｐampa";
        assert_eq!(passwords.verify(secret(wide), Some(composed)).await.unwrap(), RIGHT);
    }

    #[tokio::test]
    async fn a_hash_of_another_cost_is_outdated_and_still_good() {
        let passwords = passwords(2);
        let mut config = Config::default().auth;
        (config.argon2_memory_kib, config.argon2_iterations) = (64, 2);
        let dearer = Passwords::new(&config).unwrap();
        let hashed = hash(&passwords, "knots-of-red-wool").await.unwrap();
        let verdict = dearer.verify(secret("knots-of-red-wool"), Some(hashed)).await.unwrap();
        assert_eq!(verdict, Verdict::Right { outdated: true });
        let again = dearer.rehash(secret("knots-of-red-wool")).await.unwrap();
        assert_eq!(dearer.verify(secret("knots-of-red-wool"), Some(again)).await.unwrap(), RIGHT);
    }

    #[tokio::test]
    async fn sizes_are_bounded() {
        let passwords = passwords(2);
        let code = async |text: &str| hash(&passwords, text).await.map(drop).map_err(|problem| problem.code);
        assert_eq!(code("short").await, Err(Code::WeakPassword));
        assert_eq!(code(&"x".repeat(2000)).await, Err(Code::Size));
        assert_eq!(passwords.verify(secret(&"x".repeat(2000)), None).await.unwrap(), Verdict::Wrong);
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
            assert_eq!(one.await.unwrap().unwrap(), Verdict::Wrong);
        }
    }
}
