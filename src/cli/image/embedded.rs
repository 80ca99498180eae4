//! The same commands where no engine is used: images are kept by the bridge itself.

use super::{ImageCommand, elsewhere, show};
use crate::cli::Exit;
use crate::sandbox::embedded::Embedded;
use crate::sandbox::embedded::image::{Image, PullOptions, Store};
use crate::sandbox::{Backend, SandboxError};
use crate::settings::{Settings, default_image};

pub(super) async fn carry_out(
    store: &Store,
    options: &PullOptions,
    sandbox: &Embedded,
    settings: &Settings,
    command: ImageCommand,
) -> Result<Exit, SandboxError> {
    match command {
        ImageCommand::Pull { image } => {
            let image = image.unwrap_or_else(|| settings.image.clone());
            prepare(sandbox, &store.pull(&image, options, show).await?).await?;
        }
        ImageCommand::Load { file, name } => {
            for image in store.load(&file, name.as_deref(), show).await? {
                prepare(sandbox, &image).await?;
            }
        }
        ImageCommand::Path => match (&settings.rootfs, store.find(&settings.image)?) {
            (Some(folder), _) => println!("runs use the folder {} (MCP_BRIDGE_ROOTFS)", folder.display()),
            (None, Some(image)) => println!("{}  {}\n{}", image.name, image.digest, image.root.display()),
            (None, None) if settings.image == default_image() => {
                println!("{} was not pulled: runs use this machine's Python", settings.image);
            }
            (None, None) => {
                let (image, engine) = (settings.image.clone(), SandboxError::STORE);
                return Err(SandboxError::ImageMissing { image, engine });
            }
        },
        ImageCommand::Prune => println!("removed {} images", store.prune().await?),
        ImageCommand::Build { .. } => {
            return Ok(elsewhere(
                "images are built by Podman or Docker, and the embedded runtime is used",
                "load one with `mcp-bridge image load FILE`, or set MCP_BRIDGE_ROOTFS to a folder with a root file system",
            ));
        }
    }
    Ok(Exit::Success)
}

/// Compiles at once, so that the first run is as fast as the others; an image that cannot run Python shows it here.
async fn prepare(sandbox: &Embedded, image: &Image) -> Result<(), SandboxError> {
    eprintln!("compiling its standard library once (up to a minute) …");
    sandbox.compile(&image.name).await?;
    println!("{} is ready ({})", image.name, image.digest);
    Ok(())
}
