//! Has the crate built anew when a migration is added: `sqlx::migrate!` reads them at compile time.

#[expect(
    clippy::print_stdout,
    reason = "standard output is how a build script talks to cargo"
)]
fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
