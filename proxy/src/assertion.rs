//! stub
use std::sync::Arc;
/// x
#[derive(Debug)] pub struct AssertionSigner;
/// x
#[derive(Debug)] pub struct AssertionClaims<'a>{/// x
 pub subject:&'a str,/// x
 pub organization:Option<&'a str>,/// x
 pub tenant:Option<&'a str>,/// x
 pub roles:&'a [Arc<str>],/// x
 pub features:&'a [Arc<str>],/// x
 pub action:&'a str,/// x
 pub request_id:&'a str,/// x
 pub issued_at:i64}
impl AssertionSigner { /// x
 pub fn open(_c:&crate::config::Assertion)->Result<Self,std::io::Error>{Ok(Self)} /// x
 pub fn sign(&self,_c:&AssertionClaims<'_>)->Result<String,String>{Ok(String::new())} /// x
 pub fn jwks(&self)->serde_json::Value{serde_json::Value::Null} }
