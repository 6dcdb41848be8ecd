//! Leaves the tests on PostgreSQL out, visibly, when they are not wanted: `BEDSIDE_TEST_SQLITE_ONLY=1`.

fn main() {
    println!("cargo::rerun-if-env-changed=BEDSIDE_TEST_SQLITE_ONLY");
    println!("cargo::rustc-check-cfg=cfg(sqlite_only)");
    if std::env::var("BEDSIDE_TEST_SQLITE_ONLY").is_ok_and(|value| value == "1") {
        println!("cargo::rustc-cfg=sqlite_only");
    }
}
