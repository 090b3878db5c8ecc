//! Mail to users: a bounded queue of errands, and who runs them.
//!
//! An errand is put into the queue when its command is answered, and everything that could tell something about who
//! exists (looking an address up, making a token, the mail itself) happens afterwards. A mail that is not taken is tried
//! again with growing pauses, then given up; a process that ends loses what waits, and the user asks again.

mod letter;

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use chasqui_protocol::{Code, Problem};
use chasqui_runtime::{config::Config, metrics::names};
use futures::{StreamExt as _, stream};
pub(crate) use letter::{Change, Letter};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use parking_lot::Mutex;
use secrecy::ExposeSecret as _;
use tokio::sync::mpsc;

use crate::{
    errand::{self, Errand},
    service::{Auth, Inner},
};

/// Mails handed over at once.
const AT_ONCE: usize = 4;
/// Attempts at one mail.
const ATTEMPTS: usize = 6;
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// The way to the server that takes mails.
pub(crate) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    public_url: String,
    first_pause: Duration,
    queue: mpsc::Sender<Errand>,
    /// Until somebody runs them.
    inbox: Mutex<Option<mpsc::Receiver<Errand>>>,
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
        let (queue, inbox) = mpsc::channel(smtp.queue);
        Ok(Some(Self {
            transport,
            from: smtp.from.parse().map_err(BadMail::From)?,
            public_url: config.auth.public_url.trim_end_matches('/').to_owned(),
            first_pause: smtp.retry_ms,
            queue,
            inbox: Mutex::new(Some(inbox)),
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
        self.queue.try_send(errand).map_err(|_| {
            metrics::counter!(names::MAILS_TOTAL, "outcome" => "queue_full").increment(1);
            let detail = "too many mails are waiting to be sent; try again in a minute";
            Problem::new(Code::TooMany, detail).retry_after_ms(60_000)
        })
    }

    /// Hands a letter over, with patience.
    async fn deliver(&self, letter: Letter) {
        let Letter { to, subject, body } = letter;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body);
        let message = match message {
            Ok(message) => message,
            Err(error) => return tracing::error!(%error, "a mail cannot be written"),
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(self.first_pause)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(ATTEMPTS - 1);
        let sent = (|| async { self.transport.send(message.clone()).await })
            .retry(pauses)
            .when(|error| !error.is_permanent())
            .notify(|error, pause| tracing::info!(%error, ?pause, "a mail was not taken and is tried again"))
            .await;
        let outcome = match sent {
            Ok(_) => "sent",
            Err(error) => {
                tracing::warn!(%error, "a mail is given up");
                "given_up"
            }
        };
        metrics::counter!(names::MAILS_TOTAL, "outcome" => outcome).increment(1);
    }
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
        let Some(inbox) = mailer.inbox.lock().take() else { return std::future::pending().await };
        stream::unfold(inbox, |mut inbox| async move { inbox.recv().await.map(|errand| (errand, inbox)) })
            .for_each_concurrent(AT_ONCE, |errand| async move {
                match errand::run(auth, mailer, errand).await {
                    Ok(Some(letter)) => mailer.deliver(letter).await,
                    Ok(None) => {}
                    Err(problem) => tracing::warn!(%problem, "a mail could not be prepared"),
                }
            })
            .await;
    }
}
