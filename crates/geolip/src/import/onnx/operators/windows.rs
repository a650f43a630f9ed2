//! How a window moves over the axes of a tensor: what Conv, ConvTranspose and the pools have in common.

use crate::import::Quoted;
use crate::import::onnx::Reason;
use crate::import::onnx::call::Call;

/// The largest stride, dilation, pad or size of a kernel: small enough that none of the arithmetic here overflows.
const LARGEST: usize = 1 << 24;

/// A window on one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    /// The size of the axis.
    pub(super) input: usize,
    /// The number of places the window stops at.
    pub(super) output: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Padding before the axis.
    pub(super) before: usize,
    /// Padding behind it.
    pub(super) after: usize,
}

impl Window {
    /// From the first entry the window sees to one behind the last.
    pub(super) fn reach(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// The places on the axis, padding included and counted, of the entries at a stop.
    fn places(&self, stop: usize) -> impl Iterator<Item = usize> {
        let (start, dilation) = (stop * self.stride, self.dilation);
        (0..self.kernel).map(move |tap| start + tap * dilation)
    }

    /// The entries seen at a stop, in order; padding is no entry.
    pub(super) fn seen(&self, stop: usize) -> impl Iterator<Item = usize> {
        let (before, input) = (self.before, self.input);
        self.places(stop).filter_map(move |place| place.checked_sub(before)).filter(move |at| *at < input)
    }

    /// How many entries and zeros of the padding are seen at a stop.
    pub(super) fn seen_with_padding(&self, stop: usize) -> usize {
        let end = self.before + self.input + self.after;
        self.places(stop).filter(|place| *place < end).count()
    }
}

/// How padding is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AutoPad {
    /// As the file says.
    NotSet,
    /// Not at all.
    Valid,
    /// So that the output is as large as the input divided by the stride, an odd entry at the end.
    SameUpper,
    /// The same, with an odd entry at the beginning.
    SameLower,
}

impl AutoPad {
    /// Splits padding into what is before and after the axis.
    pub(super) fn halves(self, whole: usize) -> (usize, usize) {
        let small = whole / 2;
        if self == Self::SameUpper { (small, whole - small) } else { (whole - small, small) }
    }
}

/// The attributes of a moving window, as far as a file gives them.
pub(super) struct Moves {
    pub(super) auto_pad: AutoPad,
    pub(super) strides: Vec<usize>,
    pub(super) dilations: Vec<usize>,
    /// Before and after every axis.
    pub(super) pads: Vec<(usize, usize)>,
}

impl Moves {
    /// Reads the attributes for `rank` axes; where an operator has no dilations, `dilated` is false.
    pub(super) fn read(call: &mut Call<'_>, rank: usize, dilated: bool) -> Result<Self, Reason> {
        let auto_pad = auto_pad(call)?;
        let strides = list(call, "strides", rank, 1)?.unwrap_or_else(|| vec![1; rank]);
        let dilations = if dilated { list(call, "dilations", rank, 1)? } else { None };
        let pads = list(call, "pads", 2 * rank, 0)?.unwrap_or_else(|| vec![0; 2 * rank]);
        if auto_pad != AutoPad::NotSet && pads.iter().any(|pad| *pad > 0) {
            return Err("has both pads and auto_pad".to_owned());
        }
        let (before, after) = pads.split_at(rank);
        let pads = before.iter().copied().zip(after.iter().copied()).collect();
        Ok(Self { auto_pad, strides, dilations: dilations.unwrap_or_else(|| vec![1; rank]), pads })
    }

    /// The windows over axes of the given sizes. With `ceil`, a last window may reach beyond the padding.
    pub(super) fn windows(&self, sizes: &[usize], kernel: &[usize], ceil: bool) -> Result<Vec<Window>, Reason> {
        (0..sizes.len())
            .map(|axis| {
                let (before, after) = self.pads[axis];
                let (stride, dilation) = (self.strides[axis], self.dilations[axis]);
                let window =
                    Window { input: sizes[axis], output: 0, kernel: kernel[axis], stride, dilation, before, after };
                self.stopping(window, ceil)
            })
            .collect()
    }

    /// The window with the number of its stops, and the padding that gives it.
    fn stopping(&self, window: Window, ceil: bool) -> Result<Window, Reason> {
        let Window { input, stride, .. } = window;
        if matches!(self.auto_pad, AutoPad::SameUpper | AutoPad::SameLower) {
            let output = input.div_ceil(stride);
            let whole = (output.saturating_sub(1) * stride + window.reach()).saturating_sub(input);
            let (before, after) = self.auto_pad.halves(whole);
            return Ok(Window { output, before, after, ..window });
        }
        let Window { before, after, .. } = window;
        let room = (input + before + after).checked_sub(window.reach()).ok_or_else(|| {
            format!("moves a window of {} over an axis of {} with its padding", window.reach(), input + before + after)
        })?;
        let mut steps = if ceil { room.div_ceil(stride) } else { room / stride };
        if ceil && steps * stride >= input + before {
            steps -= 1; // a last window that would begin behind the axis
        }
        Ok(Window { output: steps + 1, ..window })
    }
}

fn auto_pad(call: &mut Call<'_>) -> Result<AutoPad, Reason> {
    match call.attributes.text("auto_pad", "NOTSET")?.as_str() {
        "NOTSET" => Ok(AutoPad::NotSet),
        "VALID" => Ok(AutoPad::Valid),
        "SAME_UPPER" => Ok(AutoPad::SameUpper),
        "SAME_LOWER" => Ok(AutoPad::SameLower),
        other => Err(format!("has auto_pad = {}, which is not defined", Quoted(other))),
    }
}

/// The size of the kernel, which has to be there.
pub(super) fn kernel(call: &mut Call<'_>, rank: usize) -> Result<Vec<usize>, Reason> {
    list(call, "kernel_shape", rank, 1)?.ok_or_else(|| "lacks its kernel_shape".to_owned())
}

/// A list of sizes, one for each axis, none below `least`.
pub(super) fn list(call: &mut Call<'_>, name: &str, count: usize, least: usize) -> Result<Option<Vec<usize>>, Reason> {
    let Some(given) = call.attributes.integers(name)? else { return Ok(None) };
    let sizes = given.iter().map(|&v| usize::try_from(v).ok().filter(|v| (least..=LARGEST).contains(v)));
    let sizes = sizes.collect::<Option<Vec<usize>>>().filter(|sizes| sizes.len() == count);
    sizes
        .map(Some)
        .ok_or_else(|| format!("has {name} = {given:?}; {count} numbers from {least} to {LARGEST} are needed"))
}
