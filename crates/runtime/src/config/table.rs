//! The table of keys: the one place where a key, its default, its bounds and its meaning are written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

use super::choice::{CookieMode, Durability, Enforcement, ForwardedHeader, LogFormat};
use super::define::configuration;
use super::format::{
    FilePath, Filter, Format, HowOften, Listen, Millis, MongodbUrl, Names, NatsUrl, Networks, OneOf,
    Optional, RedisUrl, Seconds, Secret, Text, Token, WebOrigins, Whole,
};
use super::key::{Bounds, Key};
use super::rate::Rate;
use super::reader::Reader;
use super::secret_url::SecretUrl;

configuration! {
    root {
        /// When the log calls a message stored. It must say what the NATS server does: `always` with
        /// `sync_interval: always` (every acknowledgement comes after fsync), `interval` otherwise (an
        /// acknowledgement may precede fsync by up to two minutes unless `sync_interval` is set: a killed process
        /// loses nothing, a power cut can). The default claims less, so that it is never a false promise.
        durability: Durability as OneOf = "interval";
    }

    /// The log: NATS JetStream. Every role connects as its own user.
    nats: Nats {
        /// Address of the NATS server; several, separated by commas, for a cluster.
        url: SecretUrl as NatsUrl = "nats://127.0.0.1:4222";
        /// Certificates (PEM) of the authorities that may have signed the server's; TLS is demanded then. Without it,
        /// `tls://` in `nats.url` demands TLS signed by an authority that the machine trusts.
        ca_file: Option<PathBuf> as Optional<FilePath> = "";
        /// Password of the user `admin`, which creates and changes the topology.
        password_admin: Option<SecretString> as Optional<Secret> = "";
        /// Password of the user `auth`.
        password_auth: Option<SecretString> as Optional<Secret> = "";
        /// Password of the user `command-api`.
        password_command_api: Option<SecretString> as Optional<Secret> = "";
        /// Password of the user `query-api`.
        password_query_api: Option<SecretString> as Optional<Secret> = "";
        /// Password of the user `projector`.
        password_projector: Option<SecretString> as Optional<Secret> = "";
        /// Password of the user `ws-edge`.
        password_ws_edge: Option<SecretString> as Optional<Secret> = "";
        /// Password of the user `analytics`, for programs that read the log; no role of Chasqui connects as it.
        password_analytics: Option<SecretString> as Optional<Secret> = "";
        /// Directory with the topology (server configuration, accounts, streams, buckets). Without it, the copy
        /// built into the program is used.
        topology_dir: Option<PathBuf> as Optional<FilePath> = "";
        /// Copies kept of every stream and bucket: 1 for a single server, 3 for a cluster that survives the loss
        /// of one. `chasqui admin topology apply` makes it so. A file of the topology that gives its own
        /// `num_replicas` keeps it.
        replicas: usize as Whole = "1" in 1..=5;
        /// How long an attempt to connect may take.
        connect_timeout_ms: Duration as Millis = "2000" in 100..=60_000;
        /// Interval between pings to the server. Two without an answer and the connection is given up, so this
        /// bounds how long a stopped server goes unnoticed.
        ping_interval_ms: Duration as Millis = "2000" in 100..=120_000;
        /// How long one attempt to append waits for its acknowledgement before its outcome is unknown and it is
        /// repeated with the same id. Shorter than `commands.timeout_ms`, which bounds all attempts together.
        ack_timeout_ms: Duration as Millis = "1500" in 50..=60_000;
        /// How long a read of the log, a bucket or the JetStream API may take.
        request_timeout_ms: Duration as Millis = "4000" in 50..=60_000;
    }

    /// The history: MongoDB, a replica set (transactions are needed).
    mongodb: Mongodb {
        /// Connection string. A `command-api` in a process of its own needs it for one thing: a repeated `send` over
        /// HTTP whose id the log's server has forgotten is looked up in the history. Where this key is not given,
        /// such a message is recorded once more, and readers skip the second.
        url: SecretUrl as MongodbUrl = "mongodb://127.0.0.1:27017";
        /// Certificates (PEM) of the authorities that may have signed the server's; TLS is demanded then. Without it,
        /// `tls=true` in `mongodb.url` demands TLS signed by an authority that browsers trust.
        ca_file: Option<PathBuf> as Optional<FilePath> = "";
        /// Database that holds the views.
        database: String as Token = "chasqui";
        /// Most connections per process and server.
        pool_max: u32 as Whole = "32" in 1..=10_000;
        /// How long to look for a usable server before an operation fails.
        timeout_ms: Duration as Millis = "5000" in 100..=120_000;
    }

    /// The hot set: Redis or Valkey. It may be lost at any time.
    redis: Redis {
        /// Connection string.
        url: SecretUrl as RedisUrl = "redis://127.0.0.1:6379";
        /// Certificates (PEM) of the authorities that may have signed the server's, for `rediss://`. Without it, those
        /// that the machine trusts.
        ca_file: Option<PathBuf> as Optional<FilePath> = "";
        /// How long a request may take before MongoDB is asked instead.
        timeout_ms: Duration as Millis = "1000" in 10..=60_000;
    }

    /// The shape of the log.
    chat: Chat {
        /// Number of partitions for new rooms. It may grow and must never shrink: a room's id carries its
        /// partition.
        partitions: u16 as Whole = "4" in 1..=4096;
    }

    /// The HTTP API and the WebSocket.
    http: Http {
        /// Address to listen on; port 0 takes a free one.
        listen: SocketAddr as Listen = "127.0.0.1:8080";
        /// Certificate chain (PEM) for TLS 1.2 and 1.3 on this address; with `http.tls_key_file`. Both files are read
        /// again when they change. Without them a proxy in front adds TLS, or passwords cross the network readable.
        tls_cert_file: Option<PathBuf> as Optional<FilePath> = "";
        /// Private key (PEM) of the certificate.
        tls_key_file: Option<PathBuf> as Optional<FilePath> = "";
        /// Web origins, besides the server's own, whose pages may use the API and the WebSocket. A list; in the
        /// environment separated by commas.
        allowed_origins: Vec<String> as WebOrigins = "";
        /// Networks of the proxies that are believed when they tell for whom they ask, in the notation
        /// `10.0.0.0/8` or `::1/128`. From anybody else the connection's own address counts. A list; in the
        /// environment separated by commas.
        trusted_proxies: Vec<IpNet> as Networks = "";
        /// The header in which those proxies tell it; they must not let a client's own through unchanged.
        forwarded_header: ForwardedHeader as OneOf = "x-forwarded-for";
        /// How long a request may take before it is answered with an error.
        request_timeout_ms: Duration as Millis = "15000" in 100..=600_000;
        /// How long a client may take nothing of its answer before its connection is closed. Not for WebSockets, which have
        /// `edge.outbox_bytes`.
        answer_timeout_ms: Duration as Millis = "30000" in 100..=600_000;
        /// Most HTTP connections from one address (of IPv6, from one network of 64 bits) to one process, WebSockets not
        /// counted; more are answered with `too-many` and closed. 0 for no such bound. Connections of `http.trusted_proxies`
        /// are not counted.
        max_connections_per_address: usize as Whole = "1000" in 0..=10_000_000;
    }

    /// The operator's port: liveness, readiness, metrics. Not for the public.
    ops: Ops {
        /// Address to listen on; port 0 takes a free one.
        listen: SocketAddr as Listen = "127.0.0.1:9090";
    }

    /// What the process writes about itself, to standard error.
    log: Log {
        /// `text` for people, `json` for machines.
        format: LogFormat as OneOf = "text";
        /// Which events are written, as `tracing` filter directives: `info,chasqui_ws_edge=debug`.
        filter: String as Filter = "info";
    }

    /// Passwords, tokens and sessions.
    auth: Auth {
        /// After so many days the key that signs access tokens is replaced by a new one; 0 for never.
        signing_rotate_days: u32 as Whole = "30" in 0..=3650;
        /// How long a new signing key is published before it signs, so that whoever checks tokens knows it by then. Who
        /// reads `/.well-known/jwks.json` may keep it for half of that.
        signing_overlap_s: Duration as Seconds = "3600" in 2..=604_800;
        /// Key (32 bytes, as hexadecimal text) under which user names become subjects of the log and keys of the
        /// view of names. The roles `auth`, `query-api` and `ws-edge` need it; `chasqui admin secrets init` makes one. It must never change while its log lives.
        name_key_file: Option<PathBuf> as Optional<FilePath> = "";
        /// The `iss` of access tokens.
        issuer: String as Text = "chasqui";
        /// The `aud` of access tokens.
        audience: String as Text = "chasqui";
        /// Life of an access token.
        access_ttl_s: Duration as Seconds = "600" in 5..=86_400;
        /// How long access tokens are still taken after a process could last read which sessions were revoked, or which
        /// keys are published. Then everybody is refused with `unavailable` until it can.
        revocations_stale_s: Duration as Seconds = "30" in 2..=3600;
        /// A session that was not refreshed for so long is over (14 days).
        refresh_idle_s: Duration as Seconds = "1209600" in 5..=31_536_000;
        /// A session is over so long after its login, whatever happens (90 days).
        refresh_absolute_s: Duration as Seconds = "7776000" in 5..=315_360_000;
        /// How long the refresh token before the current one is still answered, for a client that lost the
        /// answer. After that its use revokes the session.
        refresh_grace_s: Duration as Seconds = "10" in 0..=300;
        /// Open sessions that a user may have; a login beyond that ends the one that was not used for the longest
        /// time.
        sessions_per_user: usize as Whole = "100" in 1..=1000;
        /// Whether pages may keep their tokens in cookies: `on` with cookies that browsers send over TLS only (most
        /// also to `localhost`), `insecure` without that, for development while `http.listen` is a loopback address,
        /// `off` for tokens in answers only.
        cookies: CookieMode as OneOf = "on";
        /// Memory of one Argon2id hash, in KiB (OWASP: 19456).
        argon2_memory_kib: u32 as Whole = "19456" in 8..=4_194_304;
        /// Passes of one Argon2id hash.
        argon2_iterations: u32 as Whole = "2" in 1..=64;
        /// Lanes of one Argon2id hash.
        argon2_parallelism: u32 as Whole = "1" in 1..=64;
        /// Hashes computed at once; the rest wait. Bounds memory and processor time under a rush of logins.
        argon2_concurrency: usize as Whole = "2" in 1..=256;
        /// Fewest characters of a new password where it is all that a login asks for (NIST SP 800-63B-4: 15).
        password_min_chars: usize as Whole = "15" in 1..=1024;
        /// Fewest characters of a new password where a login asks for a second factor, too (NIST SP 800-63B-4: 8).
        password_min_chars_with_factor: usize as Whole = "8" in 1..=1024;
        /// What changes who can log in (second factors, e-mail) needs the password along with it, or a login that is
        /// at most so old; so does an export.
        proof_max_age_s: Duration as Seconds = "600" in 0..=86_400;
        /// How long a login whose password was right waits for its second factor.
        second_factor_timeout_s: Duration as Seconds = "300" in 5..=3600;
        /// File of passwords that are refused besides the built-in list, one on each line; case does not matter,
        /// lines that begin with `#` are comments. Read at the start.
        password_blocklist_file: Option<PathBuf> as Optional<FilePath> = "";
        /// Longest password, in bytes, that is hashed at all.
        password_max_bytes: usize as Whole = "1024" in 64..=65_536;
        /// Names of the users whose logins have the right to import: to register authors without a password and
        /// to record what they said and when. A list; in the environment separated by commas.
        importers: Vec<String> as Names = "";
        /// Where users find the application: the links in mails begin with it, and carry their secret behind a `#`,
        /// where no server sees it.
        public_url: String as Text = "http://127.0.0.1:8080";
        /// The domain that passkeys are bound to: that of the pages that use them, or one above it. Without it the host of
        /// `auth.public_url`, where that is a domain (`localhost` is one, an address is none). A passkey works nowhere else, so
        /// another domain makes all of them useless.
        webauthn_rp_id: Option<String> as Optional<Text> = "";
        /// The origin of the pages that use passkeys, such as `https://chat.example.org`; without it that of
        /// `auth.public_url`.
        webauthn_origin: Option<String> as Optional<Text> = "";
        /// How often every process that checks tokens reads the published keys. Bounds how long a key that was withdrawn
        /// is still believed.
        jwks_reload_ms: Duration as Millis = "1000" in 100..=60_000;
    }

    /// Mail to users: to verify an address, to reset a password, and to tell of changes. Without `smtp.url` what needs
    /// mail is refused with the code `not-configured`.
    smtp: Smtp {
        /// The server that takes mails: `smtps://user:password@host` (TLS from the first byte),
        /// `smtp://user:password@host?tls=required` (STARTTLS), or `smtp://host` without encryption.
        url: Option<SecretString> as Optional<Secret> = "";
        /// The sender, such as `Chasqui <no-reply@example.org>`.
        from: String as Text = "Chasqui <no-reply@localhost>";
        /// How long one attempt to hand a mail over may take.
        timeout_ms: Duration as Millis = "10000" in 100..=120_000;
        /// Pause before a mail that was not taken is tried again; each further one is twice as long. After six
        /// attempts it is given up, and counted.
        retry_ms: Duration as Millis = "2000" in 10..=600_000;
        /// Most mails that wait, those included that are tried again later. A quarter of the places is for notices of changes
        /// alone. Where the others are taken, resets and verifications are refused as `too-many`; where those for notices
        /// are, notices are dropped and counted.
        queue: usize as Whole = "256" in 1..=65_536;
    }

    /// Sealing of what is said and what is personal.
    crypto: Crypto {
        /// Key-encryption keys, as lines `<id> <64 hexadecimal digits>`: the last line wraps the keys of rooms and
        /// users and those that sign access tokens, all lines unwrap. The roles `auth`, `command-api`, `query-api` and `ws-edge` need it; `chasqui admin
        /// secrets init` makes one. Read again when it changes. Without it nothing that is sealed can be read, and
        /// nobody can make it again.
        kek_file: Option<PathBuf> as Optional<FilePath> = "";
        /// The same lines, separated by commas, where there is no file.
        kek: Option<SecretString> as Optional<Secret> = "";
        /// How long a key is kept in memory. Bounds how long a process that was told of nothing can read what was
        /// erased, and how long a new key of a room waits to be used.
        key_cache_s: Duration as Seconds = "300" in 1..=86_400;
        /// Most keys of rooms and users that are kept in memory, and most keys that were derived from them.
        key_cache_max: u64 as Whole = "100000" in 1..=100_000_000;
        /// Most messages that one process seals with one key of a room before it makes the next.
        seals_per_epoch: u64 as Whole = "4294967296" in 1..=4_294_967_296;
        /// A key that is older than so many days is replaced by a new one; it still opens what it sealed. 0 for never.
        rotate_days: u32 as Whole = "365" in 0..=36_500;
        /// A copy of the keys (`chasqui admin keys backup`) that is older than so many days is not restored. An erasure is
        /// complete when no copy from before it can be: so long it takes at most.
        backup_days: u32 as Whole = "35" in 1..=3650;
    }

    /// The WebSocket edge.
    edge: Edge {
        /// How often an edge compares the heads of its rooms with what it has pushed; bounds how long the loss of
        /// a last message goes unnoticed.
        tick_ms: Duration as Millis = "1000" in 10..=60_000;
        /// Receipts are gathered so long per room before they become one fact.
        receipt_window_ms: Duration as Millis = "250" in 1..=10_000;
        /// Bytes that may wait for one connection. Past it the connection is closed as too slow; its cursor is
        /// good.
        outbox_bytes: usize as Whole = "262144" in 4096..=67_108_864;
        /// Largest frame taken from or sent to a client, in bytes.
        max_frame_bytes: usize as Whole = "65536" in 1024..=16_777_216;
        /// A connection that has not said a valid hello in this time is closed.
        hello_timeout_ms: Duration as Millis = "10000" in 100..=120_000;
        /// Interval of pings to a client. With `edge.pong_timeout_ms` it bounds how long a half-open connection is
        /// kept: at most the sum of the two.
        ping_interval_ms: Duration as Millis = "15000" in 100..=600_000;
        /// How long the answer to a ping may take.
        pong_timeout_ms: Duration as Millis = "10000" in 100..=600_000;
        /// Over how long closes are spread when the process is told to stop. Shorter than `shutdown.grace_ms`.
        drain_ms: Duration as Millis = "5000" in 0..=600_000;
        /// Above this many members a room has no delivered mark per member, and read marks go to the affected
        /// authors only.
        large_room: usize as Whole = "100" in 2..=100_000;
        /// How long a room's subscription is kept after its last local member has gone.
        linger_ms: Duration as Millis = "30000" in 0..=3_600_000;
        /// How long a resume waits for the projection before it reads the rest from the log.
        resume_wait_ms: Duration as Millis = "3000" in 10..=60_000;
        /// Most connections of one process; more are refused with a code that says to try elsewhere.
        max_connections: usize as Whole = "50000" in 1..=10_000_000;
        /// Most WebSocket connections from one address (of IPv6, from one network of 64 bits) to one process; more are closed
        /// with 4102. 0 for no such bound.
        max_connections_per_address: usize as Whole = "1000" in 0..=10_000_000;
        /// Most WebSocket connections of one user to one process; more are closed with 4102. 0 for no such bound.
        max_connections_per_user: usize as Whole = "100" in 0..=10_000_000;
        /// Most rooms that one connection is subscribed to.
        max_rooms_per_session: usize as Whole = "5000" in 1..=1_000_000;
        /// Most items that a resume or a filled hole may bring per room before the client is told to reset it.
        max_fill: usize as Whole = "5000" in 1..=1_000_000;
    }

    /// The projector.
    projector: Projector {
        /// Most facts in one transaction.
        batch_max: usize as Whole = "500" in 1..=10_000;
        /// Most bytes of facts in one transaction.
        batch_bytes: usize as Whole = "1048576" in 1024..=12_582_912;
        /// How long a batch that is not full waits for more.
        batch_wait_ms: Duration as Millis = "20" in 0..=10_000;
        /// How often the pointer to the active versions of the views is read again.
        versions_poll_ms: Duration as Millis = "1000" in 10..=60_000;
    }

    /// Bounds on what people may say and build.
    limits: Limits {
        /// Longest message body, in bytes of UTF-8.
        body_bytes: usize as Whole = "16384" in 1..=1_048_576;
        /// Longest user name and display name, in characters.
        name_chars: usize as Whole = "64" in 1..=256;
        /// Longest name of a room, in characters.
        room_name_chars: usize as Whole = "120" in 1..=1024;
        /// Most members of a room.
        room_members: usize as Whole = "10000" in 2..=1_000_000;
        /// Most messages that one message may reply to.
        replies: usize as Whole = "16" in 1..=256;
        /// Largest body of an HTTP request, in bytes.
        http_body_bytes: usize as Whole = "65536" in 1024..=16_777_216;
    }

    /// How often things may happen. A rate is written `10, 1/6s`: ten at once, then one every six seconds. What is
    /// refused is answered with `too-many` and the time to wait.
    rate: RateLimits {
        /// `enforce` refuses; `observe` only counts what would be refused, to find the right rates; `off` does neither.
        enforcement: Enforcement as OneOf = "enforce";
        /// Logins from one address (of IPv6, from one network of 64 bits).
        login_address: Option<Rate> as HowOften = "20, 1/6s";
        /// Failed logins in a row to one account, from anywhere, before each further one has to wait: a second, and
        /// twice as long each time.
        login_failures_free: u32 as Whole = "10" in 0..=100;
        /// The longest such wait.
        login_failures_wait_ms: Duration as Millis = "900000" in 1..=86_400_000;
        /// Failed logins in a row to one account after which every further one is refused. The last fifth of them is for
        /// addresses from which somebody has logged in to it before. NIST SP 800-63B: at most 100.
        login_failures_most: u32 as Whole = "100" in 5..=100;
        /// How long after the last failed login the row is over (24 hours).
        login_failures_rest_s: Duration as Seconds = "86400" in 1..=2_592_000;
        /// Registrations from one address.
        register_address: Option<Rate> as HowOften = "10, 10/h";
        /// What else is asked from one address without a login: second steps of logins, logins of passkeys and of programs,
        /// refreshes, tokens of mails. All of them together, for everybody behind the address.
        entrance_address: Option<Rate> as HowOften = "300, 10/s";
        /// Password resets asked for from one address.
        reset_address: Option<Rate> as HowOften = "10, 10/h";
        /// Mails to a new e-mail address asked for by one person.
        mail_account: Option<Rate> as HowOften = "10, 10/h";
        /// Exchanges of the refresh token of one session.
        refresh_session: Option<Rate> as HowOften = "10, 1/6s";
        /// Messages of one person.
        send_account: Option<Rate> as HowOften = "30, 5/s";
        /// Messages of one program: an importer or a service.
        send_service: Option<Rate> as HowOften = "10000, 5000/s";
        /// Messages of all people in one room.
        send_room: Option<Rate> as HowOften = "300, 100/s";
        /// Rooms created by one person.
        create_room_account: Option<Rate> as HowOften = "20, 20/h";
        /// Conversations opened by one person.
        open_direct_account: Option<Rate> as HowOften = "60, 60/h";
        /// Invitations by one person.
        invite_account: Option<Rate> as HowOften = "100, 1/10s";
        /// Other changes by one person: of rooms, memberships, roles, the profile.
        change_account: Option<Rate> as HowOften = "60, 2/s";
        /// Marks (`read`, `delivered`) that one person sets by a command. Those of a WebSocket are gathered instead.
        mark_account: Option<Rate> as HowOften = "120, 5/s";
        /// Changes of any kind by one program.
        change_service: Option<Rate> as HowOften = "10000, 5000/s";
        /// Queries of one person.
        query_account: Option<Rate> as HowOften = "300, 50/s";
        /// Exports of everything that one person has.
        export_account: Option<Rate> as HowOften = "3, 3/d";
        /// Other user names that one person asks for: each that they get stays reserved for them.
        rename_account: Option<Rate> as HowOften = "20, 20/d";
        /// WebSocket connections from one address.
        connect_address: Option<Rate> as HowOften = "200, 20/s";
        /// Frames on one WebSocket connection. Nothing is refused: it is read more slowly.
        frames_connection: Option<Rate> as HowOften = "1000, 500/s";
    }

    /// Reads over HTTP and the WebSocket.
    query: Query {
        /// How long a read that asks for a position waits for the projection.
        barrier_wait_ms: Duration as Millis = "2000" in 0..=60_000;
        /// Most items of a page.
        page_max: usize as Whole = "200" in 1..=1000;
    }

    /// The hot set in Redis.
    hot: Hot {
        /// Newest items kept per room.
        items_per_room: usize as Whole = "100" in 1..=10_000;
    }

    /// The command side.
    commands: Commands {
        /// A command is answered within this time, with its position or with an error that says its outcome is
        /// unknown.
        timeout_ms: Duration as Millis = "5000" in 100..=60_000;
        /// Rooms whose state is kept in memory.
        cache_rooms: usize as Whole = "100000" in 1..=10_000_000;
    }

    /// Snapshots of room state on the command side.
    snapshots: Snapshots {
        /// A snapshot is written after so many state facts of a room.
        every: u64 as Whole = "64" in 1..=100_000;
    }

    /// How the process ends.
    shutdown: Shutdown {
        /// Time from the first signal in which work is finished; then, or at a second signal, the rest is cut
        /// off. Shorter than the supervisor's own patience (30 s on Kubernetes).
        grace_ms: Duration as Millis = "20000" in 100..=3_600_000;
    }
}
