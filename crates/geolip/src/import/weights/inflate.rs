//! Compressed content to bytes: to its very end, never more than was announced. Not what the bytes mean.

use flate2::{Decompress, FlushDecompress, Status};

/// What all compressed content of a file may take together: far more than weights compress to, and little beside a
/// computer's memory.
pub(crate) fn budget(bytes: &[u8]) -> u64 {
    (64 * bytes.len() as u64).max(64 << 20)
}

/// Inflates `packed`, which has to end where the stream ends and hold at most `size` bytes. The checksum of a stream
/// with zlib's header is verified; a bare one (`zlib` is false) has none.
///
/// Memory grows with what is there, not with what is claimed.
pub(super) fn inflate(packed: &[u8], zlib: bool, size: u64) -> Result<Vec<u8>, String> {
    const STEP: usize = 1 << 16;
    let most = usize::try_from(size).ok().and_then(|size| size.checked_add(1)).ok_or("is too large")?;
    let mut decompress = Decompress::new(zlib);
    let mut content = Vec::new();
    loop {
        if content.len() == content.capacity() {
            content.reserve(content.len().max(STEP).min(most - content.len()));
        }
        let (before, length) = (decompress.total_in(), content.len());
        let rest = usize::try_from(before).ok().and_then(|read| packed.get(read..)).unwrap_or_default();
        let status = decompress
            .decompress_vec(rest, &mut content, FlushDecompress::None)
            .map_err(|error| format!("does not decompress: {error}"))?;
        if content.len() >= most {
            return Err(format!("holds more than the {size} bytes that it claims"));
        }
        if status == Status::StreamEnd {
            break;
        }
        if decompress.total_in() == before && content.len() == length && content.len() < content.capacity() {
            return Err("is cut short in its compressed content".to_owned());
        }
    }
    if decompress.total_in() == packed.len() as u64 {
        Ok(content)
    } else {
        Err("has bytes behind its compressed content".to_owned())
    }
}
