//! The binary `timed`. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    timecoin::cli::main()
}
