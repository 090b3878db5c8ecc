//! `chasqui chat`: a small chat client for the terminal, to try Chasqui with.

mod book;
mod command;
mod session;
mod sign_in;
mod terminal;
mod ticks;
mod wording;

use std::process::ExitCode;

use anyhow::bail;
use chasqui_client::{Api, Client, Endpoint, Event, Options};
use clap::Args;
use secrecy::SecretString;

/// `chasqui chat`.
#[derive(Debug, Args)]
pub(crate) struct Chat {
    /// The server.
    #[arg(long, default_value = "ws://127.0.0.1:8080", env = "CHASQUI_SERVER")]
    server: Endpoint,
    /// Your user name; asked for otherwise.
    #[arg(long)]
    name: Option<String>,
    /// Makes the account if it does not exist, without asking.
    #[arg(long)]
    register: bool,
    /// An e-mail address for the account that is made; a mail asks whether it is yours.
    #[arg(long)]
    email: Option<String>,
    /// The password; asked for otherwise, without showing it.
    #[arg(long, env = "CHASQUI_CHAT_PASSWORD", hide = true, hide_env_values = true)]
    password: Option<SecretString>,
}

/// Chats until the person quits.
pub(crate) async fn run(chat: Chat) -> anyhow::Result<ExitCode> {
    let api = Api::new(&chat.server)?;
    let (mut lines, screen) = terminal::open()?;
    let Some(person) = sign_in::sign_in(&api, &chat, &mut lines, &screen).await? else {
        return Ok(ExitCode::FAILURE);
    };
    let options = Options { client: Some("chasqui chat".to_owned()), ..Options::default() };
    let (client, mut events) = Client::connect(chat.server.clone(), person.session.clone(), options);
    let mut told = false;
    loop {
        match events.next().await {
            Some(Event::Connected(_)) => break,
            Some(Event::Disconnected { why, .. }) => {
                if !std::mem::replace(&mut told, true) {
                    screen.show(&format!("-- no connection yet ({}); trying again", wording::safe(&why)));
                }
            }
            Some(Event::Stopped { why, .. }) => bail!("the server does not want this client: {why}"),
            Some(_) => {}
            None => bail!("the client has ended"),
        }
    }
    screen.show(&format!("You are {} at {}.", wording::safe(&person.name), chat.server));
    let outcome = session::Session::new(client.clone(), person.session.clone(), screen)
        .run(&mut lines, &mut events)
        .await;
    client.close().await;
    // The session is the program's own: nobody is to find it open.
    if let Err(error) = person.session.logout().await {
        tracing::debug!(%error, "the session could not be ended");
    }
    outcome.map(|()| ExitCode::SUCCESS)
}
