//! The projections: what the log comes to, kept where it can be asked.
//!
//! The only crate that names `mongodb` and `redis`. Both hold folds of the log and nothing else: either can be
//! dropped and made again.
//!
//! - [`view`]: one file per view with its document, its fold, its indexes and its queries;
//! - [`fold`]: facts in, planned writes out; pure;
//! - [`projection`]: writes a plan in one transaction whose first write is the checkpoint;
//! - [`hot`]: what Redis holds beside it, and when a reader may trust it;
//! - [`ReadModel`]: what edges and the query API ask;
//! - [`version`]: versions of the views, and the pointer to the one that is read.

pub mod checkpoint;
pub mod error;
pub mod fold;
pub mod hot;
mod item;
pub mod model;
pub mod notice;
pub mod plan;
pub mod projection;
pub mod settings;
mod store;
mod stored;
pub mod stream;
pub mod version;
pub mod view;

pub use checkpoint::Checkpoint;
pub use error::{CommitError, ReadError, WaitError};
pub use item::{StoredHistory, StoredItem};
pub use model::{
    HeadsSince, ReadModel, Said, Slice, StoredBans, StoredConversation, StoredMember, StoredMembers, Visible,
};
pub use notice::{Notice, NoticeKind};
pub use settings::Settings;
pub use store::Store;
pub use stream::Stream;
pub use version::Version;
pub use view::members::{Ban, MemberStanding, Membership, RoomMembers};
pub use view::rooms::{RoomHeads, RoomInfo};
pub use view::users::StoredProfile;
