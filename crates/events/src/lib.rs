//! Chasqui: events.
