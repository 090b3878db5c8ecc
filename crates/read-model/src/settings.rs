//! Where the stores are, and how long to wait for them.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

/// How to reach MongoDB and Redis.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Connection string of MongoDB; it may hold a password.
    pub mongodb_url: SecretString,
    /// The authorities that may have signed MongoDB's certificate, PEM: TLS is demanded then.
    pub mongodb_ca: Option<PathBuf>,
    /// The database that holds the views.
    pub database: String,
    /// Most connections to MongoDB per process and server.
    pub pool_max: u32,
    /// How long to look for a usable server before an operation fails.
    pub mongodb_timeout: Duration,
    /// Connection string of Redis; it may hold a password.
    pub redis_url: SecretString,
    /// The authorities that may have signed the certificate of Redis, PEM.
    pub redis_ca: Option<PathBuf>,
    /// How long a request to Redis may take before MongoDB is asked instead.
    pub redis_timeout: Duration,
    /// The newest timeline entries kept in Redis per room.
    pub hot_items: usize,
}

impl Settings {
    /// The defaults of the configuration, with these addresses.
    #[must_use]
    pub fn new(mongodb_url: &str, database: &str, redis_url: &str) -> Self {
        Self {
            mongodb_url: mongodb_url.into(),
            mongodb_ca: None,
            database: database.to_owned(),
            pool_max: 32,
            mongodb_timeout: Duration::from_secs(5),
            redis_url: redis_url.into(),
            redis_ca: None,
            redis_timeout: Duration::from_secs(1),
            hot_items: 100,
        }
    }
}
