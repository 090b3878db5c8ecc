//! Several `nats-server`s that are one: what an installation has that survives the loss of a server.

use std::thread;

use crate::{Error, NatsOptions, NatsServer, PortLease};

/// Servers that know each other. They elect their leaders after the start: the first requests may have to be repeated.
#[derive(Debug)]
pub struct NatsCluster {
    /// The servers, named `n0`, `n1` … among each other.
    pub servers: Vec<NatsServer>,
    /// The ports at which they hear each other, held while this lives.
    pub routes: Vec<PortLease>,
}

impl NatsCluster {
    /// So many of our own, with the same options. Returns when each of them answers.
    pub fn start_own(options: &NatsOptions, servers: usize) -> Result<Self, Error> {
        let routes = (0..servers).map(|_| PortLease::any()).collect::<Result<Vec<_>, _>>()?;
        let urls: Vec<String> =
            routes.iter().map(|port| format!("nats://127.0.0.1:{}", port.port())).collect();
        let start = |(n, own): (usize, &String)| {
            let args = ["--name", &format!("n{n}"), "--cluster_name", "c", "--cluster", own, "--routes"];
            let mut options = options.clone();
            options.args.extend(args.map(str::to_owned));
            options.args.push(urls.join(","));
            NatsServer::start_own(&options)
        };
        let started = thread::scope(|scope| {
            let starting: Vec<_> =
                urls.iter().enumerate().map(|one| scope.spawn(move || start(one))).collect();
            let join = |started: thread::ScopedJoinHandle<'_, _>| {
                started.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            starting.into_iter().map(join).collect::<Result<Vec<_>, _>>()
        });
        Ok(Self { servers: started?, routes })
    }

    /// All addresses, as a client takes them.
    #[must_use]
    pub fn url(&self) -> String {
        let urls: Vec<&str> = self.servers.iter().map(NatsServer::url).collect();
        urls.join(",")
    }
}
