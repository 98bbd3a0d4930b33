//! Downloads against a server on loopback, and archives with all that archives must not have.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod archives;
mod network;
mod parts;
mod places;
mod published;
mod server;
mod trial;
mod unpacking;
