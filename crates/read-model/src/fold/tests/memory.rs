//! A store in memory: takes the writes of plans as MongoDB does, and refuses what its unique indexes refuse.

use std::collections::{BTreeMap, HashMap};

use bson::{Bson, Document, doc};
use chasqui_events::{RoomId, Seq, UserId};

use crate::{
    fold::{Loaded, Wants},
    plan::{Plan, Write},
    stored,
    view::{
        Collection,
        members::{self, MemberDoc},
        parked::Parked,
        rooms::RoomDoc,
        timeline::{self, Numbered},
    },
};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Memory {
    pub(super) pos: Seq,
    documents: BTreeMap<(Collection, String), BTreeMap<String, Bson>>,
}

impl Memory {
    pub(super) fn commit(&mut self, plan: &Plan, pos: Seq) {
        for (collection, writes) in plan.writes.iter() {
            let mut written = std::collections::BTreeSet::new();
            for (id, write) in writes {
                assert!(written.insert(id.to_string()), "{collection:?} {id} is written twice in a batch");
                self.write(collection, id, write);
            }
        }
        self.pos = pos;
    }

    fn write(&mut self, collection: Collection, id: &Bson, write: &Write) {
        let key = (collection, id.to_string());
        match write {
            Write::Insert(document) => {
                assert!(!self.documents.contains_key(&key), "{key:?} is there already");
                self.documents.insert(key, sorted(document));
            }
            Write::Put(document) => {
                self.documents.insert(key, sorted(document));
            }
            Write::Change { set, raise, first, create } => {
                let known = self.documents.contains_key(&key);
                if !known && !create {
                    return;
                }
                let document = self.documents.entry(key).or_insert_with(|| sorted(&doc! { "_id": id }));
                if !known {
                    document.extend(sorted(first));
                }
                document.extend(sorted(set));
                for (field, value) in raise {
                    let old = document.get(field).and_then(Bson::as_i64).unwrap_or(i64::MIN);
                    if value.as_i64().unwrap() > old {
                        document.insert(field.clone(), value.clone());
                    }
                }
            }
            Write::Remove => {
                self.documents.remove(&key);
            }
        }
    }

    /// What MongoDB's unique indexes refuse.
    pub(super) fn check_unique(&self) {
        let mut numbers = std::collections::HashSet::new();
        let mut ids = std::collections::HashSet::new();
        for entry in self.timeline() {
            assert!(numbers.insert((entry.item.room, entry.n)), "{} twice", entry.n);
            if let chasqui_protocol::Happening::Message { id, .. } = entry.item.what {
                assert!(ids.insert((entry.item.room, id, entry.item.by)), "{id} twice");
            }
        }
    }

    /// Everything but what is parked.
    pub(super) fn content(&self) -> BTreeMap<(Collection, String), BTreeMap<String, Bson>> {
        let mut content = self.documents.clone();
        content.retain(|(collection, _), _| *collection != Collection::Parked);
        content
    }

    fn all(&self, collection: Collection) -> impl Iterator<Item = Document> {
        self.documents
            .iter()
            .filter(move |((of, _), _)| *of == collection)
            .map(|(_, fields)| fields.clone().into_iter().collect())
    }

    pub(super) fn timeline(&self) -> Vec<Numbered> {
        let mut entries: Vec<_> =
            self.all(Collection::Timeline).map(|document| timeline::read(&document).unwrap()).collect();
        entries.sort_by_key(|entry| entry.item.seq);
        entries
    }

    pub(super) fn room(&self, room: RoomId) -> Option<RoomDoc> {
        let key = (Collection::Rooms, stored::room(room).to_string());
        let fields = self.documents.get(&key)?;
        Some(RoomDoc::read(&fields.clone().into_iter().collect()).unwrap())
    }

    pub(super) fn member(&self, room: RoomId, user: UserId) -> Option<MemberDoc> {
        let key = (Collection::Members, members::key(room, user).to_string());
        let fields = self.documents.get(&key)?;
        Some(MemberDoc::read(&fields.clone().into_iter().collect()).unwrap())
    }

    pub(super) fn parked(&self) -> Vec<Parked> {
        self.all(Collection::Parked).map(|document| Parked::read(&document).unwrap()).collect()
    }

    pub(super) fn load(&self, wants: &Wants) -> Loaded {
        let mut loaded = Loaded::default();
        for room in &wants.rooms {
            loaded.rooms.insert(*room, self.room(*room));
        }
        for (room, user) in &wants.members {
            loaded.members.insert((*room, *user), self.member(*room, *user).map(MemberDoc::state));
        }
        let timeline = self.timeline();
        for (room, seq) in &wants.counts {
            let mut entries =
                timeline.iter().filter(|entry| entry.item.room == *room && entry.item.seq <= *seq);
            loaded.counts.insert((*room, *seq), entries.next_back().map_or(0, |entry| entry.m));
        }
        let mut ids = HashMap::new();
        for entry in &timeline {
            if let chasqui_protocol::Happening::Message { id, .. } = entry.item.what {
                ids.insert((entry.item.room, entry.item.by, id), entry.item.seq);
            }
        }
        for (room, wanted) in &wants.ids {
            for (user, id) in wanted {
                loaded.ids.insert((*room, *user, *id), ids.get(&(*room, *user, *id)).copied());
            }
        }
        loaded
    }
}

fn sorted(document: &Document) -> BTreeMap<String, Bson> {
    document.iter().map(|(field, value)| (field.clone(), value.clone())).collect()
}
