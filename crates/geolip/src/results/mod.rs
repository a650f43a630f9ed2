//! Files that hold results and are gone on with after an interruption: `radius --results`, the checkpoint of an exact search.
//!
//! # The format
//!
//! Lines of JSON. The first is the record of the question: `format` (`"geolip-results"`) and `version`, the version of
//! `geolip`, the `command`, the hash of the `network`, and everything else that the results depend on. The others are results.
//! Every line ends with a member `hash`: 16 hexadecimal digits of the SHA-256 of this line and all before it. So a line that
//! was edited, damaged, taken out, doubled or moved is found, with its number, and so are lines under another record.
//!
//! **What that protects from** is accidents and editing by hand, not somebody who works out the hashes anew: results are
//! believed as they stand. (Of a checkpoint nothing is believed: its proofs are checked again.)
//!
//! # What happens to a file that is there
//!
//! An empty one is taken. One with another record is refused, with every difference; one with no record is refused, whatever
//! it is; neither is changed. Of one with this record, a last line without its end, as a killed run leaves it, is cut off where lines are added one by one. A
//! lock on the open file keeps two runs apart; it ends with the process, however that ends.
//!
//! | file | one idea |
//! | --- | --- |
//! | `record.rs` | the question, and how two of them differ |
//! | `lines.rs` | lines and their hashes: writing and reading |
//! | `file.rs` | the file: its lock, what is added to it, what replaces it |

pub(crate) mod extended;
mod file;
mod lines;
mod record;

pub use file::{ResultsError, ResultsFile};
pub use lines::Row;
pub use record::{Record, hash_of_samples};

#[cfg(test)]
mod tests;
