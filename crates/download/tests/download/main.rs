//! Downloads from a local server, and archives with everything that is not allowed.
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod archives;
mod network;
mod parts;
mod places;
mod published;
mod server;
mod trial;
mod unpacking;
