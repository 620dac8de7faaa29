//! A lot in short stories, under random commands, across crashes, and as the loss system of the textbooks.
mod erlang;
mod laws;
mod offline;
mod stories;
