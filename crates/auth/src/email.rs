//! E-mail addresses: which are some, and which are the same. Pure.

use chasqui_domain::name::folded;
use chasqui_protocol::{Code, Problem};
use lettre::Address;

/// The longest address (RFC 5321 §4.5.3.1.3).
const LONGEST: usize = 254;

/// An address as it was written, if it is one.
///
/// # Errors
/// `characters` or `size`.
pub(crate) fn checked(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.len() > LONGEST {
        return Err(Problem::new(Code::Size, format!("an e-mail address has at most {LONGEST} bytes")));
    }
    let address: Result<Address, _> = text.parse();
    match address {
        Ok(address) => Ok(address.to_string()),
        Err(_) => {
            Err(Problem::new(Code::Characters, "this is not an e-mail address, such as quilla@example.org"))
        }
    }
}

/// What stands for an address among the names that the name key hashes; no user name has a colon. Two that differ in
/// case only are one: there are servers that tell them apart, and nobody who does.
pub(crate) fn as_name(address: &str) -> String {
    format!("email:{}", folded(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_compared() {
        assert_eq!(checked(" Quilla@Example.org ").unwrap(), "Quilla@Example.org");
        for (bad, code) in [
            ("", Code::Characters),
            ("quilla", Code::Characters),
            ("a@b\r\nRCPT TO:<x@y>", Code::Characters),
            ("a b@c", Code::Characters),
        ] {
            assert_eq!(checked(bad).unwrap_err().code, code, "{bad}");
        }
        assert_eq!(checked(&format!("{}@example.org", "x".repeat(300))).unwrap_err().code, Code::Size);
        assert_eq!(as_name("Quilla@Example.ORG"), as_name("quilla@example.org"));
    }
}
