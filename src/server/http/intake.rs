//! What a WebSocket's client sends, seen below the library that makes messages of it: one that has begun comes to its end in time, and
//! holds room as a request's body does.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::OpCode;

use super::body::PATIENCE;
use super::error::HttpError;
use super::room::{Held, Room};

/// The bytes of one client. Its errors are [`HttpError`]s within those of the system's kind.
pub(super) struct Intake<R> {
    inner: R,
    room: Arc<Room>,
    messages: Messages,
}

/// The messages that are being read. Cheap to clone; all clones are of the same client.
#[derive(Clone, Default)]
pub(super) struct Messages(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// A header that has not come whole.
    head: Vec<u8>,
    /// The frame that is being read, and how many bytes of it are still to come.
    frame: Option<(FrameHeader, u64)>,
    /// There were frames of a message, and not its last.
    begun: bool,
    /// Bytes of the message so far.
    length: usize,
    held: Held,
    /// What messages hold that have come whole and were not taken yet.
    whole: Held,
    /// Runs while the rest of a message, or of a frame between messages, is waited for.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<R> Intake<R> {
    pub fn new(inner: R, room: Arc<Room>) -> Self {
        Self { inner, room, messages: Messages::default() }
    }

    pub fn messages(&self) -> Messages {
        self.messages.clone()
    }
}

impl Messages {
    /// What the messages hold that have come whole, for who takes the first of them: the others came with the same piece of at most the
    /// library's buffer.
    pub fn taken(&self) -> Held {
        std::mem::take(&mut self.state().whole)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_between(&self) -> bool {
        self.head.is_empty() && self.frame.is_none() && !self.begun
    }

    /// # Errors
    /// There is no room for so long a message now.
    fn came(&mut self, mut bytes: &[u8], room: &Room) -> Result<(), HttpError> {
        while let Some((first, rest)) = bytes.split_first() {
            let Some((header, left)) = &mut self.frame else {
                self.head.push(*first);
                bytes = rest;
                // What is no header, the library refuses.
                if let Ok(Some(frame)) = FrameHeader::parse(&mut Cursor::new(&self.head)) {
                    self.head.clear();
                    self.frame = Some(frame);
                    self.end_frame();
                }
                continue;
            };
            let now = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            // One that is too long, the library refuses too.
            let is_kept = matches!(header.opcode, OpCode::Data(_)) && *left <= room.limit as u64;
            *left -= now as u64;
            bytes = bytes.split_at(now).1;
            if is_kept {
                self.length += now;
                room.hold(&mut self.held, self.length)?;
            }
            self.end_frame();
        }
        Ok(())
    }

    /// If all of the frame is there. Pings and the like come between the frames of a message, and are none of it.
    fn end_frame(&mut self) {
        let Some((header, _)) = self.frame.take_if(|(_, left)| *left == 0) else { return };
        if matches!(header.opcode, OpCode::Data(_)) {
            self.begun = !header.is_final;
            if header.is_final {
                self.length = 0;
                self.whole.join(std::mem::take(&mut self.held));
            }
        }
        if !self.begun {
            self.waits = None;
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Intake<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        let mut state = this.messages.state();
        state.came(buf.filled().split_at(before).1, &this.room).map_err(io::Error::other)?;
        // The library reads until there is a message, or nothing more to read now.
        if polled.is_pending() && !state.is_between() {
            let waits = state.waits.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
            if waits.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::Error::other(HttpError::Slow { seconds: PATIENCE.as_secs() })));
            }
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::StreamExt;
    use tokio::io::{AsyncWriteExt, DuplexStream, Join, ReadHalf, WriteHalf, duplex, join, split};
    use tokio::time::{Instant, timeout};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::protocol::Role;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;
    use tokio_tungstenite::tungstenite::{Error, Message};

    use super::*;

    type Socket = WebSocketStream<Join<Intake<ReadHalf<DuplexStream>>, WriteHalf<DuplexStream>>>;

    /// A client's end, and what hears it.
    async fn heard(room: &Arc<Room>) -> (DuplexStream, Socket, Messages) {
        let (theirs, ours) = duplex(1 << 20);
        let (reads, writes) = split(ours);
        let reads = Intake::new(reads, Arc::clone(room));
        let messages = reads.messages();
        (theirs, Socket::from_raw_socket(join(reads, writes), Role::Server, None).await, messages)
    }

    /// Masked by zeros, which change nothing.
    fn bytes(mut frame: Frame) -> Vec<u8> {
        frame.header_mut().mask = Some([0; 4]);
        let mut bytes = Vec::new();
        frame.format(&mut bytes).expect("bytes");
        bytes
    }

    fn text(length: usize, code: Data, is_final: bool) -> Vec<u8> {
        bytes(Frame::message("x".repeat(length), OpCode::Data(code), is_final))
    }

    /// Sends this, and after each quarter of the time a ping: when the client is let go, and why.
    async fn let_go(sent: &[u8]) -> (Duration, &'static str) {
        let (mut theirs, mut socket, _) = heard(&Arc::new(Room::new(1 << 20))).await;
        let whole = text(3, Data::Text, true);
        theirs.write_all(&[whole.as_slice(), sent].concat()).await.expect("sending");
        assert_eq!(socket.next().await.expect("a message").expect("it"), Message::text("xxx"));
        let begun = Instant::now();
        loop {
            match timeout(PATIENCE / 4, socket.next()).await {
                Err(_) if begun.elapsed() > PATIENCE * 2 => return (begun.elapsed(), "never"),
                Err(_) => theirs.write_all(&bytes(Frame::ping("p"))).await.expect("sending"),
                Ok(Some(Ok(Message::Ping(_)))) => {}
                Ok(Some(Err(Error::Io(error)))) => {
                    let error = error.get_ref().and_then(|error| error.downcast_ref::<HttpError>()).expect("ours");
                    return (begun.elapsed(), error.code());
                }
                Ok(other) => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_has_a_minute_and_silence_between_messages_has_no_end() {
        let late = (PATIENCE, "http.slow");
        // Not its last frame, which pings may follow; and the header that says how long it is.
        assert_eq!(let_go(&text(10, Data::Text, false)).await, late);
        assert_eq!(let_go(&text(0, Data::Text, false)).await, late);
        assert_eq!(let_go(&[]).await.1, "never");
        for cut in [1, 3, 7, 50] {
            let (mut theirs, mut socket, _) = heard(&Arc::new(Room::new(1 << 20))).await;
            theirs.write_all(text(300, Data::Text, true).split_at(cut).0).await.expect("sending");
            let begun = Instant::now();
            assert!(matches!(socket.next().await, Some(Err(Error::Io(_)))), "{cut}");
            assert_eq!(begun.elapsed(), PATIENCE, "{cut}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_message_has_its_own_time() {
        let (mut theirs, mut socket, _) = heard(&Arc::new(Room::new(1 << 20))).await;
        let message = text(300, Data::Text, true);
        let (head, tail) = message.split_at(100);
        theirs.write_all(head).await.expect("sending");
        for _ in 0..5 {
            assert!(timeout(PATIENCE * 3 / 4, socket.next()).await.is_err());
            theirs.write_all(&[tail, head].concat()).await.expect("sending");
            assert!(socket.next().await.is_some_and(|it| it.is_ok()));
        }
    }

    #[tokio::test]
    async fn a_message_holds_room_until_it_was_dealt_with() {
        const LONG: usize = 1 << 20;
        let room = Arc::new(Room::new(LONG));
        let is_full = |room: &Room| room.hold(&mut Held::default(), 3 * LONG + LONG / 2).is_err();
        let (mut theirs, mut socket, messages) = heard(&room).await;
        let sending = tokio::spawn(async move {
            for frame in
                [text(LONG / 2, Data::Text, false), text(LONG / 2, Data::Continue, true), text(1, Data::Text, true)]
            {
                theirs.write_all(&frame).await.expect("sending");
            }
            theirs
        });
        assert_eq!(socket.next().await.expect("a message").expect("it").len(), LONG);
        let held = messages.taken();
        assert!(is_full(&room));
        assert_eq!(socket.next().await.expect("a message").expect("it").len(), 1);
        drop((held, messages.taken()));
        assert!(!is_full(&room));
        // Others have it all.
        let mut others = Held::default();
        room.hold(&mut others, 4 * LONG).expect("room");
        let _theirs = sending.await.expect("sent");
        let (mut theirs, mut socket, _) = heard(&room).await;
        theirs.write_all(&text(LONG / 4, Data::Text, false)).await.expect("sending");
        let Some(Err(Error::Io(error))) = socket.next().await else { panic!("it is read") };
        assert!(error.get_ref().is_some_and(|error| error.downcast_ref() == Some(&HttpError::Room)));
    }
}
