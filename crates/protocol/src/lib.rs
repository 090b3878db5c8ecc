//! Chasqui: protocol.
