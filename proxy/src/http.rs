//! HTTP/1.x on the wire: strict reading of heads, framing of bodies, client connections and their limits.

pub mod canonical;
pub(crate) mod connection;
pub(crate) mod date;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod hygiene;
pub(crate) mod idle;
pub(crate) mod limit;
pub(crate) mod media_type;
pub(crate) mod pace;
pub(crate) mod seats;
pub(crate) mod tenant_names;
