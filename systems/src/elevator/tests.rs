//! A bank in short stories, beside the textbook, under random traffic, and with faults.
mod faults;
mod laws;
mod stories;
mod textbook;
mod traffic;
