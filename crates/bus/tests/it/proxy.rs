//! A TCP proxy that can swallow what the server says, and cut.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub(crate) struct Proxy {
    pub(crate) url: String,
    swallow: Arc<AtomicBool>,
    /// How often swallowing began.
    begun: watch::Sender<u64>,
    cut: watch::Sender<u64>,
}

impl Proxy {
    pub(crate) async fn before(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let swallow = Arc::new(AtomicBool::new(false));
        let (cut, cuts) = watch::channel(0);
        let (begun, hushed) = watch::channel(0);
        let (address, swallowing) = (address.to_owned(), Arc::clone(&swallow));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut hushed = hushed.clone();
                // Before the look at the flag, which is set before the count: either of them tells.
                hushed.borrow_and_update();
                let silent = swallowing.load(Ordering::SeqCst);
                tokio::spawn(pump(client, address.clone(), silent, hushed, cuts.clone()));
            }
        });
        Self { url, swallow, begun, cut }
    }

    /// From now on, what clients send arrives and what the server answers does not; or it does again, on connections
    /// that are made then. One that has swallowed something goes on until it is cut: an answer that comes late is not
    /// let through.
    pub(crate) fn swallow_answers(&self, on: bool) {
        self.swallow.store(on, Ordering::SeqCst);
        if on {
            self.begun.send_modify(|count| *count += 1);
        }
    }

    pub(crate) fn cut_all(&self) {
        self.cut.send_modify(|count| *count += 1);
    }
}

async fn pump(
    mut client: TcpStream,
    address: String,
    mut silent: bool,
    mut hushed: watch::Receiver<u64>,
    mut cuts: watch::Receiver<u64>,
) {
    cuts.borrow_and_update();
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            biased;
            _ = cuts.changed() => return,
            Ok(()) = hushed.changed() => silent = true,
            read = client.read(&mut from_client) => match read {
                Ok(n) if n > 0 => if server.write_all(&from_client[..n]).await.is_err() { return },
                _ => return,
            },
            read = server.read(&mut from_server) => match read {
                Ok(n) if n > 0 && silent => {}
                Ok(n) if n > 0 => if client.write_all(&from_server[..n]).await.is_err() { return },
                _ => return,
            },
        }
    }
}
