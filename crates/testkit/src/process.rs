//! One process of the program: started, asked whether it is ready, hurt, stopped.

use std::{path::PathBuf, time::Duration};

use chasqui_backends::{Managed, PortLease, Spawn};
use chasqui_client::Endpoint;
use parking_lot::Mutex;

use crate::{Role, patience::eventually};

/// A process of the program with its roles.
#[derive(Debug)]
pub struct RoleProcess {
    name: String,
    roles: Vec<Role>,
    spawn: Spawn,
    running: Mutex<Option<Managed>>,
    http: PortLease,
    ops: PortLease,
    asker: reqwest::Client,
}

impl RoleProcess {
    /// A process that is not started yet. `spawn` lacks the addresses to listen on.
    pub(crate) fn new(name: &str, roles: &[Role], spawn: Spawn, asker: reqwest::Client) -> Self {
        let (http, ops) = (PortLease::any().unwrap(), PortLease::any().unwrap());
        let spawn = spawn
            .env("CHASQUI_HTTP_LISTEN", format!("127.0.0.1:{}", http.port()))
            .env("CHASQUI_OPS_LISTEN", format!("127.0.0.1:{}", ops.port()));
        let (name, roles) = (name.to_owned(), roles.to_vec());
        Self { name, roles, spawn, running: Mutex::new(None), http, ops, asker }
    }

    /// Its name in the layout.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its roles.
    #[must_use]
    pub fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Where its HTTP API and its WebSocket are.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new("127.0.0.1", self.http.port())
    }

    /// The port of its HTTP API and its WebSocket.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.http.port()
    }

    /// The process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let running = self.running.lock();
        running.as_ref().filter(|process| process.exit_status().is_none()).map(Managed::pid)
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &PathBuf {
        &self.spawn.log
    }

    /// The whole log.
    #[must_use]
    pub fn log_text(&self) -> String {
        let bytes = std::fs::read(&self.spawn.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Starts it, again on the same addresses, without waiting until it is ready.
    pub fn launch(&self) {
        let mut running = self.running.lock();
        assert!(running.is_none(), "{} runs already", self.name);
        *running = Some(Managed::start(&self.spawn).unwrap());
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) {
        eventually(&format!("{} becomes ready", self.name), || async {
            if let Some(died) = self.died() {
                panic!("{died}");
            }
            self.readiness().await
        })
        .await;
    }

    /// What `/health/ready` says: `Err` with the answer when it is not ready.
    pub async fn readiness(&self) -> Result<(), String> {
        let url = format!("http://127.0.0.1:{}/health/ready", self.ops.port());
        let answer = self.asker.get(url).timeout(Duration::from_secs(2)).send().await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(answer.text().await.unwrap_or_else(|error| error.to_string()))
    }

    /// All metrics, in the text format of Prometheus.
    pub async fn metrics(&self) -> String {
        let url = format!("http://127.0.0.1:{}/metrics", self.ops.port());
        self.asker.get(url).send().await.unwrap().text().await.unwrap()
    }

    /// The sum of a metric over all its labels; 0 when it was never counted.
    pub async fn metric(&self, name: &str) -> f64 {
        self.metric_of(name, "").await
    }

    /// The sum of a metric over those of its labels that hold a text, such as `code="4100"`.
    pub async fn metric_of(&self, name: &str, label: &str) -> f64 {
        let text = self.metrics().await;
        let of_this_name =
            |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
        let values = text.lines().filter(of_this_name).filter(|line| line.contains(label));
        values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// SIGKILL; it is gone when this returns.
    pub fn kill_9(&self) {
        self.take().kill_9();
    }

    /// SIGTERM, and waits for it to end by itself.
    pub async fn stop(&self) {
        let process = self.take();
        let ended = tokio::task::spawn_blocking(move || process.stop(Duration::from_secs(20)));
        assert!(ended.await.unwrap(), "{} did not end within 20 s of SIGTERM", self.name);
    }

    /// Starts it again after a kill or a stop, and waits until it is ready.
    pub async fn restart(&self) {
        self.launch();
        self.ready().await;
    }

    /// SIGSTOP: it keeps its connections and does nothing.
    pub fn pause(&self) {
        self.with(|process| process.pause().unwrap());
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.with(|process| process.resume().unwrap());
    }

    /// Why it ended by itself; `None` while it runs or after a kill of ours.
    #[must_use]
    pub fn died(&self) -> Option<String> {
        let running = self.running.lock();
        let process = running.as_ref()?;
        process.exit_status().map(|_| format!("{}: {}", self.name, process.died()))
    }

    pub(crate) fn end(&self) {
        // Dropping kills.
        drop(self.running.lock().take());
    }

    fn take(&self) -> Managed {
        self.running.lock().take().unwrap_or_else(|| panic!("{} does not run", self.name))
    }

    fn with(&self, act: impl FnOnce(&Managed)) {
        let running = self.running.lock();
        act(running.as_ref().unwrap_or_else(|| panic!("{} does not run", self.name)));
    }
}
