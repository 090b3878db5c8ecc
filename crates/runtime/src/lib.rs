//! Chasqui: runtime.
