//! Fuzz target `consensus`: see ../laws/consensus.rs for what must hold.
#![no_main]

#[path = "../laws/mod.rs"]
#[allow(dead_code)]
mod laws;

libfuzzer_sys::fuzz_target!(|data: &[u8]| laws::consensus::holds(data));
