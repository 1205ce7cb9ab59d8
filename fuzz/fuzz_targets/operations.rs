//! Fuzzes JSON operations as a device may send them: see [`firemode_fuzz::operations`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(
    init: firemode_fuzz::contain_panics(),
    |script: firemode_fuzz::operations::Script| firemode_fuzz::Play::play(script)
);

/// Without the fuzzer: plays the inputs whose files are named.
#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    firemode_fuzz::replay::<firemode_fuzz::operations::Script>(std::env::args_os().skip(1))
}
