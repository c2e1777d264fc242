//! stub
use std::sync::Arc;
/// x
#[derive(Debug)] pub struct KeyStore;
/// x
#[derive(Debug, thiserror::Error)] #[error("x")] pub struct KeysError;
impl KeyStore { /// x
 pub fn start(_i:&[crate::config::Issuer])->Result<Arc<Self>,KeysError>{Ok(Arc::new(Self))} /// x
 pub fn check(_i:&[crate::config::Issuer])->Result<(),KeysError>{Ok(())} /// x
 pub fn ready(&self)->Result<(),String>{Ok(())} }
