//! Versions of the views, and which of them is read.
//!
//! Every collection carries its version in its name. `projections` holds one document: the versions that are
//! projected, and the active one, which readers use. Making the views anew is folding the log into the next
//! version beside the active one; switching is one write of the pointer.

use std::{fmt, str::FromStr};

use bson::{Document, doc};

use crate::{ReadError, Store, stored::Fields};

/// A version of all views together, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32);

impl Version {
    /// The version that a new installation begins with.
    pub const FIRST: Self = Self(1);

    /// The version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// The text is not a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a version of the views is written v<number> or <number>, from 1")]
pub struct NotAVersion;

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let number = text.strip_prefix('v').unwrap_or(text).parse().map_err(|_| NotAVersion)?;
        if number == 0 { Err(NotAVersion) } else { Ok(Self(number)) }
    }
}

/// Which versions there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The one that is read.
    pub active: Version,
    /// All that are projected, in order.
    pub versions: Vec<Version>,
}

const COLLECTION: &str = "projections";
const ID: &str = "pointer";

impl Pointer {
    /// Reads the pointer; `None` before the first projector has started.
    pub async fn load(store: &Store) -> Result<Option<Self>, ReadError> {
        let found = store.collection(COLLECTION).find_one(doc! { "_id": ID }).await?;
        found.as_ref().map(Self::read).transpose()
    }

    /// Reads the pointer, and makes it at the first version where there is none.
    pub async fn load_or_begin(store: &Store) -> Result<Self, ReadError> {
        let first = i64::from(Version::FIRST.0);
        let begin = doc! { "$setOnInsert": { "active": first, "versions": [first] } };
        store.collection(COLLECTION).update_one(doc! { "_id": ID }, begin).upsert(true).await?;
        let pointer = Self::load(store).await?;
        pointer.ok_or_else(|| ReadError::Unavailable("the pointer was removed while it was read".to_owned()))
    }

    /// Writes `next` if the pointer still is `self`. `false`: somebody else changed it meanwhile.
    pub async fn replace(&self, store: &Store, next: &Self) -> Result<bool, ReadError> {
        let mut expected = self.document();
        expected.insert("_id", ID);
        let change = doc! { "$set": next.document() };
        let result = store.collection(COLLECTION).update_one(expected, change).await?;
        Ok(result.matched_count == 1)
    }

    fn document(&self) -> Document {
        let versions: Vec<i64> = self.versions.iter().map(|version| i64::from(version.0)).collect();
        doc! { "active": i64::from(self.active.0), "versions": versions }
    }

    fn read(document: &Document) -> Result<Self, ReadError> {
        let fields = Fields::of(COLLECTION, document);
        let version = |number: u64| u32::try_from(number).map(Version).map_err(|_| fields.wrong("versions"));
        let versions: Result<Vec<_>, _> = fields.numbers("versions")?.into_iter().map(version).collect();
        Ok(Self { active: version(fields.number("active")?)?, versions: versions? })
    }
}
