//! Chasqui: client.
