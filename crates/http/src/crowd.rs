//! How many of something one address may have at a time.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;

/// Counts, per address, what is there at a time. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Crowd(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// 0 for as many as come.
    most: usize,
    present: Mutex<HashMap<IpAddr, usize>>,
}

/// One that is there, until it is dropped.
#[derive(Debug)]
pub struct Presence(Option<(Arc<Inner>, IpAddr)>);

impl Crowd {
    /// At most so many from one address; 0 for as many as come.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, present: Mutex::default() }))
    }

    /// One more from an address; nothing when as many are there as may be.
    #[must_use]
    pub fn enter(&self, address: IpAddr) -> Option<Presence> {
        if self.0.most == 0 {
            return Some(Presence(None));
        }
        let network = network(address);
        let mut present = self.0.present.lock();
        let of_network = present.entry(network).or_insert(0);
        if *of_network >= self.0.most {
            return None;
        }
        *of_network += 1;
        drop(present);
        Some(Presence(Some((Arc::clone(&self.0), network))))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let Some((crowd, network)) = self.0.take() else { return };
        if let Entry::Occupied(mut present) = crowd.present.lock().entry(network) {
            *present.get_mut() -= 1;
            if *present.get() == 0 {
                present.remove();
            }
        }
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 network of 64 bits, which one customer has at least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn whoever_leaves_makes_a_place_and_leaves_nothing_behind() {
        let crowd = Crowd::new(2);
        let (one, other) = (crowd.enter(from("192.0.2.1")).unwrap(), crowd.enter(from("192.0.2.1")).unwrap());
        assert!(crowd.enter(from("::ffff:192.0.2.1")).is_none(), "the same, written otherwise");
        let elsewhere = crowd.enter(from("192.0.2.2")).unwrap();
        drop(one);
        let again = crowd.enter(from("192.0.2.1")).unwrap();
        assert!(crowd.enter(from("192.0.2.1")).is_none());
        drop((other, again, elsewhere));
        assert!(crowd.0.present.lock().is_empty());
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_nought_is_no_bound() {
        let crowd = Crowd::new(1);
        let _one = crowd.enter(from("2001:db8:0:1::1")).unwrap();
        assert!(crowd.enter(from("2001:db8:0:1:ffff::2")).is_none());
        assert!(crowd.enter(from("2001:db8:0:2::1")).is_some());
        let open = Crowd::new(0);
        let all: Vec<_> = (0..1000).map(|_| open.enter(from("192.0.2.1"))).collect();
        assert!(all.iter().all(Option::is_some));
    }
}
