//! Hashes that nobody owns are removed, and no others.

use chasqui_auth::{NameKey, SETTLED};
use chasqui_bus::{
    BusRole,
    kv::{Bucket, Name},
};
use chasqui_events::{Timestamp, UserId};
use chasqui_runtime::clock::now_ms;
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::installation::{Installation, login, register};

#[tokio::test]
async fn what_a_dead_process_left_behind_is_removed_once_it_is_settled() {
    let installation = Installation::start().await;
    let auth = installation.auth().await;
    let ana = register(&auth, "Ana").await.unwrap();
    let credentials = Bucket::open(installation.bus(BusRole::Auth).await, Name::Credentials);
    let name_key = NameKey::load(installation.config.auth.name_key_file.as_deref().unwrap()).unwrap();
    let hours_ago = |hours: i64| Timestamp(now_ms() - hours * 3_600_000);
    // Two registrations that died before the claim, of a name that is taken and of one that is not; and one that
    // may still be under way.
    let orphan = |hours, n: u8| UserId::new(hours_ago(hours), [n; 10]);
    let (taken, free, young) = (orphan(2, 1), orphan(3, 2), orphan(0, 3));
    for (user, name) in [(taken, "Ana"), (free, "Ben"), (young, "Cira")] {
        let credential = json!({"password": "$argon2id$", "name": name_key.token(name), "created_at": 0});
        credentials.create(&user.to_string(), credential.to_string().into()).await.unwrap();
    }
    let until = Timestamp(now_ms() - i64::try_from(SETTLED.as_millis()).unwrap());
    assert_eq!(auth.sweep(hours_ago(24), until).await.unwrap(), 2);
    let mut left = credentials.keys().await.unwrap();
    left.sort();
    let mut expected = [ana, young].map(|user| user.to_string());
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(
        auth.sweep(hours_ago(24), Timestamp(now_ms() + 1)).await.unwrap(),
        1,
        "also hers, when it is old"
    );
    assert_eq!(login(&auth, "Ana").await.user, ana, "whoever has a name keeps the password");
}
