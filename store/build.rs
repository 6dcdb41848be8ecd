//! Rebuilds the crate when a migration is added: the macro that embeds them watches files it knows, not folders.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
