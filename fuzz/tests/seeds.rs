//! Every seed holds, and so does what is one byte away from it.

use chasqui_fuzz::TARGETS;

#[test]
fn seeds_hold_and_so_does_what_is_near_them() {
    for target in TARGETS {
        let seeds = target.seeds();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for seed in seeds {
            (target.run)(&seed);
            for at in 0..seed.len() {
                let (before, _) = seed.split_at(at);
                (target.run)(before);
                let mut near = seed.clone();
                near[at] ^= 1 << (at % 8);
                (target.run)(&near);
            }
        }
    }
}
