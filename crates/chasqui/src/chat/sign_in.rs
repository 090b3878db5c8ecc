//! Logging in, or registering on the way.

use std::time::Duration;

use anyhow::Context;
use chasqui_client::{Api, ApiError, LoginStep, Session};
use chasqui_protocol::{
    Code,
    command::{FactorKind, FactorProof, SecondFactorAsked},
};
use secrecy::SecretString;

use super::{
    Chat,
    terminal::{Input, Lines, Screen},
    wording,
};

/// A person, logged in.
pub(crate) struct Person {
    pub(crate) session: Session,
    pub(crate) name: String,
}

/// Asks until somebody is logged in; `None` when they would rather not.
pub(crate) async fn sign_in(
    api: &Api,
    chat: &Chat,
    lines: &mut Lines,
    screen: &Screen,
) -> anyhow::Result<Option<Person>> {
    let mut given = (chat.name.clone(), chat.password.clone());
    loop {
        let name = match given.0.take() {
            Some(name) => name,
            None => match lines.next("Name: ").await {
                Input::Line(line) if line.trim().is_empty() => continue,
                Input::Line(line) => line.trim().to_owned(),
                Input::End => return Ok(None),
            },
        };
        let password = match given.1.take() {
            Some(password) => password,
            None => match lines.secret("Password: ").await {
                Some(password) => password,
                None => return Ok(None),
            },
        };
        match attempt(api, chat, &name, &password, lines, screen).await {
            Ok(Some(session)) => return Ok(Some(Person { session, name })),
            Ok(None) => {}
            Err(error) => match error.problem() {
                Some(problem) if !error.is_temporary() => screen.show(&wording::safe(&problem.detail)),
                _ => return Err(error).with_context(|| format!("logging in at {}", api.endpoint())),
            },
        }
    }
}

/// One attempt. `None` when it did not work and the person is to be asked again.
async fn attempt(
    api: &Api,
    chat: &Chat,
    name: &str,
    password: &SecretString,
    lines: &mut Lines,
    screen: &Screen,
) -> Result<Option<Session>, ApiError> {
    if chat.register {
        return register(api, chat, name, password, screen).await;
    }
    match api.begin_login(name, password, DEVICE).await {
        Ok(LoginStep::Open(session)) => Ok(Some(session)),
        Ok(LoginStep::SecondFactor(asked)) => second_factor(api, &asked, lines, screen).await,
        Err(error) if error.code() == Some(Code::WrongCredentials) => {
            screen.show("The name or the password is wrong.");
            let question =
                format!("New here? Register as {} with this password? [y/N] ", wording::safe(name));
            match lines.next(&question).await {
                Input::Line(answer) if matches!(answer.trim(), "y" | "Y" | "yes") => {
                    register(api, chat, name, password, screen).await
                }
                Input::Line(_) | Input::End => Ok(None),
            }
        }
        Err(error) => Err(error),
    }
}

/// Asks for a second factor until it is right or the server has had enough.
async fn second_factor(
    api: &Api,
    asked: &SecondFactorAsked,
    lines: &mut Lines,
    screen: &Screen,
) -> Result<Option<Session>, ApiError> {
    if asked.kinds.iter().all(|kind| *kind == FactorKind::Passkey) {
        screen.show("This account asks for a passkey, which needs a browser.");
        return Ok(None);
    }
    let recovery = asked.kinds.contains(&FactorKind::RecoveryCode);
    let prompt = if recovery { "Code, or recovery code: " } else { "Code: " };
    loop {
        let Input::Line(typed) = lines.next(prompt).await else { return Ok(None) };
        match api.finish_login(&asked.handle, proof(typed.trim())).await {
            Err(error) if error.code() == Some(Code::WrongCode) => {
                screen.show("That code is wrong, or was used before.");
            }
            Err(error) if error.code() == Some(Code::ChallengeExpired) => {
                screen.show("That took too long, or too many attempts.");
                return Ok(None);
            }
            outcome => return outcome.map(Some),
        }
    }
}

/// Six digits are a code of the application, everything else a recovery code.
fn proof(typed: &str) -> FactorProof {
    let short = typed.chars().filter(char::is_ascii_alphanumeric).count() <= 8;
    if short { FactorProof::Code(typed.to_owned()) } else { FactorProof::RecoveryCode(typed.to_owned()) }
}

async fn register(
    api: &Api,
    chat: &Chat,
    name: &str,
    password: &SecretString,
    screen: &Screen,
) -> Result<Option<Session>, ApiError> {
    match api.register_with_email(name, "", password, chat.email.as_deref()).await {
        Ok(_) => screen.show(&format!("Welcome, {}.", wording::safe(name))),
        Err(error) if error.code() == Some(Code::NameTaken) => {
            // With `--register` the name may be one's own from the last time.
            return if let Ok(session) = api.login(name, password, DEVICE).await {
                Ok(Some(session))
            } else {
                screen.show("That name is somebody else's, or the password is wrong.");
                Ok(None)
            };
        }
        Err(error) => return Err(error),
    }
    // The account is there as soon as it is recorded; a moment of grace is for a server under load.
    let mut tries = 0;
    loop {
        match api.login(name, password, DEVICE).await {
            Err(error) if error.is_temporary() && tries < 5 => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(200 * tries)).await;
            }
            outcome => return outcome.map(Some),
        }
    }
}

const DEVICE: &str = "chasqui chat";
