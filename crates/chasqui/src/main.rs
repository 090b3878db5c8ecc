//! Chasqui: chasqui.

fn main() {}
