//! The kinds of values: how each is read from text, shown without secrets, and described when it is wrong.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

use super::choice::Choice;
use super::key::{Bounds, FileType};
use super::rate::Rate;
use super::secret_url::SecretUrl;

/// What stands for a value that is not set.
const NOT_SET: &str = "(not set)";
/// What stands for a secret that is set.
const MASK: &str = "***";

/// A way to write values of `T` in a configuration.
pub(super) trait Format<T> {
    const FILE_TYPE: FileType = FileType::Text;
    const SECRET: bool = false;

    /// A phrase that says what is expected.
    fn expected(bounds: Bounds) -> String;
    fn parse(raw: &str, bounds: Bounds) -> Option<T>;
    /// The value for people, without secrets.
    fn show(value: &T) -> String;
}

/// A whole number.
pub(super) struct Whole;

impl<T: TryFrom<u64> + ToString> Format<T> for Whole {
    const FILE_TYPE: FileType = FileType::Integer;

    fn expected(Bounds { min, max }: Bounds) -> String {
        format!("a whole number from {min} to {max}")
    }

    fn parse(raw: &str, bounds: Bounds) -> Option<T> {
        let number = raw.parse().ok().filter(|number| bounds.contains(*number))?;
        T::try_from(number).ok()
    }

    fn show(value: &T) -> String {
        value.to_string()
    }
}

/// A duration in milliseconds.
pub(super) struct Millis;

impl Format<Duration> for Millis {
    const FILE_TYPE: FileType = FileType::Integer;

    fn expected(Bounds { min, max }: Bounds) -> String {
        format!("a whole number of milliseconds from {min} to {max}")
    }

    fn parse(raw: &str, bounds: Bounds) -> Option<Duration> {
        <Whole as Format<u64>>::parse(raw, bounds).map(Duration::from_millis)
    }

    fn show(value: &Duration) -> String {
        value.as_millis().to_string()
    }
}

/// A duration in seconds.
pub(super) struct Seconds;

impl Format<Duration> for Seconds {
    const FILE_TYPE: FileType = FileType::Integer;

    fn expected(Bounds { min, max }: Bounds) -> String {
        format!("a whole number of seconds from {min} to {max}")
    }

    fn parse(raw: &str, bounds: Bounds) -> Option<Duration> {
        <Whole as Format<u64>>::parse(raw, bounds).map(Duration::from_secs)
    }

    fn show(value: &Duration) -> String {
        value.as_secs().to_string()
    }
}

/// Text that is not empty and has no control characters.
pub(super) struct Text;

impl Format<String> for Text {
    fn expected(_: Bounds) -> String {
        "a text that is not empty".to_owned()
    }

    fn parse(raw: &str, _: Bounds) -> Option<String> {
        (!raw.trim().is_empty() && !raw.chars().any(char::is_control)).then(|| raw.to_owned())
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

/// A word that is safe in a subject and in the name of a database.
pub(super) struct Token;

impl Format<String> for Token {
    fn expected(_: Bounds) -> String {
        "a word of 1 to 63 letters, digits, `-` and `_`".to_owned()
    }

    fn parse(raw: &str, _: Bounds) -> Option<String> {
        let safe = raw.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        (safe && (1..=63).contains(&raw.len())).then(|| raw.to_owned())
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

/// The path of a file or directory, relative to the working directory of the process.
pub(super) struct FilePath;

impl Format<PathBuf> for FilePath {
    fn expected(_: Bounds) -> String {
        "a path".to_owned()
    }

    fn parse(raw: &str, bounds: Bounds) -> Option<PathBuf> {
        Text::parse(raw, bounds).map(PathBuf::from)
    }

    fn show(value: &PathBuf) -> String {
        value.display().to_string()
    }
}

/// An address to listen on.
pub(super) struct Listen;

impl Format<SocketAddr> for Listen {
    fn expected(_: Bounds) -> String {
        "an IP address and a port, such as 127.0.0.1:8080 or [::]:8080".to_owned()
    }

    fn parse(raw: &str, _: Bounds) -> Option<SocketAddr> {
        raw.parse().ok()
    }

    fn show(value: &SocketAddr) -> String {
        value.to_string()
    }
}

/// `tracing` filter directives.
pub(super) struct Filter;

impl Format<String> for Filter {
    fn expected(_: Bounds) -> String {
        "filter directives such as info,chasqui_ws_edge=debug".to_owned()
    }

    fn parse(raw: &str, _: Bounds) -> Option<String> {
        EnvFilter::try_new(raw).ok().map(|_| raw.to_owned())
    }

    fn show(value: &String) -> String {
        value.clone()
    }
}

/// A list of web origins (RFC 6454).
pub(super) struct WebOrigins;

impl WebOrigins {
    fn is_origin(text: &str) -> bool {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        !host.is_empty() && !host.chars().any(|c| c.is_whitespace() || c.is_control() || "/?#@,*".contains(c))
    }
}

impl Format<Vec<String>> for WebOrigins {
    const FILE_TYPE: FileType = FileType::List;

    fn expected(_: Bounds) -> String {
        "a list of origins such as https://chat.example.org".to_owned()
    }

    fn parse(raw: &str, _: Bounds) -> Option<Vec<String>> {
        if raw.is_empty() {
            return Some(Vec::new());
        }
        raw.split(',')
            .map(str::trim)
            .map(|origin| Self::is_origin(origin).then(|| origin.to_owned()))
            .collect()
    }

    fn show(value: &Vec<String>) -> String {
        if value.is_empty() { "(none)".to_owned() } else { value.join(",") }
    }
}

/// User names.
pub(super) struct Names;

impl Format<Vec<String>> for Names {
    const FILE_TYPE: FileType = FileType::List;

    fn expected(_: Bounds) -> String {
        "a list of user names".to_owned()
    }

    fn parse(raw: &str, _: Bounds) -> Option<Vec<String>> {
        if raw.is_empty() {
            return Some(Vec::new());
        }
        let name =
            |name: &str| (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| name.to_owned());
        raw.split(',').map(str::trim).map(name).collect()
    }

    fn show(value: &Vec<String>) -> String {
        if value.is_empty() { "(none)".to_owned() } else { value.join(",") }
    }
}

/// Networks.
pub(super) struct Networks;

impl Format<Vec<IpNet>> for Networks {
    const FILE_TYPE: FileType = FileType::List;

    fn expected(_: Bounds) -> String {
        "a list of networks such as 10.0.0.0/8 or ::1/128".to_owned()
    }

    fn parse(raw: &str, _: Bounds) -> Option<Vec<IpNet>> {
        if raw.is_empty() {
            return Some(Vec::new());
        }
        raw.split(',').map(|network| network.trim().parse().ok()).collect()
    }

    fn show(value: &Vec<IpNet>) -> String {
        let networks: Vec<_> = value.iter().map(IpNet::to_string).collect();
        if networks.is_empty() { "(none)".to_owned() } else { networks.join(",") }
    }
}

/// One of a closed set of words.
pub(super) struct OneOf;

impl<T: Choice> Format<T> for OneOf {
    fn expected(_: Bounds) -> String {
        let words: Vec<_> = T::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
        words.join(" or ")
    }

    fn parse(raw: &str, _: Bounds) -> Option<T> {
        T::WORDS.iter().find(|(word, _)| *word == raw).map(|(_, value)| *value)
    }

    fn show(value: &T) -> String {
        value.word().to_owned()
    }
}

/// A secret; never shown.
pub(super) struct Secret;

impl Format<SecretString> for Secret {
    const SECRET: bool = true;

    fn expected(_: Bounds) -> String {
        "a secret without spaces and control characters".to_owned()
    }

    fn parse(raw: &str, _: Bounds) -> Option<SecretString> {
        let clean = !raw.is_empty() && !raw.chars().any(|c| c.is_control() || c.is_whitespace());
        clean.then(|| SecretString::from(raw))
    }

    fn show(_: &SecretString) -> String {
        MASK.to_owned()
    }
}

/// Reads a URL of one of these schemes.
macro_rules! url_format {
    ($(#[doc = $doc:literal])+ $name:ident, $example:literal, [$($scheme:literal),+]) => {
        $(#[doc = $doc])+
        pub(super) struct $name;

        impl Format<SecretUrl> for $name {
            const SECRET: bool = true;

            fn expected(_: Bounds) -> String {
                concat!("a URL such as ", $example).to_owned()
            }

            fn parse(raw: &str, _: Bounds) -> Option<SecretUrl> {
                SecretUrl::parse(raw, &[$($scheme),+])
            }

            fn show(value: &SecretUrl) -> String {
                value.to_string()
            }
        }
    };
}

url_format! {
    /// The address of NATS.
    NatsUrl, "nats://127.0.0.1:4222", ["nats", "tls", "ws", "wss"]
}
url_format! {
    /// The address of MongoDB.
    MongodbUrl, "mongodb://127.0.0.1:27017", ["mongodb", "mongodb+srv"]
}
url_format! {
    /// The address of Redis or Valkey.
    RedisUrl, "redis://127.0.0.1:6379", ["redis", "rediss", "valkey", "valkeys", "unix"]
}

/// How often something may happen, or no limit.
pub(super) struct HowOften;

const NO_LIMIT: &str = "off";

impl Format<Option<Rate>> for HowOften {
    fn expected(_: Bounds) -> String {
        "a rate such as `10, 1/6s` (so many at once, then so many per ms, s, m, h or d), or `off`".to_owned()
    }

    fn parse(raw: &str, _: Bounds) -> Option<Option<Rate>> {
        if raw == NO_LIMIT { Some(None) } else { raw.parse().ok().map(Some) }
    }

    fn show(value: &Option<Rate>) -> String {
        value.map_or_else(|| NO_LIMIT.to_owned(), |rate| rate.to_string())
    }
}

/// A value that may be absent: the empty text.
pub(super) struct Optional<F>(std::marker::PhantomData<F>);

impl<T, F: Format<T>> Format<Option<T>> for Optional<F> {
    const FILE_TYPE: FileType = F::FILE_TYPE;
    const SECRET: bool = F::SECRET;

    fn expected(bounds: Bounds) -> String {
        F::expected(bounds)
    }

    fn parse(raw: &str, bounds: Bounds) -> Option<Option<T>> {
        if raw.is_empty() { Some(None) } else { F::parse(raw, bounds).map(Some) }
    }

    fn show(value: &Option<T>) -> String {
        value.as_ref().map_or_else(|| NOT_SET.to_owned(), F::show)
    }
}
