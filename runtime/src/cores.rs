//! One current-thread runtime a core, and an acceptor that hands each connection to the core with
//! the fewest.
//!
//! A connection lives on one core from its first byte to its last, so nothing of a call crosses
//! threads. The acceptor balances by open connections: a proxy opens few and keeps them, and the
//! kernel's own hashing would load one core with most of them.

use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::LocalOptions;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::drain::Draining;
use crate::seldom::Seldom;
use crate::stream::{Accepting, Listener, Loose, Peer, Stream};

/// Accepted connections that may wait for a core to take them.
const HANDOVER_MAX: usize = 1_024;

/// The pause after an accept that failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How many cores to use, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Runtimes, each on a thread of its own.
    pub count: usize,
    /// Connections open at the same time, over all cores; more are closed on arrival.
    pub connections_max: usize,
    /// How long a core that ends waits for its connections.
    pub drain_max: Duration,
}

/// What a core does with each connection. One is made on every core.
pub trait Serve: 'static {
    /// Serves the connection to its end; returns soon after the drain has started.
    fn connection(&self, stream: Stream, peer: Peer) -> impl Future<Output = ()> + 'static;
}

/// The running cores.
#[derive(Debug)]
pub struct Cores {
    threads: Vec<JoinHandle<()>>,
    acceptor: Arc<Acceptor>,
    closing: CancellationToken,
}

/// Gives connections to the cores.
#[derive(Debug)]
pub struct Acceptor {
    desks: Vec<Desk>,
    connections_max: usize,
    refused: Seldom,
    failed: Seldom,
}

/// The way to one core.
#[derive(Clone, Debug)]
struct Desk {
    sender: mpsc::Sender<Handover>,
    open: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Handover {
    stream: Loose,
    peer: Peer,
    open: Open,
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Cores {
    /// Starts the threads. `make` is called once on each.
    ///
    /// # Errors
    /// If a thread or its runtime cannot be made.
    pub fn start<S: Serve>(
        options: Options,
        make: impl Fn(usize) -> S + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let make = Arc::new(make);
        let closing = CancellationToken::new();
        let (mut threads, mut desks) = (Vec::new(), Vec::new());
        for index in 0..options.count.max(1) {
            let (sender, receiver) = mpsc::channel(HANDOVER_MAX);
            let (make, closing) = (Arc::clone(&make), closing.clone());
            let (made, is_made) = std::sync::mpsc::sync_channel(1);
            let runtime = move || -> io::Result<()> {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                let runtime = builder.enable_all().build_local(LocalOptions::default())?;
                let serve = make(index);
                // Whoever starts the cores waits for this.
                let _ = made.send(());
                runtime.block_on(work(serve, receiver, closing, options.drain_max));
                Ok(())
            };
            let thread =
                std::thread::Builder::new().name(format!("core-{index}")).spawn(move || {
                    if let Err(error) = runtime() {
                        tracing::error!(event = "core_failed", index, %error);
                    }
                })?;
            if is_made.recv().is_err() {
                return Err(io::Error::other(format!("core {index} could not be made")));
            }
            threads.push(thread);
            desks.push(Desk { sender, open: Arc::default() });
        }
        let acceptor = Acceptor {
            desks,
            connections_max: options.connections_max,
            refused: Seldom::default(),
            failed: Seldom::default(),
        };
        Ok(Self { threads, acceptor: Arc::new(acceptor), closing })
    }

    /// What gives connections to these cores.
    pub fn acceptor(&self) -> Arc<Acceptor> {
        Arc::clone(&self.acceptor)
    }

    /// Waits for every core to end; call after the drain has started and the acceptor has ended.
    /// What was accepted until then is served.
    pub fn join(self) {
        self.closing.cancel();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!(event = "core_panicked");
            }
        }
    }
}

impl Acceptor {
    /// Accepts connections until the drain starts, giving each to the core with the fewest. May run
    /// for several listeners at once.
    ///
    /// # Errors
    /// If the listener cannot be used.
    pub async fn accept(&self, listener: Listener, draining: Draining) -> io::Result<()> {
        // Its file goes when the accepting ends: who comes later finds nobody.
        let (listener, _file) = match listener {
            Listener::Tcp(tcp) => (Accepting::Tcp(tokio::net::TcpListener::from_std(tcp)?), None),
            Listener::Unix(socket) => {
                let (unix, file) = socket.into_parts();
                (Accepting::Unix(tokio::net::UnixListener::from_std(unix)?), Some(file))
            }
        };
        loop {
            let accepted = tokio::select! {
                () = draining.started() => break,
                accepted = poll_fn(|cx| listener.poll(cx)) => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.hand_over(stream, peer),
                // The peer went away, or file descriptors ran out: neither ends the listener.
                Err(error) => {
                    if let Some(number) = self.failed.count() {
                        tracing::warn!(event = "accept_failed", number, %error);
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        self.take_rest(listener)
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.desks.iter().map(|desk| desk.open.load(Ordering::Relaxed)).sum()
    }

    /// Takes what the kernel has accepted already: for its clients these are connections like any
    /// other, and what they send on them would be lost.
    fn take_rest(&self, listener: Accepting) -> io::Result<()> {
        let listener = listener.leave()?;
        for _ in 0..HANDOVER_MAX {
            // Nobody waits any more, or the system refuses: either way this is the end.
            let Ok((stream, peer)) = listener.accept() else { break };
            self.hand_over(stream, peer);
        }
        Ok(())
    }

    fn hand_over(&self, stream: Loose, peer: Peer) {
        if self.connections() >= self.connections_max {
            return self.refuse(peer, "connections_max");
        }
        // One that has ended has the fewest for ever.
        let there = self.desks.iter().filter(|desk| !desk.sender.is_closed());
        let least = there.min_by_key(|desk| desk.open.load(Ordering::Relaxed));
        let Some(desk) = least else { return self.refuse(peer, "no core is left") };
        desk.open.fetch_add(1, Ordering::Relaxed);
        let open = Open(Arc::clone(&desk.open));
        if desk.sender.try_send(Handover { stream, peer, open }).is_err() {
            self.refuse(peer, "core is busy");
        }
    }

    /// Whoever is refused can come back at once: the log must not be theirs to fill.
    fn refuse(&self, peer: Peer, reason: &str) {
        if let Some(number) = self.refused.count() {
            tracing::warn!(event = "connection_refused", number, %peer, reason);
        }
    }
}

/// The life of one core: take connections until the end is near, then wait for them, within the
/// bound.
async fn work<S: Serve>(
    serve: S,
    mut receiver: mpsc::Receiver<Handover>,
    closing: CancellationToken,
    drain_max: Duration,
) {
    let connections = TaskTracker::new();
    let take = |Handover { stream, peer, open }: Handover| {
        let Ok(stream) = stream.settle() else { return };
        let connection = serve.connection(stream, peer);
        connections.spawn_local(async move {
            connection.await;
            drop(open);
        });
    };
    loop {
        let handover = tokio::select! {
            () = closing.cancelled() => break,
            handover = receiver.recv() => handover,
        };
        let Some(handover) = handover else { break };
        take(handover);
    }
    while let Ok(handover) = receiver.try_recv() {
        take(handover);
    }
    connections.close();
    if tokio::time::timeout(drain_max, connections.wait()).await.is_err() {
        tracing::warn!(event = "drain_cut_off", connections = connections.len());
    }
}

#[cfg(test)]
#[path = "cores_tests.rs"]
mod tests;
