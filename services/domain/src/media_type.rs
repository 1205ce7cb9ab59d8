//! The types of files that evidence is known by.

crate::words! {
    /// What is in a file, by its registered name where there is one. Everything else counts as bytes.
    pub enum MediaType {
        /// JPEG.
        Jpeg = "image/jpeg",
        /// PNG.
        Png = "image/png",
        /// GIF.
        Gif = "image/gif",
        /// WebP.
        Webp = "image/webp",
        /// AVIF.
        Avif = "image/avif",
        /// Pictures coded by HEVC.
        Heic = "image/heic",
        /// The same container with another coding.
        Heif = "image/heif",
        /// TIFF.
        Tiff = "image/tiff",
        /// Raw pictures of cameras, by Adobe's rules.
        Dng = "image/x-adobe-dng",
        /// Raw pictures of Canon, older ones.
        Cr2 = "image/x-canon-cr2",
        /// The same, newer ones.
        Cr3 = "image/x-canon-cr3",
        /// BMP.
        Bmp = "image/bmp",
        /// MPEG-4.
        Mp4 = "video/mp4",
        /// QuickTime.
        Quicktime = "video/quicktime",
        /// WebM.
        Webm = "video/webm",
        /// Matroska.
        Matroska = "video/matroska",
        /// Videos of older telephones.
        ThreeGpp = "video/3gpp",
        /// The same, of the other kind of network.
        ThreeGpp2 = "video/3gpp2",
        /// MPEG-4 with sound alone.
        M4a = "audio/mp4",
        /// MP3.
        Mp3 = "audio/mpeg",
        /// WAV.
        Wav = "audio/wav",
        /// Ogg.
        Ogg = "audio/ogg",
        /// AAC.
        Aac = "audio/aac",
        /// Recordings of older telephones.
        Amr = "audio/amr",
        /// FLAC.
        Flac = "audio/flac",
        /// PDF.
        Pdf = "application/pdf",
        /// Documents of Word.
        Docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        /// Workbooks of Excel.
        Xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        /// Presentations of PowerPoint.
        Pptx = "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        /// Other archives.
        Zip = "application/zip",
        /// Text with separated values.
        Csv = "text/csv",
        /// Text.
        Text = "text/plain",
        /// Anything else.
        Bytes = "application/octet-stream",
    }
}

impl MediaType {
    /// How names of such files end.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Avif => "avif",
            Self::Heic => "heic",
            Self::Heif => "heif",
            Self::Tiff => "tif",
            Self::Dng => "dng",
            Self::Cr2 => "cr2",
            Self::Cr3 => "cr3",
            Self::Bmp => "bmp",
            Self::Mp4 => "mp4",
            Self::Quicktime => "mov",
            Self::Webm => "webm",
            Self::Matroska => "mkv",
            Self::ThreeGpp => "3gp",
            Self::ThreeGpp2 => "3g2",
            Self::M4a => "m4a",
            Self::Mp3 => "mp3",
            Self::Wav => "wav",
            Self::Ogg => "ogg",
            Self::Aac => "aac",
            Self::Amr => "amr",
            Self::Flac => "flac",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
            Self::Xlsx => "xlsx",
            Self::Pptx => "pptx",
            Self::Zip => "zip",
            Self::Csv => "csv",
            Self::Text => "txt",
            Self::Bytes => "bin",
        }
    }

    /// May a page show it? Pictures, films and sounds run nothing; what else a browser would open is offered for download.
    #[must_use]
    pub fn is_shown_in_pages(self) -> bool {
        ["image/", "video/", "audio/"].iter().any(|kind| self.as_str().starts_with(kind))
    }
}
