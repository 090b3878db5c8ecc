//! The terminal: lines in, lines out. With line editing where a person sits at it, plain where stdin is a pipe.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rustyline::{DefaultEditor, ExternalPrinter, config::Config, error::ReadlineError};
use secrecy::SecretString;
use tokio::sync::mpsc;

type Printer = Box<dyn ExternalPrinter + Send>;

/// A line for [`Lines`] to read.
#[derive(Debug)]
enum Ask {
    Line(String),
    Secret(String),
}

/// What was read.
#[derive(Debug)]
pub(crate) enum Input {
    /// A line, without its end.
    Line(String),
    /// Ctrl-C, Ctrl-D, or the end of the pipe.
    End,
}

/// Where lines come from. One thread reads; it is asked for each line, so that the prompt is up to date.
#[derive(Debug)]
pub(crate) struct Lines {
    asks: mpsc::Sender<Ask>,
    typed: mpsc::Receiver<Input>,
    asked: bool,
}

/// Where lines go.
#[derive(Clone)]
pub(crate) struct Screen {
    /// Prints above the line that is being typed; `None` without a terminal.
    printer: Arc<Mutex<Option<Printer>>>,
}

/// Opens the terminal.
pub(crate) fn open() -> anyhow::Result<(Lines, Screen)> {
    let (asks, inbox) = mpsc::channel(1);
    let (outbox, typed) = mpsc::channel(1);
    let mut printer: Option<Printer> = None;
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        let mut editor = DefaultEditor::with_config(Config::builder().auto_add_history(true).build())?;
        printer = Some(Box::new(editor.create_external_printer()?));
        thread::Builder::new().name("terminal".to_owned()).spawn(move || edit(editor, inbox, &outbox))?;
    } else {
        thread::Builder::new().name("stdin".to_owned()).spawn(move || read(inbox, &outbox))?;
    }
    let screen = Screen { printer: Arc::new(Mutex::new(printer)) };
    Ok((Lines { asks, typed, asked: false }, screen))
}

impl Lines {
    /// The next line. Can be dropped and called again: the line that is being typed is not lost.
    pub(crate) async fn next(&mut self, prompt: &str) -> Input {
        self.ask(Ask::Line(prompt.to_owned())).await
    }

    /// A line that is not shown while it is typed.
    pub(crate) async fn secret(&mut self, prompt: &str) -> Option<SecretString> {
        match self.ask(Ask::Secret(prompt.to_owned())).await {
            Input::Line(line) => Some(line.into()),
            Input::End => None,
        }
    }

    async fn ask(&mut self, ask: Ask) -> Input {
        if !self.asked {
            if self.asks.send(ask).await.is_err() {
                return Input::End;
            }
            self.asked = true;
        }
        let input = self.typed.recv().await.unwrap_or(Input::End);
        self.asked = false;
        input
    }
}

impl Screen {
    /// Shows a line (or several).
    pub(crate) fn show(&self, text: &str) {
        let mut printer = self.printer.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("{text}\n");
        let shown = if let Some(printer) = printer.as_mut() {
            printer.print(line).map_err(io::Error::other)
        } else {
            let mut out = io::stdout().lock();
            out.write_all(line.as_bytes()).and_then(|()| out.flush())
        };
        // A terminal that is gone ends the program by its input.
        shown.ok();
    }
}

fn edit(mut editor: DefaultEditor, mut asks: mpsc::Receiver<Ask>, lines: &mpsc::Sender<Input>) {
    while let Some(ask) = asks.blocking_recv() {
        let read = match ask {
            Ask::Line(prompt) => {
                let line = editor.readline(&prompt);
                if line.is_ok() {
                    wipe(&mut editor, &prompt, line.as_deref().unwrap_or_default());
                }
                line
            }
            Ask::Secret(prompt) => rpassword::prompt_password(prompt).map_err(ReadlineError::from),
        };
        let input = match read {
            Ok(line) => Input::Line(line),
            Err(error) => {
                if !matches!(error, ReadlineError::Interrupted | ReadlineError::Eof) {
                    tracing::debug!(%error, "the terminal cannot be read");
                }
                Input::End
            }
        };
        if lines.blocking_send(input).is_err() {
            return;
        }
    }
}

/// Removes what was typed from the screen: it is shown again as a message, with its time.
fn wipe(editor: &mut DefaultEditor, prompt: &str, line: &str) {
    let columns = editor.dimensions().map_or(80, |(columns, _)| usize::from(columns).max(1));
    let rows = (prompt.chars().count() + line.chars().count()) / columns + 1;
    let mut out = io::stdout().lock();
    // A line that stays does no harm.
    write!(out, "\u{1b}[{rows}A\u{1b}[J").and_then(|()| out.flush()).ok();
}

fn read(mut asks: mpsc::Receiver<Ask>, lines: &mpsc::Sender<Input>) {
    let mut stdin = io::stdin().lock();
    while asks.blocking_recv().is_some() {
        let mut bytes = Vec::new();
        let input = match stdin.read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => Input::End,
            Ok(_) => {
                let text = String::from_utf8_lossy(&bytes);
                Input::Line(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        };
        if lines.blocking_send(input).is_err() {
            return;
        }
    }
}
