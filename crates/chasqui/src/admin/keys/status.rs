//! `chasqui admin keys status`.

use std::{collections::BTreeMap, fmt::Write as _};

use chasqui_crypto::{Census, KeyError, OwnerKind};
use chasqui_events::Timestamp;
use chasqui_runtime::config::Config;

use super::{super::moment, keyring};

/// So many keys that cannot be unwrapped are named; the others are counted.
const MOST_NAMED: usize = 10;

/// What there is, as a table; and whether every key can be unwrapped.
pub(super) async fn status(config: &Config) -> anyhow::Result<(String, bool)> {
    let (mut censuses, mut broken) = (Vec::new(), Vec::new());
    let mut current = String::new();
    for kind in OwnerKind::ALL {
        let keyring = keyring(config, kind).await?;
        current = keyring.kek().current().await?;
        censuses.push((kind, keyring.census(kind).await?));
        broken.extend(keyring.broken(kind).await?);
    }
    Ok((table(&current, &censuses, &broken), broken.is_empty()))
}

/// By key-encryption key: the keys of each kind, and when the oldest of them all was made.
type Rows<'a> = BTreeMap<&'a str, (BTreeMap<OwnerKind, u64>, Timestamp)>;

fn table(current: &str, censuses: &[(OwnerKind, Census)], broken: &[KeyError]) -> String {
    let mut rows = Rows::new();
    rows.insert(current, (BTreeMap::new(), Timestamp(i64::MAX)));
    for (kind, census) in censuses {
        for (kek, share) in &census.keys {
            let (counts, oldest) = rows.entry(kek).or_insert_with(|| (BTreeMap::new(), share.oldest));
            counts.insert(*kind, share.keys);
            *oldest = share.oldest.min(*oldest);
        }
    }
    let mut text = format!("{:<32} {:>10} {:>10}  oldest\n", "key-encryption key", "of rooms", "of users");
    for (kek, (counts, oldest)) in rows {
        let of = |kind| counts.get(&kind).copied().unwrap_or_default();
        let name = if kek == current { format!("{kek} (wraps now)") } else { kek.to_owned() };
        let oldest = if counts.is_empty() { "-".to_owned() } else { moment::shown(oldest) };
        let (rooms, users) = (of(OwnerKind::Room), of(OwnerKind::User));
        let _ = writeln!(text, "{name:<32} {rooms:>10} {users:>10}  {oldest}");
    }
    for (kind, census) in censuses {
        let _ = writeln!(text, "{} {}s whose keys were destroyed", census.destroyed, kind.as_str());
    }
    if !broken.is_empty() {
        let _ = writeln!(text, "{} owners whose keys cannot be unwrapped:", broken.len());
    }
    for error in broken.iter().take(MOST_NAMED) {
        let _ = writeln!(text, "  {error}");
    }
    if broken.len() > MOST_NAMED {
        let _ = writeln!(text, "  and {} more", broken.len() - MOST_NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use chasqui_crypto::{Owner, Share};
    use chasqui_events::UserId;

    use super::*;

    fn census(keys: &[(&str, u64, i64)], destroyed: u64) -> Census {
        let share = |(kek, keys, oldest): &(&str, u64, i64)| {
            ((*kek).to_owned(), Share { keys: *keys, oldest: Timestamp(*oldest) })
        };
        Census { keys: keys.iter().map(share).collect(), destroyed }
    }

    #[test]
    fn the_table_counts_by_key_encryption_key_and_names_what_is_lost() {
        let rooms = census(&[("old", 2, 86_400_000), ("new", 1, 5)], 0);
        let users = census(&[("old", 4, 0)], 3);
        let user = |n| UserId::new(Timestamp(1), [n; 10]);
        let broken: Vec<_> =
            (0..12).map(|n| KeyError::Unavailable(Owner::User(user(n)), "why".to_owned())).collect();
        let text = table("new", &[(OwnerKind::Room, rooms), (OwnerKind::User, users)], &broken);
        let lines: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1][..5], ["new", "(wraps", "now)", "1", "0"]);
        assert_eq!(lines[2][..4], ["old", "2", "4", "1970-01-01"]);
        assert_eq!(lines[4][..2], ["3", "users"]);
        assert_eq!(lines[5][..2], ["12", "owners"]);
        assert_eq!((lines.len(), lines.last().unwrap().join(" ")), (17, "and 2 more".to_owned()));
    }

    #[test]
    fn an_installation_without_keys_has_a_line_for_what_wraps_now() {
        let text = table("a", &[(OwnerKind::Room, Census::default())], &[]);
        assert!(text.lines().nth(1).unwrap().ends_with('-'), "{text}");
    }
}
