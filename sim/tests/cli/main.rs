//! The command as its users see it: what it prints, which exit code it ends with, which files it writes. Every
//! test runs the real program in a folder of its own.

mod causes;
mod commits;
mod files;
mod formats;
mod goldens;
mod proof;
mod reports;
mod sweeps;
mod usage;
mod why;
