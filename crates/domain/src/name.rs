//! Names: which are allowed, and which are the same.

use unicode_normalization::UnicodeNormalization;

use crate::{Limits, Rejection};

/// What identifies a user name: its NFKC form in lower case, so that `Quilla`, `QUILLA` and a full-width
/// `Ｑｕｉｌｌａ` are one name.
///
/// The name itself is kept as typed.
#[must_use]
pub fn folded(name: &str) -> String {
    let lower: String = name.nfkc().flat_map(char::to_lowercase).collect();
    lower.nfkc().collect()
}

/// Checks a user name: letters, digits and `. _ -`, first a letter or a digit, at most `limits.name_chars`.
///
/// # Errors
/// [`Rejection::Size`] or [`Rejection::Characters`].
pub fn check_user_name(name: &str, limits: &Limits) -> Result<(), Rejection> {
    let what = "a user name";
    size(what, "characters", name.chars().count(), 1, limits.name_chars)?;
    let first = name.chars().next().is_some_and(char::is_alphanumeric);
    if first && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        Ok(())
    } else {
        Err(Rejection::Characters { what })
    }
}

/// Checks a display name: anything printable, possibly empty, at most `limits.name_chars`.
///
/// # Errors
/// [`Rejection::Size`] or [`Rejection::ControlCharacters`].
pub fn check_display_name(name: &str, limits: &Limits) -> Result<(), Rejection> {
    let what = "a display name";
    size(what, "characters", name.chars().count(), 0, limits.name_chars)?;
    printable(what, name)
}

/// Checks a room name: anything printable, not empty, at most `limits.room_name_chars`.
///
/// # Errors
/// [`Rejection::Size`] or [`Rejection::ControlCharacters`].
pub fn check_room_name(name: &str, limits: &Limits) -> Result<(), Rejection> {
    let what = "a room name";
    size(what, "characters", name.trim().chars().count(), 1, limits.room_name_chars)?;
    printable(what, name)
}

/// The longest reason, in characters.
pub const REASON_CHARS: usize = 500;

/// Checks the reason of an act that need not give one.
pub(crate) fn reason(reason: Option<&str>) -> Result<(), Rejection> {
    let Some(reason) = reason else { return Ok(()) };
    size("a reason", "characters", reason.chars().count(), 1, REASON_CHARS)?;
    printable("a reason", reason)
}

pub(crate) fn size(
    what: &'static str,
    unit: &'static str,
    given: usize,
    least: usize,
    most: usize,
) -> Result<(), Rejection> {
    if (least..=most).contains(&given) {
        Ok(())
    } else {
        Err(Rejection::Size { what, unit, least, most, given })
    }
}

pub(crate) fn printable(what: &'static str, text: &str) -> Result<(), Rejection> {
    if text.chars().any(char::is_control) { Err(Rejection::ControlCharacters { what }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_look_alike_are_one() {
        assert_eq!(folded("Quilla"), folded("QUILLA"));
        assert_eq!(folded("Ｑｕｉｌｌａ"), "quilla");
        assert_ne!(folded("quilla"), folded("quila"));
    }

    #[test]
    fn bad_names_say_what_is_wrong() {
        let limits = Limits::default();
        assert!(check_user_name("mama.quilla-2_x", &limits).is_ok());
        for (name, code) in
            [("", "size"), ("-x", "characters"), ("a b", "characters"), ("a\nb", "characters")]
        {
            assert_eq!(check_user_name(name, &limits).unwrap_err().code(), code, "{name:?}");
        }
        assert!(check_room_name("The Plaza ☀", &limits).is_ok());
        assert_eq!(check_room_name("   ", &limits).unwrap_err().code(), "size");
    }

    proptest! {
        #[test]
        fn folding_twice_changes_nothing(name in "\\PC{0,20}") {
            prop_assert_eq!(folded(&folded(&name)), folded(&name));
        }
    }
}
