//! What a program that goes on running says on standard output.

use std::fmt::Display;
use std::io::Write as _;

/// Says a line. `println!` would panic where nobody reads any more, as with `| head`, and take the watch down with it;
/// what is said here is for a person looking on, so nothing is lost that the watch needs.
pub fn say(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// [`say`] with the form of `println!`.
macro_rules! tell {
    ($($line:tt)*) => { $crate::say::say(format_args!($($line)*)) };
}
pub(crate) use tell;
