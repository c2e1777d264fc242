//! The backend over real sockets, on a database of the test's own.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod common;
#[cfg(test)]
mod data;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod tenants;
