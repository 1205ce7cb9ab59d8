//! The session document: Automerge changes, checked, merged and shown as JSON.
//!
//! A session's record is an append-only *set* of Automerge changes, written by several instances at once.
//! Everything here is a function of that set: in any order of arrival, and however often a change
//! arrives, the same set gives the same document, clock, conflicts, held and quarantined changes.
//!
//! - [`SessionDocument::integrate`] takes stored rows and never fails. A change whose dependencies are
//!   missing is *held* and merges the moment they arrive; one that would damage the document is
//!   *quarantined* with a reason. Neither state is stored anywhere: it follows from the set.
//! - [`SessionDocument::prepare`] takes what a client sent, checks all of it, and answers with the changes
//!   to store or with a [`Refusal`]. Nothing of a refused request is applied. The caller stores the changes
//!   and then calls [`SessionDocument::adopt`].
//!   Many requests may be prepared and adopted on top of each other before they are stored together: go back
//!   to a [`Mark`] if that fails.
//! - [`SessionDocument::copy`] keeps what was worked out from the changes, so that the next reader of a long
//!   history need not work it out again.
//! - [`SessionDocument::view`] shows the merged document as JSON, with the safe side for outcomes.
//!
//! Whether changes fit, what operations write, and most conflicts follow from an index of the changes, in
//! steps that do not depend on how long the history is. The Automerge document is made and brought up to date
//! only when it is read.
//!
//! There is no clock, no randomness and no I/O in this module.

mod change;
mod change_summary;
mod check;
mod chunk;
mod clock;
mod condense;
mod copy;
mod edit;
mod history;
mod ids;
mod items;
mod json_edit;
mod limits;
mod mark;
mod merge;
mod merged;
mod operation;
mod past;
mod paths;
mod point;
mod pointer;
mod prepare;
mod refusal;
mod room;
mod seen;
mod session;
mod stated;
mod summary;
mod unmerged;
mod value;
mod view;
mod writer;

pub use change::{NewChange, Provenance, RecordedChange, SERVER_DEVICE};
pub use change_summary::{ChangeSummary, Standing, Touch, TouchAction};
pub use chunk::split_changes;
pub use clock::{ClockError, VectorClock};
pub(crate) use ids::ACTOR_BYTES_MAX;
pub use ids::{ActorId, ChangeHash, time_ordered_actor};
pub use items::{ItemSeed, ItemsRefusal};
pub use limits::Limits;
pub use mark::Mark;
pub(crate) use operation::is_deeper_than;
pub use operation::{Entry, FieldError, Operation, OperationKind, operation_count_of};
pub use past::{PastDocument, PlaceInHistory, UnknownPast, covered_by};
pub use prepare::{OperationId, Prepared, Stranger};
pub use refusal::{ChangeFault, Refusal};
pub use room::NearLimit;
pub use seen::{LateChange, Moment, SeenFail, SeenItem, SeenPass, SeenState, Timeliness};
pub use session::{Quarantined, SessionDocument};
pub use stated::StatedTime;
pub use summary::{DocumentSize, DocumentSummary};
pub use unmerged::Held;
pub use value::Outcome;
pub use view::{Conflict, ConflictValue, DocumentView};
pub use writer::WriterContext;
