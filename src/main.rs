//! `firemode`: one executable with several roles. See `firemode --help`.

mod audit;
mod cli;
mod control;
mod jobs;
mod keys;
mod migrate;
mod operate;
mod receipt;
mod report;
mod roles;
mod rules;
mod table;

use std::process::ExitCode;

use clap::Parser as _;

#[cfg(feature = "heap-profiles")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[cfg(not(feature = "heap-profiles"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    firemode_runtime::private_files::keep_new_files_private();
    let command = cli::Cli::parse().command.unwrap_or_default();
    match roles::run(command) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}
