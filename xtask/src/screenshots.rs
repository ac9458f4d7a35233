//! `cargo xtask screenshots`.

use crate::error::Error;
use crate::interrupts::Interrupts;
use crate::run::{cargo, run};

/// Where the pictures of the console are.
const PICTURES: &str = "docs/images/console";

/// Has the story of the console's pictures write them.
pub(crate) fn take(interrupts: &Interrupts) -> Result<(), Error> {
    let here = std::env::current_dir().map_err(Error::io("find the workspace"))?;
    let mut story = cargo();
    story
        .args(["test", "-p", "chancery-stories", "--test", "stories", "--"])
        .args(["--ignored", "--exact", "console::pictures::pictures"])
        .env("CHANCERY_PICTURES", here.join(PICTURES));
    if run(&mut story, interrupts, |_| ())?.success() {
        Ok(())
    } else {
        Err(Error::Failed("the pictures could not be taken".into()))
    }
}
