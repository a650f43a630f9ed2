//! Weight lists in archives: a damaged archive is refused, or gives the numbers of the undamaged one.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use geolip::import::{ImportError, ImportOptions, from_bytes, load};
use std::io::{Cursor, Write};
use std::path::Path;
use support::files::shared;
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

/// The hash of the network in an archive.
fn read(bytes: &[u8]) -> Result<String, ImportError> {
    from_bytes(bytes, Path::new("net.npz"), &ImportOptions::default()).map(|imported| imported.network.hash())
}

fn refused(bytes: &[u8]) -> String {
    let text = read(bytes).expect_err("a spoilt archive").to_string();
    assert!(text.lines().count() == 1 && text.starts_with("net.npz: "), "{text}");
    text
}

/// A file of float64 numbers that are all different.
fn npy(rows: usize, cols: usize) -> Vec<u8> {
    let shape = if rows == 1 { format!("({cols},)") } else { format!("({rows}, {cols})") };
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    let numbers = (0..rows * cols).flat_map(|i| (1.0 / (i + rows + 1) as f64).to_le_bytes());
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()].concat().into_iter().chain(numbers).collect()
}

/// W1, b1, … of square layers: nothing but their names tells them apart.
fn arrays() -> Vec<(String, Vec<u8>)> {
    let layer = |i: usize| [(format!("W{i}.npy"), npy(2, 2)), (format!("b{i}.npy"), npy(1, 2))];
    (1..=3).flat_map(layer).collect()
}

fn write<W: Write + std::io::Seek>(mut archive: ZipWriter<W>, options: SimpleFileOptions) -> W {
    for (number, (name, mut content)) in arrays().into_iter().enumerate() {
        *content.last_mut().unwrap() ^= number as u8; // no two arrays alike
        archive.start_file(name, options).unwrap();
        archive.write_all(&content).unwrap();
    }
    archive.finish().unwrap()
}

fn archive(method: CompressionMethod, large: bool) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(method).large_file(large);
    write(ZipWriter::new(Cursor::new(Vec::new())), options).into_inner()
}

/// As a program writes it that cannot go back: sizes and checksums follow the content.
fn streamed() -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut archive: ZipWriter<StreamWriter<Vec<u8>>> = ZipWriter::new_stream(Vec::new());
    for (name, content) in arrays() {
        archive.start_file(name, options).unwrap();
        archive.write_all(&content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn kinds() -> [(&'static str, Vec<u8>); 4] {
    [
        ("stored", archive(CompressionMethod::Stored, false)),
        ("deflated", archive(CompressionMethod::Deflated, false)),
        ("as NumPy writes it", archive(CompressionMethod::Stored, true)),
        ("streamed", streamed()),
    ]
}

#[test]
fn a_flipped_bit_never_makes_another_network() {
    for (kind, whole) in kinds() {
        let truth = read(&whole).unwrap_or_else(|error| panic!("{kind}: {error}"));
        let mut accepted = 0;
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(hash) = read(&bytes) {
                assert_eq!(hash, truth, "{kind}: bit {} of byte {}", bit % 8, bit / 8);
                accepted += 1;
            }
        }
        // times, versions and attributes
        assert!(accepted > 0 && accepted < 2 * whole.len(), "{kind}: {accepted}");
    }
}

#[test]
fn a_cut_archive_or_one_with_more_around_it_is_refused() {
    for (kind, whole) in kinds() {
        for length in 0..whole.len() {
            assert!(read(&whole[..length]).is_err(), "{kind}: {length} bytes");
        }
        for more in [&b"\0"[..], &whole, b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"] {
            assert!(read(&[&whole[..], more].concat()).is_err(), "{kind}: behind it");
            assert!(read(&[more, &whole[..]].concat()).is_err(), "{kind}: before it");
        }
    }
}

/// Where the directory of an archive begins, and the number of its members.
fn directory(bytes: &[u8]) -> usize {
    let at = bytes.len() - 6;
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// Replaces bytes of the last end-of-directory record.
fn with_end(bytes: &[u8], count: u16, size: usize) -> Vec<u8> {
    let (mut bytes, end) = (bytes.to_vec(), bytes.len() - 22);
    for at in [8, 10] {
        bytes[end + at..end + at + 2].copy_from_slice(&count.to_le_bytes());
    }
    bytes[end + 12..end + 16].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
    bytes
}

#[test]
fn a_directory_that_leaves_a_member_out_or_has_it_twice_is_refused() {
    let whole = archive(CompressionMethod::Stored, false);
    let (start, end) = (directory(&whole), whole.len() - 22);
    let entry = 46 + "W1.npy".len();
    assert_eq!(end - start, 6 * entry);
    // the last bias is missing: in the count, and in the directory, too
    assert!(refused(&with_end(&whole, 5, end - start)).contains("more members than it counts"));
    let shorter = [&whole[..end - entry], &whole[end..]].concat();
    let text = refused(&with_end(&shorter, 5, 5 * entry));
    assert!(text.contains("array 'W3' is shorter than its place in the file"), "{text}");
    // two entries for one member, under one name and under two
    let twice = [&whole[..end], &whole[start..start + entry], &whole[end..]].concat();
    assert!(refused(&with_end(&twice, 7, 7 * entry)).contains("array 'W1' is in the archive twice"));
    let mut renamed = twice.clone();
    renamed[end + 46 + 1] = b'4';
    let text = refused(&with_end(&renamed, 7, 7 * entry));
    assert!(text.contains("overlaps another member, or leaves a gap"), "{text}");
    // swapped names: in the directory alone
    let mut swapped = whole.clone();
    (swapped[start + 46 + 1], swapped[start + 2 * entry + 46 + 1]) = (b'2', b'1');
    let text = refused(&swapped);
    assert!(text.contains("is called or packed otherwise in the directory"), "{text}");
}

/// An archive with one member of zeros behind an array's header.
fn bomb(shape: &str, zeros: usize) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    archive.start_file("W1.npy", options).unwrap();
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    archive.write_all(b"\x93NUMPY\x01\x00").unwrap();
    archive.write_all(&u16::try_from(header.len()).unwrap().to_le_bytes()).unwrap();
    archive.write_all(header.as_bytes()).unwrap();
    for _ in 0..zeros >> 20 {
        archive.write_all(&vec![0; 1 << 20]).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn a_small_archive_does_not_expand_to_gigabytes() {
    let bytes = bomb("(1, 16777216)", 128 << 20);
    assert!(bytes.len() < 200_000);
    let text = refused(&bytes);
    assert!(text.contains("is too large beside the file; save it uncompressed"), "{text}");
    // it claims less than it holds
    let mut liar = bytes.clone();
    let (at, start) = (directory(&bytes) + 24, 22);
    for place in [at, start] {
        liar[place..place + 4].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    }
    assert!(refused(&liar).contains("holds more than the 1048576 bytes that it claims"));
    // more than its header says
    let text = refused(&bomb("(1, 10)", 1 << 20));
    assert!(text.contains("claims the shape [1, 10] but holds 1048576 bytes"), "{text}");
}

#[test]
fn an_encrypted_member_is_named_as_such() {
    let mut bytes = archive(CompressionMethod::Stored, false);
    let start = directory(&bytes);
    (bytes[6], bytes[start + 8]) = (bytes[6] | 1, bytes[start + 8] | 1);
    assert_eq!(refused(&bytes), "net.npz: array 'W1' is encrypted, which is not read");
}

#[test]
fn archives_with_a_wrong_checksum_are_refused() {
    let Some(shared) = shared() else { return };
    let folder = shared.join("red/doors");
    for name in ["crc_down.npz", "crc_up.npz"] {
        let text = load(&folder.join(name), &ImportOptions::default()).expect_err(name).to_string();
        assert!(text.ends_with("array 'W1' does not have its checksum; the archive is damaged"), "{text}");
    }
    for name in ["one.npz", "n.npz", "cmp_1.npz"] {
        assert!(load(&folder.join(name), &ImportOptions::default()).is_ok(), "{name}");
    }
}
