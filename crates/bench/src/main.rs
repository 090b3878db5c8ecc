//! Chasqui: bench.

fn main() {}
