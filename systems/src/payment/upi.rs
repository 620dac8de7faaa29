//! Banks, apps and a switch.
