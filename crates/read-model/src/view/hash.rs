//! Whether two versions of the views hold the same.

use std::fmt::Write as _;

use bson::{Bson, Document};
use futures::TryStreamExt as _;
use sha2::{Digest, Sha256};

use super::Collection;
use crate::{ReadError, Store, Version};

/// A hash of everything that a version holds, by collection, independent of the order of documents and of the
/// order of fields. Reads everything.
pub async fn content_hash(store: &Store, version: Version) -> Result<Vec<(&'static str, String)>, ReadError> {
    let mut hashes = vec![];
    for collection in Collection::CONTENT {
        let mut documents = store.collection(&collection.name(version)).find(Document::new()).await?;
        let mut sum = [0u8; 32];
        while let Some(document) = documents.try_next().await? {
            add(&mut sum, &hash(&document));
        }
        hashes.push((collection.base(), hexadecimal(&sum)));
    }
    Ok(hashes)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Adds without a carry between bytes: the order of documents does not matter, and no document cancels another.
fn add(sum: &mut [u8; 32], hash: &[u8]) {
    for (to, from) in sum.iter_mut().zip(hash) {
        *to = to.wrapping_add(*from);
    }
}

pub(crate) fn hash(document: &Document) -> Vec<u8> {
    let mut hasher = Sha256::new();
    feed(&mut hasher, &Bson::Document(document.clone()));
    hasher.finalize().to_vec()
}

fn feed(hasher: &mut Sha256, value: &Bson) {
    match value {
        Bson::Document(document) => {
            let mut fields: Vec<_> = document.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            hasher.update(b"{");
            for (name, value) in fields {
                hasher.update((name.len() as u64).to_be_bytes());
                hasher.update(name.as_bytes());
                feed(hasher, value);
            }
            hasher.update(b"}");
        }
        Bson::Array(values) => {
            hasher.update(b"[");
            for value in values {
                feed(hasher, value);
            }
            hasher.update(b"]");
        }
        // A number is the same number in 32 and in 64 bits.
        Bson::Int32(number) => feed(hasher, &Bson::Int64(i64::from(*number))),
        other => {
            let text = format!("{other:?}");
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::doc;

    use super::*;

    #[test]
    fn only_the_order_of_fields_does_not_matter() {
        assert_eq!(hash(&doc! { "a": 1, "b": "x" }), hash(&doc! { "b": "x", "a": 1i64 }));
        for other in [doc! { "a": 1, "b": "y" }, doc! { "a": 1 }, doc! { "a": 1, "b": ["x"] }] {
            assert_ne!(hash(&doc! { "a": 1, "b": "x" }), hash(&other));
        }
    }
}
