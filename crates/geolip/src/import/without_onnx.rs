//! What stands for the folder `onnx` in a build without the feature of that name: every file that would be read there is refused.

use crate::import::{ImportError, ImportOptions, Parts};
use std::path::Path;

/// The error that names the feature.
pub(crate) fn read(_: &[u8], path: &Path, _: Option<&Path>, _: &ImportOptions) -> Result<Parts, ImportError> {
    let reason = "this build of geolip does not read ONNX files; build it with the feature 'onnx'".to_owned();
    Err(ImportError::Malformed { path: path.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use crate::import::{ImportOptions, from_bytes};
    use std::path::Path;

    #[test]
    fn an_onnx_file_is_not_called_damaged_by_a_build_that_cannot_read_it() {
        let error = from_bytes(b"\x08\x08", Path::new("net.onnx"), &ImportOptions::default()).expect_err("no reader");
        let line = "net.onnx: this build of geolip does not read ONNX files; build it with the feature 'onnx'";
        assert_eq!(error.to_string(), line);
    }
}
