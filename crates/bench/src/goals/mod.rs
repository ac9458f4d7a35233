//! `bench goals`: what is kept, as text once more, and held against what Chancery holds itself to.

mod of_results;
mod page;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    console,
    error::Error,
    lifecycle, report,
    report::{Kept, text_of},
    roll, scale, telemetry, tokens,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Where the tables and the JSON are.
    #[arg(long)]
    output: PathBuf,
}

/// The text that kept numbers make, of each file by its name.
type Text = fn(&str) -> Result<String, Error>;
const TEXTS: [(&str, Text); 7] = [
    ("tokens", text_of::<tokens::Report>),
    ("lifecycle", text_of::<lifecycle::Report>),
    ("scale", text_of::<scale::Report>),
    ("scale-entries", text_of::<scale::Report>),
    ("roll", text_of::<roll::Report>),
    ("telemetry", text_of::<telemetry::Report>),
    ("console", text_of::<console::Report>),
];

/// What has goals.
#[derive(Default)]
struct Results {
    tokens: Option<tokens::Report>,
    lifecycle: Option<lifecycle::Report>,
    scale: Option<scale::Report>,
    /// The same where only the roll grows.
    entries: Option<scale::Report>,
    roll: Option<roll::Report>,
}

/// Makes every text in the directory anew.
pub(crate) fn run(options: &Options) -> Result<(), Error> {
    for (name, text) in texts(&options.output)? {
        report::write(&options.output, &name, "md", &text)?;
    }
    Ok(())
}

/// Makes the page of goals anew, where there is a directory of results: after each benchmark.
pub(crate) fn write(directory: &Path) -> Result<(), Error> {
    report::write(directory, "README", "md", &page::of(&results(directory)?))
}

/// Every text that the numbers in a directory make, with the name of its file.
fn texts(directory: &Path) -> Result<Vec<(String, String)>, Error> {
    let mut texts = Vec::new();
    for (name, text) in TEXTS {
        if let Some(json) = read(directory, name)? {
            let text =
                text(&json).map_err(|error| Error::Wrong(format!("{name}.json: {error}")))?;
            texts.push((name.to_owned(), text));
        }
    }
    texts.push(("README".to_owned(), page::of(&results(directory)?)));
    Ok(texts)
}

fn results(directory: &Path) -> Result<Results, Error> {
    fn kept<T: Kept>(directory: &Path, name: &str) -> Result<Option<T>, Error> {
        let json = read(directory, name)?;
        Ok(json.map(|json| serde_json::from_str(&json)).transpose()?)
    }
    Ok(Results {
        tokens: kept(directory, "tokens")?,
        lifecycle: kept(directory, "lifecycle")?,
        scale: kept(directory, "scale")?,
        entries: kept(directory, "scale-entries")?,
        roll: kept(directory, "roll")?,
    })
}

/// None where nothing is kept by this name.
fn read(directory: &Path, name: &str) -> Result<Option<String>, Error> {
    let file = directory.join(name).with_extension("json");
    match fs::read_to_string(&file) {
        Ok(json) => Ok(Some(json)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(format!("read {}", file.display()))(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::texts;

    #[test]
    fn generated_texts_are_those_of_the_numbers() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/benchmarks");
        for (name, text) in texts(&kept).unwrap() {
            let file = kept.join(&name).with_extension("md");
            if std::env::var_os("CHANCERY_BLESS").is_some() {
                fs::write(&file, text).unwrap();
                continue;
            }
            assert!(
                fs::read_to_string(&file).is_ok_and(|there| there == text),
                "docs/benchmarks/{name}.md is not what the numbers say; run this test with CHANCERY_BLESS=1"
            );
        }
    }
}
