//! A network to its canonical file: one node per line, so that files can be compared by line.

use super::{CanonicalError, FORMAT, LONGEST, LONGEST_TOTAL, VERSION, within_limits};
use crate::network::{Activation, Convolution, LinearMap, Network, Op};
use std::io::{self, Write};

impl Network {
    /// Writes the canonical file of this network (`docs/canonical.md`): everything a bound depends on, with exact numbers.
    ///
    /// ```
    /// use geolip_check::network::{Activation, LinearMap, NetworkBuilder};
    ///
    /// let mut b = NetworkBuilder::new(1)?;
    /// let h = b.affine("h", vec![(b.input(), LinearMap::Scale(vec![0.5]))], Some(vec![-1.0]))?;
    /// let z = b.activate("z", h, Activation::Relu)?;
    /// let mut file = Vec::new();
    /// b.finish(z).export(&mut file)?;
    /// assert_eq!(String::from_utf8(file)?, r#"{"format":"geolip-network","version":1,"nodes":[
    /// {"input":1},
    /// {"affine":{"terms":[{"parent":0,"map":{"scale":[0.5]}}],"bias":[-1.0]}},
    /// {"activate":{"parent":1,"function":"relu","parameters":[]}}
    /// ],"output":2}
    /// "#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The file cannot be written, or the network is beyond the limits of the format.
    pub fn export(&self, to: &mut impl Write) -> Result<(), CanonicalError> {
        writable(self).map_err(|reason| CanonicalError::Unwritable { reason })?;
        write!(to, "{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\"nodes\":[")?;
        for (index, node) in self.nodes().iter().enumerate() {
            to.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            match &node.op {
                Op::Input => write!(to, "{{\"input\":{}}}", node.len)?,
                Op::Affine { terms, bias } => {
                    to.write_all(b"{\"affine\":{\"terms\":[")?;
                    for (place, term) in terms.iter().enumerate() {
                        let comma = if place == 0 { "" } else { "," };
                        write!(to, "{comma}{{\"parent\":{},\"map\":", term.parent.index())?;
                        map(&term.map, to)?;
                        to.write_all(b"}")?;
                    }
                    to.write_all(b"],\"bias\":")?;
                    match bias {
                        Some(bias) => numbers(bias, to)?,
                        None => to.write_all(b"null")?,
                    }
                    to.write_all(b"}}")?;
                }
                Op::Activate { parent, activation } => {
                    let (parent, name) = (parent.index(), activation.name());
                    write!(to, "{{\"activate\":{{\"parent\":{parent},\"function\":\"{name}\",\"parameters\":")?;
                    numbers(&activation.parameters(), to)?;
                    to.write_all(b"}}")?;
                }
                Op::Combine { parents: [p, q], combination } => {
                    let (p, q, name) = (p.index(), q.index(), combination.name());
                    write!(to, "{{\"combine\":{{\"parents\":[{p},{q}],\"function\":\"{name}\"}}}}")?;
                }
            }
        }
        Ok(write!(to, "\n],\"output\":{}}}\n", self.output().index())?)
    }
}

/// What keeps a network from being written, if anything: what the reader would refuse.
fn writable(network: &Network) -> Result<(), String> {
    let total = network.nodes().iter().try_fold(0_usize, |sum, node| match node.len {
        len if len > LONGEST => None,
        len => sum.checked_add(len),
    });
    if total.is_none_or(|total| total > LONGEST_TOTAL) {
        return Err(format!("its nodes hold more than {LONGEST} numbers, or {LONGEST_TOTAL} together"));
    }
    for (_, _, activation) in network.activations() {
        let finite = activation.parameters().iter().all(|p| p.is_finite());
        if !finite && !matches!(activation, Activation::Clip { .. }) {
            return Err(format!("the activation {activation} has an infinite parameter"));
        }
    }
    let convolutions = network.terms().filter_map(|term| convolution(&term.map));
    for convolution in convolutions {
        if !within_limits(convolution.shape()) {
            return Err(
                "a convolution's strides, or these times its kernel, are beyond the limits of the format".to_owned()
            );
        }
    }
    Ok(())
}

fn convolution(map: &LinearMap) -> Option<&Convolution> {
    match map {
        LinearMap::Convolution(convolution) => Some(convolution),
        LinearMap::Transpose(map) => convolution(map),
        LinearMap::Identity(_) | LinearMap::Scale(_) | LinearMap::Dense(_) | LinearMap::Gather(_) => None,
    }
}

fn map(map: &LinearMap, to: &mut impl Write) -> io::Result<()> {
    match map {
        LinearMap::Identity(n) => return write!(to, "{{\"identity\":{n}}}"),
        LinearMap::Scale(s) => {
            to.write_all(b"{\"scale\":")?;
            numbers(s, to)?;
        }
        LinearMap::Dense(w) => {
            write!(to, "{{\"dense\":{{\"rows\":{},\"cols\":{},\"weights\":", w.rows(), w.cols())?;
            numbers(w.data(), to)?;
            to.write_all(b"}")?;
        }
        LinearMap::Convolution(c) => {
            let s = c.shape();
            let channels = [("in_channels", s.in_channels), ("out_channels", s.out_channels), ("groups", s.groups)];
            let sizes = [
                ("input", s.input),
                ("output", s.output),
                ("kernel", s.kernel),
                ("stride", s.stride),
                ("dilation", s.dilation),
                ("pad", s.pad),
            ];
            to.write_all(b"{\"convolution\":{")?;
            for (name, n) in channels {
                write!(to, "\"{name}\":{n},")?;
            }
            for (name, [z, y, x]) in sizes {
                write!(to, "\"{name}\":[{z},{y},{x}],")?;
            }
            to.write_all(b"\"weights\":")?;
            numbers(c.weights().data(), to)?;
            to.write_all(b"}")?;
        }
        LinearMap::Gather(g) => {
            write!(to, "{{\"gather\":{{\"cols\":{},\"sources\":[", g.cols())?;
            for (place, source) in g.sources().enumerate() {
                to.write_all(if place == 0 { b"" } else { b"," })?;
                match source {
                    Some(j) => write!(to, "{j}")?,
                    None => to.write_all(b"null")?,
                }
            }
            to.write_all(b"]}")?;
        }
        LinearMap::Transpose(inner) => {
            to.write_all(b"{\"transpose\":")?;
            self::map(inner, to)?;
        }
    }
    to.write_all(b"}")
}

/// The shortest decimals that read back as the same doubles; the infinite ends of a clip as texts.
fn numbers(list: &[f64], to: &mut impl Write) -> io::Result<()> {
    to.write_all(b"[")?;
    for (place, number) in list.iter().enumerate() {
        to.write_all(if place == 0 { b"" } else { b"," })?;
        match number.is_infinite() {
            true => write!(to, "\"{number}\"")?,
            false => serde_json::to_writer(&mut *to, number)?,
        }
    }
    to.write_all(b"]")
}
