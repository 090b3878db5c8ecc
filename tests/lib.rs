//! End-to-end stories of Chasqui; everything is under `it/`.
