//! stub
/// x
pub fn parse_object(b:&[u8])->Result<serde_json::Map<String,serde_json::Value>,serde_json::Error>{serde_json::from_slice(b)}
