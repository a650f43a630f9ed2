//! Files of results: what is gone on with, what is refused, and that nothing is lost either way.

#![allow(clippy::print_stdout)] // what the long test counted

use super::*;
use crate::samples::Sample;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::{TempDir, tempdir};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Result_ {
    row: usize,
    #[serde(with = "extended")]
    value: f64,
}

fn asked(norm: &str) -> Record {
    Record::of("radius", &"0a".repeat(32)).with("norm", norm).number("tol", 0.01).numbers("clip", &[0.0, f64::INFINITY])
}

fn results() -> Vec<Result_> {
    let values = [0.1, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE / 8.0, 1e300, -1.5, 3.0];
    values.into_iter().enumerate().map(|(row, value)| Result_ { row, value }).collect()
}

/// A folder with a file that holds all results.
fn file() -> (TempDir, PathBuf, Vec<u8>) {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("results.jsonl");
    let (mut file, rows) = ResultsFile::open(&path, asked("linf")).expect("a new file");
    assert!(rows.is_empty());
    results().iter().for_each(|row| file.append(row).expect("written"));
    drop(file);
    let bytes = fs::read(&path).expect("readable");
    (folder, path, bytes)
}

fn open(path: &Path, norm: &str) -> Result<Vec<Result_>, ResultsError> {
    let (_, rows) = ResultsFile::open(path, asked(norm))?;
    Ok(rows.iter().map(|row| row.parse().expect("a result")).collect())
}

#[test]
fn results_are_read_as_they_were_written_infinities_too() {
    let (_folder, path, bytes) = file();
    assert_eq!(open(&path, "linf").expect("its own question"), results());
    assert_eq!(fs::read(&path).expect("there"), bytes, "reading changes nothing");
    assert_eq!(bytes.split(|byte| *byte == b'\n').count(), results().len() + 2);
    let nan = Result_ { row: 0, value: f64::NAN };
    let (mut file, _) = ResultsFile::open(&path, asked("linf")).expect("its own question");
    file.replace([&nan].into_iter()).expect("written");
    drop(file);
    assert!(open(&path, "linf").expect("its own question")[0].value.is_nan());
}

#[test]
fn another_question_is_refused_with_every_difference() {
    let (_folder, path, bytes) = file();
    let refused = |record: Record| match ResultsFile::open(&path, record) {
        Err(ResultsError::Question { difference, .. }) => difference,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(asked("l2")), "norm is linf there and l2 here");
    assert_eq!(refused(asked("linf").with("row", 3)), "row is not given there and 3 here");
    let other = Record::of("radius", &"0b".repeat(32)).with("norm", "linf").number("tol", 0.5);
    assert_eq!(
        refused(other),
        "network is 0a0a0a0a0a0a0a0a… there and 0b0b0b0b0b0b0b0b… here, tol is 0.01 there and 0.5 here, \
         clip is [0.0,\"inf\"] there and not given here"
    );
    assert_eq!(fs::read(&path).expect("there"), bytes);
}

#[test]
fn samples_with_other_numbers_labels_or_rows_are_other_data() {
    let sample = |row, label, x: f64| [Sample { row, label, input: vec![x, 1.0] }];
    let all = [sample(0, None, 0.5), sample(1, None, 0.5), sample(0, Some(0), 0.5), sample(0, None, 0.25)];
    let hashes: std::collections::HashSet<String> = all.iter().map(|samples| hash_of_samples(samples)).collect();
    assert_eq!(hashes.len(), all.len());
    assert_ne!(hash_of_samples(&sample(0, None, 0.0)), hash_of_samples(&sample(0, None, -0.0)));
}

#[test]
fn whatever_else_is_there_is_refused_and_kept() {
    let folder = tempdir().expect("a folder");
    let path = folder.path().join("x");
    for other in
        ["0", "1,2,3", "{", "{}\n", "\n", "{\"format\":\"geolip-results\"}\n", "{\"center\":\"data.csv\"}\n", "\0\0\0"]
    {
        fs::write(&path, other).expect("writable");
        let error = open(&path, "linf").expect_err(other);
        assert!(
            matches!(error, ResultsError::Foreign { .. } | ResultsError::Line { line: 1, .. }),
            "{other:?}: {error}"
        );
        assert_eq!(fs::read_to_string(&path).expect("there"), other);
    }
    assert!(matches!(open(folder.path(), "linf"), Err(ResultsError::Unusable { .. })));
    assert!(matches!(open(Path::new("/dev/null"), "linf"), Err(ResultsError::Unusable { .. })));
    fs::write(&path, "").expect("writable");
    assert_eq!(open(&path, "linf").expect("an empty file is taken"), []);
}

#[test]
fn a_file_is_cut_only_where_a_killed_run_left_half_a_line() {
    let (_folder, path, bytes) = file();
    let ends: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] == b'\n').map(|i| i + 1).collect();
    for cut in 0..bytes.len() {
        fs::write(&path, &bytes[..cut]).expect("writable");
        let opened = open(&path, "linf");
        let left = fs::read(&path).expect("there");
        let whole = ends.iter().copied().filter(|end| *end <= cut).max();
        match (whole, opened) {
            (Some(whole), Ok(rows)) => {
                assert_eq!((rows.as_slice(), left.as_slice()), (&results()[..rows.len()], &bytes[..whole]), "{cut}");
            }
            (None, Ok(rows)) => assert_eq!((rows.as_slice(), left.as_slice()), (&[][..], &bytes[..ends[0]]), "{cut}"),
            (None, Err(ResultsError::Foreign { .. })) => assert_eq!((left.as_slice(), cut < 27), (&bytes[..cut], true)),
            (_, Err(error)) => panic!("{cut}: {error}"),
        }
    }
    let half = &bytes[..bytes.len() - 9];
    fs::write(&path, half).expect("writable");
    let whole = ResultsFile::open_whole(&path, asked("linf"));
    assert!(
        matches!(whole, Err(ResultsError::Line { line: 9, .. })),
        "a file that is replaced is never left like that"
    );
    assert_eq!(fs::read(&path).expect("there"), half);
    let noted = [&bytes[..], b"look at row 3 again"].concat();
    fs::write(&path, &noted).expect("writable");
    assert!(matches!(open(&path, "linf"), Err(ResultsError::Line { line: 10, .. })), "a note is no half line");
    assert_eq!(fs::read(&path).expect("there"), noted);
}

#[test]
fn lines_that_were_edited_doubled_moved_or_taken_out_are_named() {
    let (_folder, path, bytes) = file();
    let text = String::from_utf8(bytes).expect("text");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let edited = text.replacen("\"value\":0.1", "\"value\":9.1", 1);
    let order = |order: &[usize]| order.iter().map(|i| lines[*i]).collect::<String>();
    let cases = [
        (edited, 2),
        (order(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 8]), 10),
        (order(&[0, 1, 1, 2]), 3),
        (order(&[0, 2, 1]), 2),
        (order(&[0, 1, 3]), 3),
        (text.replace('\n', "\r\n"), 1),
        (text.replacen("\"tol\":0.01", "\"tol\":0.02", 1), 1),
        (text.replacen('\n', "\n\n", 1), 2),
    ];
    for (spoilt, expected) in cases {
        fs::write(&path, &spoilt).expect("writable");
        match open(&path, "linf") {
            Err(ResultsError::Line { line, .. }) => assert_eq!(line, expected, "{spoilt}"),
            other => panic!("{other:?} of {spoilt}"),
        }
        assert_eq!(fs::read_to_string(&path).expect("there"), spoilt);
    }
}

#[test]
fn two_runs_on_one_file_are_kept_apart_also_while_it_is_replaced() {
    let (_folder, path, bytes) = file();
    let (mut first, _) = ResultsFile::open(&path, asked("linf")).expect("its own question");
    assert!(matches!(open(&path, "linf"), Err(ResultsError::Busy { .. })));
    first.replace(results().iter()).expect("written");
    assert!(matches!(open(&path, "linf"), Err(ResultsError::Busy { .. })), "the new file is locked, too");
    first.append(&results()[0]).expect("written");
    drop(first);
    let after = fs::read(&path).expect("there");
    assert!(after.starts_with(&bytes) && after.len() > bytes.len());
}

/// One of the ways in which files are spoilt.
fn spoilt(rng: &mut ChaCha8Rng, bytes: &[u8]) -> Vec<u8> {
    let mut spoilt = bytes.to_vec();
    let at = rng.random_range(0..spoilt.len());
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let (one, other) = (rng.random_range(0..lines.len()), rng.random_range(0..lines.len()));
    match rng.random_range(0..9) {
        0 => spoilt[at] ^= 1 << rng.random_range(0..8),
        1 => spoilt.truncate(at),
        2 => spoilt[at] = b"0123456789-.,:{}[]\"\n\0\xff"[rng.random_range(0..22)],
        3 => drop(spoilt.drain(at..(at + rng.random_range(0..40)).min(bytes.len()))),
        4 => spoilt.splice(at..at, bytes[..rng.random_range(0..bytes.len())].iter().copied()).for_each(drop),
        5 => {
            lines.insert(one, lines[other]);
            spoilt = lines.concat();
        }
        6 => {
            lines.swap(one, other);
            spoilt = lines.concat();
        }
        7 => {
            lines.remove(one);
            spoilt = lines.concat();
        }
        _ => spoilt.extend((0..rng.random_range(1..30)).map(|_| rng.random::<u8>())),
    }
    spoilt
}

/// Refused, with every byte still there; or gone on with, and then what was cut off is no whole line, and what is left is right.
fn stress(seed: u64, count: usize) -> [usize; 2] {
    let (_folder, path, bytes) = file();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut counts = [0; 2];
    for _ in 0..count {
        let mut bad = spoilt(&mut rng, &bytes);
        if rng.random_range(0..4) == 0 && !bad.is_empty() {
            bad = spoilt(&mut rng, &bad);
        }
        fs::write(&path, &bad).expect("writable");
        let opened = open(&path, "linf");
        let left = fs::read(&path).expect("never lost");
        match opened {
            Ok(rows) => {
                counts[0] += 1;
                assert_eq!(rows, results()[..rows.len()]);
                assert!(bytes.starts_with(&left), "what is left are lines as they were written");
                assert!(bad.starts_with(&left) || bytes.starts_with(&bad), "nothing but the end was touched");
                assert!(!bad[left.len().min(bad.len())..].contains(&b'\n'), "no whole line was cut off");
            }
            Err(_) => {
                counts[1] += 1;
                assert_eq!(left, bad, "what is refused stays as it is");
            }
        }
    }
    counts
}

#[test]
fn spoilt_files_are_refused_or_gone_on_with() {
    let [resumed, refused] = stress(1, 2000);
    assert!(resumed > 100 && refused > 1000, "{resumed} {refused}");
}

#[test]
#[ignore = "minutes: run by hand"]
fn many_spoilt_files_are_refused_or_gone_on_with() {
    let [resumed, refused] = stress(2, 100_000);
    println!("100000 spoilt files: {resumed} gone on with, {refused} refused");
}
