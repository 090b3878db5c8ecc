//! Chasqui: backends.
