//! Why the checker rejects a certificate, in words for who handed it in.

use crate::place::PlaceError;

const MIB: f64 = (1_u64 << 20) as f64;

/// Why a certificate is rejected.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Another format or version.
    #[error(
        "the file says format '{format}' version {version}; this checker reads 'geolip-certificate' versions 2 to 6"
    )]
    Format {
        /// The format it names.
        format: String,
        /// The version it names.
        version: u32,
    },
    /// It was made for another network.
    #[error(
        "the certificate is for the network {expected:.16}…, but this one is {found:.16}…; check it with its own network"
    )]
    Network {
        /// The hash in the file.
        expected: String,
        /// The hash of the network at hand.
        found: String,
    },
    /// Its region is none of this network, or its slopes are not bounded there.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// It claims nothing.
    #[error("the certificate holds no bounds; nothing is claimed")]
    Nothing,
    /// An output that the network does not have.
    #[error("output '{output}': {reason}")]
    Output {
        /// What the claim names.
        output: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A list is too short or too long.
    #[error("output '{output}': {what} has {found} numbers, but this network needs {expected}")]
    Shape {
        /// The claim.
        output: String,
        /// Which list.
        what: String,
        /// Its length.
        found: usize,
        /// The length that fits.
        expected: usize,
    },
    /// NaN, infinite or negative.
    #[error("output '{output}': {what} holds {value}; multipliers and bounds are finite and not negative")]
    Number {
        /// The claim.
        output: String,
        /// Which number.
        what: String,
        /// Its value.
        value: f64,
    },
    /// The form is not proved non-negative.
    #[error("output '{output}': the multipliers prove no bound: {reason}")]
    NotProved {
        /// The claim.
        output: String,
        /// Where the proof fails.
        reason: String,
    },
    /// A random test where an elimination would do.
    #[error(
        "output '{output}': its random test is not needed: a proof by elimination is affordable for this network; bound it \
         again to get one"
    )]
    Affordable {
        /// The claim.
        output: String,
    },
    /// Checking takes too much memory.
    #[error(
        "output '{output}': checking it takes about {:.2} MiB, more than the {:.2} MiB allowed; raise the memory limit",
        *needed / MIB,
        *limit / MIB
    )]
    Memory {
        /// The claim.
        output: String,
        /// Bytes.
        needed: f64,
        /// Bytes.
        limit: f64,
    },
    /// Making the form of a claim takes too much memory; it was given up when it had taken that.
    #[error("output '{output}': its form takes more than the {:.2} MiB allowed; raise the memory limit", *limit / MIB)]
    Form {
        /// The claim.
        output: String,
        /// Bytes.
        limit: f64,
    },
    /// No random numbers.
    #[error("the operating system provided no random numbers for a random test ({reason}); give a seed")]
    Entropy {
        /// What it said.
        reason: String,
    },
    /// The multipliers prove a larger bound only.
    #[error("output '{output}': the multipliers prove {proved}, which is more than the {claimed} claimed")]
    Claim {
        /// The claim.
        output: String,
        /// What follows from the multipliers.
        proved: f64,
        /// What was claimed.
        claimed: f64,
    },
}
