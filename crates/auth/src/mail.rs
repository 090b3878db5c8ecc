//! Mail to users: bounded queues of errands, and who runs them.
//!
//! An errand is put into a [lane] when its command is answered, and everything that could tell something about who
//! exists (looking an address up, making a token, the mail itself) happens afterwards. A mail that is not taken is tried
//! again after growing pauses, then given up; a process that ends loses what waits, and the user asks again.
//!
//! Notices of changes have a lane of their own: whoever floods the other one keeps nobody from hearing that their password
//! was changed.

mod lane;
mod letter;

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::{config::Config, metrics::names};
use lane::Lane;
pub(crate) use letter::{Change, Letter};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
    transport::smtp,
};
use secrecy::ExposeSecret as _;

use crate::{
    errand::Errand,
    service::{Auth, Inner},
};

/// Mails handed over at once that somebody asked for.
const ASKED_AT_ONCE: usize = 3;
/// Notices handed over at once.
const NOTICES_AT_ONCE: usize = 1;
/// One in so many places is for notices.
const NOTICES_SHARE: usize = 4;
/// Attempts at one mail.
const ATTEMPTS: usize = 6;
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// The way to the server that takes mails.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    public_url: String,
    first_pause: Duration,
    asked: Lane,
    notices: Lane,
}

/// Mail cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
pub enum BadMail {
    /// The URL of the server.
    #[error("smtp.url is not one of an SMTP server, such as smtps://user:password@host: {0}")]
    Url(lettre::transport::smtp::Error),
    /// The sender.
    #[error("smtp.from is not a sender such as `Chasqui <no-reply@example.org>`: {0}")]
    From(lettre::address::AddressError),
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer").field("from", &self.from).finish_non_exhaustive()
    }
}

impl Mailer {
    /// The configured way; `None` where there is none.
    pub(crate) fn new(config: &Config) -> Result<Option<Self>, BadMail> {
        let smtp = &config.smtp;
        let Some(url) = &smtp.url else { return Ok(None) };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret());
        let transport = transport.map_err(BadMail::Url)?.timeout(Some(smtp.timeout_ms)).build();
        let for_notices = (smtp.queue / NOTICES_SHARE).max(1);
        Ok(Some(Self {
            transport,
            from: smtp.from.parse().map_err(BadMail::From)?,
            public_url: config.auth.public_url.trim_end_matches('/').to_owned(),
            first_pause: smtp.retry_ms,
            asked: Lane::new(smtp.queue.saturating_sub(for_notices).max(1), ASKED_AT_ONCE),
            notices: Lane::new(for_notices, NOTICES_AT_ONCE),
        }))
    }

    /// A link into the application. The secret stands behind `#`, which no server is sent.
    pub(crate) fn link(&self, page: &str, token: &str) -> String {
        format!("{}/{page}#token={token}", self.public_url)
    }

    /// Queues an errand.
    ///
    /// # Errors
    /// `too-many` where too many wait.
    pub(crate) fn queue(&self, errand: Errand) -> Result<(), Problem> {
        let lane = match errand {
            Errand::Verify { .. } | Errand::Reset { .. } => &self.asked,
            Errand::Notice { .. } => &self.notices,
        };
        if lane.put(errand) {
            return Ok(());
        }
        count("queue_full");
        let detail = "too many mails are waiting to be sent; try again in a minute";
        Err(Problem::new(Code::TooMany, detail).retry_after_ms(60_000))
    }

    /// The mail of a letter; nothing where it cannot be written.
    fn written(&self, letter: Letter) -> Option<Message> {
        let Letter { to, subject, body } = letter;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body);
        // Why not is not said: the address could be in it.
        message.inspect_err(|_| tracing::error!("a mail cannot be written, and is not sent")).ok()
    }

    /// The pauses before further attempts at one mail.
    fn pauses(&self) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(ATTEMPTS - 1)
            .build()
    }

    /// Hands a mail over. Returns how long to wait before it is tried again; nothing when that is over, either way.
    async fn attempt(&self, message: Message, pauses: &mut ExponentialBackoff) -> Option<Duration> {
        let Err(error) = self.transport.send(message).await else {
            count("sent");
            return None;
        };
        // The error's own words have the server's in them, and those the address.
        let (status, kind) = (error.status().map(u16::from), kind_of(&error));
        if !error.is_permanent()
            && let Some(pause) = pauses.next()
        {
            tracing::info!(smtp.status = status, kind, ?pause, "a mail was not taken and is tried again");
            return Some(pause);
        }
        tracing::warn!(smtp.status = status, kind, "a mail is given up");
        count("given_up");
        None
    }
}

/// What went wrong, without whom it is about.
fn kind_of(error: &smtp::Error) -> &'static str {
    if error.is_permanent() || error.is_transient() {
        "refused"
    } else if error.is_timeout() {
        "timeout"
    } else if error.is_tls() {
        "tls"
    } else if error.is_response() {
        "not understood"
    } else if error.is_client() {
        "client"
    } else {
        "connection"
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(names::MAILS_TOTAL, "outcome" => outcome).increment(1);
}

impl Inner {
    /// The way to send mail.
    ///
    /// # Errors
    /// `not-configured` without one.
    pub(crate) fn mailer(&self) -> Result<&Mailer, Problem> {
        self.mailer.as_ref().ok_or_else(|| {
            let detail = "this server sends no mail: its operator has not set smtp.url; nothing was recorded";
            Problem::new(Code::NotConfigured, detail)
        })
    }
}

impl Auth {
    /// Runs the errands that commands leave behind; goes on until it is dropped. Where no mail is configured, or somebody
    /// runs them already, there are none.
    pub async fn run_errands(&self) {
        let auth = &*self.0;
        let Some(mailer) = &auth.mailer else { return std::future::pending().await };
        tokio::join!(mailer.asked.run(auth, mailer), mailer.notices.run(auth, mailer));
    }
}
