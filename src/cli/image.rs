//! `mcp-bridge image`: pull, build or show the image for sandboxes.

#[cfg(target_os = "linux")]
mod embedded;

use std::io::{IsTerminal, Write};
use std::path::Path;

use super::backends::{Backends, Images};
use super::{Exit, ImageCommand, paint, signals};
use crate::regular::{self, ReadError};
use crate::sandbox::container::{Engine, context_tar};
use crate::sandbox::{Progress, SandboxError};
use crate::settings::{Environment, Settings};

pub(super) async fn image(env: &Environment, settings: &Settings, command: ImageCommand) -> Exit {
    let work = async {
        match Backends::new(env, settings).images().await? {
            Images::Engine(engine) => {
                let done = carry_out(&engine, settings, command).await;
                if !engine.settle().await {
                    tracing::warn!("the engine does not answer; what is left there is removed by the next bridge");
                }
                done
            }
            #[cfg(target_os = "linux")]
            Images::Store { store, options, sandbox } => {
                let done = embedded::carry_out(&store, &options, &sandbox, settings, command).await;
                sandbox.settle().await;
                done
            }
        }
    };
    match signals::until_interrupted(work).await {
        None => Exit::Cancelled,
        Some(Ok(exit)) => exit,
        Some(Err(error)) => {
            eprintln!("{}", paint::failure(&error.to_string(), &error.hint(), error.code()));
            Exit::NoSandbox
        }
    }
}

async fn carry_out(engine: &Engine, settings: &Settings, command: ImageCommand) -> Result<Exit, SandboxError> {
    match command {
        ImageCommand::Pull { image } => {
            let image = image.unwrap_or_else(|| settings.image.clone());
            engine.pull(&image, show).await?;
            prepare(engine, &image).await
        }
        ImageCommand::Build { source: Some(source), tag } => build(engine, &source, &tag).await,
        ImageCommand::Build { source: None, tag } => {
            let context = context_tar([("Containerfile", SLIM.as_bytes())]);
            engine.build(context, "Containerfile", &tag, show).await?;
            prepare(engine, &tag).await
        }
        ImageCommand::Load { file, .. } => {
            let name = engine.kind().name();
            let hint = format!("run `{name} load -i {}`, or set MCP_BRIDGE_RUNTIME=embedded", file.display());
            Ok(elsewhere(&format!("`image load` is for the embedded runtime, and {name} is used"), &hint))
        }
        ImageCommand::Path => path(engine, &settings.image).await,
        ImageCommand::Prune => {
            let removed = engine.prune_compiled(&[&settings.image]).await?;
            println!("removed {removed} prepared images");
            Ok(Exit::Success)
        }
    }
}

/// What is asked for belongs to the other kind of runtime.
fn elsewhere(message: &str, hint: &str) -> Exit {
    eprintln!("{}", paint::failure(message, hint, "cli.image_runtime"));
    Exit::Usage
}

/// Makes the compiled twin at once, so that the first run is as fast as the others.
async fn prepare(engine: &Engine, image: &str) -> Result<Exit, SandboxError> {
    eprintln!("compiling its standard library once (up to a minute) …");
    let twin = engine.derive_compiled(image).await?;
    println!("{image} is ready ({twin})");
    Ok(Exit::Success)
}

/// The image that is built when nothing else is named.
const SLIM: &str = include_str!("../../sandbox-image/Containerfile.slim");

async fn build(engine: &Engine, source: &Path, tag: &str) -> Result<Exit, SandboxError> {
    if source.extension().is_some_and(|kind| kind == "tar") && source.is_file() {
        engine.import(source, tag).await?;
        return prepare(engine, tag).await;
    }
    let Some((folder, containerfile)) = containerfile(source) else {
        let message = format!("{} is no .tar file, no Containerfile and no folder with one", source.display());
        eprintln!(
            "{}",
            paint::failure(&message, "name one, such as sandbox-image/Containerfile.data", "cli.image_source")
        );
        return Ok(Exit::Usage);
    };
    let files = match files_of(folder) {
        Ok(files) => files,
        Err(error) => {
            let message = format!("{} cannot be read: {error}", folder.display());
            eprintln!("{}", paint::failure(&message, "check its permissions", "cli.image_source"));
            return Ok(Exit::Usage);
        }
    };
    let context = context_tar(files.iter().map(|(name, text)| (name.as_str(), text.as_slice())));
    engine.build(context, &containerfile, tag, show).await?;
    prepare(engine, tag).await
}

/// The build context and the name of the Containerfile in it.
fn containerfile(source: &Path) -> Option<(&Path, String)> {
    if source.is_file() {
        let folder = source.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return Some((folder, source.file_name()?.to_str()?.to_owned()));
    }
    let name = ["Containerfile", "Dockerfile"].into_iter().find(|name| source.join(name).is_file())?;
    Some((source, name.to_owned()))
}

/// Bytes of a build context, which is held in memory: a Containerfile and what it copies have some kilobytes.
const CONTEXT: u64 = 256 << 20;

/// The plain files of a folder: a build context needs no more here.
fn files_of(folder: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let (mut files, mut left) = (Vec::new(), CONTEXT);
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            let bytes = regular::read(&entry.path(), left).map_err(|error| match error {
                ReadError::TooLarge { .. } => ReadError::TooLarge { most: CONTEXT },
                other => other,
            })?;
            left -= bytes.len() as u64;
            files.push((name, bytes));
        }
    }
    files.sort();
    Ok(files)
}

async fn path(engine: &Engine, image: &str) -> Result<Exit, SandboxError> {
    match engine.image(image).await? {
        None => Err(SandboxError::ImageMissing { image: image.to_owned(), engine: engine.kind().name() }),
        Some(facts) => {
            let twin = engine.compiled(image).await?;
            println!("{image}  {}", facts.id);
            match twin {
                Some(twin) => println!("runs use {twin} (standard library compiled)"),
                None => {
                    println!("runs use it as it is; `mcp-bridge image pull` or the first run prepares a compiled twin")
                }
            }
            Ok(Exit::Success)
        }
    }
}

/// Progress on stderr: one line that changes on a terminal, a line for each step elsewhere.
fn show(progress: Progress) {
    let mut err = std::io::stderr().lock();
    let part = progress.part.map(|part| format!("{part}: ")).unwrap_or_default();
    let bytes = match progress.bytes {
        Some((done, all)) if all > 0 => format!(" {} %", done * 100 / all),
        _ => String::new(),
    };
    let text = format!("{part}{}{bytes}", progress.status.trim());
    let _ = if err.is_terminal() {
        write!(err, "\r\x1b[2K{text}").and_then(|()| err.flush())
    } else if bytes.is_empty() {
        writeln!(err, "{text}")
    } else {
        Ok(())
    };
}
