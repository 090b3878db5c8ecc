//! Between the project's types and BSON. Ids are stored as UUIDs (16 bytes), sequences and counts as 64-bit
//! integers, moments as milliseconds since the Unix epoch.

use bson::{Binary, Bson, Document, spec::BinarySubtype};
use chasqui_events::{
    CommandId, Partition, RoomId, Sealed, Seq, SessionId, Text, Timestamp, UserId,
    room::{Kind, Role},
};
use uuid::Uuid;

use crate::ReadError;

pub(crate) fn uuid(id: Uuid) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: id.as_bytes().to_vec() })
}

pub(crate) fn room(id: RoomId) -> Bson {
    uuid(id.as_uuid())
}

pub(crate) fn user(id: UserId) -> Bson {
    uuid(id.as_uuid())
}

pub(crate) fn command(id: CommandId) -> Bson {
    uuid(id.as_uuid())
}

pub(crate) fn session(id: SessionId) -> Bson {
    uuid(id.as_uuid())
}

/// Sealed bytes as they are.
pub(crate) fn sealed(sealed: &Sealed) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: sealed.as_bytes().to_vec() })
}

/// A text as a fact holds it: text, or sealed bytes.
pub(crate) fn text(text: &Text) -> Bson {
    match text {
        Text::Plain(text) => Bson::String(text.clone()),
        Text::Sealed(bytes) => sealed(bytes),
    }
}

/// Two ids as one key, ordered as the pair is.
pub(crate) fn pair(first: Uuid, second: Uuid) -> Bson {
    let bytes = [*first.as_bytes(), *second.as_bytes()].concat();
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes })
}

pub(crate) fn seq(seq: Seq) -> Bson {
    Bson::Int64(i64::try_from(seq).unwrap_or(i64::MAX))
}

/// A place in the log as one number: 12 bits of partition above 48 bits of sequence.
pub(crate) fn place(partition: Partition, at: Seq) -> i64 {
    let at = at.min(PLACE_SEQ);
    i64::from(partition.number()) << 48 | i64::try_from(at).unwrap_or(i64::MAX)
}

const PLACE_SEQ: Seq = (1 << 48) - 1;

/// The sequence of a place.
pub(crate) fn seq_of_place(place: i64) -> Seq {
    u64::try_from(place).unwrap_or(0) & PLACE_SEQ
}

pub(crate) const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Public => "public",
        Kind::Private => "private",
        Kind::Direct => "direct",
    }
}

pub(crate) const fn role_name(role: Role) -> &'static str {
    role.as_str()
}

pub(crate) fn kind_of(name: &str) -> Option<Kind> {
    [Kind::Public, Kind::Private, Kind::Direct].into_iter().find(|kind| kind_name(*kind) == name)
}

pub(crate) fn role_of(name: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role_name(*role) == name)
}

/// Reads a stored document; what is missing or of another type is named.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    collection: &'a str,
    document: &'a Document,
}

impl<'a> Fields<'a> {
    pub(crate) const fn of(collection: &'a str, document: &'a Document) -> Self {
        Self { collection, document }
    }

    pub(crate) fn wrong(&self, field: &str) -> ReadError {
        let id = self.document.get("_id").map_or_else(String::new, ToString::to_string);
        ReadError::Corrupt(format!("{}: field {field:?} of {id}", self.collection))
    }

    pub(crate) fn has(&self, field: &str) -> bool {
        !matches!(self.document.get(field), None | Some(Bson::Null))
    }

    /// Reads a field that may be absent.
    pub(crate) fn optional<T>(
        &self,
        field: &str,
        read: impl FnOnce(&Self, &str) -> Result<T, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        if self.has(field) { read(self, field).map(Some) } else { Ok(None) }
    }

    pub(crate) fn signed(&self, field: &str) -> Result<i64, ReadError> {
        match self.document.get(field) {
            Some(Bson::Int64(number)) => Ok(*number),
            Some(Bson::Int32(number)) => Ok(i64::from(*number)),
            _ => Err(self.wrong(field)),
        }
    }

    pub(crate) fn number(&self, field: &str) -> Result<u64, ReadError> {
        u64::try_from(self.signed(field)?).map_err(|_| self.wrong(field))
    }

    pub(crate) fn numbers(&self, field: &str) -> Result<Vec<u64>, ReadError> {
        let entries = self.document.get_array(field).map_err(|_| self.wrong(field))?;
        let read = |entry: &Bson| match entry {
            Bson::Int64(number) => u64::try_from(*number).ok(),
            Bson::Int32(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        entries.iter().map(|entry| read(entry).ok_or_else(|| self.wrong(field))).collect()
    }

    pub(crate) fn moment(&self, field: &str) -> Result<Timestamp, ReadError> {
        self.signed(field).map(Timestamp)
    }

    pub(crate) fn text(&self, field: &str) -> Result<&'a str, ReadError> {
        self.document.get_str(field).map_err(|_| self.wrong(field))
    }

    /// A text that may be sealed.
    pub(crate) fn perhaps_sealed(&self, field: &str) -> Result<Text, ReadError> {
        match self.document.get(field) {
            Some(Bson::String(text)) => Ok(Text::Plain(text.clone())),
            _ => self.sealed(field).map(Text::Sealed),
        }
    }

    pub(crate) fn inner(&self, field: &str) -> Result<Fields<'a>, ReadError> {
        let document = self.document.get_document(field).map_err(|_| self.wrong(field))?;
        Ok(Fields { collection: self.collection, document })
    }

    pub(crate) fn list(&self, field: &str) -> Result<Vec<Fields<'a>>, ReadError> {
        let entries = self.document.get_array(field).map_err(|_| self.wrong(field))?;
        let read = |entry: &'a Bson| entry.as_document().ok_or_else(|| self.wrong(field));
        entries
            .iter()
            .map(|entry| read(entry).map(|document| Fields { collection: self.collection, document }))
            .collect()
    }

    fn bytes(&self, field: &str) -> Result<&'a [u8], ReadError> {
        match self.document.get(field) {
            Some(Bson::Binary(binary)) => Ok(&binary.bytes),
            _ => Err(self.wrong(field)),
        }
    }

    pub(crate) fn sealed(&self, field: &str) -> Result<Sealed, ReadError> {
        Ok(Sealed::new(self.bytes(field)?.to_vec()))
    }

    fn uuid(&self, field: &str) -> Result<Uuid, ReadError> {
        Uuid::from_slice(self.bytes(field)?).map_err(|_| self.wrong(field))
    }

    pub(crate) fn room(&self, field: &str) -> Result<RoomId, ReadError> {
        RoomId::from_uuid(self.uuid(field)?).map_err(|_| self.wrong(field))
    }

    pub(crate) fn user(&self, field: &str) -> Result<UserId, ReadError> {
        UserId::from_uuid(self.uuid(field)?).map_err(|_| self.wrong(field))
    }

    pub(crate) fn command(&self, field: &str) -> Result<CommandId, ReadError> {
        CommandId::from_uuid(self.uuid(field)?).map_err(|_| self.wrong(field))
    }

    pub(crate) fn session(&self, field: &str) -> Result<SessionId, ReadError> {
        SessionId::from_uuid(self.uuid(field)?).map_err(|_| self.wrong(field))
    }

    pub(crate) fn commands(&self, field: &str) -> Result<Vec<CommandId>, ReadError> {
        let entries = self.document.get_array(field).map_err(|_| self.wrong(field))?;
        let read = |entry: &Bson| match entry {
            Bson::Binary(binary) => {
                Uuid::from_slice(&binary.bytes).ok().and_then(|id| CommandId::from_uuid(id).ok())
            }
            _ => None,
        };
        entries.iter().map(|entry| read(entry).ok_or_else(|| self.wrong(field))).collect()
    }

    /// A list of pairs of numbers.
    pub(crate) fn ranges(&self, field: &str) -> Result<Vec<(u64, u64)>, ReadError> {
        let entries = self.document.get_array(field).map_err(|_| self.wrong(field))?;
        let number = |entry: &Bson| entry.as_i64().and_then(|number| u64::try_from(number).ok());
        let range = |entry: &Bson| match entry.as_array().map(Vec::as_slice) {
            Some([from, to]) => number(from).zip(number(to)),
            _ => None,
        };
        entries.iter().map(|entry| range(entry).ok_or_else(|| self.wrong(field))).collect()
    }

    pub(crate) fn pair(&self, field: &str) -> Result<[UserId; 2], ReadError> {
        let entries = self.document.get_array(field).map_err(|_| self.wrong(field))?;
        let user = |entry: &Bson| match entry {
            Bson::Binary(binary) => {
                Uuid::from_slice(&binary.bytes).ok().and_then(|id| UserId::from_uuid(id).ok())
            }
            _ => None,
        };
        match entries.as_slice() {
            [one, other] => user(one).zip(user(other)).map(|(one, other)| [one, other]),
            _ => None,
        }
        .ok_or_else(|| self.wrong(field))
    }

    pub(crate) fn kind(&self, field: &str) -> Result<Kind, ReadError> {
        kind_of(self.text(field)?).ok_or_else(|| self.wrong(field))
    }

    pub(crate) fn role(&self, field: &str) -> Result<Role, ReadError> {
        role_of(self.text(field)?).ok_or_else(|| self.wrong(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_keeps_its_sequence_and_orders_by_partition_first() {
        let (low, high) = (Partition::from_low_bits(1), Partition::from_low_bits(4095));
        assert_eq!(seq_of_place(place(high, 77)), 77);
        assert!(place(low, 1 << 40) < place(high, 1));
        assert!(place(high, u64::MAX) > 0);
    }
}
