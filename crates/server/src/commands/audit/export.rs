use std::{
    fmt,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use chancery_application::{Application, ExportFailure, Exported};
use chancery_domain::value::Slug;
use serde::Serialize;

use super::print;
use crate::{config::Config, exit::Failure, progress::Progress, start};

/// Exports a roll to a file or to standard output.
pub(super) async fn run(
    config: &Config,
    tenant: &str,
    from: u64,
    output: Option<&Path>,
    json: bool,
) -> Result<(), Failure> {
    let slug =
        Slug::parse(tenant).map_err(|invalid| Failure::input(format!("--tenant {invalid}")))?;
    let application = start::application(config).await?;
    let output = output.filter(|path| *path != Path::new("-"));
    let Some(path) = output else {
        return match write(&application, &slug, from, io::stdout()).await {
            // A part of a roll is no export, whoever has seen enough.
            Err(ExportFailure::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::system(
                    "standard output was closed before the end of the roll; what was written is a part of it",
                ))
            }
            Err(failure) => Err(refused(&failure)),
            Ok(_) => Ok(()),
        };
    };
    let faulty = |error: &dyn std::fmt::Display| {
        Failure::system(format!("{} cannot be written: {error}", path.display()))
    };
    let target = target(path)
        .map_err(|why| Failure::input(format!("{} cannot be written: {why}", path.display())))?;
    let path = &*target;
    // Beside its place, so that it can be moved there whole.
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if path.is_dir() || !directory.is_dir() {
        return Err(Failure::input(format!(
            "{} cannot be written: -o names a file in a directory that is there",
            path.display()
        )));
    }
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|error| faulty(&error))?;
    let exported = write(&application, &slug, from, file.as_file_mut())
        .await
        .map_err(|failure| refused(&failure))?;
    file.as_file().sync_all().map_err(|error| faulty(&error))?;
    file.persist(path).map_err(|error| faulty(&error.error))?;
    let written = Written {
        tenant: &slug,
        file: output.unwrap_or(path).display().to_string(),
        from: exported.from,
        to: exported.to,
        origin: &exported.sealed.checkpoint.origin,
        root: exported.sealed.checkpoint.root.to_string(),
        key: exported.sealed.key.to_string(),
    };
    print(&written, json)
}

/// The file that is to be written: where a link leads. Only a file is replaced: a device or a pipe would be gone.
fn target(path: &Path) -> Result<PathBuf, &'static str> {
    let there = match path.metadata() {
        Ok(there) => there,
        Err(_) if path.is_symlink() => return Err("it is a link that leads nowhere"),
        Err(_) => return Ok(path.to_owned()),
    };
    if !there.is_file() && !there.is_dir() {
        return Err("it is no regular file; leave -o out for standard output");
    }
    path.canonicalize().map_err(|_| "its place cannot be found")
}

/// What was written, and where.
#[derive(Serialize)]
struct Written<'a> {
    tenant: &'a Slug,
    file: String,
    from: u64,
    to: u64,
    origin: &'a str,
    root: String,
    key: String,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            tenant,
            file,
            from,
            to,
            key,
            ..
        } = self;
        writeln!(
            f,
            "entries {from} to {to} of {tenant} are in {file}; its key is {key}"
        )
    }
}

async fn write(
    application: &Application,
    slug: &Slug,
    from: u64,
    to: impl Write + Send,
) -> Result<Exported, ExportFailure> {
    let mut progress: Option<(Progress, u64)> = None;
    application
        .export_roll(slug, from, BufWriter::new(to), &mut |written, all| {
            let (bar, shown) = progress.get_or_insert_with(|| (Progress::new("exporting", all), 0));
            bar.advance(written - *shown);
            *shown = written;
        })
        .await
}

fn refused(failure: &ExportFailure) -> Failure {
    match failure {
        ExportFailure::NoTenant | ExportFailure::Beyond { .. } => Failure::input(failure),
        ExportFailure::Tampered(_) => Failure::refused(failure),
        ExportFailure::NotBegun(_) => Failure::system(failure),
        ExportFailure::Write(error) => {
            Failure::system(format!("the export cannot be written: {error}"))
        }
        ExportFailure::Failed(error) => Failure::application(error),
    }
}
