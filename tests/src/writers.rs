//! Clients that write, one request after the other, and remember which of them were answered.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::task::JoinHandle;

use crate::{
    client::{Connection, Request},
    tokens::token,
    wait::{eventually, in_time},
};

/// Who writes: one who may, and one who is refused.
const USERS: [&str; 2] = ["kauvery-doctor", "kauvery-coder"];

/// So many clients at work.
#[derive(Debug)]
pub struct Writers {
    answered: Arc<Mutex<HashSet<String>>>,
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Writers {
    /// Sends them to work. Whose connection ends goes home.
    #[must_use]
    pub fn start(address: SocketAddr, clients: usize) -> Self {
        let (answered, over) = (Arc::default(), Arc::<AtomicBool>::default());
        let clients = (0..clients)
            .map(|n| {
                let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
                tokio::spawn(write(address, USERS[n % USERS.len()], answered, over))
            })
            .collect();
        Self { answered, over, clients }
    }

    /// The ids of the requests that were answered.
    #[must_use]
    pub fn answered(&self) -> HashSet<String> {
        self.answered.lock().unwrap().clone()
    }

    /// Waits until so many were answered.
    pub async fn wait_for(&self, count: usize) {
        eventually("enough answers", || async {
            (self.answered.lock().unwrap().len() >= count).then_some(())
        })
        .await;
    }

    /// Waits for all to end, and gives the ids of what was answered.
    pub async fn end(self) -> HashSet<String> {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients {
            in_time("the client ends", client).await.unwrap();
        }
        std::mem::take(&mut *self.answered.lock().unwrap())
    }
}

async fn write(
    address: SocketAddr,
    user: &'static str,
    answered: Arc<Mutex<HashSet<String>>>,
    over: Arc<AtomicBool>,
) {
    let request = Request::new("POST", "/api/visits").token(&token(user)).json("{}");
    let mut connection = Connection::open(address).await;
    while !over.load(Ordering::Relaxed) {
        let Some(answer) = connection.send(&request).await else { return };
        answered.lock().unwrap().insert(answer.id().to_owned());
    }
}
