//! Which passwords are good enough (NIST SP 800-63B-4 §3.1.1.2, OWASP ASVS 5 §6.2). Pure.
//!
//! Long enough, on no list of those that are tried first, and not easily guessed by what is known of its owner. No
//! rule about which characters it must have.

use std::{collections::HashSet, path::Path, sync::LazyLock};

use chasqui_domain::name::folded;
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::config;
use zxcvbn::{Score, zxcvbn};

/// The estimate looks at so many characters: its time grows faster than their number.
const ESTIMATED: usize = 100;
/// What the service calls itself is no secret.
const SERVICE: &str = "chasqui";
/// More than 10^8 guesses: safely beyond what limited attempts can try.
const LEAST: Score = Score::Three;

static COMMON: LazyLock<HashSet<String>> =
    LazyLock::new(|| listed(include_str!("../../data/common-passwords.txt")));

/// What a new password must be like.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    alone: usize,
    with_factor: usize,
    blocked: HashSet<String>,
}

/// The file of blocked passwords cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("auth.password_blocklist_file: {file} cannot be read: {source}")]
pub struct BadBlocklist {
    file: String,
    source: std::io::Error,
}

/// Whether something else than the password is asked for at a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factors {
    /// The password is all there is.
    PasswordOnly,
    /// There is a second factor.
    Second,
}

impl Policy {
    pub(crate) fn new(auth: &config::Auth) -> Result<Self, BadBlocklist> {
        Ok(Self {
            alone: auth.password_min_chars,
            with_factor: auth.password_min_chars_with_factor,
            blocked: auth.password_blocklist_file.as_deref().map_or_else(|| Ok(HashSet::new()), load)?,
        })
    }

    /// Fewest characters of a password.
    pub(crate) const fn least(&self, factors: Factors) -> usize {
        match factors {
            Factors::PasswordOnly => self.alone,
            Factors::Second => self.with_factor,
        }
    }

    /// Checks a normalised password. `about` is what others know of its owner: names, addresses.
    ///
    /// # Errors
    /// `weak-password`, with what is wrong and what to do.
    pub(crate) fn check(&self, password: &str, factors: Factors, about: &[String]) -> Result<(), Problem> {
        let (chars, least) = (password.chars().count(), self.least(factors));
        if chars < least {
            return Err(weak(&format!(
                "a password must have at least {least} characters, and this one has {chars}; a sentence of your own is easy to keep"
            )));
        }
        let folded = folded(password);
        if COMMON.contains(&folded) || self.blocked.contains(&folded) {
            return Err(weak("this password is on a list of those that are tried first; choose another one"));
        }
        let known: Vec<&str> = about.iter().map(String::as_str).chain([SERVICE]).collect();
        let estimated: String = password.chars().take(ESTIMATED).collect();
        let estimate = zxcvbn(&estimated, &known);
        if estimate.score() < LEAST {
            return Err(weak(&advice(&estimate)));
        }
        Ok(())
    }
}

/// What makes it easy to guess, and what would help; in the words of the estimate, which never holds the password.
fn advice(estimate: &zxcvbn::Entropy) -> String {
    let feedback = estimate.feedback();
    let warning = feedback.and_then(zxcvbn::feedback::Feedback::warning);
    let suggestions = feedback.map(zxcvbn::feedback::Feedback::suggestions).unwrap_or_default();
    let start = warning.map_or_else(
        || "this password is easy to guess".to_owned(),
        |warning| format!("this password is easy to guess: {warning}"),
    );
    std::iter::once(start).chain(suggestions.iter().map(ToString::to_string)).collect::<Vec<_>>().join(" ")
}

fn weak(detail: &str) -> Problem {
    Problem::new(Code::WeakPassword, detail)
}

fn load(file: &Path) -> Result<HashSet<String>, BadBlocklist> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| BadBlocklist { file: file.display().to_string(), source })?;
    Ok(listed(&text))
}

fn listed(text: &str) -> HashSet<String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(folded)
        .collect()
}

#[cfg(test)]
mod tests {
    use chasqui_runtime::config::Config;

    use super::*;

    fn check(password: &str, factors: Factors, about: &[&str]) -> Result<(), String> {
        let about: Vec<String> = about.iter().map(|&text| text.to_owned()).collect();
        let policy = Policy::new(&Config::default().auth).unwrap();
        policy.check(password, factors, &about).map_err(|problem| {
            assert_eq!(problem.code, Code::WeakPassword);
            assert!(!problem.detail.contains(password), "a password is never repeated: {}", problem.detail);
            problem.detail
        })
    }

    fn refused(password: &str, about: &[&str]) -> String {
        check(password, Factors::PasswordOnly, about).expect_err(password)
    }

    #[test]
    fn a_password_alone_is_longer_than_one_beside_a_second_factor() {
        assert!(refused("mountain-quiet", &[]).contains("at least 15 characters, and this one has 14"));
        assert_eq!(check("mountain-quiet", Factors::Second, &[]), Ok(()));
        assert!(check("quipu-7", Factors::Second, &[]).unwrap_err().contains("at least 8"));
        assert_eq!(check("mountain-quiet-", Factors::PasswordOnly, &[]), Ok(()), "no other rule");
        assert_eq!(check("ñandú ñandú pampa", Factors::PasswordOnly, &[]), Ok(()), "characters, not bytes");
    }

    #[test]
    fn what_is_tried_first_is_refused_whatever_its_case() {
        for common in ["Correct Horse Battery Staple", "maytheforcebewithyou", "this is my PASSWORD"] {
            assert!(refused(common, &[]).contains("tried first"), "{common}");
        }
    }

    #[test]
    fn what_is_easy_to_guess_is_refused_with_advice() {
        assert!(refused("llamallamallamallama", &[]).contains("Repeats"));
        assert!(refused("chasquichasqui-1", &[]).contains("easy to guess"));
        assert!(refused("anamariaquilla1987", &["anamariaquilla", "Ana"]).contains("easy to guess"));
        assert_eq!(check("anamariaquilla1987", Factors::PasswordOnly, &[]), Ok(()), "of somebody else");
    }

    #[test]
    fn an_operators_list_is_added() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# ours\nQuipu Knots Of The Valley\n\n").unwrap();
        let mut config = Config::default().auth;
        config.password_blocklist_file = Some(file.path().to_owned());
        let policy = Policy::new(&config).unwrap();
        let refused = policy.check("quipu knots of the valley", Factors::PasswordOnly, &[]).unwrap_err();
        assert!(refused.detail.contains("tried first"), "{refused}");
        config.password_blocklist_file = Some("/nowhere/list".into());
        assert!(Policy::new(&config).unwrap_err().to_string().contains("/nowhere/list"));
    }

    #[test]
    fn the_estimate_takes_no_longer_for_a_very_long_password() {
        let begun = std::time::Instant::now();
        check(&"kf8.Q,zr".repeat(128), Factors::PasswordOnly, &[]).ok();
        assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
