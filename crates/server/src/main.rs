//! The binary `chancery`; everything is in the library beside it, so that tests can start it in
//! their own process.

use std::process::ExitCode;

fn main() -> ExitCode {
    chancery::main()
}
