//! Chasqui: auth.
