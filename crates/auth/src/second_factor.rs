//! Second factors: what an account has of them, and what comes of a proof. Pure.

use chasqui_events::Timestamp;
use chasqui_protocol::command::{FactorKind, FactorProof};
use serde::{Deserialize, Serialize};

use crate::{passkey::KeptPasskey, recovery::RecoveryCodes, totp::Totp};

/// After so many wrong codes in a row, codes are not taken any more: six digits would be found at last (NIST SP
/// 800-63B-4 §3.2.2 allows 100). A recovery code ends that.
const MOST_FAILURES: u32 = 50;
/// How long an authenticator application that was set up waits for its first code.
const PENDING_MS: i64 = 15 * 60 * 1000;

/// What an account has beside its password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SecondFactors {
    #[serde(skip_serializing_if = "Option::is_none")]
    totp: Option<Totp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passkeys: Vec<KeptPasskey>,
    recovery: RecoveryCodes,
    /// Wrong codes since the last right one.
    failures: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    totp: Totp,
    since: Timestamp,
}

/// What comes of a proof.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Proved {
    /// It is right: keep these.
    Right(SecondFactors),
    /// It is wrong: keep these.
    Wrong(SecondFactors),
    /// Too many codes were wrong: not even looked at.
    Locked,
}

impl SecondFactors {
    /// Whether a login asks for one.
    pub(crate) const fn any(&self) -> bool {
        self.totp.is_some() || !self.passkeys.is_empty()
    }

    /// The kinds that a login can be finished with.
    pub(crate) fn kinds(&self) -> Vec<FactorKind> {
        let totp = self.totp.as_ref().map(|_| FactorKind::Totp);
        let recovery = (self.any() && self.recovery.left() > 0).then_some(FactorKind::RecoveryCode);
        let passkey = (!self.passkeys.is_empty()).then_some(FactorKind::Passkey);
        totp.into_iter().chain(passkey).chain(recovery).collect()
    }

    /// The passkeys, the oldest first.
    pub(crate) fn passkeys(&self) -> &[KeptPasskey] {
        &self.passkeys
    }

    /// With another passkey; `None` when it is there already.
    pub(crate) fn with_passkey(&self, passkey: KeptPasskey) -> Option<Self> {
        if self.passkeys.iter().any(|known| known.id == passkey.id) {
            return None;
        }
        let passkeys = self.passkeys.iter().cloned().chain([passkey]).collect();
        Some(Self { passkeys, ..self.clone() })
    }

    /// With one of the passkeys changed; `None` when it is not there, or `change` gives nothing.
    pub(crate) fn with_changed_passkey(
        &self,
        id: &str,
        change: impl FnOnce(&KeptPasskey) -> Option<KeptPasskey>,
    ) -> Option<Self> {
        let mut passkeys = self.passkeys.clone();
        let passkey = passkeys.iter_mut().find(|known| known.id == id)?;
        *passkey = change(passkey)?;
        Some(Self { passkeys, ..self.clone() })
    }

    /// Without one of the passkeys. Recovery codes go with the last factor.
    pub(crate) fn without_passkey(&self, id: &str) -> Self {
        let mut without = self.clone();
        without.passkeys.retain(|known| known.id != id);
        if without.any() { without } else { Self::default() }
    }

    /// How many recovery codes are left.
    pub(crate) const fn recovery_codes_left(&self) -> usize {
        self.recovery.left()
    }

    /// Judges a proof.
    pub(crate) fn prove(&self, proof: &FactorProof, now: Timestamp) -> Proved {
        let taken = match proof {
            FactorProof::Code(_) if self.failures >= MOST_FAILURES => return Proved::Locked,
            FactorProof::Code(code) => self
                .totp
                .as_ref()
                .and_then(|totp| totp.take(code, now))
                .map(|totp| Self { totp: Some(totp), ..self.clone() }),
            FactorProof::RecoveryCode(code) => {
                self.recovery.take(code).map(|recovery| Self { recovery, ..self.clone() })
            }
            // Not a code: it is judged by the key that it was made with.
            FactorProof::Passkey(_) => None,
        };
        match taken {
            Some(factors) => Proved::Right(Self { failures: 0, ..factors }),
            None => Proved::Wrong(Self { failures: self.failures.saturating_add(1), ..self.clone() }),
        }
    }

    /// With an application that still has to prove itself by a code.
    pub(crate) fn begin_totp(&self, totp: Totp, now: Timestamp) -> Self {
        Self { pending: Some(Pending { totp, since: now }), ..self.clone() }
    }

    /// With the application that was set up, in place of any other; `None` when the code is not its.
    pub(crate) fn confirm_totp(&self, code: &str, now: Timestamp) -> Option<Self> {
        let pending = self.pending.as_ref().filter(|pending| now.since(pending.since) <= PENDING_MS)?;
        let totp = Some(pending.totp.take(code, now)?);
        Some(Self { totp, pending: None, failures: 0, ..self.clone() })
    }

    /// Without the application. Recovery codes go with the last other factor.
    pub(crate) fn without_totp(&self) -> Self {
        let without = Self { totp: None, pending: None, ..self.clone() };
        if without.any() { without } else { Self::default() }
    }

    /// With other recovery codes.
    pub(crate) fn with_recovery(&self, recovery: RecoveryCodes) -> Self {
        Self { recovery, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_111_111_109_000);

    fn factors() -> SecondFactors {
        let begun = SecondFactors::default().begin_totp(Totp::new(*b"12345678901234567890"), NOW);
        assert!(!begun.any(), "not before the first code");
        assert_eq!(begun.confirm_totp("081805", NOW), None);
        assert_eq!(begun.confirm_totp("081804", NOW.plus_millis(PENDING_MS + 1)), None, "too late");
        begun.confirm_totp("081804", NOW).unwrap()
    }

    #[test]
    fn the_code_that_confirmed_is_used_up() {
        let proof = FactorProof::Code("081804".to_owned());
        assert!(matches!(factors().prove(&proof, NOW), Proved::Wrong(_)));
        let next = FactorProof::Code("050471".to_owned());
        assert!(matches!(factors().prove(&next, Timestamp(1_111_111_111_000)), Proved::Right(_)));
    }

    #[test]
    fn guessing_ends_after_a_while_and_a_recovery_code_ends_that() {
        let (recovery, shown) = RecoveryCodes::new(&[[7; crate::recovery::BYTES]; crate::recovery::COUNT]);
        let mut factors = factors().with_recovery(recovery);
        let wrong = FactorProof::Code("000000".to_owned());
        for _ in 0..MOST_FAILURES {
            let Proved::Wrong(next) = factors.prove(&wrong, NOW) else { panic!("wrong, not locked") };
            factors = next;
        }
        let right = FactorProof::Code("050471".to_owned());
        assert_eq!(factors.prove(&right, Timestamp(1_111_111_111_000)), Proved::Locked);
        let code = FactorProof::RecoveryCode(shown[0].to_string());
        let Proved::Right(factors) = factors.prove(&code, NOW) else { panic!("a recovery code is taken") };
        assert!(matches!(factors.prove(&right, Timestamp(1_111_111_111_000)), Proved::Right(_)));
    }

    #[test]
    fn recovery_codes_are_no_factor_of_their_own() {
        let (recovery, _) = RecoveryCodes::new(&[[7; crate::recovery::BYTES]; crate::recovery::COUNT]);
        let factors = factors().with_recovery(recovery);
        assert_eq!(factors.kinds(), [FactorKind::Totp, FactorKind::RecoveryCode]);
        assert_eq!(factors.without_totp(), SecondFactors::default());
    }
}
