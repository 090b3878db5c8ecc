//! Which roles run in which processes, and with what configuration.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use crate::{Authority, Issued};

/// A role of the program, as `chasqui serve --role` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Accounts and tokens.
    Auth,
    /// Decides commands.
    CommandApi,
    /// Answers queries.
    QueryApi,
    /// Folds the log.
    Projector,
    /// Holds connections.
    WsEdge,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Auth, Self::CommandApi, Self::QueryApi, Self::Projector, Self::WsEdge];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::CommandApi => "command-api",
            Self::QueryApi => "query-api",
            Self::Projector => "projector",
            Self::WsEdge => "ws-edge",
        }
    }
}

/// One process of the program.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) name: String,
    pub(crate) roles: Vec<Role>,
    pub(crate) configuration: Vec<(String, String)>,
    /// Its connections to NATS go through a [`crate::LossyNats`].
    pub(crate) lossy_nats: bool,
}

/// Which processes a [`crate::Stack`] starts, and with what configuration.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(crate) processes: Vec<Planned>,
    pub(crate) configuration: Vec<(String, String)>,
    pub(crate) durability: chasqui_backends::Durability,
    pub(crate) alone: bool,
    pub(crate) secured: Option<Secured>,
}

/// Whom everybody trusts, and the certificate that every server shows.
#[derive(Clone, Debug)]
pub(crate) struct Secured {
    pub(crate) authority: PathBuf,
    pub(crate) issued: Issued,
}

impl Layout {
    /// No process yet; see [`Layout::process`]. The configuration is that of a fast test: cheap password hashes and
    /// short waits where nothing is proved by long ones, and no limits on how often things may happen and on what one
    /// address may have, because all tests come from one.
    #[must_use]
    pub fn empty() -> Self {
        let layout = Self {
            processes: Vec::new(),
            configuration: Vec::new(),
            durability: chasqui_backends::Durability::Interval,
            alone: false,
            secured: None,
        };
        layout
            .set("rate.enforcement", "off")
            .set("edge.max_connections_per_address", 0)
            .set("http.max_connections_per_address", 0)
            .set("auth.argon2_memory_kib", 64)
            .set("auth.argon2_iterations", 1)
            .set("edge.tick_ms", 200)
            .set("edge.receipt_window_ms", 50)
            .set("edge.linger_ms", 1000)
            .set("edge.drain_ms", 1000)
            .set("projector.batch_wait_ms", 2)
            .set("shutdown.grace_ms", 8000)
    }

    /// All roles in one process, `chasqui`.
    #[must_use]
    pub fn one_process() -> Self {
        Self::empty().process("chasqui", &Role::ALL)
    }

    /// Each role in a process of its name; the edges are `edge-1`, `edge-2` …
    #[must_use]
    pub fn process_per_role(edges: usize) -> Self {
        let mut layout = Self::empty();
        for role in Role::ALL.into_iter().filter(|role| *role != Role::WsEdge) {
            layout = layout.process(role.name(), &[role]);
        }
        layout.edges(edges)
    }

    /// All roles but the edge in one process, `core`, and so many edges `edge-1`, `edge-2` …
    #[must_use]
    pub fn core_and_edges(edges: usize) -> Self {
        let core = [Role::Auth, Role::CommandApi, Role::QueryApi, Role::Projector];
        Self::empty().process("core", &core).edges(edges)
    }

    /// Adds edges, each in its own process, numbered on from those that are there.
    #[must_use]
    pub fn edges(mut self, edges: usize) -> Self {
        let there = self.processes.iter().filter(|planned| planned.name.starts_with("edge-")).count();
        for number in there + 1..=there + edges {
            self = self.process(&format!("edge-{number}"), &[Role::WsEdge]);
        }
        self
    }

    /// Adds a process.
    #[must_use]
    pub fn process(mut self, name: &str, roles: &[Role]) -> Self {
        self.processes.push(Planned {
            name: name.to_owned(),
            roles: roles.to_vec(),
            configuration: Vec::new(),
            lossy_nats: false,
        });
        self
    }

    /// Sets a key of the configuration, such as `edge.tick_ms`, for all processes.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Display) -> Self {
        self.configuration.push((key.to_owned(), format!("{value}")));
        self
    }

    /// Sets a key of the configuration for one process.
    #[must_use]
    pub fn set_for(mut self, process: &str, key: &str, value: impl Display) -> Self {
        self.planned(process).configuration.push((key.to_owned(), value.to_string()));
        self
    }

    /// Puts a [`crate::LossyNats`] between this process and NATS.
    #[must_use]
    pub fn lossy_nats(mut self, process: &str) -> Self {
        self.planned(process).lossy_nats = true;
        self
    }

    /// It needs the machine to itself: no other stack of this process beside it. A test holds one stack then, and
    /// waits for nobody who has another.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Clients, NATS, MongoDB and Redis are talked to by TLS, with certificates of this authority. What cannot speak TLS
    /// itself gets a [`crate::TlsProxy`].
    #[must_use]
    pub fn secured(self, authority: &Authority) -> Self {
        let (authority, issued) = (authority.file(), authority.issue("127.0.0.1"));
        let shown = |file: &Path| file.display().to_string();
        let layout = self
            .set("http.tls_cert_file", shown(&issued.certificate))
            .set("http.tls_key_file", shown(&issued.key));
        Self { secured: Some(Secured { authority, issued }), ..layout }
    }

    /// Every append is fsynced before it is acknowledged.
    #[must_use]
    pub fn always_durable(mut self) -> Self {
        self.durability = chasqui_backends::Durability::Always;
        self.set("durability", "always")
    }

    fn planned(&mut self, process: &str) -> &mut Planned {
        let found = self.processes.iter_mut().find(|planned| planned.name == process);
        found.unwrap_or_else(|| panic!("the layout has no process {process:?}"))
    }
}

/// The environment variable of a key.
pub(crate) fn variable(key: &str) -> String {
    format!("CHASQUI_{}", key.to_uppercase().replace(['.', '-'], "_"))
}
