use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use futures::FutureExt;

use super::*;

#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Keeps for Kept {
    fn list(&self) -> BoxFuture<'_, Vec<Session>> {
        let names = self.0.lock().unwrap().clone();
        async move { names.into_iter().map(session).collect() }.boxed()
    }

    fn servers(&self) -> Vec<Server> {
        vec![server()]
    }

    fn end(&self, name: &str) -> usize {
        let mut names = self.0.lock().unwrap();
        let before = names.len();
        names.retain(|other| other != name);
        before - names.len()
    }
}

fn session(name: String) -> Session {
    Session { session: name, caller: "stdio".into(), age_s: 1.5, idle_s: None, runs: 2, memory: Some(1 << 20) }
}

fn server() -> Server {
    let [server, state, breaker] = ["git", "failed", "open"].map(str::to_owned);
    Server { server, state, breaker, tools: None, next_try_s: Some(4.5), error: Some("exited".into()) }
}

/// An open door with these sessions behind it.
fn open(state: &Path, names: &[&str]) -> Door {
    let kept = Kept(Mutex::new(names.iter().map(|&name| name.to_owned()).collect()));
    Door::open(state, Arc::new(kept)).unwrap()
}

#[tokio::test]
async fn a_bridge_lists_and_ends() {
    let state = tempfile::tempdir().unwrap();
    let door = open(state.path(), &["a", "b"]);
    let [address] = &addresses(state.path())[..] else { panic!("one address") };
    assert_eq!(address.bridge, std::process::id());
    let listed = ask(address, &Question::List).await.unwrap().unwrap();
    let expected =
        [Answer::Session(session("a".into())), Answer::Session(session("b".into())), Answer::Done { done: 2 }];
    assert_eq!(listed, expected);
    for (name, ended) in [("a", 1), ("a", 0)] {
        let answers = ask(address, &Question::End { session: name.into() }).await.unwrap().unwrap();
        assert_eq!(answers, [Answer::Done { done: ended }]);
    }
    let answers = ask(address, &Question::Servers).await.unwrap().unwrap();
    assert_eq!(answers, [Answer::Server(server()), Answer::Done { done: 1 }]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let sockets = folder(state.path());
    let socket = std::fs::read_dir(&sockets).unwrap().next().unwrap().unwrap().path();
    assert_eq!((mode(&sockets), mode(&socket)), (0o700, 0o600));
    drop(door);
    assert_eq!(std::fs::read_dir(&sockets).unwrap().count(), 0);
    assert_eq!(ask(address, &Question::List).await.unwrap(), None);
}

#[tokio::test]
async fn sockets_of_dead_bridges_are_swept_and_those_of_living_ones_are_not() {
    let state = tempfile::tempdir().unwrap();
    let _door = open(state.path(), &[]);
    let dead = folder(state.path()).join("99999999-x.sock");
    drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
    assert_eq!(addresses(state.path()).len(), 2);
    sweep(state.path()).await;
    assert!(!dead.exists());
    assert_eq!(addresses(state.path()).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_bytes_and_silent_visitors_stop_nobody() {
    let state = tempfile::tempdir().unwrap();
    let _door = open(state.path(), &["a"]);
    let address = addresses(state.path()).remove(0);
    let path = address.path().to_owned();
    let answered = tokio::task::spawn_blocking(move || {
        let visits: [&[u8]; 6] =
            [b"\n", b"\xff\xfe\n", b"{\"ask\":\"rm\"}\n", b"{\"ask\":\"end\"}\n", b"[[[[[", &[b'x'; 1 << 16]];
        visits.map(|bytes| {
            let mut stream = UnixStream::connect(&path).unwrap();
            // A door that has heard enough hangs up.
            let _ = stream.write_all(bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer
        })
    });
    for answer in &answered.await.unwrap()[..5] {
        assert_eq!(answer, "{\"error\":\"this is no question that I know\"}\n");
    }
    // Three who say nothing leave room for a fourth.
    let silent: Vec<_> = (0..3).map(|_| UnixStream::connect(address.path()).unwrap()).collect();
    assert_eq!(ask(&address, &Question::List).await.unwrap().unwrap().len(), 2);
    drop(silent);
}

#[tokio::test]
async fn where_no_socket_can_be_made_it_is_said() {
    let state = tempfile::tempdir().unwrap();
    let long = state.path().join("x".repeat(120));
    let error = Door::open(&long, Arc::new(Kept::default())).err().unwrap();
    assert_eq!(error.code(), "control.socket");
    assert!(error.to_string().contains("xxx"), "{error}");
    let file = state.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert_eq!(Door::open(&file, Arc::new(Kept::default())).err().unwrap().code(), "control.socket");
    assert!(addresses(&file).is_empty());
}

#[tokio::test]
async fn what_answers_like_no_bridge_is_an_error() {
    let state = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder(state.path())).unwrap();
    for said in [&b""[..], b"{}\n", b"nonsense\n", b"{\"done\": -1}\n", b"{\"error\": \"no\"}\n"] {
        let path = folder(state.path()).join("7-x.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let answers = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, said).await.unwrap();
        };
        let address = addresses(state.path()).remove(0);
        let (answer, ()) = tokio::join!(ask(&address, &Question::List), answers);
        assert_eq!(answer.unwrap_err().code(), "control.unanswered");
        std::fs::remove_file(path).unwrap();
    }
}
