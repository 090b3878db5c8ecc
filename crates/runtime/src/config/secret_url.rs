//! A URL that may hold credentials: usable as a whole, shown with them masked.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// What stands for the credentials.
const MASK: &str = "***";
/// Parts of the names of query parameters whose values are secrets.
const SECRET_PARAMETERS: [&str; 5] = ["pass", "token", "secret", "key", "properties"];

/// A URL, or several separated by commas. `Display` and `Debug` mask passwords, tokens and secret query
/// parameters; [`SecretUrl::expose`] is for the driver only.
#[derive(Clone)]
pub struct SecretUrl {
    raw: SecretString,
    masked: String,
}

impl SecretUrl {
    /// Takes a URL (or a comma-separated list) that starts with one of `schemes` and names a host or path.
    pub(super) fn parse(raw: &str, schemes: &[&str]) -> Option<Self> {
        let well_formed = !raw.chars().any(|c| c.is_control() || c.is_whitespace())
            && split_list(raw).into_iter().all(|url| {
                url.split_once("://")
                    .is_some_and(|(scheme, rest)| schemes.contains(&scheme) && names_a_host(rest))
            });
        well_formed.then(|| Self::new(raw))
    }

    /// Takes any text as a URL, for tests and tools that made it themselves.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        let masked: Vec<_> = split_list(raw).into_iter().map(mask).collect();
        Self { raw: SecretString::from(raw), masked: masked.join(",") }
    }

    /// The URL with its credentials.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.raw.expose_secret()
    }
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked)
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({})", self.masked)
    }
}

fn names_a_host(rest: &str) -> bool {
    let after_credentials = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    !after_credentials.is_empty() && !after_credentials.starts_with([':', '?', '#'])
}

/// Splits `a://x,b://y` at the commas that start a new URL; `mongodb://h1,h2/db` is one.
fn split_list(raw: &str) -> Vec<&str> {
    let mut urls = Vec::new();
    let mut rest = raw;
    loop {
        let next = rest.match_indices(',').map(|(at, _)| at).find(|at| starts_a_url(rest.get(at + 1..)));
        let Some((url, tail)) = next.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) else {
            urls.push(rest);
            return urls;
        };
        urls.push(url);
        rest = tail;
    }
}

fn starts_a_url(text: Option<&str>) -> bool {
    text.and_then(|text| text.split_once("://")).is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
    })
}

/// Masks one URL. Credentials reach to the *last* `@`, so that a password with an unescaped `@` or `/` is
/// masked whole; too much hidden is better than too little.
fn mask(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return MASK.to_owned();
    };
    let (credentials, location) = match rest.rsplit_once('@') {
        None => (String::new(), rest),
        Some((credentials, location)) => match credentials.split_once(':') {
            Some((user, _)) => (format!("{user}:{MASK}@"), location),
            // A lone name before the host is a token for NATS.
            None => (format!("{MASK}@"), location),
        },
    };
    let location = match location.split_once('?') {
        None => location.to_owned(),
        Some((place, query)) => format!("{place}?{}", mask_query(query)),
    };
    format!("{scheme}://{credentials}{location}")
}

fn mask_query(query: &str) -> String {
    let masked: Vec<_> = query.split('&').map(mask_parameter).collect();
    masked.join("&")
}

fn mask_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if SECRET_PARAMETERS.iter().any(|part| name.to_ascii_lowercase().contains(part)) => {
            format!("{name}={MASK}")
        }
        _ => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_masked_wherever_they_stand() {
        for (url, shown) in [
            ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
            ("nats://u:canary@h:4222", "nats://u:***@h:4222"),
            ("nats://canary@h", "nats://***@h"),
            ("nats://a:canary@h1,tls://b:canary@h2", "nats://a:***@h1,tls://b:***@h2"),
            ("redis://:canary@h/0", "redis://:***@h/0"),
            ("redis://:can@/ary@h/0", "redis://:***@h/0"),
            ("mongodb://u:can,ary@h1,h2/db?tls=true", "mongodb://u:***@h1,h2/db?tls=true"),
            (
                "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:canary",
                "mongodb://h/?authMechanismProperties=***",
            ),
            ("unix:///run/redis.sock?pass=canary&db=1", "unix:///run/redis.sock?pass=***&db=1"),
            ("canary", "***"),
        ] {
            let url = SecretUrl::new(url);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?} {url}").contains("canary"));
        }
        assert_eq!(SecretUrl::new("nats://u:canary@h").expose(), "nats://u:canary@h");
    }

    #[test]
    fn a_url_needs_a_known_scheme_and_a_host() {
        let schemes = ["nats", "tls"];
        for good in ["nats://h", "tls://h:1", "nats://h1,nats://u:p@h2", "nats://h1,h2"] {
            assert!(SecretUrl::parse(good, &schemes).is_some(), "{good}");
        }
        for bad in
            ["", "h", "nats://", "http://h", "nats://h1,http://h2", "nats://u:p@", "nats:// h", "nats://:1"]
        {
            assert!(SecretUrl::parse(bad, &schemes).is_none(), "{bad}");
        }
    }
}
