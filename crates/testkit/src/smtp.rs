//! A mail server that keeps what it is given (RFC 5321): a real peer for whoever sends mail. It can also refuse for now,
//! and say nothing at all.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

use crate::within;

/// A mail that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The recipients of its envelope.
    pub to: Vec<String>,
    /// Header and body, as written.
    pub text: String,
}

impl Mail {
    /// The token of the link in it.
    #[must_use]
    pub fn token(&self) -> String {
        let (_, token) =
            self.text.split_once("#token=").unwrap_or_else(|| panic!("no link in {}", self.text));
        token.split_whitespace().next().unwrap().to_owned()
    }
}

/// A mail server on a port of its own. It ends when it is dropped.
#[derive(Debug)]
pub struct SmtpSink {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    mails: watch::Sender<Vec<Mail>>,
    refusals: AtomicUsize,
    /// Part of an address, and how its recipients are refused.
    unwelcome: Mutex<Option<(String, u16)>>,
    turned_away: watch::Sender<usize>,
    silent: AtomicBool,
}

impl SmtpSink {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mails, _) = watch::channel(Vec::new());
        let (turned_away, _) = watch::channel(0);
        let shared = Arc::new(Shared {
            mails,
            refusals: AtomicUsize::new(0),
            unwelcome: Mutex::default(),
            turned_away,
            silent: AtomicBool::new(false),
        });
        let server = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Self { address, shared, server }
    }

    /// Its address, for `smtp.url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The next so many mails are refused for now (451).
    pub fn refuse(&self, mails: usize) {
        self.shared.refusals.store(mails, Ordering::SeqCst);
    }

    /// From now on recipients whose address has this in it are refused with this status; the answer repeats the address, as
    /// servers do.
    pub fn refuse_recipients(&self, part: &str, status: u16) {
        *self.shared.unwelcome.lock().unwrap() = Some((part.to_owned(), status));
    }

    /// Waits until so many recipients were refused in all.
    pub async fn turned_away(&self, number: usize) {
        let mut turned_away = self.shared.turned_away.subscribe();
        let enough = turned_away.wait_for(|times| *times >= number);
        within(&format!("refusal number {number}"), enough).await.unwrap();
    }

    /// From now on nothing is answered.
    pub fn fall_silent(&self) {
        self.shared.silent.store(true, Ordering::SeqCst);
    }

    /// Everything that was taken.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.mails.borrow().clone()
    }

    /// Waits until so many mails were taken in all; the last of them.
    pub async fn mail(&self, number: usize) -> Mail {
        let mut mails = self.shared.mails.subscribe();
        let taken = mails.wait_for(|mails| mails.len() >= number);
        let taken = within(&format!("mail number {number}"), taken).await.unwrap();
        taken[number - 1].clone()
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        // A client that goes away ends its conversation.
        tokio::spawn(async move { converse(socket, &shared).await.ok() });
    }
}

async fn converse(socket: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    let mut to = Vec::new();
    let mut answer = "220 sink ready".to_owned();
    loop {
        if shared.silent.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        socket.get_mut().write_all(format!("{answer}\r\n").as_bytes()).await?;
        let line = line(&mut socket).await?;
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        answer = match verb.as_str() {
            "EHLO" | "HELO" => "250 sink".to_owned(),
            "MAIL" | "RSET" => {
                to.clear();
                "250 ok".to_owned()
            }
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default();
                refusal(shared, address).unwrap_or_else(|| {
                    to.push(address.to_owned());
                    "250 ok".to_owned()
                })
            }
            "DATA" => {
                socket.get_mut().write_all(b"354 go on\r\n").await?;
                let text = data(&mut socket).await?;
                take(shared, Mail { to: to.clone(), text: written(text) })
            }
            "QUIT" => {
                socket.get_mut().write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            "NOOP" => "250 ok".to_owned(),
            _ => "502 not known here".to_owned(),
        };
    }
}

/// How a recipient is refused.
fn refusal(shared: &Shared, address: &str) -> Option<String> {
    let unwelcome = shared.unwelcome.lock().unwrap();
    let (_, status) = unwelcome.as_ref().filter(|(part, _)| address.contains(part.as_str()))?;
    shared.turned_away.send_modify(|times| *times += 1);
    Some(format!("{status} <{address}>: not here"))
}

/// The text as its author wrote it: long lines come in pieces (RFC 2045 §6.7).
fn written(text: String) -> String {
    if !text.contains("Content-Transfer-Encoding: quoted-printable") {
        return text;
    }
    let decoded = quoted_printable::decode(&text, quoted_printable::ParseMode::Robust).unwrap();
    String::from_utf8(decoded).unwrap()
}

fn take(shared: &Shared, mail: Mail) -> String {
    let refuse = shared.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    if refuse.is_ok() {
        return "451 not now".to_owned();
    }
    shared.mails.send_modify(|mails| mails.push(mail));
    "250 taken".to_owned()
}

async fn line(socket: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    if socket.read_line(&mut line).await? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Lines up to a lone dot; a dot that begins another one was doubled (RFC 5321 §4.5.2).
async fn data(socket: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut text = String::new();
    loop {
        let line = line(socket).await?;
        if line == "." {
            return Ok(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
}
