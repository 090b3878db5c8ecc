//! The trace context of W3C "Trace Context" (level 1), carried in the header `traceparent` through HTTP, NATS
//! requests and facts.

use std::fmt;
use std::str::FromStr;

/// The header's name, in HTTP and in NATS.
pub const TRACEPARENT: &str = "traceparent";

/// Length of a version 00 header: `00-<32>-<16>-<2>`.
const LENGTH: usize = 55;

/// Which trace this work belongs to, and which step of it asked for this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

/// A `traceparent` that is not one. The receiver starts a trace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a traceparent of the form 00-<32 hex digits>-<16 hex digits>-<2 hex digits>")]
pub struct Malformed;

impl TraceContext {
    /// Starts a trace from 24 random bytes; sampled.
    #[must_use]
    pub fn root(random: [u8; 24]) -> Self {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        let (first, second) = random.split_at(16);
        trace.copy_from_slice(first);
        span.copy_from_slice(second);
        Self { trace: not_zero(trace), span: not_zero(span), flags: 1 }
    }

    /// Starts a trace with the thread's randomness; for the edges of the system.
    #[must_use]
    pub fn generate() -> Self {
        Self::root(crate::clock::random_bytes())
    }

    /// The next step of the same trace.
    #[must_use]
    pub fn child(&self, random: [u8; 8]) -> Self {
        Self { span: not_zero(random), ..*self }
    }

    /// Goes on with the trace of an incoming header; starts one where there is none or it is malformed.
    #[must_use]
    pub fn continue_from(header: Option<&str>) -> Self {
        match header.map(Self::from_str) {
            Some(Ok(parent)) => parent.child(crate::clock::random_bytes()),
            Some(Err(Malformed)) | None => Self::generate(),
        }
    }

    /// Reads a header, accepting versions later than 00 as the recommendation asks (section 3.2.4).
    pub fn parse(header: &str) -> Result<Self, Malformed> {
        let (known, more) = header.split_at_checked(LENGTH).ok_or(Malformed)?;
        let mut parts = known.split('-');
        let [version] = hex(parts.next())?;
        let (trace, span, [flags]) = (hex(parts.next())?, hex(parts.next())?, hex(parts.next())?);
        let rest_fits = if version == 0 { more.is_empty() } else { more.is_empty() || more.starts_with('-') };
        let valid =
            parts.next().is_none() && version != 0xff && rest_fits && trace != [0; 16] && span != [0; 8];
        if valid { Ok(Self { trace, span, flags }) } else { Err(Malformed) }
    }

    /// The header, of version 00.
    #[must_use]
    pub fn header_value(&self) -> String {
        self.to_string()
    }

    /// The id that all steps of the trace share, as 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        digits(&self.trace)
    }

    /// The id of this step, as 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        digits(&self.span)
    }

    /// A `tracing` span for this step, at level info; every line logged within shows `trace_id`.
    #[must_use]
    pub fn span(&self, operation: &'static str) -> tracing::Span {
        tracing::info_span!("step", operation, trace_id = %Hex(&self.trace), span_id = %Hex(&self.span))
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", Hex(&self.trace), Hex(&self.span), self.flags)
    }
}

impl FromStr for TraceContext {
    type Err = Malformed;

    fn from_str(header: &str) -> Result<Self, Malformed> {
        Self::parse(header)
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn digits(bytes: &[u8]) -> String {
    Hex(bytes).to_string()
}

/// Exactly `N` bytes in lower-case hexadecimal digits.
fn hex<const N: usize>(part: Option<&str>) -> Result<[u8; N], Malformed> {
    let text = part.filter(|text| text.len() == 2 * N).ok_or(Malformed)?.as_bytes();
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = pair.iter().try_fold(0, |value, digit| Ok(value << 4 | nibble(*digit)?))?;
    }
    Ok(bytes)
}

fn nibble(digit: u8) -> Result<u8, Malformed> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(Malformed),
    }
}

/// All zeros mean "invalid" in the recommendation.
fn not_zero<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    if bytes == [0; N]
        && let Some(last) = bytes.last_mut()
    {
        *last = 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn the_recommendations_example_is_read() {
        let context = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id(), "b7ad6b7169203331");
        assert_eq!(context.header_value(), EXAMPLE);
    }

    #[test]
    fn a_later_version_is_read_as_far_as_it_is_known_and_ff_is_refused() {
        let later = EXAMPLE.replacen("00", "cc", 1);
        assert_eq!(TraceContext::parse(&format!("{later}-what-comes")), TraceContext::parse(EXAMPLE));
        for bad in [
            format!("{later}.what"),
            format!("{EXAMPLE}-more"),
            EXAMPLE.replacen("00", "ff", 1),
            EXAMPLE.to_uppercase(),
            EXAMPLE.replace('-', "_"),
            EXAMPLE.replace("b7ad6b7169203331", "0000000000000000"),
            EXAMPLE.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            "é".repeat(40),
        ] {
            assert_eq!(TraceContext::parse(&bad), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn a_missing_or_malformed_header_starts_a_trace_and_a_good_one_is_continued() {
        let continued = TraceContext::continue_from(Some(EXAMPLE));
        assert_eq!(continued.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_ne!(continued.span_id(), "b7ad6b7169203331");
        assert_ne!(TraceContext::continue_from(None), TraceContext::continue_from(Some("nonsense")));
    }

    proptest! {
        #[test]
        fn what_is_made_is_read_back(random: [u8; 24], next: [u8; 8]) {
            let root = TraceContext::root(random);
            let child = root.child(next);
            prop_assert_eq!(TraceContext::parse(&root.header_value()), Ok(root));
            prop_assert_eq!(TraceContext::parse(&child.header_value()), Ok(child));
            prop_assert_eq!(root.trace_id(), child.trace_id());
        }

        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_is_written_back(
            text in prop_oneof![".*", "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", "00-[0-9a-g-]{52}"]
        ) {
            if let Ok(context) = TraceContext::parse(&text) {
                let (version, rest) = text.split_at(2);
                prop_assert_ne!(version, "ff");
                prop_assert!(rest.starts_with(&context.header_value()[2..]));
            }
        }
    }
}
