//! The executor: polls the futures of all processes one step at a time, in a random order, and
//! drops them wherever they are.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::model::Process;
use crate::random::Random;

/// Futures under way. Each is polled when it was woken and only then, so that a lost wake shows.
#[derive(Default)]
pub(crate) struct Tasks(Vec<Task>);

struct Task {
    process: Process,
    kind: Kind,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    woken: Arc<Woken>,
}

/// What a future is to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It lives as long as the process.
    Worker,
    /// A call of a host or a receiver, who may hang up.
    Call,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Tasks {
    pub(crate) fn spawn(
        &mut self,
        process: Process,
        kind: Kind,
        future: impl Future<Output = ()> + Send + 'static,
    ) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        self.0.push(Task { process, kind, future: Box::pin(future), woken });
    }

    /// Polls one of those that were woken, and says whose it was.
    pub(crate) fn step(&mut self, random: &Random) -> Option<Process> {
        let awake =
            |(index, task): (usize, &Task)| task.woken.0.load(Ordering::Relaxed).then_some(index);
        let awake: Vec<usize> = self.0.iter().enumerate().filter_map(awake).collect();
        let index = random.pick_one(&awake)?;
        let task = &mut self.0[index];
        task.woken.0.store(false, Ordering::Relaxed);
        let process = task.process;
        let waker = Waker::from(Arc::clone(&task.woken));
        if task.future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.0.remove(index);
        }
        Some(process)
    }

    /// The process is killed: all its futures are dropped where they are.
    pub(crate) fn kill(&mut self, process: Process) {
        self.0.retain(|task| task.process != process);
    }

    /// Whoever made a call hangs up: its future is dropped where it is.
    pub(crate) fn hang_up(&mut self, random: &Random) {
        let calls = self.0.iter().enumerate().filter(|(_, task)| task.kind == Kind::Call);
        let calls: Vec<usize> = calls.map(|(index, _)| index).collect();
        if let Some(index) = random.pick_one(&calls) {
            self.0.remove(index);
        }
    }
}

/// Goes on with some work for so many steps and drops it then, wherever it is.
pub(crate) async fn at_most(mut steps: u64, work: impl Future<Output = ()> + Send) {
    let mut work = Box::pin(work);
    poll_fn(|context| {
        if steps == 0 {
            return Poll::Ready(());
        }
        steps -= 1;
        if steps == 0 {
            // Not only when it is woken again: in the midst of it.
            context.waker().wake_by_ref();
        }
        work.as_mut().poll(context)
    })
    .await;
}
