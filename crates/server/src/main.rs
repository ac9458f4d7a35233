//! The binary `chancery`; everything is in the library beside it, so that tests can start it in
//! their own process.

use std::process::ExitCode;

/// The system's allocator keeps what a burst of requests needed in one arena for each thread; this one
/// gives it back, and costs less for the many small pieces of a request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chancery::main()
}
