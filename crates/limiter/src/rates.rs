//! Which limit holds for what: one method for each thing that is limited.

use std::{net::IpAddr, time::Duration};

use chasqui_events::{RoomId, SessionId, UserId};
use chasqui_protocol::Problem;
use chasqui_runtime::config::{Config, Enforcement, Rate};
use secrecy::SecretString;

use crate::{AttemptRule, BadAddress, Limit, Limited, Limiter, RedisSettings};

/// The first wait of an account that was guessed at; it doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The limits of the configuration, and what holds them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rates {
    limiter: Limiter,
    enforcement: Enforcement,
    login_failures: AttemptRule,
    login_address: Limit,
    register_address: Limit,
    entrance_address: Limit,
    reset_address: Limit,
    mail_account: Limit,
    refresh_session: Limit,
    send_account: Limit,
    send_service: Limit,
    send_room: Limit,
    create_room_account: Limit,
    open_direct_account: Limit,
    invite_account: Limit,
    change_account: Limit,
    mark_account: Limit,
    change_service: Limit,
    query_account: Limit,
    export_account: Limit,
    rename_account: Limit,
    connect_address: Limit,
    frames_connection: Option<Rate>,
}

/// Who is limited: a person, or a program with a higher quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose account.
    pub user: UserId,
    /// It may import, or is a service.
    pub service: bool,
}

impl Rates {
    /// As configured, shared by all processes with the same Redis.
    ///
    /// # Errors
    /// When the address of Redis is not one.
    pub fn shared(config: &Config) -> Result<Self, BadAddress> {
        let redis = RedisSettings {
            url: SecretString::from(config.redis.url.expose().to_owned()),
            ca_file: config.redis.ca_file.clone(),
            timeout: config.redis.timeout_ms,
        };
        Ok(Self::new(config, Limiter::shared(&redis)?))
    }

    /// As configured, for this process alone.
    #[must_use]
    pub fn local(config: &Config) -> Self {
        Self::new(config, Limiter::local())
    }

    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        let mut config = Config::default();
        config.rate.enforcement = Enforcement::Off;
        Self::local(&config)
    }

    fn new(config: &Config, limiter: Limiter) -> Self {
        let Config { rate, .. } = config;
        let off = rate.enforcement == Enforcement::Off;
        let limit = |name, rate: Option<Rate>| Limit::new(name, rate.filter(|_| !off));
        Self {
            limiter,
            enforcement: rate.enforcement,
            login_failures: AttemptRule {
                name: "login_failures",
                free: rate.login_failures_free,
                first_wait: FIRST_WAIT,
                longest_wait: rate.login_failures_wait_ms,
                most: rate.login_failures_most,
                rest: rate.login_failures_rest_s,
            },
            login_address: limit("login_address", rate.login_address),
            register_address: limit("register_address", rate.register_address),
            entrance_address: limit("entrance_address", rate.entrance_address),
            reset_address: limit("reset_address", rate.reset_address),
            mail_account: limit("mail_account", rate.mail_account),
            refresh_session: limit("refresh_session", rate.refresh_session),
            send_account: limit("send_account", rate.send_account),
            send_service: limit("send_service", rate.send_service),
            send_room: limit("send_room", rate.send_room),
            create_room_account: limit("create_room_account", rate.create_room_account),
            open_direct_account: limit("open_direct_account", rate.open_direct_account),
            invite_account: limit("invite_account", rate.invite_account),
            change_account: limit("change_account", rate.change_account),
            mark_account: limit("mark_account", rate.mark_account),
            change_service: limit("change_service", rate.change_service),
            query_account: limit("query_account", rate.query_account),
            export_account: limit("export_account", rate.export_account),
            rename_account: limit("rename_account", rate.rename_account),
            connect_address: limit("connect_address", rate.connect_address),
            frames_connection: rate.frames_connection.filter(|_| rate.enforcement == Enforcement::Enforce),
        }
    }

    /// What holds them, for limits that are not of the configuration, and to be run beside the roles.
    #[must_use]
    pub fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// An attempt to log in as somebody, named by the keyed hash of the name: it counts as failed until
    /// [`Rates::logged_in`] is told. The same for names that nobody has.
    pub async fn login(&self, name: &str, address: Option<IpAddr>) -> Result<(), Problem> {
        self.by_address(self.login_address, address).await?;
        if self.enforcement == Enforcement::Off {
            return Ok(());
        }
        let origin = address.map(network);
        self.judge(self.limiter.begin_attempt(&self.login_failures, name, origin.as_deref()).await)
    }

    /// The beginning of a login that names nobody.
    pub async fn login_from(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        self.by_address(self.login_address, address).await
    }

    /// The attempt succeeded.
    pub async fn logged_in(&self, name: &str, address: Option<IpAddr>) {
        if self.enforcement != Enforcement::Off {
            let origin = address.map(network);
            self.limiter.succeed(&self.login_failures, name, origin.as_deref()).await;
        }
    }

    /// An attempt to prove with the password, on an open session, who one is: counted like a login, and apart from
    /// logins. It counts as failed until [`Rates::proved`] is told.
    pub async fn prove(&self, name: &str) -> Result<(), Problem> {
        if self.enforcement == Enforcement::Off {
            return Ok(());
        }
        self.judge(self.limiter.begin_attempt(&self.login_failures, proof_of(name), None).await)
    }

    /// The proof was right.
    pub async fn proved(&self, name: &str) {
        if self.enforcement != Enforcement::Off {
            self.limiter.succeed(&self.login_failures, proof_of(name), None).await;
        }
    }

    /// A registration.
    pub async fn register(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        self.by_address(self.register_address, address).await
    }

    /// Whatever else is asked without a login. Many people may be behind one address, so that this is about floods.
    pub fn enter(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        self.judge(self.limiter.admit(self.entrance_address, network(address)))
    }

    /// A password reset that is asked for.
    pub async fn reset(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        self.by_address(self.reset_address, address).await
    }

    /// A mail to an address that somebody says is theirs.
    pub async fn mail(&self, user: UserId) -> Result<(), Problem> {
        self.judge(self.limiter.check(self.mail_account, user.as_uuid().as_bytes()).await)
    }

    /// An exchange of a refresh token.
    pub async fn refresh(&self, session: SessionId) -> Result<(), Problem> {
        self.judge(self.limiter.check(self.refresh_session, session.as_uuid().as_bytes()).await)
    }

    /// A message. Programs with a quota of their own do not use up the room's.
    pub fn send(&self, account: Account, room: RoomId) -> Result<(), Problem> {
        if account.service {
            return self.admit(self.send_service, account.user);
        }
        self.admit(self.send_account, account.user)?;
        self.judge(self.limiter.admit(self.send_room, room.as_uuid().as_bytes()))
    }

    /// A message in a room in slow mode, which is the room's own rule: it holds also where limits are only watched, or off.
    pub async fn slow_mode(&self, author: UserId, room: RoomId, every: Duration) -> Result<(), Problem> {
        let key = [room.as_uuid().as_bytes().as_slice(), author.as_uuid().as_bytes()].concat();
        Ok(self.limiter.check(Limit::every("slow_mode", every), key).await?)
    }

    /// A new room.
    pub async fn create_room(&self, account: Account) -> Result<(), Problem> {
        self.check(self.create_room_account, account).await
    }

    /// A conversation with somebody.
    pub async fn open_direct(&self, account: Account) -> Result<(), Problem> {
        self.check(self.open_direct_account, account).await
    }

    /// An invitation.
    pub async fn invite(&self, account: Account) -> Result<(), Problem> {
        self.check(self.invite_account, account).await
    }

    /// Any other change of a room, a membership or a profile.
    pub fn change(&self, account: Account) -> Result<(), Problem> {
        self.admit(if account.service { self.change_service } else { self.change_account }, account.user)
    }

    /// A mark that is set by a command, which is a fact of its own.
    pub fn mark(&self, account: Account) -> Result<(), Problem> {
        self.admit(if account.service { self.change_service } else { self.mark_account }, account.user)
    }

    /// A query.
    pub fn query(&self, user: UserId) -> Result<(), Problem> {
        self.admit(self.query_account, user)
    }

    /// An export of everything that one has.
    pub async fn export(&self, user: UserId) -> Result<(), Problem> {
        self.judge(self.limiter.check(self.export_account, user.as_uuid().as_bytes()).await)
    }

    /// Another user name: each one that is taken stays reserved.
    pub async fn rename(&self, user: UserId) -> Result<(), Problem> {
        self.judge(self.limiter.check(self.rename_account, user.as_uuid().as_bytes()).await)
    }

    /// A WebSocket connection.
    pub fn connect(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        self.judge(self.limiter.admit(self.connect_address, network(address)))
    }

    /// How fast one connection is read.
    #[must_use]
    pub fn frames(&self) -> Option<Rate> {
        self.frames_connection
    }

    async fn check(&self, limit: Limit, account: Account) -> Result<(), Problem> {
        if account.service {
            return self.change(account);
        }
        self.judge(self.limiter.check(limit, account.user.as_uuid().as_bytes()).await)
    }

    fn admit(&self, limit: Limit, user: UserId) -> Result<(), Problem> {
        self.judge(self.limiter.admit(limit, user.as_uuid().as_bytes()))
    }

    /// Who asks over the log's server may have no address; the server lets only roles in.
    async fn by_address(&self, limit: Limit, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        self.judge(self.limiter.check(limit, network(address)).await)
    }

    fn judge(&self, decision: Result<(), Limited>) -> Result<(), Problem> {
        match decision {
            Err(limited) if self.enforcement == Enforcement::Enforce => Err(limited.into()),
            _ => Ok(()),
        }
    }
}

/// What counts as one address: an IPv4 address, or the 64 bits of an IPv6 network, which one customer has at least.
fn network(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().into_iter().take(8).collect(),
    }
}

/// What failed proofs of somebody are counted under.
fn proof_of(name: &str) -> String {
    format!("proof {name}")
}

#[cfg(test)]
mod tests {
    use chasqui_events::{Partition, Timestamp};
    use chasqui_protocol::Code;
    use pretty_assertions::assert_eq;

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn configured(set: impl FnOnce(&mut chasqui_runtime::config::RateLimits)) -> Rates {
        let mut config = Config::default();
        set(&mut config.rate);
        Rates::local(&config)
    }

    fn account(n: u8, service: bool) -> Account {
        Account { user: UserId::new(NOW, [n; 10]), service }
    }

    fn room() -> RoomId {
        RoomId::new(Partition::from_low_bits(0), NOW, [1; 10])
    }

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    #[test]
    fn a_room_has_a_limit_whatever_the_number_of_its_members_and_programs_one_of_their_own() {
        let limits = configured(|of| {
            of.send_account = Some(rate("2, 1/d"));
            of.send_room = Some(rate("3, 1/d"));
            of.send_service = Some(rate("5, 1/d"));
        });
        let sent = |account: Account, times: usize| {
            (0..times).filter(|_| limits.send(account, room()).is_ok()).count()
        };
        assert_eq!(sent(account(1, false), 3), 2);
        assert_eq!(sent(account(2, false), 3), 1, "the room's third");
        assert_eq!(sent(account(3, true), 9), 5);
    }

    #[tokio::test]
    async fn an_ipv6_network_counts_as_one_address() {
        let limits = configured(|of| of.register_address = Some(rate("1, 1/d")));
        let from = async |address: &str| limits.register(Some(address.parse().unwrap())).await.is_ok();
        assert!(from("2001:db8:0:1::1").await);
        assert!(!from("2001:db8:0:1:ffff::2").await);
        assert!(from("2001:db8:0:2::1").await);
        assert!(from("192.0.2.1").await);
        assert!(!from("::ffff:192.0.2.1").await);
        assert!(limits.register(None).await.is_ok());
    }

    #[tokio::test]
    async fn proofs_are_counted_like_logins_and_apart_from_them() {
        let limits = configured(|of| {
            of.login_failures_most = 10;
            of.login_failures_free = 2;
        });
        for _ in 0..2 {
            limits.prove("name").await.unwrap();
        }
        assert_eq!(limits.prove("name").await.unwrap_err().code, Code::TooMany);
        limits.login("name", None).await.unwrap();
        limits.prove("another").await.unwrap();
        limits.proved("name").await;
        limits.prove("name").await.unwrap();
    }

    #[tokio::test]
    async fn limits_can_be_watched_before_they_are_enforced() {
        let refused = |enforcement| async move {
            let limits = configured(|of| {
                of.enforcement = enforcement;
                of.create_room_account = Some(rate("1, 1/d"));
                of.login_failures_most = 5;
                of.login_failures_free = 0;
            });
            let mut refused = Vec::new();
            for _ in 0..3 {
                refused.extend(limits.create_room(account(1, false)).await.err());
                refused.extend(limits.login("name", None).await.err());
            }
            assert!(
                refused
                    .iter()
                    .all(|problem| problem.code == Code::TooMany && problem.retry_after_ms.is_some())
            );
            refused.len()
        };
        assert_eq!(refused(Enforcement::Enforce).await, 4);
        assert_eq!(refused(Enforcement::Observe).await, 0);
        assert_eq!(refused(Enforcement::Off).await, 0);
    }
}
