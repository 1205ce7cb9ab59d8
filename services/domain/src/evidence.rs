//! What evidence is, and where it stands.

crate::words! {
    /// The kinds of evidence.
    pub enum EvidenceType {
        /// A photograph.
        Photo = "photo",
        /// A video.
        Video = "video",
        /// A document.
        Document = "document",
        /// Readings of an instrument.
        Measurement = "measurement",
        /// A signature.
        Signature = "signature",
    }
}

crate::words! {
    /// Where a piece of evidence stands.
    pub enum EvidenceStatus {
        /// Its bytes are those that the device sent.
        Verified = "verified",
        /// Somebody wishes that it be looked at.
        Flagged = "flagged",
    }
}
