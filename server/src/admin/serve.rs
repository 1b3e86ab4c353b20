//! Serving the admin socket: a thread of its own, so that a scan of the ledger never delays a probe
//! or a scrape on the TCP listener.

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::runtime::LocalOptions;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tollgate_runtime::drain::Draining;

use super::socket::AdminSocket;
use crate::access::Shown;
use crate::http::ServeAdmin;

/// Connections open at the same time: people and their scripts, each for a moment.
pub(crate) const CONNECTIONS_MAX: usize = 32;

/// The pause after an accept that failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// How long a drain waits for answers in flight; a scan takes far less.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// A socket that is served until the drain.
#[derive(Debug)]
pub(crate) struct Served {
    thread: JoinHandle<()>,
    free: Arc<Semaphore>,
}

impl Served {
    /// Serves `socket` with `serve` on a new thread.
    ///
    /// # Errors
    /// If the system refuses the thread or its runtime.
    pub(crate) fn start(
        socket: AdminSocket,
        serve: ServeAdmin,
        draining: Draining,
    ) -> io::Result<Self> {
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let permits = Arc::clone(&free);
        let run = move || -> io::Result<()> {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build_local(LocalOptions::default())?;
            let owner = socket.user();
            // Its file goes when the thread ends.
            let (listener, _file) = socket.into_parts();
            runtime.block_on(accept(listener, owner, &serve, &permits, &draining))
        };
        let thread =
            std::thread::Builder::new().name("admin-socket".to_owned()).spawn(move || {
                if let Err(error) = run() {
                    tracing::error!(event = "admin_socket_failed", %error);
                }
            })?;
        Ok(Self { thread, free })
    }

    /// What counts its connections.
    pub(crate) fn connections(&self) -> SocketConnections {
        SocketConnections(Arc::clone(&self.free))
    }

    /// Waits for its end; call after the drain has started.
    pub(crate) fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!(event = "core_panicked");
        }
    }
}

/// Counts the connections of the admin socket.
#[derive(Clone, Debug)]
pub(crate) struct SocketConnections(Arc<Semaphore>);

impl SocketConnections {
    /// Those open now.
    pub(crate) fn count(&self) -> usize {
        CONNECTIONS_MAX.saturating_sub(self.0.available_permits())
    }
}

async fn accept(
    listener: UnixListener,
    owner: u32,
    serve: &ServeAdmin,
    free: &Arc<Semaphore>,
    draining: &Draining,
) -> io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = draining.started() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(event = "accept_failed", %error);
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(uid) = user(&stream).filter(|user| may_call(*user, owner)) else {
            tracing::warn!(event = "connection_refused", reason = "another user");
            continue;
        };
        let Ok(permit) = Arc::clone(free).try_acquire_owned() else {
            tracing::warn!(event = "connection_refused", reason = "connections_max");
            continue;
        };
        let connection = serve.serve(stream, "admin_socket", Shown::Socket { uid });
        connections.spawn_local(async move {
            connection.await;
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN_MAX, connections.wait()).await.is_err() {
        tracing::warn!(event = "drain_cut_off", connections = connections.len());
    }
    Ok(())
}

/// The socket's owner may call, and root, who could take it anyway.
const fn may_call(user: u32, owner: u32) -> bool {
    user == owner || user == 0
}

/// The user of the process at the other end, if the system tells.
fn user(stream: &UnixStream) -> Option<u32> {
    stream.peer_cred().ok().map(|peer| peer.uid())
}
