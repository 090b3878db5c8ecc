//! Pages, in every direction, from MongoDB and from the hot set alike.

use chasqui_events::Seq;
use chasqui_protocol::query::Page;
use chasqui_read_model::{ReadModel, StoredHistory, Visible};
use pretty_assertions::assert_eq;

use crate::harness::{Room, Servers, settled};

/// What a page must be, from the list of all places.
fn expected(all: &[Seq], page: Page, limit: usize, visible: Visible) -> (Vec<Seq>, bool, bool) {
    let seen: Vec<Seq> = all
        .iter()
        .copied()
        .filter(|seq| *seq >= visible.from && visible.until.is_none_or(|until| *seq <= until))
        .collect();
    let (from, to) = match page {
        Page::Newest => (seen.len().saturating_sub(limit), seen.len()),
        Page::Before(seq) => {
            let end = seen.partition_point(|at| *at < seq);
            (end.saturating_sub(limit), end)
        }
        Page::After(seq) => {
            let begin = seen.partition_point(|at| *at <= seq);
            (begin, seen.len().min(begin + limit))
        }
        Page::Around(_) => unreachable!("has its own test"),
    };
    (seen[from..to].to_vec(), from > 0, to < seen.len())
}

fn told(history: &StoredHistory) -> (Vec<Seq>, bool, bool) {
    (history.items.iter().map(|item| item.seq).collect(), history.older, history.newer)
}

async fn check(model: &ReadModel, room: &Room, all: &[Seq]) {
    let last = *all.last().unwrap();
    let visibles = [
        Visible::ALL,
        Visible { from: all[10], until: None },
        Visible { from: all[10] + 1, until: Some(all[40]) },
        Visible { from: 0, until: Some(all[3]) },
        Visible { from: last + 1, until: None },
    ];
    let mut pages =
        vec![Page::Newest, Page::Before(0), Page::Before(last + 100), Page::After(0), Page::After(last)];
    for seq in [all[0], all[9], all[10], all[11], all[12] + 1, all[39], all[40], last] {
        pages.extend([Page::Before(seq), Page::After(seq)]);
    }
    for visible in visibles {
        for page in &pages {
            for limit in [1, 7, 50, 1000] {
                let history = model.history(room.id, *page, limit, visible).await.unwrap();
                assert_eq!(
                    told(&history),
                    expected(all, *page, limit, visible),
                    "{page:?} {limit} {visible:?}"
                );
            }
        }
        for seq in [all[0], all[20], all[20] + 1, last] {
            let history = model.history(room.id, Page::Around(seq), 9, visible).await.unwrap();
            check_around(&history, all, seq, visible);
        }
    }
}

fn check_around(history: &StoredHistory, all: &[Seq], seq: Seq, visible: Visible) {
    let (seen, ..) = expected(all, Page::Newest, usize::MAX, visible);
    let (places, older, newer) = told(history);
    assert_eq!(places.len(), seen.len().min(9), "{visible:?}");
    let Some(first) = places.first() else { return };
    let begin = seen.iter().position(|at| at == first).unwrap();
    assert_eq!(places, seen[begin..begin + places.len()]);
    assert_eq!((older, newer), (begin > 0, begin + places.len() < seen.len()));
    let is_visible = seen.contains(&seq);
    assert!(!is_visible || places.contains(&seq), "{seq} is not around itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_exact_in_every_direction() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let _projector = servers.projector().await;
    let room = Room::create(&log).await;
    let other = Room::create(&log).await;
    let mut all = vec![room.basis];
    for n in 0..60 {
        all.push(room.post(room.owner, &format!("message {n}")).await);
        // So that places have holes.
        other.post(other.owner, "elsewhere").await;
    }
    settled(&model, &log).await;
    check(&model, &room, &all).await;

    // The same without a hot set.
    servers.redis().await.say("FLUSHALL").await;
    check(&model, &room, &all).await;
    for after in [0, all[0], all[30], all[30] + 1, *all.last().unwrap()] {
        let slice = model.timeline_after(room.id, after, 5).await.unwrap();
        let (places, _, newer) = expected(&all, Page::After(after), 5, Visible::ALL);
        assert_eq!(slice.items.iter().map(|item| item.seq).collect::<Vec<_>>(), places);
        assert_eq!(slice.complete, !newer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_does_not_exist_has_no_history() {
    let servers = Servers::start().await;
    let (log, model) = (servers.log().await, servers.model().await);
    let room = Room {
        log,
        id: chasqui_events::RoomId::new(crate::harness::P, crate::harness::now(), [9; 10]),
        owner: crate::harness::user(),
        basis: 0,
    };
    let history = model.history(room.id, Page::Newest, 10, Visible::ALL).await.unwrap();
    assert_eq!(told(&history), (vec![], false, false));
    assert!(model.timeline_after(room.id, 0, 10).await.unwrap().complete);
    assert_eq!(model.room(room.id).await.unwrap(), None);
}
