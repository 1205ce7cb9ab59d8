//! Names of tus 1.0.0 (<https://tus.io/protocols/resumable-upload>) and of what we add to it.

/// The version that we speak.
pub const VERSION: &str = "1.0.0";

/// What we can beside the core of the protocol.
pub const EXTENSIONS: &str = "creation,expiration,checksum,termination";

/// Algorithms for the checksum of a chunk.
pub const CHECKSUM_ALGORITHMS: &str = "sha1,sha256";

/// The media type of a chunk.
pub const CONTENT_TYPE_OF_CHUNKS: &str = "application/offset+octet-stream";

/// The status for a chunk with another checksum than was sent with it.
pub const CHECKSUM_MISMATCH: u16 = 460;

/// The version that a request or an answer speaks.
pub const TUS_RESUMABLE: &str = "tus-resumable";
/// The versions that the server speaks.
pub const TUS_VERSION: &str = "tus-version";
/// What it can.
pub const TUS_EXTENSION: &str = "tus-extension";
/// The largest file, in bytes.
pub const TUS_MAX_SIZE: &str = "tus-max-size";
/// Algorithms for checksums.
pub const TUS_CHECKSUM_ALGORITHM: &str = "tus-checksum-algorithm";
/// How long the file is, in bytes.
pub const UPLOAD_LENGTH: &str = "upload-length";
/// How much of it is durable, or where a chunk belongs, in bytes.
pub const UPLOAD_OFFSET: &str = "upload-offset";
/// What is said about the file.
pub const UPLOAD_METADATA: &str = "upload-metadata";
/// The checksum of a chunk.
pub const UPLOAD_CHECKSUM: &str = "upload-checksum";
/// When the upload is removed.
pub const UPLOAD_EXPIRES: &str = "upload-expires";
/// The evidence that a complete upload has become. Ours.
pub const EVIDENCE_ID: &str = "evidence-id";
/// Its receipt. Ours.
pub const EVIDENCE_RECEIPT: &str = "evidence-receipt";
