//! Over real sockets, with certificates made here.

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, routing::get};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsConnector;

use super::*;
use crate::{Connections, serve};

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn paths(&self) -> [PathBuf; 2] {
        ["cert.pem", "key.pem"].map(|name| self.folder.path().join(name))
    }

    /// Writes a new self-signed certificate; what a client has to trust then.
    fn renew(&self) -> CertificateDer<'static> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [certificate, key] = self.paths();
        fs::write(certificate, made.cert.pem()).unwrap();
        fs::write(key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    }

    fn load(&self) -> Result<Tls, TlsError> {
        let [certificate, key] = self.paths();
        Tls::load(&certificate, &key)
    }
}

async fn start(tls: &Tls) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/", get(async || "over TLS"));
    let connections = Connections { tls: Some(tls.clone()), ..Connections::default() };
    tokio::spawn(serve(listener, routes, connections, std::future::pending()));
    address
}

/// What a client reads that trusts this certificate and looks for this name.
async fn read(address: SocketAddr, trusted: &CertificateDer<'static>, name: &str) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut stream = connector.connect(name, TcpStream::connect(address).await?).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_served_and_others_go_away() {
    let files = Files::new();
    let certificate = files.renew();
    let address = start(&files.load().unwrap()).await;
    assert!(read(address, &certificate, "localhost").await.unwrap().ends_with("over TLS"));
    assert!(read(address, &certificate, "elsewhere.example").await.is_err(), "another name");
    assert!(read(address, &Files::new().renew(), "localhost").await.is_err(), "another certificate");
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.ok();
    assert!(!String::from_utf8_lossy(&answer).contains("over TLS"), "not without TLS");
}

#[tokio::test]
async fn a_new_certificate_is_used_for_new_connections_and_a_broken_one_is_not() {
    let files = Files::new();
    let first = files.renew();
    let tls = files.load().unwrap();
    let address = start(&tls).await;
    let second = files.renew();
    assert!(read(address, &first, "localhost").await.is_ok(), "not looked at yet");
    tls.look();
    assert!(read(address, &second, "localhost").await.is_ok());
    assert!(read(address, &first, "localhost").await.is_err());
    let [certificate, _] = files.paths();
    fs::write(&certificate, "not a certificate at all").unwrap();
    tls.look();
    assert!(read(address, &second, "localhost").await.is_ok());
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let files = Files::new();
    let told = files.load().unwrap_err().to_string();
    assert!(told.contains("http.tls_cert_file") && told.contains("cert.pem"), "{told}");
    files.renew();
    let other = Files::new();
    other.renew();
    let ([certificate, _], [_, key]) = (files.paths(), other.paths());
    assert!(matches!(Tls::load(&certificate, &key), Err(TlsError::Unusable(_))), "another's key");
}
