//! Finds the key that was probably meant.

use strsim::normalized_damerau_levenshtein as similarity;

use super::key::{Key, known_keys};

/// The key most like `written`, a dotted name or the part of a variable after its prefix.
pub(super) fn nearest(written: &str) -> &'static Key {
    let written = written.to_ascii_lowercase().replace('-', "_");
    known_keys()
        .iter()
        .max_by(|a, b| likeness(&written, a).total_cmp(&likeness(&written, b)))
        .expect("the table has keys")
}

/// Likeness of the whole names, or, a little less telling, of their last parts (the right name in the wrong
/// section, or without one, is a common slip); among equals, the section and the whole decide.
fn likeness(written: &str, key: &Key) -> f64 {
    let leaf = |name| str::rsplit_once(name, '.').map_or(name, |(_, leaf)| leaf);
    let section = |name| str::rsplit_once(name, '.').map_or("", |(section, _)| section);
    let whole = similarity(&written.replace('.', "_"), &key.name.replace('.', "_"));
    let same_section = if section(written) == section(key.name) { 0.2 } else { 0.0 };
    whole.max(0.9 * similarity(leaf(written), leaf(key.name))) + 0.1 * whole + same_section
}
