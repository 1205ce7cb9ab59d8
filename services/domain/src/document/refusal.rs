//! Why a request, a change or an operation is not accepted.

use automerge::{ActorId, ChangeHash};
use thiserror::Error;

use super::limits::Limits;
use super::operation::FieldError;

/// Why a request is refused. Nothing of a refused request is applied. The messages are for the client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A change is not acceptable.
    #[error("change {index}: {fault}")]
    Change {
        /// Position of the change in the request, from 0.
        index: usize,
        /// What is wrong with it.
        fault: ChangeFault,
    },
    /// Another change with the same actor and sequence number is known. This is the one refusal that is a
    /// conflict (HTTP 409) rather than invalid input (422).
    #[error("change {index}: actor {actor} has already made a different change with sequence number {seq}")]
    Equivocation {
        /// Position of the change in the request, from 0.
        index: usize,
        /// The actor.
        actor: ActorId,
        /// The sequence number that was used twice.
        seq: u64,
    },
    /// An entry acts on the session's items as a whole, which only the server makes, once (HTTP 422 with a code of its own).
    #[error(
        "this makes, replaces or deletes `items` as a whole, which nobody may: set or delete the items one by one. If it comes from \
         a document of the device's own, take the session's offline bundle and do the work again in that document"
    )]
    Structure {
        /// Position of the entry in the request, from 0.
        index: usize,
        /// The part of the entry that says so, if it is not the entry as a whole.
        field: Option<&'static str>,
    },
    /// An operation is not acceptable; the error names the field, for example `changes[3].path`.
    #[error(transparent)]
    Operation(#[from] FieldError),
    /// The vector clock names a change that the server does not have.
    #[error(
        "the vector clock names changes that the server does not have: actor {actor}, sequence number {seq}"
    )]
    UnknownClock {
        /// The actor in hex.
        actor: String,
        /// The sequence number.
        seq: u64,
    },
    /// The vector clock names a change that waits for its own dependencies, or is quarantined, so the state
    /// after it cannot be known.
    #[error(
        "the vector clock names a change that is not merged yet (its dependencies have not arrived): \
         actor {actor}, sequence number {seq}"
    )]
    HeldClock {
        /// The actor in hex.
        actor: String,
        /// The sequence number.
        seq: u64,
    },
    /// Too many entries in one request.
    #[error("a request holds at most {max} changes, this one holds {found}")]
    TooManyEntries {
        /// How many there are.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// All entries together are too large.
    #[error("the changes of a request have at most {max} bytes together, these have {found}")]
    RequestTooLarge {
        /// How large they are.
        found: usize,
        /// How large they may be.
        max: usize,
    },
    /// All entries together are too much work.
    #[error(
        "the changes of a request have at most {max} operations together, these have {found}: send them in several requests"
    )]
    TooManyOperations {
        /// How many there are, at least.
        found: usize,
        /// How many there may be.
        max: usize,
    },
    /// The document would become too large.
    #[error(
        "the session's document is full: it may have {max} {what}; complete the session and go on in another one"
    )]
    DocumentFull {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        max: usize,
    },
    /// Too many changes wait for dependencies.
    #[error(
        "{max} changes of this session wait for others, as many as can; keep these, and first send what they wait for: {}",
        .missing.join(", ")
    )]
    TooManyHeld {
        /// How many may wait.
        max: usize,
        /// Hashes of some changes that are waited for and that this session does not have.
        missing: Vec<String>,
    },
    /// The server offered an actor for a device that is in use for something else. A fault of the server.
    #[error("the server has no usable actor for device `{device}`")]
    UnusableDeviceActor {
        /// The device.
        device: String,
    },
}

impl Refusal {
    /// Neither process may have memory for more.
    pub(super) fn memory_full(limits: &Limits) -> Self {
        Self::DocumentFull { what: "bytes of memory", max: limits.document_memory_max }
    }

    /// The position of the offending entry in the request, where one entry is to blame.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match self {
            Self::Change { index, .. } | Self::Equivocation { index, .. } | Self::Structure { index, .. } => {
                Some(*index)
            }
            Self::Operation(error) => Some(error.index()),
            _ => None,
        }
    }

    /// The offending field of the request, for example `changes[3]` or `vector_clock`.
    #[must_use]
    pub fn field(&self) -> String {
        match self {
            Self::Change { index, .. } | Self::Equivocation { index, .. } => format!("changes[{index}]"),
            Self::Structure { index, field: None } => format!("changes[{index}]"),
            Self::Structure { index, field: Some(field) } => format!("changes[{index}].{field}"),
            Self::Operation(error) => error.field().to_owned(),
            Self::UnknownClock { .. } | Self::HeldClock { .. } => "vector_clock".to_owned(),
            _ => "changes".to_owned(),
        }
    }
}

/// What is wrong with a change. Also the reason of a quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChangeFault {
    /// The bytes end too early.
    #[error("the bytes end in the middle of a change")]
    Truncated,
    /// There are bytes behind the change.
    #[error("there are bytes left after the change")]
    TrailingBytes,
    /// The bytes are not a change.
    #[error("not an Automerge change: {0}")]
    Corrupt(&'static str),
    /// Larger than allowed.
    #[error("{what} of a change may be at most {max}")]
    Oversized {
        /// What is too large.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// The stored hash is not the hash of the bytes.
    #[error("the bytes have another hash than the one they are stored under ({found})")]
    HashMismatch {
        /// The hash of the bytes.
        found: ChangeHash,
    },
    /// All dependencies are there, but the actor's previous change is not among what the change has seen.
    #[error("the sequence number is {found}, but the actor's last change that it depends on is {previous}")]
    SequenceGap {
        /// The highest sequence number of the actor among the change's ancestors.
        previous: u64,
        /// The sequence number of the change.
        found: u64,
    },
    /// The actor belongs to another writer.
    #[error("actor {actor} belongs to another user")]
    ForeignActor {
        /// The actor.
        actor: ActorId,
    },
    /// The actor is one of the server's own.
    #[error("actor {actor} is reserved for the server")]
    ServerActor {
        /// The actor.
        actor: ActorId,
    },
    /// Another change with the same actor and sequence number has precedence.
    #[error("a different change of actor {actor} has the same sequence number {seq}")]
    Equivocation {
        /// The actor.
        actor: ActorId,
        /// The sequence number.
        seq: u64,
    },
    /// The first operation counter is not above everything the change depends on, or far too high.
    #[error("the first operation counter is {found}; {above} is the highest that the change has seen")]
    StartOp {
        /// The counter found.
        found: u64,
        /// The highest counter among the change's ancestors.
        above: u32,
    },
    /// An operation is not valid at this point of the history.
    #[error("operation {operation}: {reason}")]
    Operation {
        /// Position of the operation in the change, from 0.
        operation: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Applying the change failed although it looked valid.
    #[error("the change cannot be applied to the document")]
    NotApplicable,
}
