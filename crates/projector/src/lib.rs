//! Chasqui: projector.
