//! Layers, hostile ones above all: what lies beside the target never changes.

mod place;
mod random;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use tar::EntryType;

use self::place::{FILE, FOLDER, Item, Place, SYMLINK, block, file, folder, hard, link, tar, walk};
use super::blob::Blob;
use super::digest::Digest;
use super::fault::Fault;
use super::layer::{Layer, unpack};
use super::limits::{Budget, Limits};

/// What one set of layers leads to.
fn made(layers: &[&[Item]]) -> Place {
    let place = Place::new();
    let layers: Vec<_> = layers.iter().map(|items| tar(items)).collect();
    place.unpack(&layers).expect("unpacked");
    place
}

fn refused(layers: &[&[Item]]) -> String {
    let place = Place::new();
    let layers: Vec<_> = layers.iter().map(|items| tar(items)).collect();
    match place.unpack(&layers) {
        Err(Fault::Invalid(reason)) => reason,
        other => panic!("{other:?}: {:?}", place.names()),
    }
}

#[test]
fn a_plain_image() {
    let place = made(&[
        &[folder("./"), folder("usr/"), folder("usr/lib/"), file("usr/lib/a", "1"), link("lib", "usr/lib")],
        &[file("lib/b", "2"), hard("c", "usr/lib/a"), file("new/deep/d", "")],
    ]);
    assert_eq!(place.text("usr/lib/b"), "2");
    assert_eq!(place.text("c"), "1");
    assert_eq!(fs::metadata(place.path("c")).expect("there").nlink(), 2);
    assert_eq!(
        place.names(),
        ["c", "lib", "new", "new/deep", "new/deep/d", "usr", "usr/lib", "usr/lib/a", "usr/lib/b"]
    );
    assert_eq!(fs::metadata(place.path("new")).expect("there").mode() & 0o7777, 0o755);
}

#[test]
fn times_are_kept_and_rights_are_tamed() {
    let place = Place::new();
    let mut bytes = Vec::new();
    for (kind, name, mode) in
        [(FOLDER, "d", 0o7000), (FILE, "d/f", 0o6111), (FILE, "p", 0), (FOLDER, "tmp", 0o1777), (SYMLINK, "s", 0o777)]
    {
        bytes.extend(block(kind, name.as_bytes(), if kind == SYMLINK { b"x" } else { b"" }, 0, mode));
    }
    place.unpack(&[bytes]).expect("a stream may end without its mark");
    for (name, mode) in [("d", 0o1700), ("d/f", 0o511), ("p", 0o400), ("tmp", 0o1777), ("s", 0o777)] {
        let stat = place.path(name).symlink_metadata().expect("there");
        assert_eq!(format!("{:o}", stat.permissions().mode() & 0o7777), format!("{mode:o}"), "{name}");
        assert_eq!(stat.mtime(), 1_600_000_000, "{name}");
    }
}

#[test]
fn whiteouts_act_on_the_layers_below_alone_wherever_they_stand() {
    let below: &[Item] = &[file("d/a", ""), file("d/b", ""), file("d/e/f", ""), file("g", ""), file("h/i", "")];
    let place = made(&[
        below,
        &[file("d/.wh.a", ""), file(".wh.g", ""), file("g", "new"), file(".wh.h", ""), file(".wh.none", "")],
    ]);
    assert_eq!(place.names(), ["d", "d/b", "d/e", "d/e/f", "g"]);
    assert_eq!(place.text("g"), "new");
    let place = made(&[below, &[file("d/new", ""), file("d/.wh..wh..opq", ""), file("d/.wh.new", "")]]);
    assert_eq!(place.names(), ["d", "d/new", "g", "h", "h/i"]);
    let place = made(&[below, &[file(".wh..wh..opq", ""), file("only", "")]]);
    assert_eq!(place.names(), ["only"]);
    let place = made(&[below, &[file(".wh..wh.plnk/1", ""), file(".wh..wh.aufs", ""), file(".wh.x/y", "")]]);
    assert!(!place.names().iter().any(|name| name.contains(".wh.")), "{:?}", place.names());
}

#[test]
fn whiteouts_stay_inside() {
    for name in ["../.wh.canary", ".wh...", ".wh..", "a/../../.wh.canary", ".wh."] {
        refused(&[&[file("a", "")], &[file(name, "")]]);
    }
    // Through links that lead out, absolute and relative: they lead to the root of the image.
    let out: &[Item] = &[link("up", ".."), link("far", "../../../../"), link("top", "/"), file("canary/inner/x", "")];
    let place = made(&[out, &[file("up/.wh.canary", "")]]);
    assert_eq!(place.names(), ["far", "top", "up"]);
    let place = made(&[out, &[file("far/canary/.wh..wh..opq", ""), file("top/canary/inner/.wh.x", "")]]);
    assert_eq!(place.names(), ["canary", "far", "top", "up"]);
    // A link is taken away, not what it leads to.
    let place = made(&[&[file("t/f", ""), link("l", "t")], &[file(".wh.l", "")]]);
    assert_eq!(place.names(), ["t", "t/f"]);
    let place = made(&[&[file("t/f", ""), file("d/x", ""), link("d/l", "../t")], &[file("d/.wh..wh..opq", "")]]);
    assert_eq!(place.names(), ["d", "t", "t/f"]);
}

#[test]
fn names_that_climb_out_are_refused() {
    for name in ["../evil", "/../evil", "a/../../evil", "a/b/../../../evil", ".."] {
        assert!(refused(&[&[file(name, "x")]]).contains("leads out"), "{name}");
        refused(&[&[folder(name)]]);
        refused(&[&[hard("h", name)]]);
    }
    let place = made(&[&[file("/abs//./x/", ""), file("a/../b", "b"), file("./c", "c")]]);
    assert_eq!(place.names(), ["abs", "abs/x", "b", "c"]);
}

#[test]
fn links_in_the_middle_of_a_path_stay_inside() {
    let outside = Place::new();
    let canary = outside.dir.path().join("canary");
    for target in ["../canary", "../../../../../../../../tmp", "/", "/canary", canary.to_str().expect("text"), "."] {
        let place = made(&[
            &[link("out", target)],
            &[file("out/file", "evil"), folder("out/inner"), link("out/link", "x"), hard("out/h", "out/file")],
        ]);
        assert!(place.root().join("out").is_symlink(), "{target}");
    }
    assert_eq!(fs::read_to_string(canary.join("file")).expect("read"), "alive");
    // Within one layer, and through several links.
    let place = made(&[&[link("a", "b"), link("b", "../../c"), link("c", "/d"), file("a/x", "1")]]);
    assert_eq!(place.text("d/x"), "1");
}

#[test]
fn a_link_is_replaced_and_never_written_through() {
    let place = made(&[
        &[
            link("f", "../canary/file"),
            link("d", "../canary"),
            link("s", "../canary/link"),
            link("h", "../canary/file"),
            file("x", "x"),
        ],
        &[file("f", "mine"), folder("d"), link("s", "elsewhere"), hard("h", "x")],
    ]);
    assert_eq!((place.text("f").as_str(), place.text("h").as_str()), ("mine", "x"));
    assert!(place.path("d").symlink_metadata().expect("there").is_dir());
}

#[test]
fn hard_links_lead_to_files_of_the_image() {
    for target in ["missing", "d", "", "d/missing", "x/y", "../canary/file", ".wh.x"] {
        refused(&[&[folder("d"), file("x", ""), hard("h", target)]]);
    }
    refused(&[&[link("out", "../canary"), hard("h", "out/file")]]);
    refused(&[&[link("out", "/etc"), hard("h", "out/passwd")]]);
    refused(&[&[file("a", ""), hard("a/b", "a")]]);
    // To a link: another name for the link itself.
    let place = made(&[&[link("l", "../canary/file"), hard("h", "l"), hard("h", "h")]]);
    assert!(place.path("h").is_symlink());
    refused(&[&[link("l", "../canary/file"), hard("h", "l"), file("h/x", "")], &[hard("y", "h/file")]]);
    // A change to one name in a later layer leaves the other.
    let place = made(&[&[file("a", "old"), hard("b", "a")], &[file("a", "new")]]);
    assert_eq!((place.text("a").as_str(), place.text("b").as_str()), ("new", "old"));
}

#[test]
fn kinds_replace_each_other() {
    let place = made(&[
        &[file("a/x", ""), file("b", ""), link("c", "b"), file("d/e/f", ""), file("k", "")],
        &[file("a", "file"), file("b/y", ""), folder("c"), link("d", "a"), file("k/l/m", "")],
    ]);
    assert_eq!(place.names(), ["a", "b", "b/y", "c", "d", "k", "k/l", "k/l/m"]);
    // A folder that comes again keeps what it has.
    let place = made(&[&[file("a/x", "")], &[folder("a"), file("a/y", "")]]);
    assert_eq!(place.names(), ["a", "a/x", "a/y"]);
    for item in [link("/", "x"), file("./", ""), hard(".", "x")] {
        if item.0 != FILE {
            refused(&[&[item]]);
        }
    }
}

#[test]
fn links_without_end_and_folders_without_end_are_refused() {
    refused(&[&[link("a", "b"), link("b", "a"), file("a/x", "")]]);
    refused(&[&[link("a", "a"), file("a/x", "")]]);
    refused(&[&[link("a", "a/a"), file("a/x", "")]]);
    refused(&[&[link("a", "missing/.."), file("a/x", "")]]);
    assert!(refused(&[&[file(&"d/".repeat(200), ""), file(&format!("{}f", "d/".repeat(200)), "")]]).contains("deep"));
    // Each link leads further down than any name could.
    let deep = "d/".repeat(100);
    let deeper = format!("a/{deep}f");
    let items = [folder(&deep), link("a", &deep), file(&deeper, "")];
    assert!(refused(&[&items]).contains("deep"));
    refused(&[&[file(&"x".repeat(300), "")]]);
    refused(&[&[file(&"x/".repeat(2100), "")]]);
    refused(&[&[link("l", &"x".repeat(5000))]]);
    refused(&[&[link("l", "")]]);
}

#[test]
fn devices_and_pipes_are_left_out() {
    let kinds = [EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::new(b'Z')];
    let items: Vec<Item> = kinds.iter().map(|kind| (*kind, &b"dev/x"[..], &b""[..], &b""[..])).collect();
    let place = made(&[&items, &[file("y", "")]]);
    assert_eq!(place.names(), ["y"]);
}

#[test]
fn any_bytes_but_zero_may_be_a_name() {
    let name = b"\xff\xfe \n\x1b[2J'\"\\";
    let place = made(&[&[(FILE, name, b"", b"x"), (SYMLINK, b"l", name, b"")]]);
    let found: Vec<_> = fs::read_dir(place.root())
        .expect("listed")
        .map(|e| e.expect("entry").file_name().into_encoded_bytes())
        .collect();
    assert!(found.contains(&name.to_vec()), "{found:?}");
    let long = format!("{}/{}", "a".repeat(200), "b".repeat(250));
    assert_eq!(made(&[&[file(&long, "long")]]).text(&long), "long");
}

#[test]
fn bounds_hold_and_are_named() {
    let mut place = Place::new();
    place.limits = Limits { unpacked: 10_000, entries: 5, names: 100, ..Limits::default() };
    let many: Vec<Item> = std::iter::repeat_n(file("a", ""), 6).collect();
    let big = vec![0; 20_000];
    let long = "n".repeat(60);
    let folders = [folder(&long), folder(&long)];
    for (items, word) in
        [(&many[..], "files"), (&[(FILE, &b"b"[..], &b""[..], &big[..])], "allowed"), (&folders, "names")]
    {
        let Err(Fault::Invalid(reason)) = place.unpack(&[tar(items)]) else { panic!("unpacked") };
        assert!(reason.contains(word), "{reason}");
    }
    // Over several layers together, and nothing of the layer that goes too far is there.
    let half = tar(&[(FILE, b"c", b"", &big[..6000])]);
    let other = tar(&[(FILE, b"e", b"", &big[..6000])]);
    assert!(place.unpack(&[half, other]).is_err());
    assert_eq!(place.names(), ["c"]);
    // A few kilobytes that become many.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&tar(&[(FILE, b"f", b"", &vec![0; 5 << 20])])).expect("packed");
    assert!(matches!(place.unpack(&[bomb.finish().expect("packed")]), Err(Fault::Invalid(_))));
}

#[test]
fn nothing_of_a_layer_with_another_digest_is_written() {
    let place = Place::new();
    let bytes = tar(&[file("a", "x")]);
    let path = place.dir.path().join("layers/0");
    fs::write(&path, &bytes).expect("written");
    let layers = [Layer { blob: Blob::File(path), diff_id: Digest::of(b"other") }];
    let done = unpack(&layers, &place.root(), &mut Budget::new(place.limits), &AtomicBool::new(false), |_| {});
    assert!(matches!(done, Err(Fault::Invalid(_))), "{done:?}");
    assert!(place.names().is_empty());
}

#[test]
fn streams_that_end_early_or_are_no_tar_are_refused() {
    let bytes = tar(&[file("a", &"x".repeat(2000))]);
    for bytes in
        [bytes[..600].to_vec(), bytes[..300].to_vec(), vec![b'x'; 2048], [vec![0; 512], bytes.clone()].concat()]
    {
        assert!(matches!(Place::new().unpack(&[bytes]), Err(Fault::Invalid(_))));
    }
    let mut damaged = bytes;
    damaged[3] ^= 1;
    assert!(matches!(Place::new().unpack(&[damaged]), Err(Fault::Invalid(_))));
    for size in [u64::MAX >> 1, 1 << 40] {
        let huge = block(FILE, b"a", b"", size, 0o644);
        assert!(matches!(Place::new().unpack(&[huge]), Err(Fault::Invalid(_))));
        let name = block(EntryType::GNULongName, b"a", b"", size, 0o644);
        assert!(matches!(Place::new().unpack(&[name]), Err(Fault::Invalid(_))));
    }
    assert!(Place::new().unpack(&[Vec::new()]).is_ok());
}

#[test]
fn work_that_nobody_waits_for_ends() {
    let place = Place::new();
    let path = place.dir.path().join("layers/0");
    let bytes = tar(&[file("a", "x")]);
    fs::write(&path, &bytes).expect("written");
    let layers = [Layer { blob: Blob::File(path), diff_id: Digest::of(&bytes) }];
    let done = unpack(&layers, &place.root(), &mut Budget::new(place.limits), &AtomicBool::new(true), |_| {});
    assert!(matches!(done, Err(Fault::Cancelled)), "{done:?}");
    assert!(place.names().is_empty());
}

/// What GNU tar itself writes, in every form it has.
#[test]
fn what_tar_writes_is_read_as_tar_reads_it() {
    let source = tempfile::tempdir().expect("a folder");
    let deep = source.path().join("d".repeat(120)).join("e".repeat(120));
    fs::create_dir_all(&deep).expect("made");
    fs::write(deep.join("f".repeat(200)), "deep").expect("written");
    fs::hard_link(deep.join("f".repeat(200)), source.path().join("hard")).expect("linked");
    symlink("t".repeat(180), source.path().join("link")).expect("linked");
    let holes = fs::File::create(source.path().join("holes")).expect("made");
    for at in (0..40_u64).map(|n| n * 50_000) {
        std::os::unix::fs::FileExt::write_all_at(&holes, b"data", at).expect("written");
    }
    holes.set_len(2_500_000).expect("lengthened");
    let mut expected = Vec::new();
    walk(source.path(), &mut expected);
    for form in
        [&["--format=gnu"][..], &["--format=gnu", "--sparse"], &["--format=posix"], &["--format=posix", "--sparse"]]
    {
        let out = std::process::Command::new("tar")
            .args(form)
            .args(["-cf", "-", "."])
            .current_dir(source.path())
            .output()
            .expect("tar");
        assert!(out.status.success(), "{form:?}");
        let place = Place::new();
        place.unpack(&[out.stdout]).unwrap_or_else(|fault| panic!("{form:?}: {fault:?}"));
        let mut found = Vec::new();
        walk(&place.root(), &mut found);
        let relative = |all: &[(PathBuf, u32, u64, i64, Vec<u8>)], root: &Path| -> Vec<_> {
            let skipped = all.iter().skip(1);
            skipped
                .map(|(path, mode, links, time, content)| {
                    (path.strip_prefix(root).expect("below").to_owned(), *mode, *links, *time, Digest::of(content))
                })
                .collect()
        };
        assert_eq!(relative(&found, &place.root()), relative(&expected, source.path()), "{form:?}");
    }
}
