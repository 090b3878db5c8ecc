//! Ports that no other test process takes at the same time.
//!
//! Binding port 0 and closing it again hands out a port from the range that outgoing connections use too,
//! so a server that is killed and restarted can find its port gone. A lease is a port below that range, held
//! against other processes by a lock on a file, which the operating system lets go of however we end.

use std::fs::{self, File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use crate::Error;

const FROM: u16 = 20_000;
const TO: u16 = 31_999;

/// A port on 127.0.0.1 that is ours until this is dropped.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    /// Locked. `None` for a port the caller chose.
    _lock: Option<File>,
}

impl PortLease {
    /// Any free port.
    pub fn any() -> Result<Self, Error> {
        let span = TO - FROM + 1;
        // A random start, so that processes do not all queue for the first one.
        let start = u16::try_from(RandomState::new().hash_one(0) % u64::from(span)).unwrap_or(0);
        (0..span)
            .map(|step| FROM + (start + step) % span)
            .find_map(|port| Self::try_lease(port).transpose())
            .unwrap_or(Err(Error::NoFreePort { from: FROM, to: TO }))
    }

    /// This port, or `PortInUse`.
    pub fn exactly(port: u16) -> Result<Self, Error> {
        if is_free(port) { Ok(Self { port, _lock: None }) } else { Err(Error::PortInUse { port }) }
    }

    /// The port's number.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn try_lease(port: u16) -> Result<Option<Self>, Error> {
        let folder = leases_folder();
        fs::create_dir_all(&folder).map_err(Error::io("creating", &folder))?;
        let path = folder.join(port.to_string());
        let file = File::create(&path).map_err(Error::io("opening", &path))?;
        match file.try_lock() {
            Ok(()) if is_free(port) => Ok(Some(Self { port, _lock: Some(file) })),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(Error::io("locking", &path)(source)),
        }
    }
}

/// Whether nothing listens on this port of 127.0.0.1 now.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok()
}

fn leases_folder() -> PathBuf {
    std::env::temp_dir().join(format!("chasqui-ports-{}", nix::unistd::getuid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_not_given_twice() {
        let first = PortLease::any().unwrap();
        assert!(PortLease::try_lease(first.port()).unwrap().is_none());
        let port = first.port();
        drop(first);
        assert_eq!(PortLease::try_lease(port).unwrap().unwrap().port(), port);
    }

    #[test]
    fn a_port_in_use_is_refused_by_number() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = PortLease::exactly(port).unwrap_err();
        assert!(error.to_string().contains(&port.to_string()), "{error}");
    }
}
