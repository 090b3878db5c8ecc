//! Where a URL points to, as far as asking whether somebody answers there needs it.

use crate::{Error, Kind};

/// Host and port of a URL.
pub(crate) fn of(url: &str, kind: Kind) -> Result<String, Error> {
    let bad = || Error::BadUrl {
        variable: kind.url_variable(),
        url: without_credentials(url),
        example: kind.example_url(),
    };
    let (_, rest) = url.split_once("://").ok_or_else(bad)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    // A list of replica-set members or cluster nodes: the first will do for asking.
    let host = hosts.split(',').next().unwrap_or(hosts);
    if host.is_empty() {
        return Err(bad());
    }
    let bracketed = host.starts_with('[') && !host.contains("]:");
    match host.rsplit_once(':') {
        Some((_, port)) if !bracketed => port.parse::<u16>().map(|_| host.to_owned()).map_err(|_| bad()),
        _ => Ok(format!("{host}:{}", kind.default_port())),
    }
}

fn without_credentials(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_of_urls() {
        let mongo = |url| of(url, Kind::Mongo).unwrap();
        assert_eq!(mongo("mongodb://127.0.0.1:2000/?directConnection=true"), "127.0.0.1:2000");
        assert_eq!(mongo("mongodb://me:p@ss@host/db"), "host:27017");
        assert_eq!(mongo("mongodb://a:1,b:2"), "a:1");
        assert_eq!(mongo("mongodb://[::1]"), "[::1]:27017");
        assert_eq!(mongo("mongodb://[::1]:5"), "[::1]:5");
    }

    #[test]
    fn a_bad_url_is_named_without_its_password() {
        for url in ["localhost", "redis://", "redis://me:secret@host:port"] {
            let error = of(url, Kind::Redis).unwrap_err().to_string();
            assert!(error.contains("CHASQUI_REDIS_URL"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
