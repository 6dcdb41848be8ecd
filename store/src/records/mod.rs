//! Rows to records and back: loaded whole, saved by what differs.

mod changes;
mod course;
pub(crate) mod kept;
pub(crate) mod load;
pub(crate) mod on_call;
pub(crate) mod parts;
pub(crate) mod save;
mod save_watch;
