//! Settings with a closed set of values.

/// A closed set of values, each with the word that names it in a file or the environment.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// The words, in the order in which they are documented.
    const WORDS: &'static [(&'static str, Self)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| *word)
    }
}

/// When the log calls a fact stored.
///
/// It names what the operator has configured the NATS server to do (`sync_interval`), so that the programs can
/// say what an acknowledgement is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Every acknowledgement comes after fsync.
    Always,
    /// Acknowledgements may come before fsync.
    Interval,
}

impl Durability {
    /// What an acknowledgement promises in this mode, in a sentence for people; printed at start.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Always => {
                "durability always: every acknowledgement comes after fsync; neither a killed process nor a power \
                 cut loses an acknowledged message"
            }
            Self::Interval => {
                "durability interval: acknowledgements may precede fsync, by up to two minutes unless the NATS \
                 server's sync_interval is set; a killed process loses nothing, a power cut can lose acknowledged \
                 messages"
            }
        }
    }
}

impl std::fmt::Display for Durability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl Choice for Durability {
    const WORDS: &'static [(&'static str, Self)] = &[("always", Self::Always), ("interval", Self::Interval)];
}

/// In which header a proxy tells for whom it asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which nearly every proxy writes.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Choice for ForwardedHeader {
    const WORDS: &'static [(&'static str, Self)] =
        &[("x-forwarded-for", Self::XForwardedFor), ("forwarded", Self::Forwarded)];
}

/// What happens when a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// It is refused.
    Enforce,
    /// It is counted, and passes.
    Observe,
    /// Nothing is counted.
    Off,
}

impl Choice for Enforcement {
    const WORDS: &'static [(&'static str, Self)] =
        &[("enforce", Self::Enforce), ("observe", Self::Observe), ("off", Self::Off)];
}

/// Whether pages may keep their tokens in cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieMode {
    /// Cookies that browsers send over TLS only.
    On,
    /// Cookies without that, for development.
    Insecure,
    /// No cookies.
    Off,
}

impl Choice for CookieMode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("on", Self::On), ("insecure", Self::Insecure), ("off", Self::Off)];
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Choice for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}
