//! Running the engine while Python stays responsive.
//!
//! The work is done by a thread of its own that never touches Python. The calling thread waits without the GIL, hands
//! events to a Python function, and looks for signals: on Ctrl-C it asks the work to stop and raises at once; the thread
//! ends by itself, soon after. Worker threads (rayon's) are shared by all calls of a process; a process that was forked off
//! inherits a pool without threads and gets one of its own for each call.

use geolip::{Event, Observer};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

/// How often signals are looked for.
const PATIENCE: Duration = Duration::from_millis(50);
/// Of the thread that works: that of a program's main thread, on which the command line runs.
const STACK: usize = 8 << 20;

enum Message<T> {
    Event(Event),
    Done(T),
}

/// Tells the waiting thread what happens, and hears from it when to stop.
struct Watcher<T> {
    messages: Sender<Message<T>>,
    cancelled: Arc<AtomicBool>,
}

impl<T: Send> Observer for Watcher<T> {
    fn event(&self, event: Event) {
        let _ = self.messages.send(Message::Event(event)); // after Ctrl-C nobody listens
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Asks the work to stop when the calling thread leaves, however it leaves.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` on a thread of its own, and hands its events to `progress` as tuples.
pub fn watched<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Bound<'_, PyAny>>,
    work: impl FnOnce(&dyn Observer) -> T + Send + 'static,
) -> PyResult<T> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let _stop = Stop(Arc::clone(&cancelled));
    let (messages, inbox) = mpsc::channel();
    let inbox = Mutex::new(inbox);
    let watcher = Watcher { messages: messages.clone(), cancelled };
    let run = move || {
        let done = on_pool(|| work(&watcher));
        let _ = messages.send(Message::Done(done));
    };
    let failed = |reason: String| PyRuntimeError::new_err(format!("the engine {reason}; please report this"));
    let worker = thread::Builder::new().name("geolip".to_owned()).stack_size(STACK).spawn(run);
    let worker = worker.map_err(|error| PyRuntimeError::new_err(format!("cannot start a thread: {error}")))?;
    loop {
        let message = py.detach(|| match inbox.lock() {
            Ok(inbox) => inbox.recv_timeout(PATIENCE),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        });
        match message {
            Ok(Message::Done(done)) => return done.map_err(failed),
            Ok(Message::Event(event)) => {
                if let Some(progress) = progress {
                    tell(progress, event)?;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let _ = worker.join();
                return Err(failed("panicked".to_owned()));
            }
        }
        py.check_signals()?;
    }
}

fn tell(progress: &Bound<'_, PyAny>, event: Event) -> PyResult<()> {
    match event {
        Event::Started { bounds } => progress.call1(("started", bounds))?,
        Event::Finished { index } => progress.call1(("finished", index))?,
        Event::Searched { index, cases, open, gap } => progress.call1(("searched", index, cases, open, gap))?,
        _ => return Ok(()),
    };
    Ok(())
}

/// Does `work` on the worker threads of this process.
pub fn on_pool<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    static FIRST: OnceLock<u32> = OnceLock::new();
    let process = std::process::id();
    if *FIRST.get_or_init(|| process) == process {
        return Ok(work());
    }
    let pool = rayon::ThreadPoolBuilder::new().build().map_err(|error| format!("cannot start its threads: {error}"))?;
    Ok(pool.install(work))
}
