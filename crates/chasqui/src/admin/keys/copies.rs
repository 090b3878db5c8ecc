//! `chasqui admin keys backup` and `restore`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::Context as _;
use chasqui_bus::{
    BusRole,
    kv::{Bucket, KvError, Name},
};
use chasqui_crypto::{Backup, Owner, OwnerKind};
use chasqui_events::Timestamp;
use chasqui_runtime::{clock::now_ms, config::Config};

use super::{act, keeper, keyring};
use crate::serve::connect;

pub(super) async fn backup(config: &Config, out: &Path, reason: Option<String>) -> anyhow::Result<String> {
    // Before anything is recorded or read: whether it can be written at all.
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(out);
    let mut file = file.with_context(|| format!("writing {}", out.display()))?;
    act(config, "keys backup", out.display().to_string(), reason).await?;
    let mut backup = Backup::new(Timestamp(now_ms()));
    for kind in OwnerKind::ALL {
        backup.add(keyring(config, kind).await?.store(), kind).await?;
    }
    // After the keys: whoever is erased meanwhile stands in it.
    backup.erased = ledger(config).await?;
    file.write_all(&serde_json::to_vec(&backup)?)?;
    file.sync_all()?;
    Ok(format!(
        "the keys of {} owners are in {}. It is good for {} days (crypto.backup_days): make the next one before, destroy \
         this one then, and keep the key-encryption key elsewhere",
        backup.keys.len(),
        out.display(),
        config.crypto.backup_days
    ))
}

/// What was done; and whether all keys are as in the copy.
pub(super) async fn restore(
    config: &Config,
    from: &Path,
    reason: Option<String>,
) -> anyhow::Result<(String, bool)> {
    let text = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    let backup: Backup =
        serde_json::from_slice(&text).with_context(|| format!("{} is no copy of keys", from.display()))?;
    let now = Timestamp(now_ms());
    backup.check(now, config.crypto.backup_days).with_context(|| from.display().to_string())?;
    act(config, "keys restore", from.display().to_string(), reason).await?;
    let ledger: BTreeSet<String> = ledger(config).await?.into_keys().collect();
    let entries = return_entries(config, &backup, &ledger).await?;
    let mut text = format!("ledger of erasures: {entries} entries restored\n");
    let mut conflicting = 0;
    for kind in OwnerKind::ALL {
        let done = backup.restore(keyring(config, kind).await?.store(), kind, &ledger, now).await?;
        let _ = writeln!(
            text,
            "{}s: {} restored, {} had all their keys, {} are erased and stay so, {} cannot be restored",
            kind.as_str(),
            done.restored,
            done.untouched,
            done.erased,
            done.conflicting
        );
        conflicting += done.conflicting;
    }
    if conflicting > 0 {
        text += "cannot be restored: another key was made in the very second in which the lost one was. What the lost ones \
                 sealed is lost\n";
    }
    Ok((text, conflicting == 0))
}

/// The ledger of erasures, by `user.<user>` and `room.<room>`.
async fn ledger(config: &Config) -> anyhow::Result<BTreeMap<String, serde_json::Value>> {
    let bucket = Bucket::open(connect(config, BusRole::Auth).await?, Name::Erasures);
    let mut ledger = BTreeMap::new();
    for name in bucket.key_names().await? {
        if let Some(entry) = bucket.get(&name).await? {
            let value = serde_json::from_slice(&entry.value);
            ledger.insert(
                name.clone(),
                value.with_context(|| format!("the entry {name} of the ledger of erasures"))?,
            );
        }
    }
    Ok(ledger)
}

/// Puts back the entries of the ledger that were lost: what they ask for is done again by whoever carries erasures out.
async fn return_entries(
    config: &Config,
    backup: &Backup,
    ledger: &BTreeSet<String>,
) -> anyhow::Result<usize> {
    let mut returned = 0;
    for kind in OwnerKind::ALL {
        let lost = |name: &&String| {
            !ledger.contains(*name) && Owner::parse(name).is_some_and(|owner| owner.kind() == kind)
        };
        let lost: Vec<&String> = backup.erased.keys().filter(lost).collect();
        if lost.is_empty() {
            continue;
        }
        let bucket = Bucket::open(connect(config, keeper(kind)).await?, Name::Erasures);
        for name in lost {
            let entry = serde_json::to_vec(&backup.erased.get(name))?;
            match bucket.create(name, entry.into()).await {
                Ok(_) => returned += 1,
                // Asked for again meanwhile.
                Err(KvError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(returned)
}
