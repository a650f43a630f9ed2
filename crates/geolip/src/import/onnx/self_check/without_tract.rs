//! What stands for the comparison with tract in a build without the feature `self-check`.

use super::{Disagreement, not_run};
use crate::import::SelfCheck;
use crate::import::onnx::proto::ModelProto;
use crate::import::onnx::translate::Translated;

/// That tract is not there.
pub(super) fn by_tract(_: &Translated, _: &ModelProto, _: usize) -> Result<SelfCheck, Disagreement> {
    Ok(not_run("this build of geolip has no tract; build it with the feature 'self-check'"))
}
