//! Binding, running, and the state that handlers share.

use std::{future::Future, net::SocketAddr, path::PathBuf, sync::Arc};

use axum::body::Bytes;
use tokio::net::TcpListener;

use crate::{
    auth::{Passwords, TokenMaker, read_key_set},
    db::Db,
    error::BackendError,
    routes,
};

/// The configuration of the backend.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// `sqlite:///absolute/path.db` or `postgres://…`; the schema has to exist.
    pub database: String,
    /// The address to listen on. Loopback only; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The Ed25519 key that signs access tokens, PKCS#8 PEM.
    pub issuer_key: PathBuf,
    /// The public half of that key as a key set: served as it is; its first key names the `kid`.
    pub jwks: PathBuf,
    /// The `iss` of access tokens.
    pub issuer: String,
    /// The `aud` of access tokens.
    pub audience: String,
}

/// The application, bound to its socket.
#[derive(Debug)]
pub struct Backend {
    listener: TcpListener,
    address: SocketAddr,
    state: State,
}

/// The state that handlers share.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The database.
    pub(crate) db: Db,
    /// The maker of access tokens.
    pub(crate) tokens: Arc<TokenMaker>,
    /// The hasher of passwords.
    pub(crate) passwords: Passwords,
    /// The public keys, as they are served.
    pub(crate) key_set: Bytes,
}

impl Backend {
    /// Opens the database, reads the keys and binds the socket.
    ///
    /// # Errors
    ///
    /// Fails if the address is not loopback or taken, a key cannot be read, or the database cannot
    /// be opened.
    pub async fn bind(config: BackendConfig) -> Result<Self, BackendError> {
        // INVARIANT: a client that reaches this socket is trusted, so only this machine may.
        if !config.listen.ip().is_loopback() {
            return Err(BackendError::NotLoopback(config.listen));
        }
        let (key_set, key_id) = read_key_set(&config.jwks).await?;
        let tokens = TokenMaker::read(&config.issuer_key, key_id, config.issuer, config.audience);
        let state = State {
            db: Db::open(&config.database).await?,
            tokens: Arc::new(tokens.await?),
            passwords: Passwords::prepare().await?,
            key_set,
        };
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, state })
    }

    /// The address of the socket.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is done, then finishes the requests under way.
    ///
    /// # Errors
    ///
    /// Fails if the socket fails.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), BackendError> {
        let router = routes::router(self.state);
        axum::serve(self.listener, router).with_graceful_shutdown(stop).await?;
        Ok(())
    }
}
