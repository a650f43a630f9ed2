//! Spoilt weight lists and data files, at random: an error, or, where the format has a checksum, the truth. Nothing panics,
//! and nothing takes more memory than a small file can ask for.
//!
//! `GEOLIP_SPOIL=100000 cargo test --release --test import_spoilt -- --nocapture` makes that many of each kind.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use geolip::import::{ImportOptions, from_bytes};
use geolip::samples::load_samples;
use std::io::{Cursor, Write};
use std::path::Path;
use support::files::{root, shared};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Files of each kind that are spoilt, unless it is said otherwise.
const FEW: usize = 2000;

fn count() -> usize {
    std::env::var("GEOLIP_SPOIL").ok().and_then(|text| text.parse().ok()).unwrap_or(FEW)
}

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) % below.max(1) as u64) as usize
    }

    /// One to three changes: bits, bytes, huge numbers; cuts; pieces left out, doubled, or moved.
    fn spoil(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..=self.roll(3) {
            let (at, length) = (self.roll(bytes.len()), 1 + self.roll(64));
            let end = (at + length).min(bytes.len());
            match self.roll(9) {
                0 | 1 if !bytes.is_empty() => bytes[at] ^= 1 << self.roll(8),
                2 if !bytes.is_empty() => bytes[at] = self.roll(256) as u8,
                3 => bytes[at..(at + 4).min(end)].fill(0xff),
                4 => bytes.truncate(at),
                5 => drop(bytes.drain(at..end)),
                6 => {
                    let piece = bytes[at..end].to_vec();
                    let place = self.roll(bytes.len());
                    bytes.splice(place..place, piece);
                }
                7 => bytes[at..end].reverse(),
                _ => {
                    let digits = [&b"99999999999"[..], b",", b"\n", b"nan", b"1e999", b"-", b"\"", b"\0"];
                    bytes.splice(at..at, digits[self.roll(digits.len())].iter().copied());
                }
            }
        }
        bytes
    }
}

/// The most memory that this process has taken, in MiB; 0 where the system does not say.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()).unwrap_or(0) / 1024
}

/// W1, b1, W2 of 3 × 2 and 2 × 3 numbers, and how they are kept.
fn npz(method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, shape, count) in [("W1", "(3, 2)", 6), ("b1", "(3,)", 3), ("W2", "(2, 3)", 6)] {
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(&npy(shape, count)).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn npy(shape: &str, count: usize) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let numbers = (0..count).flat_map(|i| (1.0 / (i + 2) as f64).to_le_bytes());
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat().into_iter().chain(numbers).collect()
}

fn safetensors() -> Vec<u8> {
    let header = r#"{"0.weight":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},"2.weight":{"dtype":"F64","shape":[1,3],"data_offsets":[24,48]}}"#;
    let numbers = (0..6).flat_map(|i| (i as f32).to_le_bytes()).chain((0..3).flat_map(|i| f64::from(i).to_le_bytes()));
    let length = (header.len() as u64).to_le_bytes();
    length.into_iter().chain(header.bytes()).chain(numbers).collect()
}

fn hash(bytes: &[u8], name: &str) -> Option<String> {
    match from_bytes(bytes, Path::new(name), &ImportOptions::default()) {
        Ok(imported) => Some(imported.network.hash()),
        Err(error) => {
            let text = error.to_string();
            assert!(text.lines().count() == 1 && text.len() < 2000, "{name}: {text:?}");
            None
        }
    }
}

#[test]
fn spoilt_weight_lists_are_refused_or_true() {
    let mut files = vec![
        ("stored.npz".to_owned(), npz(CompressionMethod::Stored), true),
        ("deflated.npz".to_owned(), npz(CompressionMethod::Deflated), true),
        ("net.safetensors".to_owned(), safetensors(), false),
    ];
    if let Some(shared) = shared() {
        for name in ["nets/lipsdp_mat/lipsdp_random_weights.mat", "nets/lipmip_mat/lipmip_40023ce1.mat"] {
            files.push((name.to_owned(), std::fs::read(shared.join(name)).unwrap(), false));
        }
    }
    let before = peak();
    for (name, whole, has_checksums) in files {
        let (truth, mut dice, mut read) = (hash(&whole, &name).expect("it is whole"), Dice(7), 0);
        for number in 0..count() {
            let bytes = dice.spoil(&whole);
            if let Some(found) = hash(&bytes, &name) {
                read += 1;
                assert!(!has_checksums || found == truth, "{name}, number {number}: another network");
            }
        }
        eprintln!("{name}: {} spoilt, {read} read", count());
    }
    assert!(peak() < before + 1024, "{} MiB, {before} before", peak());
}

#[test]
fn spoilt_data_files_are_refused_or_rows_of_numbers() {
    let folder = std::env::temp_dir().join(format!("geolip-spoilt-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = [
        ("x.csv", b"label,a,b\n1,0.5,0.25\n0,-1.5,3e-2\n2,7,8\n".to_vec()),
        ("x.txt", b"0.5 0.25\n-1.5 3e-2\n7 8\n".to_vec()),
        ("x.npy", npy("(3, 2)", 6)),
    ];
    let before = peak();
    for (name, whole) in files {
        let (path, mut dice, mut read) = (folder.join(name), Dice(11), 0);
        for number in 0..count() {
            let bytes = dice.spoil(&whole);
            std::fs::write(&path, &bytes).unwrap();
            match load_samples(&path, None) {
                Ok(table) => {
                    read += 1;
                    let width = table.rows[0].len();
                    assert!(width > 0 && table.rows.iter().all(|row| row.len() == width), "{name}, number {number}");
                    assert!(table.rows.len() * width <= bytes.len(), "{name}, number {number}");
                }
                Err(error) => assert!(error.to_string().lines().count() == 1, "{name}: {error:?}"),
            }
        }
        eprintln!("{name}: {} spoilt, {read} read", count());
    }
    let _ = std::fs::remove_dir_all(&folder);
    assert!(peak() < before + 1024, "{} MiB, {before} before", peak());
}

/// What they hold is in the models of this project, so the files are whole.
#[test]
fn the_models_of_this_project_are_read() {
    assert!(hash(&std::fs::read(root().join("models/digits-784-64-10.npz")).unwrap(), "net.npz").is_some());
}
