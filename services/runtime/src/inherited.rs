//! Descriptors that the supervisor hands down, each named by a variable.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// The descriptor whose number a variable holds; none where it is not set. Call it once for each variable, at the start of a role.
#[expect(unsafe_code, reason = "adopting a descriptor that the supervisor handed down")]
pub(crate) fn descriptor(variable: &str) -> Option<io::Result<OwnedFd>> {
    let text = std::env::var(variable).ok()?;
    let Some(number) = text.parse::<RawFd>().ok().filter(|number| *number >= 0) else {
        return Some(Err(io::ErrorKind::InvalidInput.into()));
    };
    // SAFETY: only used for this one call, which fails without harm where there is no such descriptor.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    // Our own children, if there were any, must not keep it open.
    if let Err(errno) = fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
        return Some(Err(errno.into()));
    }
    // SAFETY: the supervisor opened this descriptor for this process and named it in the environment; nothing else here
    // knows the number, and each variable is looked at once.
    Some(Ok(unsafe { OwnedFd::from_raw_fd(number) }))
}
