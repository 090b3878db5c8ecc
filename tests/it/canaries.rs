//! Secrets that would be recognised anywhere are given to the whole system, in good and in bad requests, while its parts
//! fail; none of them is in any log, metric, subject, key or problem (reliability 31).

use std::{collections::BTreeSet, fs, path::Path};

use chasqui_client::{Connection, SocketLimits};
use chasqui_protocol::{Accepted, ClientFrame, Codec, command::Tokens};
use chasqui_testkit::{Layout, Role, SmtpSink, Stack, eventually, within};
use futures::TryStreamExt as _;
use serde_json::{Value, json};

/// What must not be seen, by what it is.
#[derive(Default)]
struct Canaries(Vec<(&'static str, String)>);

impl Canaries {
    /// A new one.
    fn hatch(&mut self, what: &'static str) -> String {
        let canary = format!(
            "canary{}{}",
            self.0.len(),
            chasqui_client::Ids::default().command().to_string().replace('-', "")
        );
        self.0.push((what, canary.clone()));
        canary
    }

    /// Something that the system made itself.
    fn note(&mut self, what: &'static str, secret: &str) {
        self.0.push((what, secret.to_owned()));
    }

    fn found_in(&self, text: &str) -> BTreeSet<&'static str> {
        self.0.iter().filter(|(_, canary)| text.contains(canary.as_str())).map(|(what, _)| *what).collect()
    }

    fn must_not_be_in(&self, place: &str, text: &str) {
        let found = self.found_in(text);
        assert!(found.is_empty(), "{found:?} in {place}:\n{}", self.lines_with(text));
    }

    /// The lines to look at.
    fn lines_with(&self, text: &str) -> String {
        let lines = text.lines().filter(|line| !self.found_in(line).is_empty());
        lines.take(5).collect::<Vec<_>>().join("\n")
    }
}

/// A person who talks to the system by HTTP, and every problem that came back.
struct Story<'a> {
    stack: &'a Stack,
    canaries: Canaries,
    problems: String,
}

impl Story<'_> {
    async fn post(&mut self, role: Role, name: &str, token: Option<&str>, body: String) -> Option<Value> {
        let url = self.stack.url(role, &format!("/v1/commands/{name}"));
        let request = self.stack.http().post(url).header("content-type", "application/json").body(body);
        let request = token.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let response = request.send().await.ok()?;
        let (status, text) = (response.status(), response.text().await.ok()?);
        if !status.is_success() {
            self.problems.push_str(&text);
            self.problems.push('\n');
        }
        serde_json::from_str(&text).ok().filter(|_| status.is_success())
    }

    /// Registers, logs in, refreshes, opens a room and talks: everything goes well.
    async fn goes_well(&mut self) -> (Tokens, Value) {
        let password = self.canaries.hatch("a password");
        let display = self.canaries.hatch("a display name");
        let name = format!("name{}", &self.canaries.hatch("a user name")[6..20]);
        self.canaries.note("a user name", &name);
        let register = json!({"id": id(), "name": name, "display_name": display, "password": password});
        self.post(Role::Auth, "register", None, register.to_string()).await.expect("registered");
        let login = json!({"name": name, "password": password, "device": self.canaries.hatch("a device")});
        let tokens = self.post(Role::Auth, "login", None, login.to_string()).await.expect("logged in");
        let tokens = self.tokens(tokens);
        let refresh = json!({"refresh_token": tokens.refresh_token});
        let tokens = self.post(Role::Auth, "refresh", None, refresh.to_string()).await.expect("refreshed");
        let tokens = self.tokens(tokens);
        let token = Some(tokens.access_token.as_str());
        let create = json!({"id": id(), "kind": "private", "name": self.canaries.hatch("a room's name")});
        let room =
            self.post(Role::CommandApi, "create_room", token, create.to_string()).await.expect("created");
        let room = serde_json::from_value::<Accepted>(room).unwrap().room.unwrap();
        let send = json!({"id": id(), "room": room, "body": self.canaries.hatch("a message")});
        self.post(Role::CommandApi, "send", token, send.to_string()).await.expect("sent");
        (tokens.clone(), json!(room))
    }

    /// Wants two e-mail addresses: the server of one takes no mail now, that of the other never, and both repeat the address
    /// in what they answer.
    async fn wants_addresses(&mut self, tokens: &Tokens, mail: &SmtpSink) {
        for (status, outcome) in [(451, None), (550, Some("given_up"))] {
            let address = self.canaries.hatch("an e-mail address");
            mail.refuse_recipients(&address, status);
            let wanted = json!({"id": id(), "email": format!("{address}@example.org")});
            let token = Some(tokens.access_token.as_str());
            self.post(Role::Auth, "change_email", token, wanted.to_string())
                .await
                .expect("a mail is on its way");
            let log = self.stack.role(Role::Auth);
            eventually("a line about the mail", async || {
                let told = format!("\"smtp.status\":{status}");
                if log.log_text().contains(&told) { Ok(()) } else { Err(format!("no {told}")) }
            })
            .await;
            if let Some(outcome) = outcome {
                let counted = log.metric_of("chasqui_mails_total", outcome).await;
                assert!(counted >= 1.0, "{counted}");
            }
        }
    }

    fn tokens(&mut self, tokens: Value) -> Tokens {
        let tokens: Tokens = serde_json::from_value(tokens).unwrap();
        self.canaries.note("an access token", &tokens.access_token);
        let signature = tokens.access_token.rsplit('.').next().unwrap();
        self.canaries.note("a token's signature", signature);
        self.canaries.note("a refresh token", &tokens.refresh_token);
        tokens
    }

    /// Everything that can be wrong with a request, with something secret in it.
    async fn goes_wrong(&mut self, tokens: &Tokens, room: &Value) {
        let token = tokens.access_token.clone();
        let mut secret = |what| self.canaries.hatch(what);
        let bad: Vec<(Role, &str, Option<String>, String)> = vec![
            (
                Role::Auth,
                "login",
                None,
                json!({"name": "ana", "password": secret("a wrong password")}).to_string(),
            ),
            (Role::Auth, "login", None, json!({"name": secret("a wrong name"), "password": "x"}).to_string()),
            (
                Role::Auth,
                "login",
                None,
                json!({"name": "ana", "password": [secret("a listed password")]}).to_string(),
            ),
            (
                Role::Auth,
                "login",
                None,
                json!({"name": 7, "password": secret("a password beside it")}).to_string(),
            ),
            (Role::Auth, "login", None, json!(secret("a bare text")).to_string()),
            (
                Role::Auth,
                "register",
                None,
                json!({"id": secret("an id"), "name": "x", "password": "y"}).to_string(),
            ),
            (Role::Auth, "register", None, format!("{{\"password\": \"{}", secret("a cut-off password"))),
            (
                Role::Auth,
                "register",
                None,
                json!({"id": id(), "name": "x y", "password": secret("a password")}).to_string(),
            ),
            (
                Role::Auth,
                "refresh",
                None,
                json!({"refresh_token": secret("a malformed refresh token")}).to_string(),
            ),
            (
                Role::Auth,
                "refresh",
                None,
                json!({"refresh_token": {"t": secret("a nested token")}}).to_string(),
            ),
            (Role::CommandApi, "send", Some(secret("a bearer")), json!({}).to_string()),
            (
                Role::CommandApi,
                "send",
                Some(format!("{token}x")),
                json!({"body": secret("a body")}).to_string(),
            ),
            (
                Role::CommandApi,
                "send",
                Some(token.clone()),
                json!({"id": id(), "room": secret("a place"), "body": "x"}).to_string(),
            ),
            (
                Role::CommandApi,
                "send",
                Some(token.clone()),
                json!({"id": id(), "room": room, "body": [secret("a listed body")]}).to_string(),
            ),
            (
                Role::CommandApi,
                "create_room",
                Some(token.clone()),
                json!({"id": id(), "kind": secret("a kind"), "name": "x"}).to_string(),
            ),
            (
                Role::CommandApi,
                "send",
                Some(token.clone()),
                json!({"id": id(), "room": room, "body": secret("a huge body").repeat(2000)}).to_string(),
            ),
        ];
        for (role, name, token, body) in bad {
            let answer = self.post(role, name, token.as_deref(), body).await;
            assert!(answer.is_none(), "{name} was accepted: {answer:?}");
        }
        let body = self.canaries.hatch("a query parameter");
        let url = self.stack.url(Role::QueryApi, &format!("/v1/rooms?name={body}&at_least={body}"));
        let answer = self.stack.http().get(url).bearer_auth(&token).send().await.unwrap();
        self.problems.push_str(&answer.text().await.unwrap());
        self.frames(&token, room).await;
    }

    /// The same on a WebSocket: before the hello, in it, after it.
    async fn frames(&mut self, token: &str, room: &Value) {
        let mut early =
            Connection::open(&self.stack.edge(), Codec::Json, SocketLimits::default()).await.unwrap();
        let login = json!({"login": {"id": id(), "command": {"name": "ana", "password": self.canaries.hatch("a password in a frame")}}});
        early.send_bytes(login.to_string().into_bytes()).await.unwrap();
        let (bad, cursor) = (self.canaries.hatch("a token in a hello"), self.canaries.hatch("a cursor"));
        early.hello(&bad, Some(&cursor), None).await.unwrap_err();
        let mut connection =
            Connection::open(&self.stack.edge(), Codec::Json, SocketLimits::default()).await.unwrap();
        connection.hello(token, None, None).await.unwrap();
        for frame in [
            json!({"send": {"id": id(), "room": room, "body": self.canaries.hatch("a message in a frame")}}),
            json!({"send": {"id": id(), "room": room, "body": [self.canaries.hatch("a wrong body in a frame")]}}),
            json!({"renew": {"token": self.canaries.hatch("a new token")}}),
            json!({"query": {"ref": "q", "ask": {"user_by_name": {"name": self.canaries.hatch("a name to find")}}}}),
        ] {
            connection.send_bytes(frame.to_string().into_bytes()).await.ok();
        }
        connection.send(&ClientFrame::Ping(7)).await.ok();
        // Whatever comes, problems among it, until the edge has nothing more to say to this or closes.
        while let Ok(Ok(frame)) =
            tokio::time::timeout(std::time::Duration::from_secs(2), connection.next_bytes()).await
        {
            let text = String::from_utf8_lossy(&frame).into_owned();
            if text.contains("\"error\"") {
                self.problems.push_str(&text);
            }
        }
    }
}

fn id() -> String {
    chasqui_client::Ids::default().command().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_a_log_a_metric_a_subject_or_a_problem() {
    let mail = SmtpSink::start().await;
    let layout = Layout::process_per_role(1)
        .set("log.filter", "info,chasqui=trace")
        .set("log.format", "json")
        .set("smtp.url", mail.url());
    let stack = Stack::with(layout).await;
    let mut story = Story { stack: &stack, canaries: Canaries::default(), problems: String::new() };
    let (tokens, room) = story.goes_well().await;
    story.wants_addresses(&tokens, &mail).await;
    story.goes_wrong(&tokens, &room).await;
    // The same again while nothing works.
    stack.redis().kill_9().unwrap();
    stack.mongo().kill_9().unwrap();
    stack.nats().pause().unwrap();
    let again =
        json!({"id": id(), "room": room, "body": story.canaries.hatch("a message that is not stored")});
    story.post(Role::CommandApi, "send", Some(&tokens.access_token), again.to_string()).await;
    let again = json!({"name": "ana", "password": story.canaries.hatch("a password while nothing works")});
    story.post(Role::Auth, "login", None, again.to_string()).await;
    stack.nats().resume().unwrap();
    let Story { canaries, problems, .. } = story;
    canaries.must_not_be_in("problems", &problems);
    assert!(problems.lines().count() > 10, "there were problems to look at:\n{problems}");
    let logs: Vec<String> = Role::ALL.iter().map(|role| stack.role(*role).log_text()).collect();
    assert!(logs.iter().all(|log| log.lines().count() > 5), "there were lines to look at");
    for (role, log) in Role::ALL.into_iter().zip(logs) {
        let process = stack.role(role);
        canaries.must_not_be_in(&format!("the log of {role:?}"), &log);
        canaries.must_not_be_in(&format!("the metrics of {role:?}"), &process.metrics().await);
    }
    canaries.must_not_be_in("the log of nats-server", &stack.nats().log_tail(100_000));
    let subjects = Box::pin(within("the subjects", subjects(&stack))).await;
    assert!(subjects.iter().any(|subject| subject.starts_with("$KV.CREDENTIALS.")), "{subjects:?}");
    canaries.must_not_be_in("the subjects of the log and the keys of the buckets", &subjects.join("\n"));
    let names = file_names(&stack.folder());
    canaries.must_not_be_in("the names of files", &names.join("\n"));
}

/// Every subject of every stream; the keys of buckets are among them.
async fn subjects(stack: &Stack) -> Vec<String> {
    use secrecy::ExposeSecret as _;
    let password = stack.nats_password("admin").expose_secret().to_owned();
    let options = async_nats::ConnectOptions::with_user_and_password("admin".to_owned(), password);
    let options = options.custom_inbox_prefix("_INBOX_admin");
    let client = options.connect(stack.nats().url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let mut all = Vec::new();
    let names: Vec<String> = context.stream_names().try_collect().await.unwrap();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        let stream = context.get_stream(&name).await.unwrap();
        let subjects: Vec<(String, usize)> =
            stream.info_with_subjects(">").await.unwrap().try_collect().await.unwrap();
        all.extend(subjects.into_iter().map(|(subject, _)| subject));
    }
    all
}

fn file_names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        names.push(entry.path().display().to_string());
        names.extend(file_names(&entry.path()));
    }
    names
}
