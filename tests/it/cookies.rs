//! A page in a browser: its tokens are in cookies that no script can read (reliability: a WebSocket of another origin
//! with a cookie is refused).

use chasqui_testkit::{Layout, Person, Role, Stack, within};
use pretty_assertions::assert_eq;
use reqwest::{RequestBuilder, Response};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const EVIL: &str = "https://evil.example";

/// The cookies that an answer sets, as a browser would send them back: name and value.
fn set_by(response: &Response) -> Vec<String> {
    let set = response.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    set.map(|cookie| cookie.split(';').next().unwrap().to_owned()).collect()
}

async fn send(request: RequestBuilder) -> (u16, Vec<String>, Value) {
    let response = request.send().await.unwrap();
    let (status, cookies) = (response.status().as_u16(), set_by(&response));
    (status, cookies, response.json().await.unwrap())
}

/// Opens a WebSocket as a browser does, says a hello without a token, and gives the status and the first frame.
async fn hello_by_cookie(authority: &str, origin: &str, cookie: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(authority).await.unwrap();
    let request = format!(
        "GET /v1/ws HTTP/1.1\r\nhost: {authority}\r\norigin: {origin}\r\ncookie: {cookie}\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if status != 101 {
        return (status, Value::Null);
    }
    let hello = br#"{"hello":{}}"#;
    // A final text frame, masked with zeros.
    let mut frame = vec![0x81, 0x80 | u8::try_from(hello.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(hello);
    stream.write_all(&frame).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), 0x81, "a whole text frame");
    let length = match stream.read_u8().await.unwrap() {
        126 => usize::from(stream.read_u16().await.unwrap()),
        short => usize::from(short),
    };
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.unwrap();
    (status, serde_json::from_slice(&payload).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_lives_on_cookies_and_pages_elsewhere_get_nothing() {
    let stack = Stack::with(Layout::one_process()).await;
    let ana = stack.user("ana").await;
    let url = |path: &str| stack.url(Role::Auth, path);
    let own = stack.edge().http_url();
    let authority = own.split_once("://").unwrap().1.to_owned();
    let post = |name: &str, cookie: &str, origin: &str, body: Value| {
        let request = stack.http().post(url(&format!("/v1/commands/{name}"))).json(&body);
        request.header("origin", origin).header("cookie", cookie).header("x-chasqui-cookies", "1")
    };
    let password = Person::password();
    let body = json!({"name": "ana", "password": password.expose_secret(), "device": "a page"});
    assert_eq!(send(post("login", "", EVIL, body.clone())).await.0, 403);
    let (status, cookies, answer) = send(post("login", "", &own, body)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["user"], json!(ana.id));
    assert!(answer.get("access_token").is_none() && answer.get("refresh_token").is_none(), "{answer}");
    let [access, refresh] = cookies.as_slice() else { panic!("{cookies:?}") };

    let (status, _, sessions) = send(stack.http().get(url("/v1/me/sessions")).header("cookie", access)).await;
    assert_eq!((status, sessions["sessions"].as_array().unwrap().len()), (200, 2), "{sessions}");
    let (status, frame) = within("a hello by cookie", hello_by_cookie(&authority, &own, access)).await;
    assert_eq!((status, &frame["welcome"]["user"]), (101, &json!(ana.id)), "{frame}");
    assert_eq!(hello_by_cookie(&authority, EVIL, access).await.0, 403);
    let (status, frame) = within("a hello by nothing", hello_by_cookie(&authority, &own, "x=y")).await;
    assert_eq!((status, &frame["error"]["problem"]["code"]), (101, &json!("unauthorized")), "{frame}");

    let (status, _, problem) = send(post("logout", access, EVIL, json!({}))).await;
    assert_eq!((status, &problem["code"]), (403, &json!("csrf")), "nobody else ends her session");
    let (status, renewed, answer) = send(post("refresh", refresh, &own, json!({}))).await;
    assert_eq!((status, renewed.len()), (200, 2), "{answer}");
    let (status, gone, _) = send(post("logout", &renewed[0], &own, json!({}))).await;
    assert_eq!(
        (status, gone),
        (200, vec!["__Host-chasqui_access=".to_owned(), "__Secure-chasqui_refresh=".to_owned()])
    );
    assert_eq!(send(post("refresh", &renewed[1], &own, json!({}))).await.0, 401, "the session is over");
}
