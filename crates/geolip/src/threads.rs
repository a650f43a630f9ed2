//! Worker threads.

use crate::error::BoundError;

/// Runs something on so many worker threads, or on the caller's.
pub fn on_threads<T: Send>(threads: Option<usize>, run: impl FnOnce() -> T + Send) -> Result<T, BoundError> {
    match threads {
        None => Ok(run()),
        Some(threads) => rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|e| BoundError::Threads { threads, reason: e.to_string() })
            .map(|pool| pool.install(run)),
    }
}
