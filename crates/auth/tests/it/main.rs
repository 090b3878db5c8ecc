//! The identity commands against a real NATS server, with the real permissions.

mod installation;
mod keys;
mod login;
mod over_http;
mod refresh;
mod register;
