//! Chasqui: read-model.
