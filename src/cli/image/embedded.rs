//! The same commands where no engine is used: images are kept by the bridge itself.

use super::{ImageCommand, elsewhere, show};
use crate::cli::Exit;
use crate::sandbox::SandboxError;
use crate::sandbox::embedded::image::{Image, PullOptions, Store};
use crate::settings::Settings;

pub(super) async fn carry_out(
    store: &Store,
    options: &PullOptions,
    settings: &Settings,
    command: ImageCommand,
) -> Result<Exit, SandboxError> {
    match command {
        ImageCommand::Pull { image } => {
            let image = image.unwrap_or_else(|| settings.image.clone());
            ready(&store.pull(&image, options, show).await?);
        }
        ImageCommand::Load { file, name } => store.load(&file, name.as_deref(), show).await?.iter().for_each(ready),
        ImageCommand::Path => {
            let missing = || SandboxError::ImageMissing { image: settings.image.clone(), engine: "embedded" };
            let image = store.find(&settings.image)?.ok_or_else(missing)?;
            println!("{}  {}\n{}", image.name, image.digest, image.root.display());
        }
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

fn ready(image: &Image) {
    println!("{} is ready ({})", image.name, image.digest);
}
