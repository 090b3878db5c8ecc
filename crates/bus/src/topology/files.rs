//! The files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chasqui_events::Partition;
use serde_json::{Map, Value};

/// A stream's configuration as a file gives it: what JetStream's API takes, every field that matters named.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamFile {
    /// The stream's name.
    pub name: String,
    /// The configuration, `name` included.
    pub config: Map<String, Value>,
}

/// Every stream and bucket that there is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    /// Partitions first, then `IDENT`, then the buckets' streams.
    pub streams: Vec<StreamFile>,
}

/// The files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file is not what it must be.
    #[error("{path}: {reason}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what it must be.
        reason: String,
    },
}

/// The copies that are built in, so that a program works without the folder.
const EMBEDDED: [(&str, &str); 14] = [
    ("streams/CHAT.json", include_str!("../../../../nats/streams/CHAT.json")),
    ("streams/IDENT.json", include_str!("../../../../nats/streams/IDENT.json")),
    ("buckets/CHALLENGES.json", include_str!("../../../../nats/buckets/CHALLENGES.json")),
    ("buckets/CREDENTIALS.json", include_str!("../../../../nats/buckets/CREDENTIALS.json")),
    ("buckets/EMAILS.json", include_str!("../../../../nats/buckets/EMAILS.json")),
    ("buckets/ERASURES.json", include_str!("../../../../nats/buckets/ERASURES.json")),
    ("buckets/JWKS.json", include_str!("../../../../nats/buckets/JWKS.json")),
    ("buckets/REFRESH.json", include_str!("../../../../nats/buckets/REFRESH.json")),
    ("buckets/REVOKED.json", include_str!("../../../../nats/buckets/REVOKED.json")),
    ("buckets/ROOM_KEYS.json", include_str!("../../../../nats/buckets/ROOM_KEYS.json")),
    ("buckets/SERVICE_TOKENS.json", include_str!("../../../../nats/buckets/SERVICE_TOKENS.json")),
    ("buckets/SIGNING_KEYS.json", include_str!("../../../../nats/buckets/SIGNING_KEYS.json")),
    ("buckets/SNAPSHOTS.json", include_str!("../../../../nats/buckets/SNAPSHOTS.json")),
    ("buckets/USER_KEYS.json", include_str!("../../../../nats/buckets/USER_KEYS.json")),
];

/// What a partition's number replaces in the template `streams/CHAT.json`.
const PLACEHOLDER: &str = "{p}";

impl Topology {
    /// The built-in copy of `nats/`, for so many partitions.
    ///
    /// # Errors
    /// [`TopologyError::Malformed`]: a defect of this build.
    pub fn embedded(partitions: u16) -> Result<Self, TopologyError> {
        let files = EMBEDDED.into_iter().map(|(path, text)| (PathBuf::from(path), text.to_owned()));
        Self::from_files(files, partitions)
    }

    /// The folders `streams` and `buckets` of a directory such as `nats/`, for so many partitions.
    ///
    /// # Errors
    /// See [`TopologyError`].
    pub fn from_dir(directory: &Path, partitions: u16) -> Result<Self, TopologyError> {
        let mut files = Vec::new();
        for folder in ["streams", "buckets"] {
            for path in json_files(&directory.join(folder))? {
                let text = fs::read_to_string(&path)
                    .map_err(|error| TopologyError::Read { path: path.clone(), error })?;
                files.push((path, text));
            }
        }
        Self::from_files(files, partitions)
    }

    /// The built-in copy, or a directory where one is given.
    ///
    /// # Errors
    /// See [`TopologyError`].
    pub fn load(directory: Option<&Path>, partitions: u16) -> Result<Self, TopologyError> {
        directory
            .map_or_else(|| Self::embedded(partitions), |directory| Self::from_dir(directory, partitions))
    }

    /// The same, with so many copies of every stream whose file does not say how many.
    #[must_use]
    pub fn with_replicas(mut self, replicas: usize) -> Self {
        for stream in &mut self.streams {
            stream.config.entry("num_replicas").or_insert_with(|| replicas.into());
        }
        self
    }

    fn from_files(
        files: impl IntoIterator<Item = (PathBuf, String)>,
        partitions: u16,
    ) -> Result<Self, TopologyError> {
        let mut streams = Vec::new();
        for (path, text) in files {
            if text.contains(PLACEHOLDER) {
                for partition in Partition::first(partitions) {
                    streams.push(parse(&path, &text.replace(PLACEHOLDER, &partition.to_string()))?);
                }
            } else {
                streams.push(parse(&path, &text)?);
            }
        }
        Ok(Self { streams })
    }
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>, TopologyError> {
    let failed = |error| TopologyError::Read { path: folder.to_owned(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn parse(path: &Path, text: &str) -> Result<StreamFile, TopologyError> {
    let malformed = |reason: String| TopologyError::Malformed { path: path.to_owned(), reason };
    let config: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| malformed(format!("not a JSON object: {error}")))?;
    let name = match config.get("name") {
        Some(Value::String(name)) if !name.is_empty() => name.clone(),
        _ => return Err(malformed("\"name\" must be the stream's name".to_owned())),
    };
    if !config.get("subjects").is_some_and(Value::is_array) {
        return Err(malformed(
            "\"subjects\" must be the list of the subjects that the stream stores".to_owned(),
        ));
    }
    Ok(StreamFile { name, config })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kv::Name;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nats")
    }

    #[test]
    fn what_is_built_in_is_what_the_folder_has() {
        let mut embedded = Topology::embedded(4).unwrap();
        let mut read = Topology::from_dir(&folder(), 4).unwrap();
        for topology in [&mut embedded, &mut read] {
            topology.streams.sort_by(|one, other| one.name.cmp(&other.name));
        }
        assert_eq!(embedded, read);
        let names: BTreeSet<String> = read.streams.iter().map(|stream| stream.name.clone()).collect();
        let streams = ["CHAT_0", "CHAT_1", "CHAT_2", "CHAT_3", "IDENT"].map(str::to_owned).into_iter();
        assert_eq!(names, streams.chain(Name::ALL.map(Name::stream)).collect());
    }

    #[test]
    fn every_stream_has_as_many_copies_as_configured_unless_its_file_says_otherwise() {
        let mut topology = Topology::embedded(2).unwrap();
        topology.streams[0].config.insert("num_replicas".to_owned(), 5.into());
        let topology = topology.with_replicas(3);
        let copies: Vec<_> =
            topology.streams.iter().map(|stream| stream.config["num_replicas"].as_u64()).collect();
        let (first, others) = copies.split_first().unwrap();
        assert_eq!(*first, Some(5));
        assert!(others.iter().all(|copies| *copies == Some(3)), "{others:?}");
    }

    #[test]
    fn the_dedupe_window_is_the_one_that_readers_count_on() {
        for stream in Topology::embedded(2).unwrap().streams {
            if !stream.name.starts_with("KV_") {
                let window = stream.config.get("duplicate_window").and_then(Value::as_i64);
                assert_eq!(
                    window,
                    Some(chasqui_events::message::DEDUPE_WINDOW_MS * 1_000_000),
                    "{}",
                    stream.name
                );
            }
        }
    }

    #[test]
    fn a_bad_file_is_named_with_what_is_wrong() {
        for (text, part) in [("[]", "JSON object"), ("{}", "\"name\""), (r#"{"name":"X"}"#, "\"subjects\"")] {
            let error = parse(Path::new("streams/X.json"), text).unwrap_err().to_string();
            assert!(error.contains("streams/X.json") && error.contains(part), "{error}");
        }
    }
}
