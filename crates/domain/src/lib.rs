//! Chasqui: domain.
