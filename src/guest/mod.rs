//! The host's half of the pipe: frames, messages, and one run's conversation with the guest.
//!
//! Takes three byte streams and knows nothing of what is behind them; every byte that comes in is hostile. Carries `runtime-py`
//! inside the binary and sends it through the pipe. Must never call an upstream: what the program asks for goes to the
//! [`Answer`] it is given. Called by `execution`. The protocol is in `PROTOCOL.md` beside this file.

mod bundle;
mod conversation;
mod early;
mod frame;
mod message;
mod pipes;
mod requests;

pub use bundle::{boot_block, command};
pub use conversation::{Answer, Conduct, Ending, Guest, Output, Stop};
pub use frame::{Frame, FrameCodec, FrameError, MAX_FRAME};
pub use message::{
    Detail, Exited, Finished, Hello, Operation, Outcome, ProgramError, Refusal, Request, ServerName, Start, ToolCall,
    Upload,
};
pub use pipes::Pipes;
