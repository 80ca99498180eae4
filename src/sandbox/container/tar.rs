//! A build context as a tar, in memory: the few files that one of our images is built from.

/// Files (name, content) as an uncompressed ustar archive. Names longer than 100 bytes are cut; ours are short.
pub fn context_tar<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        archive.extend_from_slice(&header(name, content.len()));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks are the end.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

const BLOCK: usize = 512;

fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, width: usize, text: &str| {
        let bytes = &text.as_bytes()[..text.len().min(width)];
        block[at..at + bytes.len()].copy_from_slice(bytes);
    };
    put(0, 100, name);
    put(100, 8, "0000644");
    put(108, 8, "0000000");
    put(116, 8, "0000000");
    put(124, 12, &format!("{size:011o}"));
    // No time: the same files give the same bytes, so that the engine's cache holds.
    put(136, 12, "00000000000");
    // The checksum is counted with blanks in its own place.
    put(148, 8, "        ");
    put(156, 1, "0");
    put(257, 8, "ustar\u{0}00");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_systems_tar_reads_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("context.tar");
        let long = vec![b'x'; 1000];
        std::fs::write(&path, context_tar([("Containerfile", &b"FROM scratch\n"[..]), ("long", &long)]))
            .expect("written");
        let status = std::process::Command::new("tar").arg("-xf").arg(&path).arg("-C").arg(folder.path()).status();
        assert!(status.expect("tar runs").success());
        let read = |name: &str| std::fs::read(folder.path().join(name)).expect("unpacked");
        assert_eq!(read("Containerfile"), b"FROM scratch\n");
        assert_eq!(read("long"), long);
    }
}
