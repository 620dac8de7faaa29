//! Public test suites and published results, walked case by case. The data stands outside the project: in the folder
//! that `FORESHOCK_VECTORS` names, else in `../shared/vectors` beside the checkout if it is there. One file per
//! system.

mod cache;
mod folder;
mod rate_limiter;
