//! A MongoDB that takes little at once: a proxy in front of the real server that answers every message of a transaction
//! above a size as a server does whose transaction has become too large. It knows the framing of the wire protocol
//! (<https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/>), so that everything else passes as it is.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinHandle,
};

/// The proxy. Ends when it is dropped.
pub(crate) struct SmallStore {
    address: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    most: AtomicUsize,
    refused: Mutex<Vec<usize>>,
    largest_taken: AtomicUsize,
}

impl SmallStore {
    /// In front of a server; takes messages of at most so many bytes in transactions.
    pub(crate) async fn before(server: &str, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(State {
            most: most.into(),
            refused: Mutex::default(),
            largest_taken: AtomicUsize::default(),
        });
        let (server, shared) = (server.to_owned(), Arc::clone(&state));
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(&server).await else { continue };
                tokio::spawn(carry(near, far, Arc::clone(&shared)));
            }
        });
        Self { address, state, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    pub(crate) fn take_at_most(&self, most: usize) {
        self.state.most.store(most, Ordering::SeqCst);
    }

    /// The sizes that were refused, in order.
    pub(crate) fn refused(&self) -> Vec<usize> {
        self.state.refused.lock().clone()
    }

    /// The largest message that a transaction brought through.
    pub(crate) fn largest_taken(&self) -> usize {
        self.state.largest_taken.load(Ordering::SeqCst)
    }
}

impl Drop for SmallStore {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: TcpStream, far: TcpStream, state: Arc<State>) {
    let ((near_read, mut near_write), (mut far_read, far_write)) = (near.into_split(), far.into_split());
    // A driver waits for each answer before it asks again: refusals cannot come into the middle of an answer.
    let (refusals, mut refusing) = mpsc::channel::<Vec<u8>>(1);
    let answers = async {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let bytes = tokio::select! {
                read = far_read.read(&mut piece) => match read {
                    Ok(read @ 1..) => piece[..read].to_vec(),
                    _ => return,
                },
                Some(refusal) = refusing.recv() => refusal,
            };
            if near_write.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = requests(near_read, far_write, refusals, &state) => {}
        () = answers => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    refusals: mpsc::Sender<Vec<u8>>,
    state: &State,
) -> std::io::Result<()> {
    loop {
        let mut message = vec![0; 16];
        from.read_exact(&mut message).await?;
        let length = u32::from_le_bytes(message[..4].try_into().unwrap()) as usize;
        message.resize(length, 0);
        from.read_exact(&mut message[16..]).await?;
        let in_transaction = message.windows(11).any(|window| window == b"autocommit\0");
        if in_transaction && length > state.most.load(Ordering::SeqCst) {
            state.refused.lock().push(length);
            refusals.send(too_large(&message[4..8])).await.map_err(std::io::Error::other)?;
            continue;
        }
        if in_transaction {
            state.largest_taken.fetch_max(length, Ordering::SeqCst);
        }
        to.write_all(&message).await?;
    }
}

/// `{ok: 0.0, code: 257, codeName: "TransactionTooLarge", errmsg: …}` in answer to a request.
fn too_large(request: &[u8]) -> Vec<u8> {
    let text = |name: &str, value: &str| {
        let length = i32::try_from(value.len() + 1).unwrap().to_le_bytes();
        [b"\x02", name.as_bytes(), b"\0", &length, value.as_bytes(), b"\0"].concat()
    };
    let elements = [
        [b"\x01ok\0".as_slice(), &0_f64.to_le_bytes()].concat(),
        [b"\x10code\0".as_slice(), &257_i32.to_le_bytes()].concat(),
        text("codeName", "TransactionTooLarge"),
        text("errmsg", "Total size of all transaction operations must be less than this test allows"),
    ]
    .concat();
    let document =
        [&i32::try_from(elements.len() + 5).unwrap().to_le_bytes(), elements.as_slice(), b"\0"].concat();
    let length = i32::try_from(16 + 4 + 1 + document.len()).unwrap().to_le_bytes();
    // Header (length, an id of ours, the request's id, OP_MSG), flags, one section of kind 0.
    [&length, &[1, 0, 0, 0], request, &2013_i32.to_le_bytes(), &[0, 0, 0, 0], b"\0", &document].concat()
}
