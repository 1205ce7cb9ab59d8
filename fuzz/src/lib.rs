//! What the fuzz targets play, and what must hold after each play.
//!
//! A play sends requests to a session's document as the ingest process does, good and bad ones. Then, for every input:
//! nothing panicked; a refused request changed nothing; what was accepted saves and loads; the same rows in another order give
//! the same document; and an honest device can still work.
//!
//! Without the fuzzer this is an ordinary library. Its tests play the inputs kept in `regressions/`.

pub mod changes;
pub mod operations;
mod session;

use std::ffi::OsString;

use arbitrary::{Arbitrary, Unstructured};

/// A play that an input stands for.
pub trait Play: for<'a> Arbitrary<'a> {
    /// Plays it.
    ///
    /// # Panics
    /// Something that must hold does not.
    fn play(self);
}

/// Lets panics unwind, where libFuzzer would end the process at once: those of Automerge (and its columns, hexane) on hostile input are contained by the
/// product, and that is part of what is tried. Only others are printed. One that nobody contains still counts as found.
pub fn contain_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let is_contained = |file: &str| ["/automerge-", "/hexane-"].iter().any(|part| file.contains(part));
        if panic.location().is_none_or(|location| !is_contained(location.file())) {
            eprintln!("{panic}");
        }
    }));
}

/// Plays the inputs of some files, as the fuzzer would.
///
/// # Errors
/// A file cannot be read.
///
/// # Panics
/// Something that must hold does not.
pub fn replay<P: Play>(files: impl IntoIterator<Item = OsString>) -> std::io::Result<()> {
    for file in files {
        let bytes = std::fs::read(file)?;
        if let Ok(script) = P::arbitrary_take_rest(Unstructured::new(&bytes)) {
            script.play();
        }
    }
    Ok(())
}

/// Plays the kept inputs of a target.
#[cfg(test)]
fn replay_regressions<P: Play>(target: &str) -> std::io::Result<()> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions").join(target);
    let files: Vec<_> = std::fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
    assert!(!files.is_empty(), "{} holds inputs", folder.display());
    replay::<P>(files.into_iter().map(|file| file.path().into_os_string()))
}
