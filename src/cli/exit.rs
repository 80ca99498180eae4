//! Exit codes: part of the interface.

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The program, or the command, succeeded.
    Success = 0,
    /// The program raised an exception or ended itself.
    Error = 1,
    /// The command line or a setting cannot be used.
    Usage = 2,
    /// No sandbox could be had: engine, host, Python or image.
    NoSandbox = 3,
    /// A limit ended the program: memory, processes, disk, open files or output.
    Limit = 4,
    /// A server could not be reached.
    NoServer = 5,
    /// The deadline ended the program; the code that `timeout` uses.
    Timeout = 124,
    /// Interrupted; the code that shells use for SIGINT.
    Cancelled = 130,
}

/// The table for `--help`.
pub const HELP: &str = "Exit codes: 0 success, 1 the program failed, 2 usage or setting, 3 no sandbox (engine, host, Python, \
                        image), 4 a limit ended it (memory, processes, disk, open files, output), 124 timeout, 130 interrupted";

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
