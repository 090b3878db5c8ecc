//! What crosses a network that others may read: told plainly at the start.

use std::net::IpAddr;

use chasqui_runtime::config::{Config, SecretUrl};

/// One sentence for each thing that is exposed.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let Config { http, ops, nats, mongodb, redis, .. } = config;
    if http.tls_cert_file.is_none() && !http.listen.ip().is_loopback() {
        warnings.push(format!(
            "http.listen is {} without TLS: passwords and tokens cross the network readable, unless a proxy in front adds \
             TLS; see http.tls_cert_file",
            http.listen
        ));
    }
    if !ops.listen.ip().is_loopback() {
        warnings.push(format!(
            "ops.listen is {}: whoever reaches it sees metrics; keep it off public networks",
            ops.listen
        ));
    }
    let links: [(&str, &SecretUrl, &[&str], &str); 3] = [
        ("nats.url", &nats.url, &["tls", "wss"], "passwords of roles, messages and credentials"),
        ("mongodb.url", &mongodb.url, &["mongodb+srv"], "messages"),
        ("redis.url", &redis.url, &["rediss", "valkeys", "unix"], "messages"),
    ];
    for (key, url, secured, what) in links {
        let authority =
            nats.ca_file.is_some() && key == "nats.url" || mongodb.ca_file.is_some() && key == "mongodb.url";
        if !authority && leaves_readable(url.expose(), secured) {
            warnings
                .push(format!("{key} names another machine without TLS: {what} cross the network readable"));
        }
    }
    warnings
}

/// Whether one of the servers of a connection string is another machine and is spoken to without TLS.
fn leaves_readable(url: &str, secured: &[&str]) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let asked = query.split('&').any(|parameter| matches!(parameter, "tls=true" | "ssl=true"));
    if asked || secured.contains(&scheme) {
        return false;
    }
    let place = place.rsplit_once('@').map_or(place, |(_, hosts)| hosts);
    let hosts = place.split('/').next().unwrap_or_default();
    hosts.split(',').any(|host| !is_this_machine(host))
}

fn is_this_machine(host: &str) -> bool {
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn what_stays_on_this_machine_is_not_exposed() {
        assert_eq!(warnings(&Config::default()), Vec::<String>::new());
    }

    #[test]
    fn what_leaves_it_in_clear_is_told_without_its_secrets() {
        let mut config = Config::default();
        config.http.listen = "0.0.0.0:8080".parse().unwrap();
        config.ops.listen = "[::]:9090".parse().unwrap();
        config.nats.url = SecretUrl::new("nats://u:canary@10.0.0.7:4222");
        config.mongodb.url = SecretUrl::new("mongodb://u:canary@127.0.0.1:1,db.internal:2/chasqui");
        config.redis.url = SecretUrl::new("redis://:canary@cache:6379/0");
        let told = warnings(&config);
        assert_eq!(told.len(), 5, "{told:#?}");
        assert!(told.iter().all(|warning| !warning.contains("canary")), "{told:#?}");
    }

    #[test]
    fn tls_is_enough() {
        let mut config = Config::default();
        config.http.listen = "0.0.0.0:8443".parse().unwrap();
        config.http.tls_cert_file = Some("cert.pem".into());
        config.nats.url = SecretUrl::new("tls://nats.internal:4222");
        config.mongodb.url = SecretUrl::new("mongodb://db.internal/?tls=true");
        config.redis.url = SecretUrl::new("rediss://cache.internal");
        assert_eq!(warnings(&config), Vec::<String>::new());
    }
}
