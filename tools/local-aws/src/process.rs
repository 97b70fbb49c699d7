//! A child process that cannot outlive its owner.
//!
//! Dropping a [`Process`] kills and reaps it. If the owner dies without dropping (SIGKILL, abort), the kernel kills the
//! child: `PR_SET_PDEATHSIG`, Linux only. That signal is sent when the *thread* that started the child ends, and test
//! runners end a thread with each test, so all children are started by one thread that lives as long as the process.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::time::{now, pause};
use crate::{Error, Result};

/// Between two looks at a child that shall end.
const END_POLL: Duration = Duration::from_millis(2);
/// Between two attempts to reach a child that shall become ready.
const READY_POLL: Duration = Duration::from_millis(5);
/// How much of a log an error shows.
const TAIL_LINES: usize = 8;
const TAIL_LINE_CHARS: usize = 240;

/// How a process ended: an exit code or a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exited(ExitStatus);

impl Exited {
    /// The signal that killed it, if one did.
    pub fn signal(self) -> Option<i32> {
        self.0.signal()
    }

    /// Its exit code, unless a signal killed it.
    pub fn code(self) -> Option<i32> {
        self.0.code()
    }
}

impl fmt::Display for Exited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.code(), self.0.signal()) {
            (Some(code), _) => write!(f, "exit code {code}"),
            (None, Some(signal)) => write!(f, "signal {signal}"),
            (None, None) => write!(f, "{}", self.0),
        }
    }
}

/// A running (or ended) child with a log file.
#[derive(Debug)]
pub struct Process {
    what: String,
    log: PathBuf,
    child: Child,
}

impl Process {
    /// Starts `command`; what it prints is appended to `log`.
    ///
    /// # Errors
    /// [`Error::File`] when the log cannot be opened, [`Error::Spawn`] when the system refuses.
    pub fn start(what: impl Into<String>, mut command: Command, log: &Path) -> Result<Self> {
        let what = what.into();
        let out: File = OpenOptions::new().create(true).append(true).open(log).map_err(Error::file(log))?;
        let err = out.try_clone().map_err(Error::file(log))?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        // Its own group: a Ctrl-C at the terminal reaches us alone, and we end the parts in order.
        command.process_group(0);
        die_with_us(&mut command);
        let child =
            spawn_on_the_lasting_thread(command).map_err(|source| Error::Spawn { what: what.clone(), source })?;
        Ok(Self { what, log: log.to_owned(), child })
    }

    /// The name it was started under.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<Exited> {
        self.child.try_wait().ok().flatten().map(Exited)
    }

    /// Told as soon as it has ended; asking [`Process::ended`] then says how. A thread waits for it, which costs nothing
    /// meanwhile.
    pub(crate) fn end(&self) -> oneshot::Receiver<()> {
        let (told, end) = oneshot::channel();
        let pid = self.pid();
        std::thread::spawn(move || {
            wait_for_end(pid);
            // Not heard where the owner has ended it, too.
            let _ = told.send(());
        });
        end
    }

    /// Kills it (SIGKILL) and waits until it is gone. Nothing to do if it has ended.
    pub fn kill(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal, for example `libc::SIGTERM` or `libc::SIGSTOP`. A process that has ended gets none.
    pub fn signal(&mut self, signal: i32) {
        if self.ended().is_none() {
            send(self.pid(), signal);
        }
    }

    /// Asks it to end (SIGTERM) and kills it if it has not done so after `grace`.
    pub async fn terminate(&mut self, grace: Duration) {
        self.signal(libc::SIGTERM);
        let asked = now();
        while self.ended().is_none() && asked.elapsed() < grace {
            pause(END_POLL).await;
        }
        self.kill();
    }

    /// The error for a part that ended while it was waited for.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(ended) => {
                Err(Error::Ended { what: self.what.clone(), ended: ended.to_string(), tail: tail(&self.log) })
            }
        }
    }

    /// Asks `probe` again and again until it says yes. This is how every part becomes ready: by answering.
    ///
    /// # Errors
    /// [`Error::Ended`] as soon as the process is gone, [`Error::NotReady`] after `limit`.
    pub(crate) async fn until_ready<F, P>(&mut self, limit: Duration, mut probe: F) -> Result<()>
    where
        F: FnMut() -> P,
        P: Future<Output = Result<(), String>>,
    {
        let started = now();
        let mut last = "no attempt was finished".to_owned();
        loop {
            self.check_running()?;
            let left = limit.saturating_sub(started.elapsed());
            match tokio::time::timeout(left, probe()).await {
                // Once more: whoever answered was not this process if it has ended.
                Ok(Ok(())) => return self.check_running(),
                Ok(Err(found)) => last = found,
                Err(_) => {
                    let (what, tail) = (self.what.clone(), tail(&self.log));
                    return Err(Error::NotReady { what, limit, last, tail });
                }
            }
            pause(READY_POLL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of a log, for an error message.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    last.iter().map(|line| format!("    {}\n", line.chars().take(TAIL_LINE_CHARS).collect::<String>())).collect()
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

fn spawn_on_the_lasting_thread(command: Command) -> io::Result<Child> {
    static ORDERS: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let gone = || io::Error::other("the thread that starts processes has ended");
    let orders = ORDERS.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                // Nobody waits for the answer only if the caller's thread panicked.
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, answer) = mpsc::channel();
    orders.lock().unwrap_or_else(PoisonError::into_inner).send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "prctl between fork and exec has no safe form; both calls are async-signal-safe")]
fn die_with_us(command: &mut Command) {
    let owner = std::process::id();
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The owner may have died before prctl took effect: then no signal comes.
            match u32::try_from(libc::getppid()) {
                Ok(parent) if parent == owner => Ok(()),
                _ => Err(io::Error::from_raw_os_error(libc::ESRCH)),
            }
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_: &mut Command) {}

/// Returns when this child of ours has ended, or was dealt with already. It is left for [`Process::ended`] to find.
#[allow(unsafe_code, reason = "waitid(2) touches no memory of ours but `info`")]
fn wait_for_end(pid: u32) {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    while unsafe { libc::waitid(libc::P_PID, pid, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) } != 0 {
        if io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
            return;
        }
    }
}

/// Kills whatever process has this id, as a person does by hand.
pub fn kill(pid: u32) {
    send(pid, libc::SIGKILL);
}

#[allow(unsafe_code, reason = "kill(2) and waitid(2) touch no memory of ours but `info`")]
fn send(pid: u32, signal: i32) {
    if let Ok(id) = libc::pid_t::try_from(pid) {
        unsafe { libc::kill(id, signal) };
        if signal == libc::SIGSTOP {
            // On a busy machine its threads run on for a while. It has stopped when the system says so to its parent, us;
            // or ended, which is left for `ended` to find.
            let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
            let what = libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT;
            unsafe { libc::waitid(libc::P_PID, pid, info.as_mut_ptr(), what) };
        }
    }
}
