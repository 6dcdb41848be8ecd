//! The commands, one a file.

pub mod api;
pub mod audit;
pub mod backup;
pub mod clinic;
pub mod doctor;
pub mod dry_run;
pub mod health;
pub mod migrate;
pub mod restore;
pub mod settings;
pub mod staff;
pub mod timeline;
pub mod up;
pub mod worker;
