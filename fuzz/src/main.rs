//! One target, chosen by `CHASQUI_FUZZ_TARGET`: driven by libFuzzer where `cargo xtask fuzz` built this, and otherwise run
//! once over each file named on the command line, to look at an input that broke something.

#![cfg_attr(feature = "libfuzzer", no_main)]

use std::env;

use chasqui_fuzz::{TARGETS, Target};

/// libFuzzer owns the command line, so the choice comes by environment.
fn chosen() -> Target {
    let name = env::var("CHASQUI_FUZZ_TARGET").unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| {
        let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        panic!("set CHASQUI_FUZZ_TARGET to one of: {}", names.join(", "))
    })
}

#[cfg(feature = "libfuzzer")]
mod driven {
    #![allow(unsafe_code, reason = "libFuzzer calls unmangled symbols")]

    use std::{env, fs, path::Path, sync::LazyLock};

    static TARGET: LazyLock<chasqui_fuzz::Target> = LazyLock::new(super::chosen);

    /// The seeds go where libFuzzer will look for inputs in a moment.
    fn write_seeds() {
        let Some(folder) = env::var_os("CHASQUI_FUZZ_CORPUS") else { return };
        for (number, seed) in TARGET.seeds().iter().enumerate() {
            fs::write(Path::new(&folder).join(format!("seed-{number}")), seed)
                .expect("a seed can be written");
        }
    }

    libfuzzer_sys::fuzz_target!(init: write_seeds(), |data: &[u8]| (TARGET.run)(data));
}

#[cfg(not(feature = "libfuzzer"))]
fn main() -> std::io::Result<()> {
    let target = chosen();
    for file in env::args_os().skip(1) {
        (target.run)(&std::fs::read(&file)?);
        eprintln!("{}: holds", file.display());
    }
    Ok(())
}
