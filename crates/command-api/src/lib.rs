//! Chasqui: command-api.
