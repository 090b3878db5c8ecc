//! `chasqui import irc`: brings IRC logs into a room, through commands as any client would.
//!
//! The importer is a user with the right to import (`auth.importers`). Each nick becomes an account without a
//! password, each line is sent as its author at its original time. Ids are made from the room, the file's name and
//! the line, so that an import can be stopped and run again: what the room has is not sent a second time.

mod history;
mod line;
mod log_file;
mod nick;
mod people;
mod plan;
mod report;
mod room;
mod source;
mod survey;
mod transfer;

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use chasqui_client::{Api, Client, ClientError, Endpoint, Event, Events, Options, Session};
use chasqui_events::RoomId;
use chasqui_protocol::Codec;
use clap::{Args, Subcommand};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use self::{
    history::Known,
    log_file::LogFile,
    people::People,
    plan::{Plan, Remark, Weight},
    report::FileReport,
    survey::Counts,
};

/// What can be imported.
#[derive(Debug, Subcommand)]
pub(crate) enum Import {
    /// Logs of an IRC channel, one file per day, into a public room.
    ///
    /// A file is named by its date, such as 2004-12-25.raw.txt; beside it 2004-12-25.annotation.txt may say which
    /// line answers which (`A B -`: line B answers line A, counted from 0). Can be stopped and run again without
    /// doubling anything.
    Irc(Irc),
}

/// `chasqui import irc`.
#[derive(Debug, Args)]
pub(crate) struct Irc {
    /// The logs, in the order in which they are to be in the room.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The name of a public room, which is made if there is none, or a room's id.
    #[arg(long)]
    room: String,
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "CHASQUI_SERVER")]
    server: Endpoint,
    /// Who imports: a user that the server's configuration names in `auth.importers`.
    #[arg(long, default_value = "importer")]
    user: String,
    /// A file that holds the password; otherwise it is taken from `CHASQUI_IMPORT_PASSWORD`.
    #[arg(long)]
    password_file: Option<PathBuf>,
    /// The password.
    #[arg(long, env = "CHASQUI_IMPORT_PASSWORD", hide = true, hide_env_values = true)]
    password: Option<SecretString>,
    /// Writes a line for every line of the logs that there is something to say about: file, line, outcome, reason,
    /// separated by tabs.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Only reads the files and says what is in them.
    #[arg(long)]
    dry_run: bool,
}

/// Asked for by Ctrl-C.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(CancellationToken);

impl Stop {
    fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Listens for the first Ctrl-C; a second one ends the process as usual.
    fn on_ctrl_c() -> Self {
        let stop = Self::default();
        let token = stop.0.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                token.cancel();
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
        stop
    }
}

/// Runs an import. The exit code is 0 when every line that can be taken is in the room, 1 when one was refused, and
/// 130 when the import was stopped.
pub(crate) async fn run(import: Import) -> anyhow::Result<ExitCode> {
    let Import::Irc(irc) = import;
    let files = source::read(&irc.files)?;
    if irc.dry_run {
        let reports: Vec<FileReport> = files.iter().map(only_read).collect();
        finish(&irc, &reports)?;
        return Ok(ExitCode::SUCCESS);
    }
    let stop = Stop::on_ctrl_c();
    let mut importer = Importer::start(&irc, stop.clone()).await?;
    let mut reports = Vec::with_capacity(files.len());
    let mut broken_off = None;
    for file in &files {
        if stop.is_requested() {
            break;
        }
        match importer.import(file).await {
            Ok(report) => reports.push(report),
            Err(error) => {
                broken_off = Some(error.context(format!("importing {}", file.name)));
                break;
            }
        }
    }
    importer.client.close().await;
    finish(&irc, &reports)?;
    if let Some(error) = broken_off {
        return Err(error);
    }
    if stop.is_requested() {
        writeln!(io::stderr(), "\nStopped. Run the same command again to import the rest.")?;
        return Ok(ExitCode::from(130));
    }
    let failed = reports.iter().any(FileReport::has_failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn only_read(file: &LogFile) -> FileReport {
    let (name, counts) = (file.name.clone(), Counts::of(file));
    FileReport { name, counts, recorded: None, already: 0, remarks: plan::lines_without_a_step(file) }
}

fn finish(irc: &Irc, reports: &[FileReport]) -> anyhow::Result<()> {
    report::write(reports, &mut io::stdout().lock()).context("writing the report")?;
    if let Some(path) = &irc.report {
        let mut file = fs::File::create(path).with_context(|| format!("creating {}", path.display()))?;
        report::write_all(reports, &mut file).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// An import under way.
struct Importer {
    client: Client,
    people: People,
    room: RoomId,
    known: Known,
    stop: Stop,
    bars: MultiProgress,
}

impl Importer {
    async fn start(irc: &Irc, stop: Stop) -> anyhow::Result<Self> {
        let api = Api::new(&irc.server)?;
        let password = password(irc)?;
        let session: Session = api
            .login(&irc.user, &password, "chasqui import")
            .await
            .with_context(|| format!("logging in as {}", irc.user))?;
        let options = Options {
            codec: Codec::MessagePack,
            client: Some("chasqui import".to_owned()),
            // The order of lines is kept here, see `transfer`: a line in trouble must not be overtaken unseen.
            patience: Duration::ZERO,
            ..Options::default()
        };
        let (client, events) = Client::connect(irc.server.clone(), session.clone(), options);
        connected(events).await?;
        let room = room::enter(&client, &irc.room).await?;
        let bars = MultiProgress::new();
        let bar = bars.add(ProgressBar::new_spinner().with_style(style("{prefix} {human_pos}")));
        bar.set_prefix("reading what the room has:");
        let known = room::read(&client, room, &bar).await?;
        bar.finish_and_clear();
        Ok(Self { people: People::new(api, session), client, room, known, stop, bars })
    }

    async fn import(&mut self, file: &LogFile) -> anyhow::Result<FileReport> {
        let refused = self.register(file).await?;
        let users = self.people.users();
        let Plan { steps, mut remarks, already } = plan::plan(file, self.room, &mut self.known, users);
        let bar = ProgressBar::new(file.entries.len() as u64);
        let bar =
            self.bars.add(bar.with_style(style("{prefix:32} {bar:30} {human_pos}/{human_len} lines  {eta}")));
        bar.set_prefix(file.name.clone());
        let outcome = transfer::transfer(&self.client, self.room, &steps, &self.stop, &bar).await?;
        bar.finish();
        let failed = |(line, what): (usize, String)| Remark { line, weight: Weight::Failed, what };
        let late = "recorded at a second attempt, possibly after later lines";
        let noted = |line| Remark { line, weight: Weight::Noted, what: late.to_owned() };
        remarks.extend(outcome.refused.into_iter().map(failed));
        remarks.extend(outcome.late.into_iter().map(noted));
        for (nick, why) in refused {
            tracing::warn!(nick, why, "no account could be made");
        }
        remarks.sort_by_key(|remark| remark.line);
        let (name, counts) = (file.name.clone(), Counts::of(file));
        Ok(FileReport { name, counts, recorded: Some(outcome.recorded), already, remarks })
    }

    async fn register(&mut self, file: &LogFile) -> anyhow::Result<Vec<(String, String)>> {
        let bar = self
            .bars
            .add(ProgressBar::new(0).with_style(style("{prefix:32} {human_pos}/{human_len} accounts")));
        bar.set_prefix(file.name.clone());
        let refused = self.people.register(survey::people(file), &bar).await?;
        bar.finish_and_clear();
        Ok(refused)
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn password(irc: &Irc) -> anyhow::Result<SecretString> {
    match (&irc.password_file, &irc.password) {
        (Some(file), _) => {
            let text = fs::read_to_string(file)
                .with_context(|| format!("reading the password from {}", file.display()))?;
            Ok(text.trim_end_matches(['\r', '\n']).into())
        }
        (None, Some(password)) => Ok(password.clone()),
        (None, None) => {
            bail!("no password: name a file by --password-file, or set CHASQUI_IMPORT_PASSWORD")
        }
    }
}

/// Waits until the client is connected, then goes on taking its events, which an import has no use for.
async fn connected(mut events: Events) -> anyhow::Result<()> {
    loop {
        match events.next().await {
            Some(Event::Connected(_)) => break,
            Some(Event::Stopped { why, .. }) => bail!("the server does not want this client: {why}"),
            None => bail!("the client ended before it was connected"),
            Some(event) => tracing::debug!(?event, "before the connection"),
        }
    }
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Disconnected { why, .. } => {
                    tracing::warn!(why, "the connection was lost; it is made anew");
                }
                Event::Void { id, reason, .. } => tracing::warn!(%id, reason, "a message does not stand"),
                _ => {}
            }
        }
    });
    Ok(())
}

/// The pauses between attempts at what a server cannot do right now: about a minute in all.
fn pauses() -> impl Iterator<Item = Duration> {
    let growing = [100, 200, 400, 800, 1_600].into_iter().map(Duration::from_millis);
    growing.chain(std::iter::repeat_n(Duration::from_secs(3), 20))
}

/// Asks again while the server cannot answer right now.
async fn patiently<T, F>(mut ask: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    for pause in pauses() {
        match ask().await {
            Err(ClientError::Problem(problem)) if problem.code.worth_a_retry() => {
                tracing::debug!(%problem, "asked again");
                tokio::time::sleep(pause).await;
            }
            answer => return answer,
        }
    }
    ask().await
}
