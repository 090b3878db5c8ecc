//! The two commands that are needed before a driver can do anything, spoken by hand: this crate must not
//! depend on the driver. Format: MongoDB wire protocol, `OP_MSG`, and BSON 1.1.

use std::io::{self, Read, Write};

/// What a server says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    /// The primary of a replica set.
    Primary,
    /// A router of a sharded cluster.
    Mongos,
    /// Started as a member of a replica set that was never initiated.
    Uninitiated,
    /// A secondary, a standalone, or one that is still being elected.
    Other,
}

/// Asks what it is.
pub(super) fn hello(stream: &mut (impl Read + Write)) -> io::Result<Hello> {
    let reply = command(stream, Document::new().int("hello", 1).text("$db", "admin"))?;
    let says = |field: &[u8]| reply.windows(field.len()).any(|window| window == field);
    let in_replica_set = says(b"\x02setName\0");
    Ok(if says(b"\x08isWritablePrimary\0\x01") && in_replica_set {
        Hello::Primary
    } else if says(b"isdbgrid\0") {
        Hello::Mongos
    } else if says(b"\x08isreplicaset\0\x01") && !in_replica_set {
        Hello::Uninitiated
    } else {
        Hello::Other
    })
}

/// Makes it the only member of a replica set. Its answer does not matter: the next `hello` tells.
pub(super) fn initiate(stream: &mut (impl Read + Write), set: &str, member: &str) -> io::Result<()> {
    let members = Document::new().document("0", Document::new().int("_id", 0).text("host", member));
    let config = Document::new().text("_id", set).array("members", members);
    command(stream, Document::new().document("replSetInitiate", config).text("$db", "admin"))?;
    Ok(())
}

const OP_MSG: i32 = 2013;
const HEADER: usize = 16;
const LONGEST_REPLY: usize = 48 << 20;

/// Sends one command and returns the reply's bytes.
fn command(stream: &mut (impl Read + Write), document: Document) -> io::Result<Vec<u8>> {
    let mut body = vec![0; 4]; // flags: none
    body.push(0); // one section: a document
    body.extend(document.encode());
    let length = i32::try_from(HEADER + body.len()).map_err(io::Error::other)?;
    let mut message = Vec::new();
    for field in [length, 1, 0, OP_MSG] {
        message.extend(field.to_le_bytes());
    }
    message.extend(body);
    stream.write_all(&message)?;

    let mut header = [0; HEADER];
    stream.read_exact(&mut header)?;
    let [a, b, c, d, ..] = header;
    let length = usize::try_from(i32::from_le_bytes([a, b, c, d])).map_err(io::Error::other)?;
    if !(HEADER..LONGEST_REPLY).contains(&length) {
        return Err(io::Error::other("its answer is not MongoDB's"));
    }
    let mut reply = vec![0; length - HEADER];
    stream.read_exact(&mut reply)?;
    Ok(reply)
}

/// A BSON document being written.
struct Document(Vec<u8>);

impl Document {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn int(self, name: &str, value: i32) -> Self {
        self.element(0x10, name, &value.to_le_bytes())
    }

    fn text(self, name: &str, value: &str) -> Self {
        let mut bytes = length(value.len() + 1).to_vec();
        bytes.extend(value.as_bytes());
        bytes.push(0);
        self.element(0x02, name, &bytes)
    }

    fn document(self, name: &str, value: Self) -> Self {
        self.element(0x03, name, &value.encode())
    }

    /// `value`'s names must be "0", "1" …
    fn array(self, name: &str, value: Self) -> Self {
        self.element(0x04, name, &value.encode())
    }

    fn element(mut self, kind: u8, name: &str, value: &[u8]) -> Self {
        self.0.push(kind);
        self.0.extend(name.as_bytes());
        self.0.push(0);
        self.0.extend(value);
        self
    }

    fn encode(self) -> Vec<u8> {
        let mut bytes = length(4 + self.0.len() + 1).to_vec();
        bytes.extend(self.0);
        bytes.push(0);
        bytes
    }
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example: `{"hello": "world"}`.
    #[test]
    fn encodes_as_the_specification_shows() {
        let bytes = Document::new().text("hello", "world").encode();
        assert_eq!(bytes, b"\x16\x00\x00\x00\x02hello\x00\x06\x00\x00\x00world\x00\x00");
    }

    #[test]
    fn a_server_of_another_kind_is_not_believed() {
        struct Http;
        impl Read for Http {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let answer = b"HTTP/1.1 400 Bad";
                into[..answer.len()].copy_from_slice(answer);
                Ok(answer.len())
            }
        }
        impl Write for Http {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(hello(&mut Http).is_err());
    }
}
