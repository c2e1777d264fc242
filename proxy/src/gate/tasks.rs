//! The tasks that live as long as the gate; the supervisor restarts a task that fails.

use std::io;
use std::net::TcpListener as Socket;
use std::sync::Arc;

use base::supervise::Supervisor;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::door::Door;
use super::{facts, parts};
use crate::forward::relay::{Addresses, Pool};
use crate::judge::pipeline::Memo;
use crate::operate::admin::{self, AdminState};

/// The parts that the tasks work on.
pub(super) struct Tasks {
    /// The upstream's name, and where its addresses are kept.
    pub(super) resolved: (String, Arc<Addresses>),
    pub(super) idle: Arc<Pool>,
    pub(super) memo: Arc<Memo>,
    pub(super) door: Door,
    pub(super) state: AdminState,
    pub(super) facts: Vec<facts::Task>,
}

/// A listener, and the signal to close it.
type Listening = (TcpListener, watch::Receiver<bool>);

impl Tasks {
    /// Starts all tasks: the proxy and the admin listener on these sockets, and the background tasks.
    pub(super) fn start(
        self,
        supervisor: &Supervisor,
        proxy: Listening,
        admin: Listening,
    ) -> io::Result<Vec<JoinHandle<()>>> {
        let Self { resolved: (name, address), idle, memo, door, state, facts } = self;
        let mut tasks: Vec<_> = facts.into_iter().map(tokio::spawn).collect();
        tasks
            .push(tokio::spawn(supervisor.task("resolver", move || {
                parts::keep_resolved(name.clone(), Arc::clone(&address))
            })));
        tasks.push(tokio::spawn(supervisor.task("pool", move || {
            let idle = Arc::clone(&idle);
            async move { idle.keep_tidy().await }
        })));
        tasks.push(tokio::spawn(supervisor.task("memo", move || {
            let memo = Arc::clone(&memo);
            async move { memo.keep_time().await }
        })));
        let (socket, stopping) = (proxy.0.into_std()?, proxy.1);
        let door = Arc::new(door);
        tasks.push(tokio::spawn(supervisor.task("proxy", move || {
            let (door, listener, stopping) = (Arc::clone(&door), again(&socket), stopping.clone());
            async move {
                door.open(listener?, stopping).await;
                Ok::<(), io::Error>(())
            }
        })));
        let (socket, stopping) = (admin.0.into_std()?, admin.1);
        tasks.push(tokio::spawn(supervisor.task("admin", move || {
            let (listener, state) = (again(&socket), state.clone());
            serve_admin(listener, state, stopping.clone())
        })));
        Ok(tasks)
    }
}

/// A second handle of the same socket. A task that panics drops its own handle, and no connection is refused meanwhile.
fn again(socket: &Socket) -> io::Result<TcpListener> {
    TcpListener::from_std(socket.try_clone()?)
}

async fn serve_admin(
    listener: io::Result<TcpListener>,
    state: AdminState,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let stopped = async move { drop(stopping.wait_for(|stop| *stop).await) };
    admin::serve(listener?, state, stopped).await;
    Ok(())
}
