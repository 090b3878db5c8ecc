//! Chasqui: query-api.
