use mcp_bridge::sandbox::embedded::{python, root::Root, rootfs};
use std::io::Write;
use std::path::Path;
fn show(root: &Root, out: &mut impl Write) {
    for b in &root.binds {
        writeln!(out, "B {} {}", b.source.display(), b.target.display()).unwrap();
    }
    for l in &root.links {
        writeln!(out, "L {} {}", l.target.display(), l.path.display()).unwrap();
    }
    for (k, v) in &root.env {
        writeln!(out, "E {k} {v}").unwrap();
    }
    writeln!(out, "P {}", root.python.display()).unwrap();
}
#[tokio::test]
async fn trial() {
    let what = std::env::var("TRIAL").unwrap();
    let path = std::env::var_os("TRIAL_PATH");
    let named = std::env::var_os("TRIAL_NAMED");
    let start = std::time::Instant::now();
    let root = match what.as_str() {
        "host" => python::host_python(path.as_deref(), named.as_ref().map(Path::new)).await,
        folder => rootfs::rootfs(Path::new(folder), "", vec![]),
    };
    let took = start.elapsed();
    let mut out = std::fs::File::create(std::env::var("TRIAL_OUT").unwrap()).unwrap();
    match root {
        Ok(r) => show(&r, &mut out),
        Err(e) => writeln!(out, "ERR {} {} | {}", e.code(), e, e.hint()).unwrap(),
    }
    writeln!(out, "T {took:?}").unwrap();
}
