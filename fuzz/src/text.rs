//! What travels as a short text: cursors and positions.

use chasqui_events::{Partition, Position};
use chasqui_ws_edge::cursor::{Cursor, Floor};

/// A cursor that is taken is one that an edge could have made.
pub(crate) fn cursor(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(cursor) = Cursor::decode(text) {
        assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
    }
}

pub(crate) fn cursors() -> Vec<Vec<u8>> {
    let floor = |partition| Floor { partition, incarnation: 7, seq: 300, fingerprint: 9, known: 290 };
    [0, 1, 4]
        .map(|count| Cursor::new(Partition::first(count).map(floor).collect()).encode().into_bytes())
        .into()
}

/// A position, as queries give it.
pub(crate) fn position(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(position) = text.parse::<Position>() {
        assert_eq!(position.to_string().parse(), Ok(position));
    }
}

pub(crate) fn positions() -> Vec<Vec<u8>> {
    ["2:17", "0:0", "4095:18446744073709551615"].map(|text| text.as_bytes().to_vec()).into()
}
