//! Copies of keys: what is lost comes back, what was erased does not.

use std::collections::BTreeSet;

use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;
use crate::{Backup, OwnerKind, Restored, Unfit};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

async fn copy(world: &World) -> Backup {
    let mut backup = Backup::new(NOW);
    for kind in OwnerKind::ALL {
        backup.add(&*world.store, kind).await.unwrap();
    }
    let text = serde_json::to_vec(&backup).unwrap();
    assert_eq!(serde_json::from_slice::<Backup>(&text).unwrap(), backup, "it reads back");
    backup
}

async fn restored(world: &World, backup: &Backup, kind: OwnerKind, erased: &[Owner]) -> Restored {
    let erased: BTreeSet<String> = erased.iter().map(Owner::to_string).collect();
    backup.restore(&*world.store, kind, &erased, NOW).await.unwrap()
}

#[tokio::test]
async fn what_was_lost_comes_back_and_opens_what_it_sealed() {
    let world = World::new();
    let writer = world.sealer(1).await;
    let (first, second) = (body(1, 1, 1), body(1, 2, 1));
    let sealed =
        [writer.seal(&first, "one", NOW).await.unwrap(), writer.seal(&second, "two", NOW).await.unwrap()];
    let backup = copy(&world).await;
    world.store.lose(Owner::Room(room(1)));
    world.store.lose(Owner::User(user(1)));
    assert_eq!(world.process().open(&first, &sealed[0]).await, Err(KeyError::Absent(Owner::Room(room(1)))));
    let rooms = restored(&world, &backup, OwnerKind::Room, &[]).await;
    assert_eq!(rooms, Restored { restored: 1, ..Restored::default() });
    let users = restored(&world, &backup, OwnerKind::User, &[]).await;
    assert_eq!(users, Restored { restored: 1, untouched: 2, ..Restored::default() });
    let reader = world.process();
    assert_eq!(reader.open(&first, &sealed[0]).await, Ok(text("one")));
    assert_eq!(reader.open(&second, &sealed[1]).await, Ok(text("two")));
    let again = restored(&world, &backup, OwnerKind::Room, &[]).await;
    assert_eq!(again, Restored { untouched: 1, ..Restored::default() }, "there is nothing left to do");
}

#[tokio::test]
async fn nobody_comes_back_whom_one_of_the_ledgers_names_or_whose_key_was_destroyed() {
    let world = World::new();
    world.sealer(1).await;
    let owners = [1, 2, 3].map(|n| Owner::User(user(n)));
    let [in_the_copy, today, destroyed] = owners;
    let keyring = world.process();
    keyring.destroy(destroyed, NOW).await.unwrap();
    let mut backup = copy(&world).await;
    backup.erased.insert(in_the_copy.to_string(), json!({}));
    for owner in owners {
        world.store.lose(owner);
    }
    let done = restored(&world, &backup, OwnerKind::User, &[today, Owner::Room(room(1))]).await;
    assert_eq!(done, Restored { erased: 3, ..Restored::default() });
    for owner in owners {
        assert!(!world.store.holds_keys_of(owner), "{owner}");
    }
}

#[tokio::test]
async fn a_lost_key_comes_back_beside_the_one_that_was_made_in_its_place() {
    let world = World::new();
    let before = world.sealer(9).await.seal(&body(1, 1, 1), "before", NOW).await.unwrap();
    let backup = copy(&world).await;
    let owners = [Owner::User(user(1)), Owner::Room(room(1))];
    for owner in owners {
        world.store.lose(owner);
    }
    // People go on: for all that the processes know, these have no keys yet.
    let later = NOW.plus_millis(60_000);
    let keyring = world.process();
    keyring.ensure(owners[0], later).await.unwrap();
    let meanwhile = Sealer::new(keyring, 9).seal(&body(1, 2, 1), "meanwhile", later).await.unwrap();
    for kind in OwnerKind::ALL {
        let done = restored(&world, &backup, kind, &[]).await;
        assert_eq!((done.restored, done.conflicting), (1, 0), "{kind:?}");
    }
    let reader = world.process();
    assert_eq!(reader.open(&body(1, 1, 1), &before).await, Ok(text("before")));
    assert_eq!(reader.open(&body(1, 2, 1), &meanwhile).await, Ok(text("meanwhile")));
    let after = Sealer::new(world.process(), 9).seal(&body(1, 3, 1), "after", later).await.unwrap();
    assert_eq!(epoch_of(&after), epoch_of(&meanwhile), "the newest seals");
}

#[tokio::test]
async fn two_keys_of_one_number_are_told() {
    let world = World::new();
    world.sealer(1).await;
    let owner = Owner::User(user(1));
    let backup = copy(&world).await;
    world.store.lose(owner);
    world.process().ensure(owner, NOW.plus_millis(1)).await.unwrap();
    let there = world.store.get(owner).await.unwrap();
    let done = restored(&world, &backup, OwnerKind::User, &[]).await;
    assert_eq!(done, Restored { untouched: 2, conflicting: 1, ..Restored::default() });
    assert_eq!(world.store.get(owner).await.unwrap(), there);
}

#[tokio::test]
async fn newer_keys_stay_when_older_ones_come_back() {
    let world = World::new();
    world.sealer(1).await;
    let owner = Owner::User(user(1));
    let backup = copy(&world).await;
    world.process().rotate(owner, NOW.plus_millis(1), NOW.plus_millis(1)).await.unwrap();
    let there = world.store.get(owner).await.unwrap();
    assert_eq!(restored(&world, &backup, OwnerKind::User, &[]).await.untouched, 3);
    assert_eq!(world.store.get(owner).await.unwrap(), there);
}

#[test]
fn a_copy_is_good_for_so_many_days() {
    let backup = Backup::new(NOW);
    assert_eq!(backup.check(NOW.plus_millis(35 * DAY_MS), 35), Ok(()));
    let late = backup.check(NOW.plus_millis(35 * DAY_MS + 1), 35);
    assert_eq!(late, Err(Unfit::TooOld { age: 35, most: 35 }));
    assert_eq!(backup.check(NOW.plus_millis(-1), 35), Err(Unfit::FromTheFuture));
    assert_eq!(Backup { version: 2, ..backup }.check(NOW, 35), Err(Unfit::Version(2)));
}

#[tokio::test]
async fn keys_are_counted_by_what_wraps_them_and_broken_ones_are_found() {
    let world = World::new();
    world.sealer(1).await;
    let keyring = world.process();
    keyring.rotate(Owner::User(user(1)), NOW.plus_millis(1), NOW.plus_millis(1)).await.unwrap();
    keyring.destroy(Owner::User(user(2)), NOW).await.unwrap();
    let census = keyring.census(OwnerKind::User).await.unwrap();
    let share = crate::Share { keys: 3, oldest: NOW };
    assert_eq!(census, crate::Census { keys: [("a".to_owned(), share)].into(), destroyed: 1 });
    assert_eq!(keyring.broken(OwnerKind::User).await, Ok(vec![]));

    let other = KekFile::load(KekSource::Text(KekFile::new_line("b").trim().to_owned().into())).unwrap();
    let without = Keyring::new(world.store.clone(), Arc::new(other), LIFE);
    let broken = without.broken(OwnerKind::User).await.unwrap();
    let mut whose: Vec<Owner> = broken
        .iter()
        .map(|error| match error {
            KeyError::Unavailable(owner, _) | KeyError::Absent(owner) => *owner,
        })
        .collect();
    whose.sort();
    assert_eq!(whose, [1, 3].map(|n| Owner::User(user(n))), "one that was destroyed is not broken");
}
