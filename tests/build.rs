//! Lists tests that are not wanted as ignored, visibly: those on PostgreSQL with `BEDSIDE_TEST_SQLITE_ONLY=1`, those that take
//! long without `BEDSIDE_LONG=1`.

fn main() {
    switch("BEDSIDE_TEST_SQLITE_ONLY", "sqlite_only");
    switch("BEDSIDE_LONG", "long");
}

fn switch(variable: &str, cfg: &str) {
    println!("cargo::rerun-if-env-changed={variable}");
    println!("cargo::rustc-check-cfg=cfg({cfg})");
    if std::env::var(variable).is_ok_and(|value| value == "1") {
        println!("cargo::rustc-cfg={cfg}");
    }
}
