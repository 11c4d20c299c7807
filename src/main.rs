//! The binary `timed`. Everything is in the library.

fn main() {}
