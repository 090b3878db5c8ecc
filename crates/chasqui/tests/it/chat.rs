//! Two people at two terminals.

use std::process::Stdio;

use chasqui_testkit::{ChaosProxy, PATIENCE, Person, Stack, within};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// Somebody at a terminal that is a pipe.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Terminal {
    fn open(stack: &Stack, server: &str, name: &str) -> Self {
        let mut command = stack.command(&["chat", "--server", server, "--name", name, "--register"]);
        command.env("CHASQUI_CHAT_PASSWORD", Person::PASSWORD);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = Command::from(command).kill_on_drop(true).spawn().unwrap();
        let keys = child.stdin.take().unwrap();
        let screen = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, keys, screen, seen: vec![] }
    }

    async fn types(&mut self, line: &str) {
        self.keys.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Waits until a new line holds this.
    async fn sees(&mut self, text: &str) -> String {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.screen.next_line()).await;
            let Ok(Ok(Some(line))) = next else {
                panic!("{text:?} is not on the screen ({next:?}):\n{}", self.seen.join("\n"));
            };
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    async fn quits(mut self) -> i32 {
        self.types("/quit").await;
        within("it ends", self.child.wait()).await.unwrap().code().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_talk_and_see_that_they_are_read() {
    let stack = Stack::start().await;
    let server = stack.edge().to_string();
    let mut ana = Terminal::open(&stack, &server, "ana");
    let mut beto = Terminal::open(&stack, &server, "beto");
    ana.sees("You are ana").await;
    beto.sees("You are beto").await;

    ana.types("hola?").await;
    ana.sees("No conversation is open").await;
    ana.types("/dm nobody-of-this-name").await;
    ana.sees("no user of this name").await;
    ana.types("/dm beto").await;
    ana.sees("-- beto").await;
    ana.types("hola beto").await;
    ana.sees("you: hola beto").await;
    beto.sees("[ana]").await;
    ana.sees("\u{2713} \u{201c}hola beto\u{201d} beto").await;
    beto.types("/open ana").await;
    beto.sees("ana: hola beto").await;
    ana.sees("\u{2713}\u{2713} \u{201c}hola beto\u{201d} beto").await;
    beto.types("hola ana \u{1b}[2J").await;
    let shown = ana.sees("beto: hola ana").await;
    assert!(!shown.contains('\u{1b}'), "{shown:?}");

    beto.types("/create plaza").await;
    beto.sees("-- plaza").await;
    beto.types("welcome all").await;
    beto.sees("you: welcome all").await;
    ana.types("/rooms").await;
    ana.sees("public: /join plaza").await;
    ana.types("/join plaza").await;
    ana.sees("beto: welcome all").await;
    beto.sees("ana joined").await;
    ana.types("/who").await;
    ana.sees("beto  (owner)").await;
    ana.types("/leave").await;
    ana.sees("You have left plaza").await;
    beto.sees("ana left").await;
    let file = stack.folder().join("export.jsonl");
    beto.types(&format!("/export {}", file.display())).await;
    beto.sees("holds 2 messages of 2 conversations").await;
    let export = std::fs::read_to_string(&file).unwrap();
    assert!(export.starts_with("{\"account\"") && export.contains("welcome all"), "{export}");
    assert!(!export.contains("hola beto"), "{export}");
    beto.types(&format!("/export {}", file.display())).await;
    beto.sees("cannot be made").await;
    assert_eq!((ana.quits().await, beto.quits().await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_told_and_comes_back() {
    let stack = Stack::start().await;
    let proxy = ChaosProxy::start(stack.edge_port()).await;
    let mut ana = Terminal::open(&stack, &proxy.endpoint().to_string(), "ana");
    let mut beto = Terminal::open(&stack, &stack.edge().to_string(), "beto");
    ana.sees("You are ana").await;
    beto.sees("You are beto").await;
    ana.types("/dm beto").await;
    ana.sees("-- beto").await;
    beto.sees("you are now in ana").await;
    beto.types("/open ana").await;
    beto.sees("-- ana").await;

    proxy.refuse(true);
    proxy.cut_all();
    ana.sees("the connection is lost").await;
    beto.types("are you there?").await;
    beto.sees("you: are you there?").await;
    ana.types("still here").await;
    ana.sees("as soon as there is a connection").await;
    proxy.refuse(false);
    ana.sees("connected again").await;
    ana.sees("beto: are you there?").await;
    beto.sees("ana: still here").await;
    assert_eq!((ana.quits().await, beto.quits().await), (0, 0));
}
