//! What the addresses of queries have in common.

use chasqui_events::Position;
use chasqui_protocol::{Code, Problem, query::Freshness};

/// The freshness that an address demands: `at_least=<partition>:<sequence>` or `latest=true`.
pub(crate) fn freshness(at_least: Option<&str>, latest: Option<bool>) -> Result<Freshness, Problem> {
    match (at_least, latest.unwrap_or(false)) {
        (None, false) => Ok(Freshness::Any),
        (None, true) => Ok(Freshness::Latest),
        (Some(text), false) => text
            .parse::<Position>()
            .map(Freshness::AtLeast)
            .map_err(|error| Problem::new(Code::Malformed, format!("at_least: {error}"))),
        (Some(_), true) => {
            Err(Problem::new(Code::Malformed, "at_least and latest exclude each other; give one of them"))
        }
    }
}

/// How many entries a page holds: as asked for, within bounds.
pub(crate) fn page_size(asked: Option<u32>, most: usize) -> Result<usize, Problem> {
    const USUAL: usize = 50;
    let Some(asked) = asked else { return Ok(USUAL.min(most)) };
    match usize::try_from(asked) {
        Ok(0) => Err(Problem::new(Code::Size, format!("limit must be 1 to {most}; this one is 0"))),
        Ok(asked) => Ok(asked.min(most)),
        Err(_) => Ok(most),
    }
}

macro_rules! parameters {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
        #[into_params(parameter_in = Query)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$field_doc])* $field: $ty,)*
            /// Wait until this position, `<partition>:<sequence>`, has been projected.
            #[param(value_type = Option<String>, example = "2:17")]
            at_least: Option<String>,
            /// Wait until everything that was recorded when the question came in has been projected.
            latest: Option<bool>,
        }

        impl $name {
            fn fresh(&self) -> Result<chasqui_protocol::query::Freshness, chasqui_protocol::Problem> {
                $crate::parameters::freshness(self.at_least.as_deref(), self.latest)
            }
        }
    };
}

pub(crate) use parameters;

#[cfg(test)]
mod tests {
    use chasqui_events::Partition;

    use super::*;

    #[test]
    fn freshness_is_read_and_bad_texts_are_told() {
        let position = Position { partition: Partition::from_low_bits(2), seq: 17 };
        assert_eq!(freshness(None, None), Ok(Freshness::Any));
        assert_eq!(freshness(None, Some(true)), Ok(Freshness::Latest));
        assert_eq!(freshness(Some("2:17"), None), Ok(Freshness::AtLeast(position)));
        for bad in [freshness(Some("17"), None), freshness(Some("2:17"), Some(true))] {
            assert_eq!(bad.unwrap_err().code, Code::Malformed);
        }
    }

    #[test]
    fn pages_are_bounded() {
        assert_eq!(page_size(None, 200), Ok(50));
        assert_eq!(page_size(None, 20), Ok(20));
        assert_eq!(page_size(Some(7), 200), Ok(7));
        assert_eq!(page_size(Some(9999), 200), Ok(200));
        assert_eq!(page_size(Some(0), 200).unwrap_err().code, Code::Size);
    }
}
