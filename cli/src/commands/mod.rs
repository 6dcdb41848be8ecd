//! The commands, one a file.

pub mod api;
pub mod audit;
pub mod clinic;
pub mod doctor;
pub mod migrate;
pub mod settings;
pub mod staff;
pub mod timeline;
pub mod up;
pub mod worker;
