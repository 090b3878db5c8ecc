//! What all HTTP routes share: problem documents as answers, extractors that refuse by documented codes, the
//! shell around a process's routes (limits, deadlines, headers, metrics), and the pages that explain the API.
//!
//! The routes themselves live with what they serve: `chasqui-auth`, `chasqui-command-api`, `chasqui-query-api`,
//! `chasqui-ws-edge`.

mod address;
mod answer;
mod cookies;
mod crowd;
mod explain;
mod extract;
mod listen;
mod reference;
mod shell;
mod tls;

pub use address::{ClientAddress, Proxies};
pub use answer::Refusal;
pub use cookies::{Cookies, is_of_ours};
pub use crowd::{Crowd, Presence};
pub use explain::page;
pub use extract::{Json, Path, Query};
pub use listen::{Connections, serve};
pub use shell::{Bounds, shell};
pub use tls::{Tls, TlsError};
