//! Chasqui: bus.
