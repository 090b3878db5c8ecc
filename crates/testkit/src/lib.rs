//! Chasqui: testkit.
