//! What is exchanged as JSON or MessagePack: frames, and the facts of the log.

use std::path::Path;

use chasqui_events::{Envelope, Fact};
use chasqui_protocol::Codec;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A client's frame reads back as itself in either codec, and a refusal is a sentence.
pub(crate) fn client_frame(data: &[u8]) {
    for codec in Codec::ALL {
        match codec.decode_client(data) {
            Ok(frame) => {
                for codec in Codec::ALL {
                    let bytes = codec.encode(&frame).expect("a frame can be written");
                    assert_eq!(codec.decode_client(&bytes).expect("what was written is read"), frame);
                }
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// The same for a server's frame, which the client reads.
pub(crate) fn server_frame(data: &[u8]) {
    for codec in Codec::ALL {
        if let Ok(Some(frame)) = codec.decode_server(data) {
            for codec in Codec::ALL {
                let bytes = codec.encode(&frame).expect("a frame can be written");
                let again = codec.decode_server(&bytes).expect("what was written is read");
                assert_eq!(again.as_ref(), Some(&frame));
            }
        }
    }
}

/// The frames that the protocol's page shows, as JSON and as MessagePack.
pub(crate) fn documented_frames() -> Vec<Vec<u8>> {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/protocol.md")).unwrap_or_default();
    let frames = page.lines().filter(|line| line.starts_with('{'));
    frames
        .flat_map(|line| {
            let json: Option<serde_json::Value> = serde_json::from_str(line).ok();
            let packed = json.and_then(|frame| Codec::MessagePack.encode(&frame).ok());
            [Some(line.as_bytes().to_vec()), packed].into_iter().flatten()
        })
        .collect()
}

/// A fact of the log, of any version, is read or refused; what is read is written so that it reads the same.
pub(crate) fn fact(data: &[u8]) {
    if let Ok(envelope) = Envelope::<Fact>::decode(data) {
        let again = Envelope::<Fact>::decode(&envelope.encode()).expect("what was written is read");
        assert_eq!(again, envelope);
    }
}

/// A fact of every version that ever existed.
pub(crate) fn golden_facts() -> Vec<Vec<u8>> {
    crate::files_in(&Path::new(ROOT).join("crates/events/golden"))
}
