//! Chasqui: ws-edge.
