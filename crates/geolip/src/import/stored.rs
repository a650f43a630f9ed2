//! Files as they are stored: compressed by gzip, or not there at all but for a pointer of Git LFS. Not what they hold.

use super::ImportError;
use crate::import::weights::budget;
use flate2::bufread::GzDecoder;
use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

/// How a file begins that stands for another one, which Git LFS keeps elsewhere.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// How gzip's files begin.
const GZIP: &[u8] = b"\x1f\x8b";

/// Why a file that only points to another one is not read.
pub(crate) const IS_POINTER: &str = "a pointer of Git LFS, not the file itself; fetch the file with 'git lfs pull'";

/// What a file holds, and the name it has without its compression.
pub(crate) fn read(path: &Path) -> Result<(Vec<u8>, PathBuf), ImportError> {
    let bytes = std::fs::read(path).map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
    let (content, name) = content(&bytes, path)?;
    let name = name.into_owned();
    Ok(match content {
        Cow::Borrowed(_) => (bytes, name),
        Cow::Owned(content) => (content, name),
    })
}

/// What the bytes of a file hold, decompressed where they are compressed, and the file's name without its compression.
pub(crate) fn content<'a>(bytes: &'a [u8], path: &'a Path) -> Result<(Cow<'a, [u8]>, Cow<'a, Path>), ImportError> {
    let malformed = |reason: String| ImportError::Malformed { path: path.to_owned(), reason };
    let (content, name) = if bytes.starts_with(GZIP) {
        let is_named = path.extension().is_some_and(|found| found.eq_ignore_ascii_case("gz"));
        let name = if is_named { Cow::Owned(path.with_extension("")) } else { Cow::Borrowed(path) };
        (Cow::Owned(decompressed(bytes).map_err(malformed)?), name)
    } else {
        (Cow::Borrowed(bytes), Cow::Borrowed(path))
    };
    if is_pointer(&content) { Err(malformed(IS_POINTER.to_owned())) } else { Ok((content, name)) }
}

/// Whether bytes are a pointer of Git LFS.
pub(crate) fn is_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(POINTER)
}

/// The content of a gzip file: one stream that ends where the file ends, its checksum verified.
fn decompressed(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let most = budget(bytes);
    let mut stream = GzDecoder::new(bytes);
    let mut content = Vec::new();
    let read = stream.by_ref().take(most + 1).read_to_end(&mut content);
    read.map_err(|error| format!("damaged gzip compression: {error}"))?;
    if content.len() as u64 > most {
        return Err("decompresses to more than is plausible for its size; decompress it with gunzip".to_owned());
    }
    if !stream.into_inner().is_empty() {
        return Err("has bytes behind its gzip stream; decompress it with gunzip".to_owned());
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn fault(bytes: &[u8]) -> String {
        content(bytes, Path::new("n.onnx.gz")).expect_err("a fault").to_string()
    }

    #[test]
    fn a_compressed_file_is_what_it_holds_under_its_own_name() {
        let bytes = zipped(b"a network");
        let (found, name) = content(&bytes, Path::new("n.onnx.gz")).expect("it is whole");
        assert_eq!((found.as_ref(), name.as_ref()), (&b"a network"[..], Path::new("n.onnx")));
        let (found, name) = content(&bytes, Path::new("n.onnx")).expect("whatever its name");
        assert_eq!((found.as_ref(), name.as_ref()), (&b"a network"[..], Path::new("n.onnx")));
        let (found, name) = content(b"plain", Path::new("n.gz")).expect("not compressed");
        assert_eq!((found.as_ref(), name.as_ref()), (&b"plain"[..], Path::new("n.gz")));
    }

    #[test]
    fn damaged_compression_is_an_error() {
        let whole = zipped(&[7; 1000]);
        for length in 2..whole.len() {
            assert!(fault(&whole[..length]).contains("damaged gzip compression"), "cut to {length} bytes");
        }
        let mut spoilt = whole.clone();
        let checksum = spoilt.len() - 8;
        spoilt[checksum] ^= 1;
        assert!(fault(&spoilt).contains("damaged gzip compression"), "a wrong checksum");
        assert!(fault(&[whole.as_slice(), b"more"].concat()).contains("bytes behind its gzip stream"));
        assert!(fault(&zipped(&vec![0; 65 << 20])).contains("more than is plausible"));
    }

    #[test]
    fn a_pointer_is_called_one_compressed_or_not() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";
        for bytes in [pointer.to_vec(), zipped(pointer)] {
            assert_eq!(fault(&bytes), format!("n.onnx.gz: {IS_POINTER}"));
        }
    }
}
