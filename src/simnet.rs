//! A network of Lightning nodes in one process, which any LND client takes for lnd.
//!
//! It is for experiments, demonstrations and tests; the daemon does not know of it. What its nodes
//! do is the business of [`World`](world::World), how they are spoken to that of `server`.

pub mod client;
pub mod command;
mod door;
#[allow(dead_code, reason = "the server is on its way")]
mod folder;
#[allow(dead_code, reason = "the server is on its way")]
mod macaroon;
mod permissions;
pub mod process;
pub mod real;
pub mod scenario;
#[allow(dead_code, reason = "the server is on its way")]
mod server;
#[allow(dead_code, reason = "the server is on its way")]
mod shared;
#[allow(dead_code, reason = "the server is on its way")]
mod tls;
#[expect(dead_code, unused_imports, reason = "the server is on its way")]
pub(crate) mod world;

pub use self::door::NodeDoor;
pub use folder::FolderError;
pub use world::node::{LndVersion, LndVersionError};
pub use world::traffic::Sizes;
