//! Fuzzes Automerge changes as a device may send them: see [`firemode_fuzz::changes`].
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(
    init: firemode_fuzz::contain_panics(),
    |script: firemode_fuzz::changes::Script| firemode_fuzz::Play::play(script)
);

/// Without the fuzzer: plays the inputs whose files are named.
#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    firemode_fuzz::replay::<firemode_fuzz::changes::Script>(std::env::args_os().skip(1))
}
