//! stub
use std::sync::Arc;
/// x
#[derive(Debug)] pub struct VerifiedToken { /// x
 pub subject: Arc<str>, /// x
 pub jti: Option<Arc<str>>, /// x
 pub issued_at: Option<f64> }
/// x
#[derive(Debug, thiserror::Error)] pub enum Unidentified { /// x
 #[error("x")] Missing, /// x
 #[error("x")] KeysUnavailable{/// x
 issuer:String} }
impl Unidentified { /// x
 pub fn reason(&self)->&'static str{""} }
/// x
#[derive(Debug)] pub struct CookieTwice;
/// x
#[derive(Debug)] pub struct Verifier;
impl Verifier { /// x
 pub fn new(_k: Arc<crate::keys::KeyStore>, _l: std::time::Duration, _m: &Arc<crate::metrics::Metrics>)->Self{Self} /// x
 pub fn verify(&self,_t:&str,_n:f64)->Result<Arc<VerifiedToken>,Unidentified>{Err(Unidentified::Missing)} }
/// x
pub fn bearer(_a: Option<&[u8]>)->Result<&str,Unidentified>{Ok("")}
/// x
pub fn cookie_token<'a>(_c: impl Iterator<Item=&'a [u8]>, _n:&str)->Result<Option<&'a str>,CookieTwice>{Ok(None)}
